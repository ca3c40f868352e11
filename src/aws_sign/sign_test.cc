#include "aws_sign/sign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "aws_sign/digest.h"
#include "aws_sign/msk_token.h"

namespace millrace::aws_sign {
namespace {

using testing::HasSubstr;

// One of testdata/signatures.txt, by Amazon's own libraries.
struct Golden {
  std::map<std::string, std::string> words;
  Pairs query, headers, expected;

  [[nodiscard]] std::string word(const std::string& name) const {
    const auto found = words.find(name);
    return found == words.end() ? "" : found->second;
  }
  [[nodiscard]] Request request() const {
    return {word("method"), word("path"), query, headers, word("payload")};
  }
  [[nodiscard]] Scope scope() const { return {word("region"), word("service")}; }
  [[nodiscard]] Credentials credentials() const {
    return {word("key"), word("secret"), word("token")};
  }
  [[nodiscard]] WallTime time() const { return parse_date(word("time")).value(); }
  // As it is sent.
  [[nodiscard]] Request signed_request() const {
    auto out = request();
    auto& to = word("kind") == "query" ? out.query : out.headers;
    to.insert(to.end(), expected.begin(), expected.end());
    return out;
  }
};

std::vector<Golden> goldens() {
  std::ifstream in(MILLRACE_SOURCE_DIR "/src/aws_sign/testdata/signatures.txt");
  std::vector<Golden> out;
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line.starts_with("#")) continue;
    const auto space = line.find(' ');
    const auto word = line.substr(0, space);
    const auto value = line.substr(space + 1);
    if (word == "case") out.emplace_back();
    auto& one = out.back();
    if (word == "query" || word == "header" || word == ">") {
      auto& to = word == "query" ? one.query : word == "header" ? one.headers : one.expected;
      to.push_back(parse_query(value).value().at(0));
    } else {
      one.words[word] = value;
    }
  }
  return out;
}

TEST(Sign, requests_are_signed_as_by_botocore) {
  int count = 0;
  for (const auto& golden : goldens()) {
    SCOPED_TRACE(golden.word("case"));
    const auto kind = golden.word("kind");
    if (kind == "msk") continue;
    const auto added = kind == "headers" ? sign_headers(golden.request(), golden.scope(),
                                                        golden.credentials(), golden.time())
                                         : presign_query(golden.request(), golden.scope(),
                                                         golden.credentials(), golden.time(), 900);
    EXPECT_EQ(added, golden.expected);
    ++count;
  }
  EXPECT_EQ(count, 16);
}

TEST(Sign, tokens_for_msk_are_those_of_its_own_library) {
  int count = 0;
  for (const auto& golden : goldens()) {
    if (golden.word("kind") != "msk") continue;
    const WallTime now(golden.time().value + 999);  // within that second
    EXPECT_EQ(msk_token(golden.word("region"), golden.credentials(), now, golden.word("agent")),
              golden.expected[0].second);
    EXPECT_EQ(std::to_string(msk_token_expires_at(now).value), golden.expected[1].second);
    ++count;
  }
  EXPECT_EQ(count, 2);
}

TEST(Sign, what_botocore_signs_is_verified) {
  for (const auto& golden : goldens()) {
    SCOPED_TRACE(golden.word("case"));
    if (golden.word("kind") == "msk") continue;
    const auto request = golden.signed_request();
    const auto claim = read_claim(request);
    ASSERT_TRUE(claim.is_ok()) << claim.status().to_string();
    EXPECT_EQ(claim->access_key_id, golden.word("key"));
    EXPECT_EQ(claim->scope.region, golden.word("region"));
    EXPECT_EQ(claim->scope.service, golden.word("service"));
    EXPECT_EQ(claim->session_token, golden.word("token"));
    EXPECT_TRUE(verify(request, *claim, golden.word("secret"), golden.time()).is_ok());
    EXPECT_FALSE(verify(request, *claim, "another", golden.time()).is_ok());
  }
}

// Any one character of what is covered.
TEST(Sign, a_changed_request_is_not_verified) {
  for (const auto& golden : goldens()) {
    SCOPED_TRACE(golden.word("case"));
    if (golden.word("kind") == "msk") continue;
    const auto request = golden.signed_request();
    const auto refuses = [&](const Request& changed) {
      const auto claim = read_claim(changed);
      return !claim.is_ok() ||
             !verify(changed, *claim, golden.word("secret"), golden.time()).is_ok();
    };
    ASSERT_FALSE(refuses(request));
    auto changed = request;
    changed.method += "X";
    EXPECT_TRUE(refuses(changed));
    changed = request;
    changed.path += "x";
    EXPECT_TRUE(refuses(changed));
    changed = request;
    changed.payload_hash.back() = changed.payload_hash.back() == '0' ? '1' : '0';
    EXPECT_TRUE(refuses(changed));
    for (std::size_t i = 0; i < request.query.size(); ++i) {
      changed = request;
      changed.query[i].second += "x";
      EXPECT_TRUE(refuses(changed)) << request.query[i].first;
    }
    const auto covered = headers_to_sign(request.headers);
    for (std::size_t i = 0; i < request.headers.size(); ++i) {
      changed = request;
      changed.headers[i].second += "x";
      const auto names = headers_to_sign({changed.headers[i]});
      const bool is_covered = !names.empty() || changed.headers[i].first == "authorization";
      EXPECT_EQ(refuses(changed), is_covered) << request.headers[i].first;
    }
    changed = request;
    changed.headers.emplace_back("x-amz-acl", "public-read");
    EXPECT_TRUE(refuses(changed));
  }
}

