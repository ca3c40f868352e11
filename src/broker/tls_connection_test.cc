// Connections with TLS: the same broker behind them.

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include "broker/client_for_tests.h"
#include "broker/identity_for_tests.h"

namespace millrace::broker {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using kafka_wire::ApiVersionsRequest;
using kafka_wire::ErrorCode;
using kafka_wire::FetchResponse;
using kafka_wire::ProduceResponse;

// Blocking; trusts whoever answers.
class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, const Identity* identity = nullptr) {
    if (identity != nullptr) {
      context_.use_certificate_chain(asio::buffer(identity->certificate));
      context_.use_private_key(asio::buffer(identity->key), asio::ssl::context::pem);
    }
    stream_.emplace(io_, context_);
    stream_->next_layer().connect({asio::ip::address_v4::loopback(), port});
  }
  bool shake_hands() {
    boost::system::error_code error;
    stream_->handshake(asio::ssl::stream_base::client, error);
    return !error;
  }
  template <typename Response, typename Request>
  std::optional<Response> call(const Request& request, std::int16_t version) {
    kafka_wire::WireBytes out;
    kafka_wire::append_request(request, version, 1, "test", out);
    boost::system::error_code error;
    asio::write(*stream_, asio::buffer(out.joined()), error);
    std::string head(4, '\0');
    if (!error) asio::read(*stream_, asio::buffer(head), error);
    if (error) return std::nullopt;
    frame_.resize(load_big<std::uint32_t>(head.data()));
    asio::read(*stream_, asio::buffer(frame_), error);
    const auto frame = kafka_wire::parse_response(
        static_cast<kafka_wire::ApiKey>(Response::kInfo.api_key), version, frame_);
    Response response;
    if (error || !frame.is_ok() || !kafka_wire::decode(frame->body, version, response).is_ok()) {
      return std::nullopt;
    }
    return response;
  }
  bool is_alive() {
    return call<kafka_wire::ApiVersionsResponse>(ApiVersionsRequest(), 0).has_value();
  }
  // Whether the server said good-bye before it closed.
  bool is_ended_properly() {
    char byte = 0;
    boost::system::error_code error;
    asio::read(*stream_, asio::buffer(&byte, 1), error);
    return error == asio::error::eof;
  }

 private:
  asio::io_context io_;
  asio::ssl::context context_{asio::ssl::context::tls_client};
  std::optional<asio::ssl::stream<tcp::socket>> stream_;
  std::string frame_;
};

class TlsConnectionTest : public BrokerTest {
 protected:
  void SetUp() override {
    options_.server.tls.emplace();
    options_.server.tls->certificate_chain = server_.certificate;
    options_.server.tls->key = server_.key;
    start();
  }

  Identity server_ = make_identity();
};

TEST_F(TlsConnectionTest, records_go_and_come_in_pieces_of_any_size) {
  create_topic("t");
  TlsClient client(broker_->port());
  ASSERT_TRUE(client.shake_hands());
  for (const std::size_t bytes : {1, 1'000, 20'000, 900'000}) {
    const auto batch = make_batch({.values = {std::string(bytes, 'v')}});
    const auto produced = client.call<ProduceResponse>(produce_request({{"t", 0, batch}}), 7);
    ASSERT_TRUE(produced.has_value());
    EXPECT_EQ(produced->responses.at(0).partition_responses.at(0).error_code, ErrorCode::none);
  }
  const auto fetched = client.call<FetchResponse>(fetch_request({{"t"}}), 11);
  ASSERT_TRUE(fetched.has_value());
  EXPECT_GT(fetched->responses.at(0).partitions.at(0).records.byte_count(), 921'000U);
}

TEST_F(TlsConnectionTest, who_does_not_speak_it_is_sent_away) {
  auto plain = connect();
  plain.send(ApiVersionsRequest(), 0);
  while (!plain.is_closed_by_server()) {  // an alert comes first
  }
  EXPECT_EQ(broker_->counters().tls_handshakes_failed, 1U);
}

TEST_F(TlsConnectionTest, a_handshake_that_never_ends_is_ended) {
  options_.server.entry_ms = 1;
  restart();
  auto silent = connect();
  EXPECT_TRUE(silent.is_closed_by_server());
  EXPECT_EQ(broker_->counters().connections_expired, 1U);
}

TEST_F(TlsConnectionTest, a_stop_ends_handshakes_and_says_good_bye) {
  TlsClient client(broker_->port());
  ASSERT_TRUE(client.shake_hands());
  ASSERT_TRUE(client.is_alive());
  auto silent = connect();
  broker_->stop();
  EXPECT_TRUE(client.is_ended_properly());
  EXPECT_TRUE(silent.is_closed_by_server());
}

TEST_F(TlsConnectionTest, a_certificate_is_asked_for_and_names_the_principal) {
  const auto robot = make_identity();  // CN=test, as all of them
  options_.server.tls->client_certificates = ClientCertificates::required;
  options_.server.tls->client_ca = robot.certificate;
  options_.security.uses_acls = true;
  options_.security.super_users = {"User:CN=test"};
  restart();
  create_topic("t");
  TlsClient known(broker_->port(), &robot);
  ASSERT_TRUE(known.shake_hands());
  const auto fetched = known.call<FetchResponse>(fetch_request({{"t"}}), 11);
  ASSERT_TRUE(fetched.has_value());
  EXPECT_EQ(fetched->responses.at(0).partitions.at(0).error_code, ErrorCode::none);
  // With TLS 1.3 a client learns only afterwards that it was refused.
  const auto stranger = make_identity();
  for (const Identity* other : {static_cast<const Identity*>(nullptr), &stranger}) {
    TlsClient refused(broker_->port(), other);
    EXPECT_FALSE(refused.shake_hands() && refused.is_alive());
  }
}

}  // namespace
}  // namespace millrace::broker
