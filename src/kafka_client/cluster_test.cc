#include "kafka_client/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kafka_client/fake_answers_for_tests.h"
#include "kafka_client/virtual_time_for_tests.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ApiKey;
using testing::HasSubstr;
using Kind = FakeFate::Kind;

class ClusterTest : public testing::Test {
 protected:
  MonotonicTime soon() { return clock_.monotonic_now() + 5'000'000'000; }

  VirtualTime clock_;
  KafkaLogOptions options_ = FakeCluster::options(5'000);
  FakeCluster fake_;
  BrokerPool pool_{options_, clock_, fake_.dial()};
  Cluster cluster_{pool_, clock_};
};

TEST_F(ClusterTest, a_leader_is_asked_for_once_until_it_is_forgotten) {
  fake_.broker_count = 3;
  fake_.add_topic("t", 3);
  for (std::int32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(cluster_.leader({"t", i}, soon())->node, i + 1);
  }
  EXPECT_EQ(fake_.count(ApiKey::metadata), 1);
  fake_.state.partitions[{"t", 0}].leader = 3;
  EXPECT_EQ(cluster_.leader({"t", 0}, soon())->node, 1);
  cluster_.forget("t");
  EXPECT_EQ(cluster_.leader({"t", 0}, soon())->node, 3);
  EXPECT_EQ(cluster_.leader({"t", 0}, soon())->topic_id, fake_.topic_ids["t"]);
}

TEST_F(ClusterTest, what_does_not_exist_is_said_at_once_and_found_when_it_does) {
  EXPECT_EQ(cluster_.leader({"t", 0}, soon()).status().code(), StatusCode::not_found);
  fake_.add_topic("t", 1);
  EXPECT_EQ(cluster_.leader({"t", 0}, soon())->node, 1);
  EXPECT_EQ(cluster_.leader({"t", 1}, soon()).status().code(), StatusCode::not_found);
  EXPECT_EQ(cluster_.leader({"t", -1}, soon()).status().code(), StatusCode::not_found);
  fake_.add_topic("t", 2);
  EXPECT_EQ(cluster_.leader({"t", 1}, soon())->node, 1);
}

TEST_F(ClusterTest, a_partition_without_a_leader_is_waited_for) {
  fake_.add_topic("t", 1);
  fake_.state.partitions[{"t", 0}].leader = -1;
  EXPECT_EQ(cluster_.leader({"t", 0}, soon()).status().code(), StatusCode::overloaded);
  fake_.fate = [this](std::int32_t, ApiKey) {
    if (fake_.count(ApiKey::metadata) > 10) fake_.state.partitions[{"t", 0}].leader = 1;
    return FakeFate{};
  };
  EXPECT_EQ(cluster_.leader({"t", 0}, soon())->node, 1);
}

TEST_F(ClusterTest, brokers_that_do_not_answer_are_passed_over) {
  fake_.broker_count = 3;
  fake_.add_topic("t", 1);
  ASSERT_TRUE(cluster_.leader({"t", 0}, soon()).is_ok());
  fake_.fate = [](std::int32_t node, ApiKey) {
    return node == 1 ? FakeFate{Kind::lost} : FakeFate{};
  };
  for (int i = 0; i < 6; ++i) {
    cluster_.forget("t");
    EXPECT_TRUE(cluster_.leader({"t", 0}, soon()).is_ok());
  }
  fake_.fate = [](std::int32_t, ApiKey) { return FakeFate{Kind::lost}; };
  cluster_.forget("t");
  EXPECT_EQ(cluster_.leader({"t", 0}, soon()).status().code(), StatusCode::disconnected);
}

TEST_F(ClusterTest, a_coordinator_is_asked_for_until_there_is_one) {
  fake_.coordinators["g"] = 1;
  fake_.fate = [this](std::int32_t, ApiKey api) {
    const bool is_early = api == ApiKey::find_coordinator && fake_.count(api) < 3;
    return is_early ? FakeFate{Kind::refused, ErrorCode::coordinator_not_available} : FakeFate{};
  };
  EXPECT_EQ(cluster_.coordinator(CoordinatorKind::group, "g", soon()).value(), 1);
  EXPECT_EQ(fake_.count(ApiKey::find_coordinator), 3);
  EXPECT_EQ(cluster_.coordinator(CoordinatorKind::group, "g", soon()).value(), 1);
  EXPECT_EQ(fake_.count(ApiKey::find_coordinator), 3);
}

TEST_F(ClusterTest, connections_are_kept_and_used_again_unless_they_failed) {
  fake_.add_topic("t", 1);
  ASSERT_TRUE(cluster_.leader({"t", 0}, soon()).is_ok());  // over a bootstrap server
  for (int i = 0; i < 3; ++i) {
    cluster_.forget("t");
    ASSERT_TRUE(cluster_.leader({"t", 0}, soon()).is_ok());
  }
  EXPECT_EQ(fake_.count(ApiKey::api_versions), 2);
  fake_.fate = [this](std::int32_t, ApiKey api) {
    const bool is_unlucky = api == ApiKey::metadata && fake_.count(api) == 5;
    return is_unlucky ? FakeFate{Kind::unanswered} : FakeFate{};
  };
  cluster_.forget("t");
  ASSERT_TRUE(cluster_.leader({"t", 0}, soon()).is_ok());
  EXPECT_GT(fake_.count(ApiKey::api_versions), 2);
}

TEST_F(ClusterTest, a_broker_that_asks_for_a_password_gets_the_right_one_only) {
  fake_.add_topic("t", 1);
  fake_.sasl_password = "secret";
  options_.security.sasl_mechanism = "PLAIN";
  options_.security.user = "ada";
  options_.security.password = "wrong";
  const auto refused = cluster_.leader({"t", 0}, soon()).status();
  EXPECT_EQ(refused.code(), StatusCode::invalid);
  EXPECT_THAT(refused.to_string(), HasSubstr("wrong password"));
  options_.security.password = "secret";
  EXPECT_TRUE(cluster_.leader({"t", 0}, soon()).is_ok());
  options_.security.sasl_mechanism = "SCRAM-SHA-256";
  EXPECT_THAT(pool_.to(2, soon()).status().to_string(), HasSubstr("2"));
}

TEST_F(ClusterTest, a_broker_that_refuses_a_token_says_why) {
  fake_.add_topic("t", 1);
  fake_.sasl_password = "secret";
  options_.security.sasl_mechanism = "OAUTHBEARER";
  std::string word = "wrong";
  options_.security.token = [&]() -> Result<KafkaToken> {
    if (word.empty()) return invalid_error("there is no token");
    return KafkaToken{word, "ada", WallTime(0)};
  };
  const auto refused = cluster_.leader({"t", 0}, soon()).status();
  EXPECT_EQ(refused.code(), StatusCode::invalid);
  EXPECT_THAT(refused.to_string(), HasSubstr("invalid_token"));
  EXPECT_THAT(refused.to_string(), HasSubstr("the token is another's"));
  word.clear();
  EXPECT_THAT(cluster_.leader({"t", 0}, soon()).status().to_string(),
              HasSubstr("there is no token"));
  word = "secret";
  EXPECT_TRUE(cluster_.leader({"t", 0}, soon()).is_ok());
}

TEST(BootstrapServers, are_hosts_and_ports) {
  const auto parsed = parse_bootstrap_servers("a:1, [::1]:65535 ,b.c:9092,").value();
  ASSERT_EQ(parsed.size(), 3u);
  EXPECT_EQ(parsed[0], (sys::TcpAddress{"a", 1}));
  EXPECT_EQ(parsed[1], (sys::TcpAddress{"::1", 65535}));
  EXPECT_EQ(parsed[2], (sys::TcpAddress{"b.c", 9092}));
  for (const auto* bad : {"", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "a:1,b"}) {
    EXPECT_EQ(parse_bootstrap_servers(bad).status().code(), StatusCode::invalid) << bad;
  }
}

}  // namespace
}  // namespace millrace::kafka_client
