#include <gtest/gtest.h>

#include "broker/client_for_tests.h"

namespace millrace::broker {
namespace {

using kafka_wire::ErrorCode;
using kafka_wire::FetchRequest;
using kafka_wire::FetchResponse;
using kafka_wire::ListOffsetsRequest;
using kafka_wire::ListOffsetsResponse;
using kafka_wire::MetadataRequest;
using kafka_wire::MetadataResponse;
using kafka_wire::OffsetForLeaderEpochRequest;
using kafka_wire::OffsetForLeaderEpochResponse;
using kafka_wire::ProduceResponse;

class Fetch : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    create_topic("t", {.partition_count = 2});
  }
  void produce(const BatchToProduce& batch, std::int32_t partition = 0) {
    auto client = connect();
    const auto bytes = make_batch(batch);
    ASSERT_EQ(client.call<ProduceResponse>(produce_request({{"t", partition, bytes}}), 9)
                  .responses[0]
                  .partition_responses[0]
                  .error_code,
              ErrorCode::none);
  }
  // Of one partition.
  FetchResponse::Partition fetch(const FetchRequest& request, std::int16_t version = 12) {
    return client_->call<FetchResponse>(request, version).responses.at(0).partitions.at(0);
  }
  std::string fetch_text(const FetchRequest& request, std::int16_t version = 12) {
    const auto partition = fetch(request, version);
    EXPECT_EQ(partition.error_code, ErrorCode::none);
    return text_of(partition.records);
  }
  TestClient& client() { return *client_; }
  void TearDown() override {
    client_.reset();
    BrokerTest::TearDown();
  }
  void open_client() { client_ = std::make_unique<TestClient>(broker_->port()); }

 private:
  std::unique_ptr<TestClient> client_;
};

TEST_F(Fetch, gives_records_in_every_version_by_name_and_by_id) {
  open_client();
  produce({.values = {"a", "b"}});
  for (std::int16_t version = 4; version <= 12; ++version) {
    EXPECT_EQ(fetch_text(fetch_request({{"t"}}), version), "0:a 1:b") << version;
  }
  MetadataRequest about_t;
  about_t.topics.emplace().push_back({{}, "t"});
  const auto metadata = client().call<MetadataResponse>(about_t, 12);
  ASSERT_EQ(metadata.topics.size(), 1u);
  auto request = fetch_request({{"t"}});
  request.topics[0].topic_id = metadata.topics[0].topic_id;
  for (std::int16_t version = 13; version <= 17; ++version) {
    EXPECT_EQ(fetch_text(request, version), "0:a 1:b") << version;
  }
  ASSERT_TRUE(log_->delete_topic("t").is_ok());
  create_topic("t");
  EXPECT_EQ(fetch(request, 13).error_code, ErrorCode::unknown_topic_id);
}

TEST_F(Fetch, an_offset_within_a_batch_gets_the_whole_batch) {
  open_client();
  produce({.values = {"a", "b", "c"}});
  produce({.values = {"d"}});
  EXPECT_EQ(fetch_text(fetch_request({{"t", 0, 1}})), "0:a 1:b 2:c 3:d");
  EXPECT_EQ(fetch_text(fetch_request({{"t", 0, 3}})), "3:d");
  EXPECT_EQ(fetch_text(fetch_request({{"t", 0, 4}})), "");
}

