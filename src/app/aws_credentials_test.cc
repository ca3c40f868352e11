#include "app/aws_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/kafka_tokens.h"
#include "base/time_text.h"
#include "sys/temporary_folder.h"

namespace millrace::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kMinuteMs = 60'000;

class AwsCredentialsTest : public testing::Test, public Clock {
 protected:
  [[nodiscard]] WallTime wall_now() const override { return now_; }
  [[nodiscard]] MonotonicTime monotonic_now() const override { return MonotonicTime(0); }

  // Answers by "METHOD http-address target", noting the requests and a token in their headers.
  HttpAsk ask() {
    return [this](const http::Address& server, std::string_view method, const std::string& target,
                  const http::Headers& headers) -> Result<http::Response> {
      auto line = std::string(method) + " " + http::to_string(server) + target;
      for (std::size_t i = 0; i < headers.size(); ++i) {
        line += " " + std::string(headers.name(i)) + ":" + std::string(headers.value(i));
      }
      asked_.push_back(line);
      const auto found = answers_.find(target);
      if (found == answers_.end()) return disconnected_error("nobody listens");
      return http::Response{found->second.first, "", {}, found->second.second};
    };
  }
  AwsCredentials make(AwsVariables variables, const std::string& file = "",
                      const std::string& profile = "") {
    return {files_, *this, {std::move(variables), file, profile}, ask()};
  }
  static std::string key_of(AwsCredentials& source) {
    const auto found = source.get();
    return found.is_ok() ? found->credentials.access_key_id : found.status().to_string();
  }
  [[nodiscard]] std::string json(const std::string& key, std::int64_t life_ms) const {
    return R"({"Code":"Success","AccessKeyId":")" + key +
           R"(","SecretAccessKey":"s","Token":"t","Expiration":")" +
           format_wall_time(WallTime(now_.value + life_ms)) + R"("})";
  }

  sys::PosixFileSystem files_;
  sys::TemporaryFolder folder_;
  WallTime now_{1'700'000'000'000};
  std::map<std::string, std::pair<int, std::string>> answers_;
  std::vector<std::string> asked_;
};

