// What is durable of users and access control entries.

#include "broker/security_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "base/random.h"
#include "broker/asked_for_tests.h"
#include "broker/security.h"
#include "log/durable_answers.h"
#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sim/fault_file_system.h"

namespace millrace::broker {
namespace {

using kafka_wire::AlterUserScramCredentialsRequest;
using kafka_wire::AlterUserScramCredentialsResponse;
using kafka_wire::CreateAclsRequest;
using kafka_wire::CreateAclsResponse;
using kafka_wire::DeleteAclsRequest;
using kafka_wire::DeleteAclsResponse;
using kafka_wire::DescribeUserScramCredentialsRequest;
using kafka_wire::ScramMechanism;
using testing::HasSubstr;

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char byte : bytes) {
    out += kDigits[static_cast<unsigned char>(byte) >> 4];
    out += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return out;
}

const Acl kAcl{
    ResourceType::topic, "orders", PatternType::prefixed, "User:a", "*", AclOperation::read,
    AclPermission::allow};

// As docs/formats/security.md has them.
TEST(SecurityRecord, the_bytes_are_those_of_the_format) {
  EXPECT_EQ(hex(encode_security_key(kAcl)),
            "0101"
            "02"
            "066f7264657273"
            "04"
            "06557365723a61"
            "012a"
            "03"
            "03");
  EXPECT_EQ(hex(encode_acl_value()), "01");
  EXPECT_EQ(hex(encode_security_key(ScramUserKey{"bob", ScramHash::sha_512})),
            "0102"
            "02"
            "03626f62");
  const ScramCredential credential{4096, "salt", std::string(32, 'k'), std::string(32, 's')};
  std::string k;
  for (int i = 0; i < 32; ++i) k += "6b";
  std::string s;
  for (int i = 0; i < 32; ++i) s += "73";
  EXPECT_EQ(hex(encode_credential(credential)),
            "01"
            "8020"
            "0473616c74"
            "20" +
                k + "20" + s);
  EXPECT_EQ(hex(encode_security_key(LoginSecretKey())), "0103");
  EXPECT_EQ(hex(encode_login_secret("0123456789abcdef")),
            "0110"
            "30313233343536373839616263646566");
}

TEST(SecurityRecord, what_was_written_is_read_again) {
  for (const SecurityKey& key :
       {SecurityKey(kAcl), SecurityKey(ScramUserKey{"a", ScramHash::sha_256}),
        SecurityKey(LoginSecretKey())}) {
    EXPECT_EQ(decode_security_key(encode_security_key(key)).value(), key);
  }
  const ScramCredential credential{5000, "salt", std::string(64, 'k'), std::string(64, 's')};
  EXPECT_EQ(decode_credential(ScramHash::sha_512, encode_credential(credential)).value(),
            credential);
}

TEST(SecurityRecord, what_is_cut_changed_or_from_the_future_is_refused) {
  const auto key = encode_security_key(kAcl);
  for (std::size_t size = 0; size < key.size(); ++size) {
    EXPECT_EQ(decode_security_key(key.substr(0, size)).status().code(), StatusCode::corrupt)
        << size;
  }
  EXPECT_EQ(decode_security_key(key + "x").status().code(), StatusCode::corrupt);
  std::string newer = key;
  newer[0] = 2;
  EXPECT_EQ(decode_security_key(newer).status().code(), StatusCode::unsupported);
  std::string other = key;
  other[1] = 9;
  EXPECT_EQ(decode_security_key(other).status().code(), StatusCode::unsupported);
  std::string impossible = key;
  impossible.back() = 1;  // any: no permission to give
  EXPECT_EQ(decode_security_key(impossible).status().code(), StatusCode::corrupt);
  const ScramCredential credential{5000, "salt", std::string(32, 'k'), std::string(32, 's')};
  EXPECT_EQ(decode_credential(ScramHash::sha_512, encode_credential(credential)).status().code(),
            StatusCode::corrupt);
}

// Security over a log on a disk in memory.
class World {
 public:
  explicit World(std::uint64_t seed = 1) : files_(seed) {
    EXPECT_TRUE(files_.make_folders("/data").is_ok());
    EXPECT_TRUE(files_.sync_folder("/").is_ok());
    open();
  }
  ~World() { close(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void open() {
    log::EmbeddedLogOptions log_options;
    log_options.folder = "/data/log";
    log_options.wal_file_bytes = 8 << 20;
    log_options.maintenance_interval_ms = 3'600'000;
    log_options.on_failure = [](const Status&) {};
    auto opened = log::EmbeddedLog::open(log_options, files_, clock_);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
    durable_ = std::make_unique<log::DurableAnswers>(*log_);
    SecurityOptions options;
    options.uses_acls = true;
    options.acls_max = acls_max;
    options.users = {{"fixed", "password"}};
    options.user_iterations = 1;
    options.authentication.mechanisms = {SaslMechanism::plain};
    security_ = std::make_unique<Security>(
        options,
        Security::Ports{.log = *log_,
                        .durable = *durable_,
                        .clock = clock_,
                        .logger = Logger("s", LogLevel::error, clock_, [](std::string_view) {}),
                        .random = [](std::size_t count) { return std::string(count, 'r'); }});
    started = security_->start();
  }
  void close() {
    EXPECT_TRUE(ledger_->wait_for_all_but(0));
    durable_.reset();
    security_.reset();
    log_.reset();
  }
  void restart(bool loses_power) {
    loses_power ? files_.crash() : files_.kill();
    close();
    files_.restart();
    open();
  }

  template <typename Response, typename Ask>
  Response ask(const Ask& ask) {
    Asked<Response> asked(ledger_);
    ask(asked.answer());
    EXPECT_TRUE(ledger_->wait_for_all_but(0));
    return asked.get();
  }
  CreateAclsResponse create(const std::vector<Acl>& acls) {
    CreateAclsRequest request;
    for (const Acl& acl : acls) {
      request.creations.push_back({static_cast<std::int8_t>(acl.resource_type), acl.resource_name,
                                   static_cast<std::int8_t>(acl.pattern_type), acl.principal,
                                   acl.host, static_cast<std::int8_t>(acl.operation),
                                   static_cast<std::int8_t>(acl.permission)});
    }
    return ask<CreateAclsResponse>([&](auto answer) { security_->create_acls(request, answer); });
  }
  DeleteAclsResponse remove(const Acl& acl) {
    DeleteAclsRequest request;
    request.filters.push_back({static_cast<std::int8_t>(acl.resource_type), acl.resource_name,
                               static_cast<std::int8_t>(acl.pattern_type), acl.principal, acl.host,
                               static_cast<std::int8_t>(acl.operation),
                               static_cast<std::int8_t>(acl.permission)});
    return ask<DeleteAclsResponse>([&](auto answer) { security_->delete_acls(request, answer); });
  }
  AlterUserScramCredentialsResponse alter(const AlterUserScramCredentialsRequest& request) {
    return ask<AlterUserScramCredentialsResponse>(
        [&](auto answer) { security_->alter_users(request, answer); });
  }
  // "alice:1:4096 ..."
  [[nodiscard]] std::string users() const {
    std::string out;
    for (const auto& user : security_->describe_users({}).results) {
      for (const auto& info : user.credential_infos) {
        out += (out.empty() ? "" : " ") + user.user + ":" +
               std::to_string(static_cast<int>(info.mechanism)) + ":" +
               std::to_string(info.iterations);
      }
    }
    return out;
  }
  [[nodiscard]] std::vector<Acl> acls() const { return security_->authorizer()->matching({}); }

  sim::FaultFileSystem& files() { return files_; }
  log::EmbeddedLog& log() { return *log_; }
  Security& security() { return *security_; }
  Status started;
  std::size_t acls_max = 1000;

 private:
  sim::FaultFileSystem files_;
  log::ManualClock clock_;
  std::shared_ptr<AnswerLedger> ledger_ = std::make_shared<AnswerLedger>();
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<log::DurableAnswers> durable_;
  std::unique_ptr<Security> security_;
};

AlterUserScramCredentialsRequest::Upsertion upsertion(const std::string& user,
                                                      ScramMechanism mechanism,
                                                      std::int32_t iterations = 4096) {
  return {user,
          mechanism,
          iterations,
          {"salt"},
          {std::string(mechanism == ScramMechanism::sha_256 ? 32 : 64, 'p')}};
}

TEST(SecurityDurability, entries_and_users_outlive_a_loss_of_power) {
  World world;
  EXPECT_EQ(world.create({kAcl}).results.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(world.create({kAcl}).results.at(0).error_code, ErrorCode::none);  // it is there
  AlterUserScramCredentialsRequest request;
  request.upsertions = {upsertion("alice", ScramMechanism::sha_256),
                        upsertion("alice", ScramMechanism::sha_512, 8192),
                        upsertion("bob", ScramMechanism::sha_256)};
  for (const auto& result : world.alter(request).results) {
    EXPECT_EQ(result.error_code, ErrorCode::none);
  }
  request = {};
  request.deletions = {{"bob", ScramMechanism::sha_256}};
  EXPECT_EQ(world.alter(request).results.at(0).error_code, ErrorCode::none);
  world.restart(true);
  EXPECT_EQ(world.users(), "alice:1:4096 alice:2:8192 fixed:1:1 fixed:2:1");
  EXPECT_THAT(world.acls(), testing::ElementsAre(kAcl));
  EXPECT_EQ(world.remove(kAcl).filter_results.at(0).matching_acls.size(), 1U);
  world.restart(true);
  EXPECT_THAT(world.acls(), testing::IsEmpty());
}

TEST(SecurityDurability, what_was_compacted_is_read_as_before) {
  World world;
  for (int i = 0; i < 5; ++i) {
    world.create({kAcl});
    world.remove(kAcl);
  }
  Acl stays = kAcl;
  stays.principal = "User:stays";
  world.create({stays});
  ASSERT_TRUE(world.log().run_maintenance().is_ok());
  world.restart(false);
  EXPECT_THAT(world.acls(), testing::ElementsAre(stays));
}

TEST(SecurityDurability, a_lost_entry_may_have_been_one_that_denies_so_nothing_starts) {
  World world;
  world.create({kAcl});
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(1), "no key", "no record", {});
  log::AppendBatch batch;
  batch.topic = kSecurityTopic;
  builder.finish(batch.bytes);
  ASSERT_TRUE(log::append_and_wait(world.log(), std::move(batch)).is_ok());
  world.restart(false);
  EXPECT_FALSE(world.started.is_ok());
  EXPECT_THAT(world.started.to_string(), HasSubstr("millrace.broker.security"));
}

TEST(SecurityUsers, what_is_wrong_with_a_credential_is_told_and_the_others_are_stored) {
  World world;
  AlterUserScramCredentialsRequest request;
  request.deletions = {{"nobody", ScramMechanism::sha_256}};
  request.upsertions = {upsertion("", ScramMechanism::sha_256),
                        upsertion("few", ScramMechanism::sha_256, 4095),
                        upsertion("many", ScramMechanism::sha_256, 16'385),
                        upsertion("unknown", ScramMechanism::unknown),
                        upsertion("twice", ScramMechanism::sha_256),
                        upsertion("twice", ScramMechanism::sha_256),
                        upsertion("fixed", ScramMechanism::sha_256),
                        upsertion("good", ScramMechanism::sha_512)};
  std::map<std::string, ErrorCode> errors;
  for (const auto& result : world.alter(request).results) errors[result.user] = result.error_code;
  const std::map<std::string, ErrorCode> expected{
      {"nobody", ErrorCode::resource_not_found},
      {"", ErrorCode::unacceptable_credential},
      {"few", ErrorCode::unacceptable_credential},
      {"many", ErrorCode::unacceptable_credential},
      {"unknown", ErrorCode::unsupported_sasl_mechanism},
      {"twice", ErrorCode::duplicate_resource},
      {"fixed", ErrorCode::unacceptable_credential},
      {"good", ErrorCode::none}};
  EXPECT_EQ(errors, expected);
  EXPECT_EQ(world.users(), "fixed:1:1 fixed:2:1 good:2:4096");
  DescribeUserScramCredentialsRequest ask;
  ask.users = {{{"nobody"}, {"good"}, {"good"}}};
  const auto described = world.security().describe_users(ask).results;
  EXPECT_EQ(described.at(0).error_code, ErrorCode::duplicate_resource);
  EXPECT_EQ(described.at(1).error_code, ErrorCode::resource_not_found);
}

TEST(SecurityAcls, there_is_a_bound) {
  World world;
  std::vector<Acl> many;
  for (int i = 0; i < 1001; ++i) {
    many.push_back(kAcl);
    many.back().principal = "User:" + std::to_string(i);
  }
  const auto results = world.create(many).results;
  EXPECT_EQ(std::count_if(results.begin(), results.end(),
                          [](const auto& one) { return one.error_code == ErrorCode::none; }),
            1000);
  EXPECT_EQ(results.back().error_code, ErrorCode::policy_violation);
}

// Random changes, and a disk that stops at any operation: what was acknowledged is there, what was
// not may be.
class SecurityModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SecurityModel, what_was_acknowledged_is_there_after_any_crash) {
  Random random(GetParam());
  World world(GetParam());
  std::map<Acl, std::optional<bool>> expected;  // nullopt: unknown
  for (int round = 0; round < 15; ++round) {
    world.files().die_after(random.below(60));
    for (int step = 0; step < 12; ++step) {
      Acl acl = kAcl;
      acl.principal = "User:" + std::to_string(random.below(6));
      const bool adds = random.below(2) == 0;
      const bool was_there = world.security().authorizer()->contains(acl);
      bool is_acknowledged = false;
      if (adds) {
        is_acknowledged = world.create({acl}).results.at(0).error_code == ErrorCode::none;
      } else {
        is_acknowledged = world.remove(acl).filter_results.at(0).error_code == ErrorCode::none;
      }
      if (is_acknowledged) {
        expected[acl] = adds;
      } else if (was_there != adds) {
        expected[acl] = std::nullopt;
      }
    }
    world.restart(random.below(2) == 0);
    ASSERT_TRUE(world.started.is_ok()) << world.started.to_string() << " seed " << GetParam();
    const auto there = world.acls();
    for (auto& [acl, is_there] : expected) {
      const bool found = std::find(there.begin(), there.end(), acl) != there.end();
      if (is_there) {
        ASSERT_EQ(found, *is_there)
            << acl.principal << " seed " << GetParam() << " round " << round;
      }
      is_there = found;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, SecurityModel, testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace millrace::broker
