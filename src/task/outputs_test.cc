#include "task/outputs.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::task {
namespace {

std::vector<OutputTopic> topics() {
  return {{"a", 3, codec::Compression::none}, {"b", 1, codec::Compression::lz4}};
}

OutputRecord record(std::string_view value) {
  return {WallTime(5), "k", value, {}};
}

std::vector<std::string> values_in(std::string_view batch) {
  std::vector<std::string> values;
  codec::BatchReader reader;
  EXPECT_TRUE(reader.open(batch).is_ok());
  while (const auto* read = reader.next()) values.emplace_back(read->value.value_or("(null)"));
  EXPECT_TRUE(reader.status().is_ok());
  return values;
}

TEST(Outputs, makes_one_batch_per_partition_in_the_order_of_first_writing) {
  Outputs outputs(topics());
  EXPECT_TRUE(outputs.empty());
  outputs.append(1, 0, record("1"));
  outputs.append(0, 2, record("2"));
  outputs.append(1, 0, record("3"));
  EXPECT_GT(outputs.pending_bytes(), 0u);
  const auto batches = outputs.take();
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].output, 1u);
  EXPECT_EQ(values_in(batches[0].bytes), (std::vector<std::string>{"1", "3"}));
  EXPECT_EQ(batches[1].output, 0u);
  EXPECT_EQ(batches[1].partition, 2);
  EXPECT_EQ(values_in(batches[1].bytes), (std::vector<std::string>{"2"}));
  EXPECT_TRUE(outputs.empty());
  EXPECT_EQ(outputs.pending_bytes(), 0u);
  EXPECT_TRUE(outputs.take().empty());
}

TEST(Outputs, swallows_everything_while_suppressed) {
  Outputs outputs(topics());
  outputs.set_suppressed(true);
  outputs.append(0, 0, record("lost"));
  EXPECT_TRUE(outputs.empty());
  outputs.set_suppressed(false);
  outputs.append(0, 0, record("kept"));
  const auto batches = outputs.take();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(values_in(batches[0].bytes), (std::vector<std::string>{"kept"}));
}

TEST(Outputs, splits_what_would_be_too_large_a_batch) {
  Outputs outputs(topics());
  const std::string large(300'000, 'x');
  std::vector<std::string> expected;
  for (int i = 0; i < 10; ++i) {
    expected.push_back(large + std::to_string(i));
    outputs.append(0, 1, record(expected.back()));
  }
  std::vector<std::string> values;
  for (const auto& batch : outputs.take()) {
    EXPECT_LT(batch.bytes.size(), Outputs::kBatchPlainBytes + 400'000);
    for (auto& value : values_in(batch.bytes)) values.push_back(std::move(value));
  }
  EXPECT_EQ(values, expected);
  EXPECT_TRUE(outputs.empty());
  outputs.append(0, 1, record(std::string(Outputs::kBatchPlainBytes, 'y')));
  EXPECT_FALSE(outputs.empty());
  EXPECT_EQ(outputs.take().size(), 1u);
}

// Partitions of Kafka's DefaultPartitioner for three partitions, computed with its murmur2
// elsewhere: murmur2("21") = -973932308 and murmur2("foobar") = -790332482 are in Kafka's own
// UtilsTest.
TEST(Outputs, keyed_records_go_where_kafkas_default_partitioner_sends_them) {
  const Outputs outputs(topics());
  EXPECT_EQ(outputs.partition_for(0, "21", 0), (-973932308 & 0x7fffffff) % 3);
  EXPECT_EQ(outputs.partition_for(0, "foobar", 0), (-790332482 & 0x7fffffff) % 3);
  EXPECT_EQ(outputs.partition_for(0, std::nullopt, 7), 1);
  EXPECT_EQ(outputs.partition_for(1, "foobar", 7), 0);
}

}  // namespace
}  // namespace millrace::task
