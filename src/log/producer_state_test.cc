#include "log/producer_state.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::log {
namespace {

codec::BatchHeader batch(std::int16_t epoch, std::int32_t sequence, std::int32_t records = 1) {
  codec::BatchHeader header;
  header.producer_id = ProducerId(1);
  header.producer_epoch = ProducerEpoch(epoch);
  header.base_sequence = sequence;
  header.last_offset_delta = records - 1;
  header.record_count = records;
  return header;
}

constexpr WallTime kNow{1'000};

TEST(ProducerEntry, an_unknown_producer_may_start_anywhere) {
  EXPECT_FALSE(ProducerEntry().check(batch(0, 17)).value().has_value());
}

TEST(ProducerEntry, sequences_start_over_behind_the_largest_32_bit_number) {
  ProducerEntry entry;
  entry.appended(batch(0, INT32_MAX - 1, 3), Offset(0), kNow);  // takes max - 1, max and 0
  EXPECT_EQ(entry.next_sequence(), 1);
  EXPECT_TRUE(entry.check(batch(0, 1)).is_ok());
  EXPECT_EQ(entry.check(batch(0, INT32_MAX - 1, 3)).value(), Offset(0));
}

TEST(ProducerEntry, a_batch_with_the_same_start_and_another_length_is_no_repeat) {
  ProducerEntry entry;
  entry.appended(batch(0, 0, 2), Offset(0), kNow);
  EXPECT_EQ(entry.check(batch(0, 0, 3)).status().code(), StatusCode::out_of_sequence);
}

TEST(ProducerEntry, five_batches_are_remembered) {
  ProducerEntry entry;
  for (std::int32_t i = 0; i < 7; ++i) entry.appended(batch(0, i), Offset(100 + i), kNow);
  for (std::int32_t i = 2; i < 7; ++i) {
    EXPECT_EQ(entry.check(batch(0, i)).value(), Offset(100 + i));
  }
  EXPECT_EQ(entry.check(batch(0, 1)).status().code(), StatusCode::out_of_sequence);
}

TEST(ProducerEntry, a_producer_id_without_sequence_is_refused) {
  EXPECT_EQ(ProducerEntry().check(batch(0, -1)).status().code(), StatusCode::invalid);
}

TEST(ProducerTable, idle_producers_are_forgotten_and_the_rest_survive_encoding) {
  ProducerTable table;
  for (std::int64_t id = 0; id < 10; ++id) {
    ProducerEntry entry;
    entry.appended(batch(3, 5, 2), Offset(id), WallTime(id));
    table.set(ProducerId(id), entry);
  }
  table.expire(WallTime(4), [](ProducerId) { return false; });
  EXPECT_EQ(table.count(), 6u);
  EXPECT_EQ(table.find(ProducerId(3)), nullptr);
  std::string bytes;
  Encoder to(bytes);
  table.encode(to);
  Decoder from(bytes);
  EXPECT_EQ(ProducerTable::decode(from), table);
  EXPECT_TRUE(from.finish("producers").is_ok());
}

}  // namespace
}  // namespace millrace::log
