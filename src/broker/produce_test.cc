#include <gtest/gtest.h>

#include "broker/client_for_tests.h"

namespace millrace::broker {
namespace {

using kafka_wire::ErrorCode;
using kafka_wire::InitProducerIdRequest;
using kafka_wire::InitProducerIdResponse;
using kafka_wire::ProduceResponse;

class Produce : public BrokerTest {
 protected:
  ProduceResponse::Partition produce(const std::string& topic, const std::string& batch,
                                     std::int16_t version = 11, std::int32_t partition = 0) {
    auto client = connect();
    return client.call<ProduceResponse>(produce_request({{topic, partition, batch}}), version)
        .responses.at(0)
        .partition_responses.at(0);
  }
};

TEST_F(Produce, gives_offsets_in_every_version_and_with_every_kind_of_acks) {
  create_topic("t");
  auto client = connect();
  const auto batch = make_batch({.values = {"a", "b"}});
  std::int64_t expected = 0;
  for (std::int16_t version = 3; version <= 11; ++version) {
    for (const std::int16_t acks : {std::int16_t{1}, std::int16_t{-1}}) {
      const auto response =
          client.call<ProduceResponse>(produce_request({{"t", 0, batch}}, acks), version);
      const auto& partition = response.responses[0].partition_responses[0];
      EXPECT_EQ(partition.error_code, ErrorCode::none);
      EXPECT_EQ(partition.base_offset, expected);
      EXPECT_EQ(partition.log_append_time_ms, -1);
      expected += 2;
    }
  }
  EXPECT_EQ(client.call<ProduceResponse>(produce_request({{"t", 0, batch}}, 2), 9)
                .responses[0]
                .partition_responses[0]
                .error_code,
            ErrorCode::invalid_required_acks);
}

TEST_F(Produce, what_was_acknowledged_is_there_after_a_restart) {
  create_topic("t");
  ASSERT_EQ(produce("t", make_batch({.values = {"a"}})).error_code, ErrorCode::none);
  restart();
  const auto offsets = log_->offsets({"t", 0});
  ASSERT_TRUE(offsets.is_ok());
  EXPECT_EQ(offsets->high_watermark.value, 1);
}

TEST_F(Produce, a_bad_partition_does_not_spoil_the_others) {
  create_topic("t", {.partition_count = 3});
  auto client = connect();
  const auto batch = make_batch({.values = {"a"}});
  auto damaged = batch;
  damaged.back() ^= 1;
  const auto gap =
      make_batch({.values = {"a"}, .producer_id = 1, .producer_epoch = 0, .base_sequence = 5});
  const auto next = make_batch({.values = {"a"}, .producer_id = 1, .base_sequence = 7});
  ASSERT_EQ(produce("t", gap, 9, 2).error_code, ErrorCode::none);  // of an unknown producer: taken
  const auto response = client.call<ProduceResponse>(produce_request({{"t", 0, batch},
                                                                      {"none", 0, batch},
                                                                      {"t", 1, damaged},
                                                                      {"t", 7, batch},
                                                                      {"t", 2, next},
                                                                      {"t", 1, batch}}),
                                                     9);
  std::vector<ErrorCode> codes;
  for (const auto& topic : response.responses) {
    codes.push_back(topic.partition_responses.at(0).error_code);
  }
  EXPECT_EQ(codes, (std::vector{ErrorCode::none, ErrorCode::unknown_topic_or_partition,
                                ErrorCode::corrupt_message, ErrorCode::unknown_topic_or_partition,
                                ErrorCode::out_of_order_sequence_number, ErrorCode::none}));
  EXPECT_EQ(log_->offsets({"t", 0})->end.value, 1);
  EXPECT_EQ(log_->offsets({"t", 1})->end.value, 1);
}

TEST_F(Produce, refuses_what_is_not_one_good_batch) {
  create_topic("t");
  const auto batch = make_batch({.values = {"a"}});
  EXPECT_EQ(produce("t", batch + batch).error_code, ErrorCode::invalid_record);
  EXPECT_EQ(produce("t", "").error_code, ErrorCode::corrupt_message);
  EXPECT_EQ(produce("t", batch.substr(0, 40)).error_code, ErrorCode::corrupt_message);
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(1), "k", "v", {});
  builder.set_control(true);
  std::string control;
  builder.finish(control);
  EXPECT_EQ(produce("t", control).error_code, ErrorCode::invalid_record);
  auto old = batch;
  old[16] = 1;
  EXPECT_EQ(produce("t", old).error_code, ErrorCode::unsupported_for_message_format);
  EXPECT_EQ(log_->offsets({"t", 0})->end.value, 0);
}

TEST_F(Produce, refuses_batches_above_the_topics_bound) {
  create_topic("t", {.batch_bytes_max = 200});
  EXPECT_EQ(produce("t", make_batch({.values = {std::string(200, 'x')}})).error_code,
            ErrorCode::message_too_large);
  EXPECT_EQ(produce("t", make_batch({.values = {std::string(100, 'x')}})).error_code,
            ErrorCode::none);
}

TEST_F(Produce, a_compacted_topic_takes_records_with_keys_only) {
  create_topic("t", {.is_compacted = true});
  EXPECT_EQ(produce("t", make_batch({.values = {"a"}})).error_code, ErrorCode::invalid_record);
  EXPECT_EQ(produce("t", make_batch({.values = {"a"}, .key = "k"})).error_code, ErrorCode::none);
}

// KIP-467.
TEST_F(Produce, the_records_that_spoil_a_batch_are_named) {
  create_topic("t", {.is_compacted = true});
  codec::RecordBatchBuilder builder;
  for (const bool has_key : {true, false, true, false}) {
    builder.append(WallTime(1), has_key ? std::optional<std::string_view>("k") : std::nullopt, "v",
                   {});
  }
  std::string batch;
  builder.finish(batch);
  const auto refused = produce("t", batch, 8);
  EXPECT_EQ(refused.error_code, ErrorCode::invalid_record);
  ASSERT_EQ(refused.record_errors.size(), 2u);
  EXPECT_EQ(refused.record_errors[0].batch_index, 1);
  EXPECT_EQ(refused.record_errors[1].batch_index, 3);
  create_topic("u");
  EXPECT_TRUE(produce("u", batch + batch, 8).record_errors.empty()) << "no single record's fault";
}

TEST_F(Produce, internal_topics_are_not_written_by_clients) {
  create_topic("millrace.x", {.is_internal = true});
  EXPECT_EQ(produce("millrace.x", make_batch({.values = {"a"}})).error_code,
            ErrorCode::invalid_topic_exception);
  EXPECT_EQ(log_->offsets({"millrace.x", 0})->end.value, 0);
}

TEST_F(Produce, a_repeat_gets_the_offset_of_the_original) {
  create_topic("t");
  auto client = connect();
  const auto producer = client.call<InitProducerIdResponse>(InitProducerIdRequest(), 4);
  ASSERT_EQ(producer.error_code, ErrorCode::none);
  const auto batch_at = [&](std::int32_t sequence, std::int16_t epoch) {
    return make_batch({.values = {"a", "b"},
                       .producer_id = producer.producer_id,
                       .producer_epoch = epoch,
                       .base_sequence = sequence});
  };
  EXPECT_EQ(produce("t", batch_at(0, 0)).base_offset, 0);
  EXPECT_EQ(produce("t", batch_at(2, 0)).base_offset, 2);
  const auto repeat = produce("t", batch_at(0, 0));
  EXPECT_EQ(repeat.error_code, ErrorCode::none);
  EXPECT_EQ(repeat.base_offset, 0);
  EXPECT_EQ(produce("t", batch_at(9, 0)).error_code, ErrorCode::out_of_order_sequence_number);
  EXPECT_EQ(produce("t", batch_at(0, 1)).error_code, ErrorCode::none);
  EXPECT_EQ(produce("t", batch_at(4, 0)).error_code, ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(log_->offsets({"t", 0})->end.value, 6);
}

// KIP-516: from version 13 on.
TEST_F(Produce, a_topic_is_addressed_by_its_id) {
  create_topic("t");
  auto client = connect();
  kafka_wire::MetadataRequest about;
  about.topics.emplace().push_back({{}, "t"});
  const auto known = client.call<kafka_wire::MetadataResponse>(about, 12).topics.at(0).topic_id;
  const auto batch = make_batch({.values = {"a"}});
  auto request = produce_request({{"", 0, batch}, {"", 0, batch}});
  request.topic_data[0].topic_id = kafka_wire::Uuid{};
  request.topic_data[1].topic_id = known;
  const auto response = client.call<ProduceResponse>(request, 13);
  ASSERT_EQ(response.responses.size(), 2u);
  EXPECT_EQ(response.responses[0].partition_responses.at(0).error_code,
            ErrorCode::unknown_topic_id);
  EXPECT_EQ(response.responses[1].topic_id, known);
  EXPECT_EQ(response.responses[1].partition_responses.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(response.responses[1].partition_responses.at(0).base_offset, 0);
  EXPECT_EQ(response.responses[1].partition_responses.at(0).log_start_offset, 0);
  EXPECT_EQ(log_->offsets({"t", 0})->end.value, 1);
}

// KIP-890: from version 12 on a partition joins with its first batch.
TEST_F(Produce, a_transaction_of_the_second_protocol_needs_no_request_but_its_batches_and_its_end) {
  create_topic("t");
  auto client = connect();
  InitProducerIdRequest init;
  init.transactional_id = "x";
  init.transaction_timeout_ms = 60'000;
  const auto producer = client.call<InitProducerIdResponse>(init, 5);
  ASSERT_EQ(producer.error_code, ErrorCode::none);
  const auto send = [&](std::int16_t epoch, std::int16_t version, const std::string& value) {
    const auto batch = make_batch({.values = {value},
                                   .producer_id = producer.producer_id,
                                   .producer_epoch = epoch,
                                   .is_transactional = true});
    auto request = produce_request({{"t", 0, batch}});
    request.transactional_id = "x";
    return client.call<ProduceResponse>(request, version)
        .responses.at(0)
        .partition_responses.at(0)
        .error_code;
  };
  const auto end = [&](std::int16_t epoch, bool is_commit) {
    kafka_wire::EndTxnRequest request;
    request.transactional_id = "x";
    request.producer_id = producer.producer_id;
    request.producer_epoch = epoch;
    request.committed = is_commit;
    return client.call<kafka_wire::EndTxnResponse>(request, 5);
  };
  EXPECT_EQ(send(0, 11, "of the first protocol"), ErrorCode::invalid_txn_state);
  EXPECT_EQ(send(0, 12, "a"), ErrorCode::none);
  EXPECT_EQ(log_->offsets({"t", 0})->last_stable.value, 0);
  const auto committed = end(0, true);
  EXPECT_EQ(committed.error_code, ErrorCode::none);
  EXPECT_EQ(committed.producer_id, producer.producer_id);
  EXPECT_EQ(committed.producer_epoch, 1);
  EXPECT_EQ(log_->offsets({"t", 0})->last_stable.value, 2);
  EXPECT_EQ(send(0, 12, "late"), ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(send(1, 12, "b"), ErrorCode::none);
  EXPECT_EQ(end(1, false).producer_epoch, 2);
  auto request = fetch_request({{"t"}});
  request.isolation_level = 1;
  const auto fetched = client.call<kafka_wire::FetchResponse>(request, 12);
  const auto& partition = fetched.responses.at(0).partitions.at(0);
  ASSERT_EQ(partition.aborted_transactions.value().size(), 1u);
  EXPECT_EQ(partition.aborted_transactions->front().first_offset, 2);
}

TEST_F(Produce, zstd_needs_the_version_that_brought_it) {
  create_topic("t");
  codec::RecordBatchBuilder builder(codec::Compression::zstd);
  builder.append(WallTime(1), "k", std::string(1000, 'x'), {});
  std::string batch;
  builder.finish(batch);
  EXPECT_EQ(produce("t", batch, 6).error_code, ErrorCode::unsupported_compression_type);
  EXPECT_EQ(produce("t", batch, 7).error_code, ErrorCode::none);
}

TEST_F(Produce, versions_that_are_advertised_for_old_clients_only_are_refused_per_partition) {
  // Version 0: acks -1, timeout 1000, topic "t" with partition 3 and no records. Correlation id 5.
  const std::string body("\xff\xff\0\0\x03\xe8\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x03\0\0\0\0", 25);
  for (const char version : {'\0', '\1', '\2'}) {
    auto client = connect();
    std::string frame("\0\0\0\0\0\0\0\0\0\0\0\x05\xff\xff", 14);
    frame += body;
    frame[3] = static_cast<char>(frame.size() - 4);
    frame[7] = version;
    client.send_bytes(frame);
    // Correlation id, one topic "t", one partition: index 3, error 35, base offset -1, and what
    // the version adds: append time -1 from 2 on, throttle time 0 from 1 on.
    std::string expected("\0\0\0\x05\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x03\0\x23", 21);
    expected += std::string(8, '\xff');
    if (version >= 2) expected += std::string(8, '\xff');
    if (version >= 1) expected += std::string(4, '\0');
    EXPECT_EQ(client.receive_frame(), expected) << int{version};
  }
}

}  // namespace
}  // namespace millrace::broker
