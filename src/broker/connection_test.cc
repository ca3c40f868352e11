#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "broker/client_for_tests.h"

namespace millrace::broker {
namespace {

using kafka_wire::ApiVersionsRequest;
using kafka_wire::ApiVersionsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::FetchResponse;
using kafka_wire::MetadataRequest;
using kafka_wire::MetadataResponse;
using kafka_wire::ProduceResponse;

class Connections : public BrokerTest {};

ApiVersionsRequest hello() {
  return {"test", "1.0"};
}

TEST_F(Connections, an_unknown_version_of_api_versions_is_answered_in_version_0) {
  auto client = connect();
  // Key 18, version 99, correlation id 7, client id null, and a body nobody can read.
  const std::string frame("\0\0\0\x0d\0\x12\0\x63\0\0\0\x07\xff\xff\x05\x06\x07", 17);
  client.send_bytes(frame);
  const auto response = client.receive<ApiVersionsResponse>(7, 0);
  EXPECT_EQ(response.error_code, ErrorCode::unsupported_version);
  const auto own = std::find_if(response.api_keys.begin(), response.api_keys.end(),
                                [](const auto& api) { return api.api_key == 18; });
  ASSERT_NE(own, response.api_keys.end());
  EXPECT_EQ(own->max_version, 4);
  // The connection is still good.
  EXPECT_EQ(client.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
}

TEST_F(Connections, what_is_advertised_is_what_is_answered_with_the_minimums_old_clients_need) {
  auto client = connect();
  const auto response = client.call<ApiVersionsResponse>(hello(), 4);
  std::map<int, std::pair<int, int>> ranges;
  for (const auto& api : response.api_keys) {
    ranges[api.api_key] = {api.min_version, api.max_version};
  }
  EXPECT_EQ(ranges.at(0), (std::pair{0, 13}));
  EXPECT_EQ(ranges.at(1), (std::pair{4, 17}));
  EXPECT_EQ(ranges.at(2), (std::pair{1, 8}));
  EXPECT_EQ(ranges.at(3), (std::pair{0, 12}));
  EXPECT_EQ(ranges.at(10), (std::pair{0, 6}));
  EXPECT_EQ(ranges.at(22), (std::pair{0, 5}));
  EXPECT_EQ(ranges.at(24), (std::pair{0, 3})) << "the rest is for brokers among themselves";
  EXPECT_EQ(ranges.at(26), (std::pair{0, 5}));
  EXPECT_EQ(ranges.at(28), (std::pair{0, 5}));
  EXPECT_EQ(ranges.at(17), (std::pair{0, 1})) << "as in Kafka, though nobody has to log in here";
  EXPECT_EQ(ranges.at(68), (std::pair{0, 1}));
  EXPECT_EQ(ranges.at(69), (std::pair{0, 1}));
}

// A producer speaks the second protocol of transactions only then (KIP-890), a consumer that of
// KIP-848.
TEST_F(Connections, what_clients_need_to_see_finalized_is) {
  auto client = connect();
  for (const auto& [name, newest] : {std::pair{"transaction.version", 2}, {"group.version", 1}}) {
    for (const std::int16_t version : {std::int16_t{3}, std::int16_t{4}}) {
      const auto response = client.call<ApiVersionsResponse>(hello(), version);
      EXPECT_GE(response.finalized_features_epoch, 0);
      const auto is_it = [wanted = name](const auto& one) { return one.name == wanted; };
      const auto& finalized = response.finalized_features;
      const auto level = std::find_if(finalized.begin(), finalized.end(), is_it);
      ASSERT_NE(level, finalized.end()) << name;
      EXPECT_EQ(level->min_version_level, newest);
      EXPECT_EQ(level->max_version_level, newest);
      // Clients of version 3 refuse a supported feature that begins at 0 (KAFKA-17011).
      const auto& supported = response.supported_features;
      const auto range = std::find_if(supported.begin(), supported.end(), is_it);
      ASSERT_EQ(range != supported.end(), version >= 4);
      if (version < 4) continue;
      EXPECT_EQ(range->min_version, 0);
      EXPECT_EQ(range->max_version, newest);
    }
  }
  EXPECT_TRUE(client.call<ApiVersionsResponse>(hello(), 2).finalized_features.empty());
}

TEST_F(Connections, a_strange_software_name_is_an_invalid_request) {
  auto client = connect();
  EXPECT_EQ(client.call<ApiVersionsResponse>(ApiVersionsRequest{"a b", "1"}, 3).error_code,
            ErrorCode::invalid_request);
}

TEST_F(Connections, other_unknown_versions_and_keys_close_the_connection) {
  const std::string fetch_99("\0\0\0\x0a\0\x01\0\x63\0\0\0\x07\xff\xff", 14);
  const std::string key_999("\0\0\0\x0a\x03\xe7\0\0\0\0\0\x07\xff\xff", 14);
  for (const auto& frame : {fetch_99, key_999}) {
    auto client = connect();
    client.send_bytes(frame);
    EXPECT_TRUE(client.is_closed_by_server());
  }
}

TEST_F(Connections, garbage_closes_its_own_connection_only) {
  auto good = connect();
  ASSERT_EQ(good.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
  const std::string cases[] = {
      "GET / HTTP/1.1\r\n\r\n",                                     // a byte count of 1195725856
      std::string("\xff\xff\xff\xff", 4),                           // a negative one
      std::string("\0\0\0\0", 4),                                   // a frame without a header
      std::string("\0\0\0\x03\0\0\0", 7),                           // half a header
      std::string("\0\0\0\x0a\0\x03\0\x0c\0\0\0\x07\xff\xff", 14),  // Metadata without a body
  };
  for (const auto& bytes : cases) {
    auto client = connect();
    client.send_bytes(bytes);
    EXPECT_TRUE(client.is_closed_by_server()) << bytes.size();
  }
  EXPECT_EQ(good.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
}

// As librdkafka 2.16 asks for all topics.
TEST_F(Connections, bytes_behind_a_request_are_ignored) {
  auto client = connect();
  client.send_bytes(std::string("\0\0\0\x15\0\x03\0\x0c\0\0\0\x03\0\x03rdk\0\0\0\0\0\x01\0\0", 25));
  client.receive<MetadataResponse>(3, 12);
  EXPECT_EQ(client.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
}

TEST_F(Connections, every_cut_of_a_request_is_waited_for) {
  create_topic("t");
  const auto batch = make_batch({.values = {"a"}});
  kafka_wire::WireBytes out;
  kafka_wire::append_request(produce_request({{"t", 0, batch}}), 9, 5, "test", out);
  const std::string frame = out.joined();
  for (std::size_t cut = 1; cut < frame.size(); cut += 7) {
    auto client = connect();
    client.send_bytes(frame.substr(0, cut));
    client.send_bytes(frame.substr(cut));
    const auto response = client.receive<ProduceResponse>(5, 9);
    EXPECT_EQ(response.responses[0].partition_responses[0].error_code, ErrorCode::none) << cut;
  }
}

TEST_F(Connections, answers_come_in_the_order_of_the_requests_however_long_each_takes) {
  create_topic("t");
  auto client = connect();
  const auto batch = make_batch({.values = {"a"}});
  // A fetch that waits for what the next request brings, and then one that is answered at once.
  const auto fetch = client.send(fetch_request({{"t"}}, 10'000), 12);
  const auto metadata = client.send(MetadataRequest(), 12);
  const auto produce = client.send(produce_request({{"t", 0, batch}}), 9);
  const auto versions = client.send(hello(), 3);
  const auto fetched = client.receive<FetchResponse>(fetch, 12);
  EXPECT_EQ(text_of(fetched.responses[0].partitions[0].records), "0:a");
  client.receive<MetadataResponse>(metadata, 12);
  client.receive<ProduceResponse>(produce, 9);
  client.receive<ApiVersionsResponse>(versions, 3);
}

TEST_F(Connections, a_produce_without_acks_leaves_no_gap_in_the_answers) {
  create_topic("t");
  auto client = connect();
  const auto batch = make_batch({.values = {"a"}});
  for (int i = 0; i < 300; ++i) client.send(produce_request({{"t", 0, batch}}, 0), 9);
  EXPECT_EQ(client.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
  const auto produced =
      client.call<ProduceResponse>(produce_request({{"t", 0, batch}}), 9).responses[0];
  EXPECT_EQ(produced.partition_responses[0].base_offset, 300);
}

TEST_F(Connections, more_requests_than_may_be_in_flight_wait_their_turn) {
  create_topic("t");
  auto client = connect();
  const auto batch = make_batch({.values = {"a"}});
  std::vector<std::int32_t> sent;
  for (int i = 0; i < 1'000; ++i)
    sent.push_back(client.send(produce_request({{"t", 0, batch}}), 9));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto response = client.receive<ProduceResponse>(sent[i], 9);
    ASSERT_EQ(response.responses[0].partition_responses[0].base_offset, std::int64_t(i));
  }
}

TEST_F(Connections, a_thousand_idle_ones_starve_nobody) {
  std::vector<std::unique_ptr<TestClient>> idle;
  for (int i = 0; i < 900; ++i) idle.push_back(std::make_unique<TestClient>(broker_->port()));
  auto client = connect();
  EXPECT_EQ(client.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
  EXPECT_EQ(idle.back()->call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
}

TEST_F(Connections, one_that_does_not_read_its_answers_is_not_read_from_either) {
  create_topic("t", {.batch_bytes_max = 4 << 20});
  const auto batch = make_batch({.values = {std::string(1 << 20, 'x')}});
  auto slow = connect();
  auto other = connect();
  ASSERT_EQ(other.call<ProduceResponse>(produce_request({{"t", 0, batch}}), 9)
                .responses[0]
                .partition_responses[0]
                .error_code,
            ErrorCode::none);
  // 2 GiB of answers, were they all made.
  std::vector<std::int32_t> sent;
  const auto request = fetch_request({{"t", 0, 0, 4 << 20}});
  for (int i = 0; i < 2'000; ++i) sent.push_back(slow.send(request, 12));
  EXPECT_EQ(other.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
  for (int i = 0; i < 100; ++i) {
    const auto response = slow.receive<FetchResponse>(sent[static_cast<std::size_t>(i)], 12);
    ASSERT_EQ(response.responses[0].partitions[0].records.byte_count(), batch.size());
  }
}

TEST_F(Connections, above_the_bound_they_are_closed_at_once) {
  broker_->stop();
  options_.server.connections_max = 2;
  log_.reset();
  start();
  auto first = connect();
  auto second = connect();
  ASSERT_EQ(first.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
  ASSERT_EQ(second.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
  auto third = connect();
  EXPECT_TRUE(third.is_closed_by_server());
  EXPECT_EQ(first.call<ApiVersionsResponse>(hello(), 3).error_code, ErrorCode::none);
}

TEST_F(Connections, idle_and_stuck_ones_are_closed_and_waiting_ones_are_not) {
  broker_->stop();
  options_.server.idle_ms = 300;
  options_.server.frame_progress_ms = 300;
  log_.reset();
  start();
  create_topic("t");
  auto waiting = connect();
  const auto id = waiting.send(fetch_request({{"t"}}, 1'500), 12);
  auto idle = connect();
  auto half = connect();
  half.send_bytes(std::string("\0\0\x40\0\0", 5));
  EXPECT_TRUE(idle.is_closed_by_server());
  EXPECT_TRUE(half.is_closed_by_server());
  EXPECT_EQ(waiting.receive<FetchResponse>(id, 12).error_code, ErrorCode::none);
  EXPECT_EQ(broker_->counters().connections_expired, 2u);
}

TEST_F(Connections, a_frame_above_the_bound_is_not_waited_for) {
  broker_->stop();
  options_.server.frame_bytes_max = 4096;
  log_.reset();
  start();
  auto client = connect();
  client.send_bytes(std::string("\0\0\x10\x01", 4));
  EXPECT_TRUE(client.is_closed_by_server());
  EXPECT_EQ(broker_->counters().frames_refused, 1u);
}

TEST_F(Connections, a_stop_answers_what_waits) {
  create_topic("t");
  auto client = connect();
  const auto batch = make_batch({.values = {"a"}});
  ASSERT_EQ(client.call<ProduceResponse>(produce_request({{"t", 0, batch}}), 9)
                .responses[0]
                .partition_responses[0]
                .error_code,
            ErrorCode::none);
  const auto id = client.send(fetch_request({{"t", 0, 1}}, 60'000), 12);
  // Known to have been dispatched once this one is answered.
  auto other = connect();
  other.call<ApiVersionsResponse>(hello(), 3);
  while (broker_->counters().bytes_received == 0) {
  }
  broker_->stop();
  const auto frame = client.receive_frame();
  if (frame) EXPECT_EQ(load_big<std::int32_t>(frame->data()), id);
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(Broker, listens_on_this_machine_only_unless_told_otherwise) {
  ServerOptions options;
  options.host = "0.0.0.0";
  const auto refused = Server::bind(options);
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.status().code(), StatusCode::invalid);
  EXPECT_THAT(std::string(refused.status().message()),
              testing::HasSubstr("allow_insecure_network"));
  options.allow_insecure_network = true;
  EXPECT_TRUE(Server::bind(options).is_ok());
}

TEST(Broker, says_which_port_is_taken) {
  ServerOptions options;
  const auto first = Server::bind(options);
  ASSERT_TRUE(first.is_ok());
  options.port = (*first)->port();
  const auto second = Server::bind(options);
  ASSERT_FALSE(second.is_ok());
  EXPECT_EQ(second.status().code(), StatusCode::exists);
}

}  // namespace
}  // namespace millrace::broker