TEST(Sign, a_signature_is_good_for_a_while) {
  const Scope scope{"eu-west-1", "iam"};
  const Credentials credentials{"AKID", "secret", ""};
  const auto now = parse_date("20240229T235959Z").value();
  Request request;
  request.headers = {{"Host", "iam.amazonaws.com"}};
  request.payload_hash = kEmptyPayloadHash;
  const auto at = [](const Request& one, WallTime time) {
    const auto claim = read_claim(one);
    return claim.is_ok() ? verify(one, *claim, "secret", time).to_string()
                         : claim.status().to_string();
  };
  auto presigned = request;
  for (const auto& pair : presign_query(request, scope, credentials, now, 60)) {
    presigned.query.push_back(pair);
  }
  EXPECT_EQ(at(presigned, WallTime(now.value + 60'000)), "ok");
  EXPECT_THAT(at(presigned, WallTime(now.value + 60'001)), HasSubstr("expired"));
  EXPECT_THAT(at(presigned, WallTime(now.value - kClockSkewMsMax - 1)), HasSubstr("to come"));
  auto in_headers = request;
  for (const auto& pair : sign_headers(request, scope, credentials, now)) {
    in_headers.headers.push_back(pair);
  }
  EXPECT_EQ(at(in_headers, WallTime(now.value + kClockSkewMsMax)), "ok");
  EXPECT_THAT(at(in_headers, WallTime(now.value + kClockSkewMsMax + 1)), HasSubstr("expired"));
}

TEST(Sign, claims_that_cannot_be_right_say_why) {
  const auto why = [](const Request& request) { return read_claim(request).status().to_string(); };
  const auto of_headers = [&](const std::string& authorization, const std::string& date) {
    Request request;
    request.headers = {{"Host", "h"}, {"X-Amz-Date", date}, {"Authorization", authorization}};
    return why(request);
  };
  const std::string start = "AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws4_request, ";
  const std::string date = "20150830T123600Z";
  EXPECT_THAT(why({}), HasSubstr("not_found"));
  EXPECT_THAT(of_headers("Basic eA==", date), HasSubstr("not_found"));
  EXPECT_THAT(of_headers(start + "SignedHeaders=host;x-amz-date", date),
              HasSubstr("Signature is missing"));
  EXPECT_THAT(of_headers(start + "SignedHeaders=host, Signature=0", date),
              HasSubstr("must have x-amz-date"));
  EXPECT_THAT(of_headers(start + "SignedHeaders=x-amz-date, Signature=0", date),
              HasSubstr("must have host"));
  EXPECT_THAT(of_headers(start + "SignedHeaders=x-amz-date;host, Signature=0", date),
              HasSubstr("sorted"));
  EXPECT_THAT(of_headers(start + "SignedHeaders=host;x-amz-date, Signature=0", "20150831T000000Z"),
              HasSubstr("different days"));
  EXPECT_THAT(of_headers(start + "Signature=0, Signature=1", date), HasSubstr("missing"));
  EXPECT_THAT(of_headers(start + "Credential=B/20150830/r/s/aws4_request", date),
              HasSubstr("twice"));
  EXPECT_THAT(of_headers(start, "2015-08-30"), HasSubstr("is no date"));
  EXPECT_THAT(of_headers("AWS4-HMAC-SHA256 Credential=A/B", date), HasSubstr("KEY/YYYYMMDD"));
  Request request;
  request.query = {{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
                   {"X-Amz-Date", date},
                   {"X-Amz-Credential", "A/20150830/r/s/aws4_request"},
                   {"X-Amz-SignedHeaders", "host"},
                   {"X-Amz-Signature", "0"},
                   {"X-Amz-Expires", "604801"}};
  EXPECT_THAT(why(request), HasSubstr("from 1 to 604800"));
  request.query.back().second = "60";
  EXPECT_EQ(why(request), "ok");
  request.query.push_back(request.query.front());
  EXPECT_THAT(why(request), HasSubstr("twice"));
}

TEST(Sign, queries_are_read_back_as_they_were_written) {
  const Pairs query{{"a b", "c&d=e"}, {"", "x"}, {std::string("\0\xff%", 3), "+"}, {"n", ""}};
  EXPECT_EQ(parse_query(format_query(query)).value(), query);
  EXPECT_EQ(parse_query("a&b=1&&c=%41").value(), (Pairs{{"a", ""}, {"b", "1"}, {"c", "A"}}));
  for (const auto* wrong : {"a=%", "a=%4", "a=%4g", "%"}) {
    EXPECT_FALSE(parse_query(wrong).is_ok()) << wrong;
  }
}

TEST(Sign, brokers_of_msk_name_their_region) {
  EXPECT_EQ(region_of_broker("b-1.demo.ab12.c2.kafka.eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(region_of_broker("boot-ab.c1.kafka-serverless.us-east-2.amazonaws.com"), "us-east-2");
  EXPECT_EQ(region_of_broker("b-1.d.ab.c2.kafka.cn-north-1.amazonaws.com.cn"), "cn-north-1");
  for (const auto* other :
       {"localhost", "kafka.example.com", "a.kafka..amazonaws.com", "a.kafka.x.y.amazonaws.com"}) {
    EXPECT_EQ(region_of_broker(other), "") << other;
  }
}

// RFC 4648 section 10, without padding, and the two digits that differ.
TEST(Sign, base64url_has_no_padding) {
  EXPECT_EQ(to_base64url(""), "");
  EXPECT_EQ(to_base64url("f"), "Zg");
  EXPECT_EQ(to_base64url("fo"), "Zm8");
  EXPECT_EQ(to_base64url("foo"), "Zm9v");
  EXPECT_EQ(to_base64url("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64url("\xfb\xef\xff"), "--__");
}

}  // namespace
}  // namespace millrace::aws_sign