TEST_F(AwsCredentialsTest, come_from_the_first_place_that_has_some) {
  ASSERT_TRUE(files_.make_folders(folder_ / ".aws").is_ok());
  const std::string text =
      "[default]\naws_access_key_id = FILE\naws_secret_access_key=s\n"
      "[other]\naws_access_key_id=OTHER\naws_secret_access_key=s\n";
  ASSERT_TRUE(files_.write_file_atomically(folder_ / ".aws/credentials", text).is_ok());
  AwsVariables variables{{"HOME", folder_.path()},
                         {"AWS_ACCESS_KEY_ID", "ENV"},
                         {"AWS_SECRET_ACCESS_KEY", "s"},
                         {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/c"}};
  answers_["/v2/c"] = {200, json("CONTAINER", 60 * kMinuteMs)};
  auto of_environment = make(variables);
  EXPECT_EQ(key_of(of_environment), "ENV");
  auto of_profile = make(variables, "", "other");
  EXPECT_EQ(key_of(of_profile), "OTHER");
  auto of_setting = make(variables, folder_ / ".aws/credentials");
  EXPECT_EQ(key_of(of_setting), "FILE");
  variables.erase("AWS_ACCESS_KEY_ID");
  variables.erase("AWS_SECRET_ACCESS_KEY");
  auto of_file = make(variables);
  EXPECT_EQ(key_of(of_file), "FILE");
  variables["AWS_PROFILE"] = "other";
  auto of_variable = make(variables);
  EXPECT_EQ(key_of(of_variable), "OTHER");
  variables.erase("HOME");
  variables.erase("AWS_PROFILE");
  EXPECT_THAT(asked_, ElementsAre());
  auto of_container = make(variables);
  EXPECT_EQ(key_of(of_container), "CONTAINER");
  EXPECT_THAT(asked_, ElementsAre("GET 169.254.170.2:80/v2/c"));
}

TEST_F(AwsCredentialsTest, of_a_container_are_asked_for_with_its_token) {
  ASSERT_TRUE(files_.write_file_atomically(folder_ / "token", "word\n").is_ok());
  answers_["/creds?x=1"] = {200, json("POD", 60 * kMinuteMs)};
  auto source = make({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/creds?x=1"},
                      {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", folder_ / "token"}});
  EXPECT_EQ(key_of(source), "POD");
  EXPECT_THAT(asked_, ElementsAre("GET 169.254.170.23:80/creds?x=1 Authorization:word"));
  auto elsewhere = make({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/creds"},
                         {"AWS_EC2_METADATA_DISABLED", "true"}});
  EXPECT_THAT(key_of(elsewhere), HasSubstr("own addresses only"));
  auto over_tls = make({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://x/creds"},
                        {"AWS_EC2_METADATA_DISABLED", "true"}});
  EXPECT_THAT(key_of(over_tls), HasSubstr("HTTPS is not spoken"));
}

TEST_F(AwsCredentialsTest, of_a_machine_come_by_a_session_of_imds) {
  const std::string folder = "/latest/meta-data/iam/security-credentials/";
  answers_["/latest/api/token"] = {200, "session"};
  answers_[folder] = {200, "my-role\n"};
  answers_[folder + "my-role"] = {200, json("ROLE", 60 * kMinuteMs)};
  auto source = make({});
  EXPECT_EQ(key_of(source), "ROLE");
  const std::string header = " X-aws-ec2-metadata-token:session";
  EXPECT_THAT(asked_, ElementsAre("PUT 169.254.169.254:80/latest/api/token "
                                  "X-aws-ec2-metadata-token-ttl-seconds:300",
                                  "GET 169.254.169.254:80" + folder + header,
                                  "GET 169.254.169.254:80" + folder + "my-role" + header));
  answers_[folder] = {404, ""};
  auto roleless = make({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338"}});
  EXPECT_THAT(key_of(roleless), HasSubstr("127.0.0.1:1338" + folder + " answers with status 404"));
}

TEST_F(AwsCredentialsTest, what_was_tried_is_told) {
  auto source = make({{"AWS_ACCESS_KEY_ID", "half"},
                      {"AWS_SHARED_CREDENTIALS_FILE", folder_ / "none"},
                      {"AWS_WEB_IDENTITY_TOKEN_FILE", "x"}});
  const auto said = key_of(source);
  EXPECT_THAT(said, HasSubstr("not_found: no AWS credentials"));
  EXPECT_THAT(said, HasSubstr("AWS_SECRET_ACCESS_KEY go together"));
  EXPECT_THAT(said, HasSubstr(folder_ / "none"));
  EXPECT_THAT(said, HasSubstr("the container: not set up"));
  EXPECT_THAT(said, HasSubstr("IMDS): nobody listens"));
  EXPECT_THAT(said, HasSubstr("web identities are not supported"));
}

TEST_F(AwsCredentialsTest, are_renewed_before_they_expire_and_used_until_then) {
  answers_["/c"] = {200, json("ONE", 10 * kMinuteMs)};
  auto source = make(
      {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c"}, {"AWS_EC2_METADATA_DISABLED", "true"}});
  EXPECT_EQ(key_of(source), "ONE");
  now_ = WallTime(now_.value + 5 * kMinuteMs - 1);
  EXPECT_EQ(key_of(source), "ONE");
  EXPECT_EQ(asked_.size(), 1U);
  answers_["/c"] = {500, ""};
  now_ = WallTime(now_.value + 1);
  EXPECT_EQ(key_of(source), "ONE");  // five minutes are left
  EXPECT_EQ(asked_.size(), 2U);
  now_ = WallTime(now_.value + 5 * kMinuteMs);
  EXPECT_THAT(key_of(source), HasSubstr("status 500"));
  answers_["/c"] = {200, json("TWO", 10 * kMinuteMs)};
  EXPECT_EQ(key_of(source), "TWO");
}

TEST_F(AwsCredentialsTest, of_a_file_are_looked_up_again_after_a_minute) {
  const auto write = [&](const std::string& key) {
    const auto text = "[default]\naws_access_key_id=" + key + "\naws_secret_access_key=s\n";
    ASSERT_TRUE(files_.write_file_atomically(folder_ / "c", text).is_ok());
  };
  auto source = make({}, folder_ / "c");
  write("ONE");
  EXPECT_EQ(key_of(source), "ONE");
  write("TWO");
  now_ = WallTime(now_.value + kMinuteMs - 1);
  EXPECT_EQ(key_of(source), "ONE");
  now_ = WallTime(now_.value + 1);
  EXPECT_EQ(key_of(source), "TWO");
}

TEST(AwsCredentialsFile, what_is_wrong_is_told_without_secrets) {
  const std::string text =
      "# mine\n[a]\naws_access_key_id = K\naws_secret_access_key = secret\r\n"
      "aws_session_token=tok=en\nregion = x\n[ b ]\naws_access_key_id=K\n";
  const auto found = parse_credentials_file(text, "a");
  ASSERT_TRUE(found.is_ok()) << found.status().to_string();
  EXPECT_EQ(found->secret_access_key, "secret");
  EXPECT_EQ(found->session_token, "tok=en");
  const auto why = [&](std::string_view of, std::string_view profile) {
    return parse_credentials_file(of, profile).status().to_string();
  };
  EXPECT_THAT(why(text, "b"), HasSubstr("[b] must have aws_access_key_id and"));
  EXPECT_THAT(why(text, "c"), HasSubstr("no profile [c]; there is a, b"));
  EXPECT_THAT(why("[a]\nsecret", "a"), HasSubstr("line 2"));
  EXPECT_THAT(why("[a]\nsecret", "a"), Not(HasSubstr("secret")));
}

TEST(AwsCredentialsJson, says_what_is_missing) {
  const auto why = [](std::string_view text) {
    return parse_credentials_json(text).status().to_string();
  };
  EXPECT_THAT(why("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(why(R"({"AccessKeyId":"k"})"), HasSubstr("lacks"));
  EXPECT_THAT(why(R"({"Code":"AssumeRoleUnauthorizedAccess"})"), HasSubstr("AssumeRole"));
  EXPECT_THAT(why(R"({"AccessKeyId":"k","SecretAccessKey":"s","Expiration":"soon"})"),
              HasSubstr("no time"));
  EXPECT_FALSE(parse_credentials_json(R"({"AccessKeyId":"k","SecretAccessKey":"s"})")->expires_at);
}

TEST_F(AwsCredentialsTest, a_token_for_msk_lives_no_longer_than_they_do) {
  pipeline::Config config;
  config.log_bootstrap_servers = "b-1.x.ab.c2.kafka.eu-west-1.amazonaws.com:9098";
  const AwsVariables variables{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c"},
                               {"AWS_REGION", "us-east-1"}};
  const auto expiry = [&](std::int64_t life_ms) {
    answers_["/c"] = {200, json("K", life_ms)};
    const auto source = make_msk_token_source(files_, *this, config, variables, ask()).value();
    return source()->expires_at.value - now_.value;
  };
  EXPECT_EQ(expiry(60 * kMinuteMs), 15 * kMinuteMs);
  EXPECT_EQ(expiry(10 * kMinuteMs), 10 * kMinuteMs);
  config.log_bootstrap_servers = "localhost:9092";
  EXPECT_EQ(expiry(60 * kMinuteMs), 15 * kMinuteMs);
  EXPECT_THAT(make_msk_token_source(files_, *this, config, {}, ask()).status().to_string(),
              HasSubstr("log.kafka.security.region"));
}

}  // namespace
}  // namespace millrace::app
