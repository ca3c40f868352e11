#include "log/checkpoint.h"

#include <gtest/gtest.h>

#include "log/group_table.h"
#include "log/log_test_support.h"
#include "log/producer_state.h"
#include "log/transaction_state.h"

namespace millrace::log {
namespace {

// Made by hand from docs/formats/log_checkpoint.md, with another program's CRC-32C.
constexpr std::string_view kGolden =
    "4d5243500200000008070605040302011817161514131211e803000000000000"
    "070000000000000000100000000000002a0000000000000006d00ff6a1abfef9"
    "62010174050201d00f80808080010380f0b252808080080006100e010601f403"
    "0e80a0abfef962f6a1abfef962e4a0abfef9620d011200f6a1abfef962010004"
    "080801120e0118060a0c0901016701017400100005fd72d7";
// The same as it was while a compacted topic with bounds had cleanup 1.
constexpr std::string_view kGoldenOfCleanup1 =
    "4d5243500200000008070605040302011817161514131211e803000000000000"
    "070000000000000000100000000000002a0000000000000006d00ff6a1abfef9"
    "62010174050201d00f80808080010180f0b252808080080006100e010601f403"
    "0e80a0abfef962f6a1abfef962e4a0abfef9620d011200f6a1abfef962010004"
    "080801120e0118060a0c09010167010174001000f10546ca";
// The same of version 1, which knew no transactions and no timestamps.
constexpr std::string_view kGoldenOfVersion1 =
    "4d5243500100000008070605040302011817161514131211e803000000000000"
    "070000000000000000100000000000002a0000000000000006d00ff6a1abfef9"
    "62010174050201d00f80808080010180f0b252808080080006100e010601f403"
    "0e80a0abfef962f6a1abfef9620d011200f6a1abfef962010004080901016701"
    "01740010006da9fc6a";

Checkpoint golden_checkpoint() {
  ProducerTable producers;
  codec::BatchHeader batch;
  batch.producer_id = ProducerId(9);
  batch.producer_epoch = ProducerEpoch(0);
  batch.base_sequence = 0;
  batch.last_offset_delta = 2;
  ProducerEntry producer;
  producer.appended(batch, Offset(4), WallTime(1'700'000'000'123));
  producers.set(ProducerId(9), producer);
  GroupTable groups;
  groups.commit({"g", {"t", 0}, Offset(8), ""});

  CheckpointPartition partition;
  partition.start = Offset(3);
  partition.end = Offset(8);
  partition.compacted_to = Offset(7);
  partition.segments.push_back({.base_offset = Offset(3),
                                .generation = 1,
                                .valid_bytes = 500,
                                .next_offset = Offset(7),
                                .first_append_time = WallTime(1'700'000'000'000),
                                .last_append_time = WallTime(1'700'000'000'123),
                                .max_timestamp = WallTime(1'700'000'000'050)});
  Encoder to_producers(partition.producers);
  producers.encode(to_producers);
  TransactionTable transactions;
  transactions.begin(ProducerId(12), Offset(3));
  transactions.end(ProducerId(12), Offset(5), false);
  transactions.begin(ProducerId(9), Offset(7));
  Encoder to_transactions(partition.transactions);
  transactions.encode(to_transactions);

  CheckpointTopic topic;
  topic.name = "t";
  topic.topic_id = 5;
  topic.config.retention_bytes = 1000;
  topic.config.is_compacted = true;
  topic.partitions.push_back(partition);

  Checkpoint out;
  out.log_id = {0x0102030405060708, 0x1112131415161718};
  out.commit = CommitSequence(1000);
  out.wal = {.position = {7, 4096}, .next_group = 42};
  out.next_topic_id = 6;
  out.next_producer_id = 1000;
  out.last_append_time = WallTime(1'700'000'000'123);
  out.topics.push_back(topic);
  Encoder to_groups(out.groups);
  groups.encode(to_groups);
  return out;
}

TEST(Checkpoint, it_has_these_bytes) {
  EXPECT_EQ(encode_checkpoint(golden_checkpoint()), from_hex(kGolden));
}

TEST(Checkpoint, the_golden_bytes_read_back) {
  const auto parsed = parse_checkpoint(from_hex(kGolden));
  ASSERT_TRUE(parsed.is_ok()) << parsed.status().to_string();
  const Checkpoint& found = parsed.value();
  const Checkpoint expected = golden_checkpoint();
  EXPECT_EQ(found.log_id, expected.log_id);
  EXPECT_EQ(found.commit, expected.commit);
  EXPECT_EQ(found.wal.position, expected.wal.position);
  EXPECT_EQ(found.wal.next_group, expected.wal.next_group);
  ASSERT_EQ(found.topics.size(), 1u);
  EXPECT_EQ(found.topics[0].config, expected.topics[0].config);
  ASSERT_EQ(found.topics[0].partitions.size(), 1u);
  EXPECT_EQ(found.topics[0].partitions[0].segments, expected.topics[0].partitions[0].segments);
  EXPECT_EQ(found.topics[0].partitions[0].producers, expected.topics[0].partitions[0].producers);
  EXPECT_EQ(found.topics[0].partitions[0].transactions,
            expected.topics[0].partitions[0].transactions);
  EXPECT_EQ(found.groups, expected.groups);
}

TEST(Checkpoint, a_compacted_topic_of_before_keeps_its_bounds_in_force) {
  const auto parsed = parse_checkpoint(from_hex(kGoldenOfCleanup1));
  ASSERT_TRUE(parsed.is_ok()) << parsed.status().to_string();
  EXPECT_EQ(parsed->topics.at(0).config, golden_checkpoint().topics.at(0).config);
}

TEST(Checkpoint, version_1_reads_back_without_transactions_and_timestamps) {
  const auto parsed = parse_checkpoint(from_hex(kGoldenOfVersion1));
  ASSERT_TRUE(parsed.is_ok()) << parsed.status().to_string();
  const CheckpointPartition& found = parsed.value().topics.at(0).partitions.at(0);
  CheckpointPartition expected = golden_checkpoint().topics.at(0).partitions.at(0);
  expected.segments[0].max_timestamp = kUnknownTimestamp;
  EXPECT_EQ(found.segments, expected.segments);
  EXPECT_EQ(found.producers, expected.producers);
  EXPECT_EQ(found.transactions, "");
  EXPECT_EQ(parsed.value().groups, golden_checkpoint().groups);
}

TEST(Checkpoint, any_changed_or_missing_byte_is_noticed) {
  const std::string golden = from_hex(kGolden);
  for (std::size_t at = 0; at < golden.size(); ++at) {
    std::string damaged = golden;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(parse_checkpoint(damaged).status().code(), StatusCode::corrupt) << at;
    EXPECT_EQ(parse_checkpoint(golden.substr(0, at)).status().code(), StatusCode::corrupt) << at;
  }
}

}  // namespace
}  // namespace millrace::log
