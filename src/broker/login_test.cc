// Logging in, over a socket.

#include <gmock/gmock.h>

#include <thread>
#include <tuple>

#include "broker/client_for_tests.h"
#include "broker/scram.h"
#include "codec/json.h"

namespace millrace::broker {
namespace {

using kafka_wire::ApiVersionsRequest;
using kafka_wire::ApiVersionsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::MetadataRequest;
using kafka_wire::MetadataResponse;
using kafka_wire::SaslAuthenticateRequest;
using kafka_wire::SaslAuthenticateResponse;
using kafka_wire::SaslHandshakeRequest;
using kafka_wire::SaslHandshakeResponse;
using testing::ElementsAre;

std::string plain_token(const std::string& user, const std::string& password) {
  return std::string(1, '\0') + user + std::string(1, '\0') + password;
}

class LoginTest : public BrokerTest {
 protected:
  void SetUp() override {
    auto& security = options_.security;
    security.authentication.mechanisms = {kSaslMechanisms[0], kSaslMechanisms[1],
                                          kSaslMechanisms[2]};
    security.authentication.refusal_delay_ms = 1;
    security.users = {{"alice", "wonder"}};
    security.user_iterations = 16;
    options_.random = [next = 'a'](std::size_t count) mutable {
      return std::string(count, next++);
    };
    start();
  }

  static SaslHandshakeResponse choose(TestClient& client, const std::string& mechanism,
                                      std::int16_t version = 1) {
    return client.call<SaslHandshakeResponse>(SaslHandshakeRequest{.mechanism = mechanism},
                                              version);
  }
  static SaslAuthenticateResponse send_token(TestClient& client, const std::string& token,
                                             std::int16_t version = 2) {
    SaslAuthenticateRequest request;
    request.auth_bytes.bytes = token;
    return client.call<SaslAuthenticateResponse>(request, version);
  }
  static SaslAuthenticateResponse log_in_plainly(TestClient& client, const std::string& user,
                                                 const std::string& password) {
    EXPECT_EQ(choose(client, "PLAIN").error_code, ErrorCode::none);
    return send_token(client, plain_token(user, password));
  }
  static bool may_ask(TestClient& client) {
    const auto id = client.send(MetadataRequest(), 9);
    return client.receive<MetadataResponse>(id, 9).cluster_id == "millrace";
  }
  [[nodiscard]] const LoginCounters& counted(SaslMechanism mechanism) const {
    return broker_->security().authenticator().counters(mechanism);
  }
};

// RFC 5802 as a client, for the user and password given.
struct ScramClient {
  ScramHash hash;
  std::string user;
  std::string password;
  std::string bare = "n=" + user + ",r=clientnonce";