TEST_F(Fetch, says_where_the_log_begins_and_ends) {
  open_client();
  produce({.values = {"a", "b"}});
  produce({.values = {"c"}});
  ASSERT_TRUE(log_->delete_records({"t", 0}, Offset(2)).is_ok());
  const auto partition = fetch(fetch_request({{"t", 0, 2}}));
  EXPECT_EQ(partition.high_watermark, 3);
  EXPECT_EQ(partition.last_stable_offset, 3);
  EXPECT_EQ(partition.log_start_offset, 2);
  EXPECT_EQ(fetch(fetch_request({{"t", 0, 1}})).error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(fetch(fetch_request({{"t", 0, 4}})).error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(fetch(fetch_request({{"t", 5, 0}})).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(fetch(fetch_request({{"u", 0, 0}})).error_code, ErrorCode::unknown_topic_or_partition);
  auto newer_epoch = fetch_request({{"t", 0, 2}});
  newer_epoch.topics[0].partitions[0].current_leader_epoch = 1;
  EXPECT_EQ(fetch(newer_epoch).error_code, ErrorCode::unknown_leader_epoch);
}

TEST_F(Fetch, the_first_batch_comes_however_small_the_bounds_and_only_the_first) {
  open_client();
  for (const auto* value : {"a", "b", "c"}) produce({.values = {value + std::string(500, '.')}});
  produce({.values = {"z"}}, 1);
  auto request = fetch_request({{"t", 0, 0, 10}, {"t", 1, 0, 1 << 20}});
  request.max_bytes = 10;
  const auto response = client().call<FetchResponse>(request, 12);
  EXPECT_EQ(text_of(response.responses[0].partitions[0].records).substr(0, 3), "0:a");
  EXPECT_EQ(text_of(response.responses[0].partitions[0].records).find("1:b"), std::string::npos);
  EXPECT_EQ(response.responses[1].partitions[0].records.byte_count(), 0u);
  EXPECT_EQ(response.responses[1].partitions[0].high_watermark, 1);
}

TEST_F(Fetch, waits_for_min_bytes_and_no_longer_than_max_wait) {
  open_client();
  const auto begin = clock_.monotonic_now().value;
  EXPECT_EQ(fetch_text(fetch_request({{"t"}}, 300)), "");
  EXPECT_GE(clock_.monotonic_now().value - begin, 290'000'000);
  const auto id = client().send(fetch_request({{"t"}, {"t", 1}}, 20'000), 12);
  produce({.values = {"a"}}, 1);
  const auto response = client().receive<FetchResponse>(id, 12);
  EXPECT_EQ(text_of(response.responses[1].partitions[0].records), "0:a");

  auto many = fetch_request({{"t"}}, 20'000);
  many.min_bytes = 400;
  const auto many_id = client().send(many, 12);
  produce({.values = {std::string(200, 'x')}});
  produce({.values = {std::string(200, 'y')}});
  const auto both = client().receive<FetchResponse>(many_id, 12).responses[0].partitions[0];
  EXPECT_EQ(both.high_watermark, 2);
}

TEST_F(Fetch, does_not_wait_when_the_partition_has_more_than_it_may_give) {
  open_client();
  for (int i = 0; i < 3; ++i) produce({.values = {std::string(500, 'x')}});
  auto request = fetch_request({{"t", 0, 0, 600}}, 20'000);
  request.min_bytes = 1 << 20;
  const auto begin = clock_.monotonic_now().value;
  EXPECT_GT(fetch(request).records.byte_count(), 500u);
  EXPECT_LT(clock_.monotonic_now().value - begin, 10'000'000'000);
}

TEST_F(Fetch, an_error_is_told_at_once) {
  open_client();
  const auto begin = clock_.monotonic_now().value;
  EXPECT_EQ(fetch(fetch_request({{"u"}}, 20'000)).error_code,
            ErrorCode::unknown_topic_or_partition);
  EXPECT_LT(clock_.monotonic_now().value - begin, 10'000'000'000);
}

TEST_F(Fetch, a_connection_that_goes_while_it_waits_leaves_nothing_behind) {
  {
    auto gone = connect();
    gone.send(fetch_request({{"t"}}, 20'000), 12);
  }
  while (broker_->counters().connections_open != 0) {
  }
  open_client();
  produce({.values = {"a"}});
  EXPECT_EQ(fetch_text(fetch_request({{"t"}})), "0:a");
}

TEST_F(Fetch, committed_readers_stop_at_an_open_transaction_and_learn_of_aborted_ones) {
  open_client();
  const auto commit = [&](std::vector<std::string> values, std::int64_t producer,
                          std::int32_t sequence) {
    log::Commit one;
    one.appends.push_back({"t", 0,
                           make_batch({.values = std::move(values),
                                       .producer_id = producer,
                                       .base_sequence = sequence,
                                       .is_transactional = true})});
    const auto appended = log_->commit(std::move(one));
    ASSERT_TRUE(appended.is_ok()) << appended.status().to_string();
    ASSERT_TRUE(log_->wait_durable(appended->sequence).is_ok());
  };
  const auto end = [&](std::int64_t producer, bool is_commit) {
    log::Commit one;
    one.markers.push_back({{"t", 0}, {ProducerId(producer), ProducerEpoch(0)}, is_commit});
    const auto appended = log_->commit(std::move(one));
    ASSERT_TRUE(appended.is_ok()) << appended.status().to_string();
    ASSERT_TRUE(log_->wait_durable(appended->sequence).is_ok());
  };
  commit({"a"}, 1, 0);
  end(1, false);  // offsets 0, marker 1
  commit({"b"}, 1, 1);
  end(1, true);         // offsets 2, marker 3
  commit({"c"}, 2, 0);  // offset 4, open

  auto committed = fetch_request({{"t"}});
  committed.isolation_level = 1;
  const auto seen = fetch(committed);
  EXPECT_EQ(seen.last_stable_offset, 4);
  EXPECT_EQ(seen.high_watermark, 5);
  ASSERT_TRUE(seen.aborted_transactions.has_value());
  ASSERT_EQ(seen.aborted_transactions->size(), 1u);
  EXPECT_EQ(seen.aborted_transactions->at(0).producer_id, 1);
  EXPECT_EQ(seen.aborted_transactions->at(0).first_offset, 0);
  const auto all = fetch(fetch_request({{"t"}}));
  EXPECT_FALSE(all.aborted_transactions.has_value());
  EXPECT_GT(all.records.byte_count(), seen.records.byte_count());

  ListOffsetsRequest request;
  request.isolation_level = 1;
  request.topics.push_back({"t", {{0, -1, ListOffsetsRequest::kLatest}}});
  EXPECT_EQ(client().call<ListOffsetsResponse>(request, 8).topics[0].partitions[0].offset, 4);
  request.isolation_level = 0;
  EXPECT_EQ(client().call<ListOffsetsResponse>(request, 8).topics[0].partitions[0].offset, 5);
}

class Offsets : public Fetch {};

TEST_F(Offsets, are_found_by_time_and_at_both_ends) {
  open_client();
  produce({.values = {"a"}, .timestamp_ms = 1'000});
  produce({.values = {"b"}, .timestamp_ms = 3'000});
  produce({.values = {"c"}, .timestamp_ms = 2'000});
  const auto find = [&](std::int64_t timestamp) {
    ListOffsetsRequest request;
    request.topics.push_back({"t", {{0, -1, timestamp}}});
    const auto response = client().call<ListOffsetsResponse>(request, 8);
    const auto& partition = response.topics.at(0).partitions.at(0);
    EXPECT_EQ(partition.error_code, ErrorCode::none);
    return std::pair{partition.offset, partition.timestamp};
  };
  using Found = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(find(ListOffsetsRequest::kEarliest), Found(0, -1));
  EXPECT_EQ(find(ListOffsetsRequest::kLatest), Found(3, -1));
  EXPECT_EQ(find(ListOffsetsRequest::kMaxTimestamp), Found(1, 3'000));
  EXPECT_EQ(find(0), Found(0, 1'000));
  EXPECT_EQ(find(1'001), Found(1, 3'000));
  EXPECT_EQ(find(3'001), Found(-1, -1));
}

TEST_F(Offsets, of_the_one_leader_epoch_end_at_the_high_watermark) {
  open_client();
  produce({.values = {"a", "b"}});
  const auto end_of = [&](std::int32_t epoch, std::int32_t current) {
    OffsetForLeaderEpochRequest request;
    request.topics.push_back({"t", {{0, current, epoch}}});
    const auto response = client().call<OffsetForLeaderEpochResponse>(request, 4);
    return response.topics.at(0).partitions.at(0);
  };
  EXPECT_EQ(end_of(0, 0).end_offset, 2);
  EXPECT_EQ(end_of(0, 0).leader_epoch, 0);
  EXPECT_EQ(end_of(1, -1).end_offset, -1);
  EXPECT_EQ(end_of(0, 3).error_code, ErrorCode::unknown_leader_epoch);
}

}  // namespace
}  // namespace millrace::broker
