#include "kafka_client/client_settings.h"

#include <gtest/gtest.h>

#include "kafka_client/handle.h"

namespace millrace::kafka_client {
namespace {

KafkaLogOptions options() {
  KafkaLogOptions out;
  out.bootstrap_servers = "127.0.0.1:1";
  return out;
}

TEST(ClientSettings, a_member_commits_nothing_by_itself) {
  const auto settings = member_settings(options(), "g", "");
  EXPECT_EQ(settings.at("enable.auto.commit"), "false");
  EXPECT_EQ(settings.at("partition.assignment.strategy"), "cooperative-sticky");
  EXPECT_FALSE(settings.contains("group.instance.id"));
  EXPECT_EQ(member_settings(options(), "g", "one").at("group.instance.id"), "one");
}

TEST(ClientSettings, brokers_that_are_all_away_are_not_forgotten) {
  for (const auto& settings :
       {common_settings(options()), member_settings(options(), "g", "one")}) {
    EXPECT_EQ(settings.at("metadata.recovery.strategy"), "none");
  }
}

// Also with security: a property that librdkafka does not know, or a value that it does not take,
// shows when a client is made.
TEST(ClientSettings, are_all_known_to_the_library) {
  auto with_password = options();
  with_password.client_rack = "a";
  with_password.security.protocol = KafkaSecurity::Protocol::sasl_plaintext;
  with_password.security.sasl_mechanism = "SCRAM-SHA-512";
  with_password.security.user = "u";
  with_password.security.password = "p";
  auto with_token = options();
  with_token.security.protocol = KafkaSecurity::Protocol::sasl_ssl;
  with_token.security.sasl_mechanism = "OAUTHBEARER";
  with_token.security.token = []() -> Result<KafkaToken> { return io_error("no token here"); };
  for (const auto& one : {options(), with_password, with_token}) {
    ASSERT_TRUE(check_options(one).is_ok());
    const auto open = [&](rd_kafka_type_t type, const ClientSettings& settings) {
      return Handle::open(type, settings, one).status().to_string();
    };
    EXPECT_EQ(open(RD_KAFKA_CONSUMER, common_settings(one)), "ok");
    EXPECT_EQ(open(RD_KAFKA_CONSUMER, member_settings(one, "g", "i")), "ok");
  }
  EXPECT_NE(Handle::open(RD_KAFKA_CONSUMER, {{"no.such.property", "1"}}, options())
                .status()
                .message()
                .find("no.such.property"),
            std::string_view::npos);
}

TEST(ClientSettings, of_options_that_contradict_each_other_are_refused) {
  const auto refused = [](void (*change)(KafkaLogOptions&)) {
    auto changed = options();
    change(changed);
    return check_options(changed).code() == StatusCode::invalid;
  };
  EXPECT_TRUE(check_options(options()).is_ok());
  EXPECT_TRUE(refused([](auto& o) { o.bootstrap_servers = ""; }));
  EXPECT_TRUE(refused([](auto& o) { o.process = ""; }));
  EXPECT_TRUE(refused([](auto& o) { o.process = "a/b"; }));
  EXPECT_TRUE(refused([](auto& o) { o.replication_factor = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.transaction_timeout_ms = 999; }));
  EXPECT_TRUE(refused([](auto& o) { o.session_timeout_ms = 1'000'000; }));
  EXPECT_TRUE(refused([](auto& o) { o.security.key_path = "key.pem"; }));
  EXPECT_TRUE(refused([](auto& o) { o.security.sasl_mechanism = "PLAIN"; }));
  EXPECT_TRUE(refused([](auto& o) {
    o.security.protocol = KafkaSecurity::Protocol::sasl_ssl;
    o.security.sasl_mechanism = "GSSAPI";
    o.security.user = "u";
  }));
  EXPECT_TRUE(refused([](auto& o) {
    o.security.protocol = KafkaSecurity::Protocol::sasl_ssl;
    o.security.sasl_mechanism = "OAUTHBEARER";
  }));
}

}  // namespace
}  // namespace millrace::kafka_client