  [[nodiscard]] std::string first() const { return "n,," + bare; }
  [[nodiscard]] std::string last(std::string_view challenge) const {
    const auto salt_at = challenge.find(",s=");
    const auto count_at = challenge.find(",i=");
    const auto salt =
        codec::base64_decode(challenge.substr(salt_at + 3, count_at - salt_at - 3)).value();
    const auto salted = salted_password(hash, password, salt,
                                        std::stoi(std::string(challenge.substr(count_at + 3))));
    const auto without = "c=biws," + std::string(challenge.substr(0, salt_at));
    std::string proof = hmac(hash, salted, "Client Key");
    const auto signature = hmac(hash, credential_of(hash, salted, salt, 1).stored_key,
                                bare + "," + std::string(challenge) + "," + without);
    for (std::size_t i = 0; i < proof.size(); ++i) {
      proof[i] = static_cast<char>(proof[i] ^ signature[i]);
    }
    return without + ",p=" + codec::base64_encode(proof);
  }
};

TEST_F(LoginTest, before_it_nothing_else_is_answered) {
  auto client = connect();
  EXPECT_EQ(client.call<ApiVersionsResponse>(ApiVersionsRequest(), 0).error_code, ErrorCode::none);
  client.send(MetadataRequest(), 9);
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST_F(LoginTest, plain_lets_the_right_password_in) {
  auto client = connect();
  EXPECT_EQ(log_in_plainly(client, "alice", "wonder").error_code, ErrorCode::none);
  EXPECT_TRUE(may_ask(client));
  EXPECT_EQ(counted(SaslMechanism::plain).accepted, 1U);
}

TEST_F(LoginTest, a_refused_one_is_answered_and_its_connection_closed) {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"alice", "Wonder"}, {"bob", "wonder"}, {"", "wonder"}, {"alice", ""}};
  for (const auto& [user, password] : wrong) {
    auto client = connect();
    const auto answer = log_in_plainly(client, user, password);
    EXPECT_EQ(answer.error_code, ErrorCode::sasl_authentication_failed) << user;
    EXPECT_TRUE(client.is_closed_by_server()) << user;
  }
  EXPECT_EQ(counted(SaslMechanism::plain).refused, wrong.size());
  EXPECT_EQ(counted(SaslMechanism::plain).accepted, 0U);
  EXPECT_EQ(broker_->counters().connections_expired, 0U) << "closed for the refusal's sake";
}

TEST_F(LoginTest, who_logged_in_is_the_principal) {
  options_.security.uses_acls = true;
  options_.security.super_users = {"User:alice"};
  options_.security.users.push_back({"bob", "builder"});
  restart();
  create_topic("t");
  for (const auto& [user, password, expected] :
       {std::tuple("alice", "wonder", ErrorCode::none),
        {"bob", "builder", ErrorCode::topic_authorization_failed}}) {
    auto client = connect();
    ASSERT_EQ(log_in_plainly(client, user, password).error_code, ErrorCode::none);
    const auto batch = make_batch({.values = {"v"}});
    const auto produced =
        client.call<kafka_wire::ProduceResponse>(produce_request({{"t", 0, batch}}), 7);
    EXPECT_EQ(produced.responses.at(0).partition_responses.at(0).error_code, expected) << user;
  }
}

TEST_F(LoginTest, nobody_acts_for_somebody_else) {
  auto client = connect();
  EXPECT_EQ(choose(client, "PLAIN").error_code, ErrorCode::none);
  const auto answer = send_token(client, "bob" + plain_token("alice", "wonder"));
  EXPECT_EQ(answer.error_code, ErrorCode::sasl_authentication_failed);
}

TEST_F(LoginTest, what_a_client_asks_right_behind_its_password_waits_for_the_answer) {
  auto client = connect();
  EXPECT_EQ(choose(client, "PLAIN").error_code, ErrorCode::none);
  SaslAuthenticateRequest request;
  request.auth_bytes.bytes = plain_token("alice", "wonder");
  const auto token = client.send(request, 2);
  const auto next = client.send(MetadataRequest(), 9);
  EXPECT_EQ(client.receive<SaslAuthenticateResponse>(token, 2).error_code, ErrorCode::none);
  EXPECT_EQ(client.receive<MetadataResponse>(next, 9).cluster_id, "millrace");
}

TEST_F(LoginTest, a_refusal_takes_its_time) {
  options_.security.authentication.refusal_delay_ms = 150;
  restart();
  auto client = connect();
  const auto before = clock_.monotonic_now();
  EXPECT_EQ(log_in_plainly(client, "alice", "x").error_code, ErrorCode::sasl_authentication_failed);
  EXPECT_GE(clock_.monotonic_now() - before, 150'000'000);
}

TEST_F(LoginTest, a_stop_waits_for_no_refusal) {
  options_.security.authentication.refusal_delay_ms = 3'600'000;
  restart();
  auto client = connect();
  EXPECT_EQ(choose(client, "PLAIN").error_code, ErrorCode::none);
  SaslAuthenticateRequest request;
  request.auth_bytes.bytes = plain_token("alice", "x");
  const auto token = client.send(request, 2);
  const auto& counters = counted(SaslMechanism::plain);
  while (counters.refused + counters.accepted == 0) std::this_thread::yield();
  broker_->stop();
  EXPECT_EQ(client.receive<SaslAuthenticateResponse>(token, 2).error_code,
            ErrorCode::sasl_authentication_failed);
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST_F(LoginTest, scram_goes_with_both_hashes) {
  for (const auto& [hash, mechanism] : {std::pair(ScramHash::sha_256, "SCRAM-SHA-256"),
                                        std::pair(ScramHash::sha_512, "SCRAM-SHA-512")}) {
    auto client = connect();
    const ScramClient scram{hash, "alice", "wonder"};
    EXPECT_EQ(choose(client, mechanism).error_code, ErrorCode::none);
    const auto challenge = send_token(client, scram.first());
    ASSERT_EQ(challenge.error_code, ErrorCode::none);
    const auto done = send_token(client, scram.last(challenge.auth_bytes.bytes));
    EXPECT_EQ(done.error_code, ErrorCode::none);
    EXPECT_EQ(done.auth_bytes.bytes.substr(0, 2), "v=");
    EXPECT_TRUE(may_ask(client));
  }
  EXPECT_EQ(counted(SaslMechanism::scram_sha_512).accepted, 1U);
}

TEST_F(LoginTest, scram_does_not_tell_who_exists) {
  std::vector<std::string> challenges;
  for (int round = 0; round < 2; ++round) {
    auto client = connect();
    const ScramClient nobody{ScramHash::sha_256, "nobody", "wonder"};
    choose(client, "SCRAM-SHA-256");
    const auto challenge = send_token(client, nobody.first());
    EXPECT_EQ(challenge.error_code, ErrorCode::none);
    challenges.push_back(challenge.auth_bytes.bytes);
    const auto refused = send_token(client, nobody.last(challenge.auth_bytes.bytes));
    EXPECT_EQ(refused.error_code, ErrorCode::sasl_authentication_failed);
    EXPECT_TRUE(client.is_closed_by_server());
    restart();
  }
  EXPECT_EQ(challenges[0], challenges[1]) << "another salt would tell that it was made up";
}

TEST_F(LoginTest, the_old_handshake_takes_tokens_without_requests) {
  auto client = connect();
  EXPECT_EQ(choose(client, "PLAIN", 0).error_code, ErrorCode::none);
  const auto token = plain_token("alice", "wonder");
  client.send_bytes(std::string("\0\0\0", 3) + static_cast<char>(token.size()) + token);
  EXPECT_EQ(client.receive_frame(), "");
  EXPECT_TRUE(may_ask(client));

  auto wrong = connect();
  choose(wrong, "PLAIN", 0);
  wrong.send_bytes(std::string("\0\0\0\3", 4) + std::string("\0a\0", 3));
  EXPECT_TRUE(wrong.is_closed_by_server());
}

TEST_F(LoginTest, an_unknown_mechanism_is_answered_with_those_there_are) {
  auto client = connect();
  const auto answer = choose(client, "GSSAPI");
  EXPECT_EQ(answer.error_code, ErrorCode::unsupported_sasl_mechanism);
  EXPECT_THAT(answer.mechanisms, ElementsAre("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"));
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST_F(LoginTest, a_mechanism_that_is_not_offered_is_refused) {
  options_.security.authentication.mechanisms = {SaslMechanism::scram_sha_512};
  restart();
  for (const char* mechanism : {"PLAIN", "SCRAM-SHA-256"}) {
    auto client = connect();
    EXPECT_EQ(choose(client, mechanism).error_code, ErrorCode::unsupported_sasl_mechanism);
    EXPECT_TRUE(client.is_closed_by_server());
  }
}

TEST_F(LoginTest, it_happens_once_and_begins_with_the_handshake) {
  auto early = connect();
  EXPECT_EQ(send_token(early, plain_token("alice", "wonder")).error_code,
            ErrorCode::illegal_sasl_state);
  EXPECT_TRUE(early.is_closed_by_server());

  auto client = connect();
  log_in_plainly(client, "alice", "wonder");
  EXPECT_EQ(choose(client, "PLAIN").error_code, ErrorCode::illegal_sasl_state);
  EXPECT_EQ(send_token(client, "x").error_code, ErrorCode::illegal_sasl_state);
  EXPECT_TRUE(may_ask(client));
}

TEST_F(LoginTest, a_long_request_is_not_read_before_it) {
  auto client = connect();
  client.send_bytes(std::string("\0\x10\0\0", 4));  // 1 MiB
  EXPECT_TRUE(client.is_closed_by_server());
  EXPECT_EQ(broker_->counters().connections_expired, 0U) << "not read, instead of waited for";
  auto known = connect();
  log_in_plainly(known, "alice", "wonder");
  // Which is more than the bound before.
  create_topic("t");
  const auto batch = make_batch({.values = {std::string(600 * 1024, 'v')}});
  const auto produced =
      known.call<kafka_wire::ProduceResponse>(produce_request({{"t", 0, batch}}), 7);
  EXPECT_EQ(produced.responses.at(0).partition_responses.at(0).error_code, ErrorCode::none);
}

TEST_F(LoginTest, who_never_logs_in_is_sent_away) {
  options_.server.entry_ms = 1;
  restart();
  auto client = connect();
  EXPECT_TRUE(client.is_closed_by_server());
  EXPECT_EQ(broker_->counters().connections_expired, 1U);
}

TEST_F(LoginTest, who_has_logged_in_has_all_the_time) {
  options_.server.entry_ms = 3'000;
  options_.server.thread_count = 1;  // whose clock both connections have
  restart();
  auto known = connect();
  EXPECT_EQ(log_in_plainly(known, "alice", "wonder").error_code, ErrorCode::none);
  auto later = connect();
  EXPECT_TRUE(later.is_closed_by_server()) << "three seconds have gone by";
  EXPECT_TRUE(may_ask(known));
}

TEST_F(LoginTest, too_many_who_have_not_logged_in_displace_each_other) {
  options_.server.entering_max = 2;
  options_.server.thread_count = 1;
  restart();
  auto known = connect();
  log_in_plainly(known, "alice", "wonder");
  auto first = connect();
  choose(first, "PLAIN");
  auto second = connect();
  choose(second, "PLAIN");
  auto third = connect();
  choose(third, "PLAIN");
  EXPECT_TRUE(first.is_closed_by_server());
  EXPECT_EQ(send_token(second, plain_token("alice", "wonder")).error_code, ErrorCode::none);
  EXPECT_EQ(send_token(third, plain_token("alice", "wonder")).error_code, ErrorCode::none);
  EXPECT_TRUE(may_ask(known));
  EXPECT_EQ(broker_->counters().connections_displaced, 1U);
}

class NoLoginTest : public BrokerTest {};

TEST_F(NoLoginTest, where_nobody_logs_in_whoever_tries_is_told_so) {
  auto client = connect();
  const auto answer =
      client.call<SaslHandshakeResponse>(SaslHandshakeRequest{.mechanism = "PLAIN"}, 1);
  EXPECT_EQ(answer.error_code, ErrorCode::illegal_sasl_state);
  const auto id = client.send(MetadataRequest(), 9);
  EXPECT_EQ(client.receive<MetadataResponse>(id, 9).cluster_id, "millrace");
}

TEST_F(NoLoginTest, a_network_needs_encryption_and_somebody_to_ask_for) {
  const auto refusal = [&](const BrokerOptions& options) {
    return Broker::open(options, *log_, clock_, logger_).status().to_string();
  };
  BrokerOptions options;
  options.server.host = "0.0.0.0";
  EXPECT_THAT(refusal(options), testing::HasSubstr("kafka.advertised"));
  options.advertised_host = "kafka.example.com";
  EXPECT_THAT(refusal(options), testing::AllOf(testing::HasSubstr("kafka.tls.certificate_file"),
                                               testing::HasSubstr("kafka.sasl.mechanisms")));
  options.security.authentication.mechanisms = {SaslMechanism::plain};
  options.random = [](std::size_t count) { return std::string(count, 'r'); };
  EXPECT_THAT(refusal(options),
              testing::AllOf(testing::HasSubstr("kafka.tls.certificate_file"),
                             testing::Not(testing::HasSubstr("kafka.sasl.mechanisms"))));
  options.server.allow_insecure_network = true;
  EXPECT_TRUE(Broker::open(options, *log_, clock_, logger_).is_ok());
}

}  // namespace
}  // namespace millrace::broker
