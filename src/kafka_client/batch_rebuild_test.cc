#include "kafka_client/batch_rebuild.h"

#include <gtest/gtest.h>

#include "codec/record_batch.h"

namespace millrace::kafka_client {
namespace {

ReadMessage message(std::int64_t offset, std::optional<std::string_view> value) {
  ReadMessage out;
  out.offset = Offset(offset);
  out.timestamp = WallTime(1'000 + offset);
  out.value = value;
  return out;
}

TEST(BatchRebuild, gives_every_record_a_batch_at_its_offset) {
  BatchRebuild rebuild;
  EXPECT_TRUE(rebuild.empty());
  const std::vector<codec::HeaderToAppend> headers{{"h", "1"}, {"h", std::nullopt}};
  auto first = message(7, "a");
  first.key = "k";
  first.headers = headers;
  rebuild.add_record(first);
  rebuild.add_record(message(8, std::nullopt));
  const auto batches = rebuild.finish();
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].base_offset, Offset(7));
  EXPECT_EQ(batches[0].next_offset, Offset(8));
  EXPECT_EQ(batches[0].append_time, WallTime(1'007));
  EXPECT_EQ(batches[0].kind, log::BatchKind::records);
  codec::BatchReader reader;
  ASSERT_TRUE(reader.open(batches[0].bytes.view()).is_ok());
  const auto* record = reader.next();
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->offset, Offset(7));
  EXPECT_EQ(record->timestamp, WallTime(1'007));
  EXPECT_EQ(record->key, std::optional<std::string_view>("k"));
  EXPECT_EQ(record->value, std::optional<std::string_view>("a"));
  ASSERT_EQ(record->headers.size(), 2u);
  EXPECT_EQ(record->headers[1].value, std::nullopt);
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_TRUE(reader.status().is_ok());
  ASSERT_TRUE(reader.open(batches[1].bytes.view()).is_ok());
  EXPECT_EQ(reader.next()->value, std::nullopt);
  EXPECT_TRUE(rebuild.empty());
  EXPECT_EQ(rebuild.bytes(), 0u);
}

TEST(BatchRebuild, a_hole_is_a_control_batch_of_one_offset_whose_checksum_is_always_the_same) {
  BatchRebuild rebuild;
  rebuild.add_hole(Offset(3));
  rebuild.add_record(message(4, "x"));
  rebuild.add_hole(Offset(5));
  const auto batches = rebuild.finish();
  ASSERT_EQ(batches.size(), 3u);
  const auto first = codec::parse_batch_header(batches[0].bytes.view()).value();
  const auto last = codec::parse_batch_header(batches[2].bytes.view()).value();
  EXPECT_TRUE(first.is_control);
  EXPECT_EQ(first.base_offset, Offset(3));
  EXPECT_EQ(first.next_offset(), Offset(4));
  EXPECT_EQ(last.base_offset, Offset(5));
  EXPECT_EQ(last.crc, first.crc);
  EXPECT_EQ(batches[2].kind, log::BatchKind::control);
  EXPECT_EQ(batches[2].next_offset, Offset(6));
  EXPECT_TRUE(codec::verify_batch_crc(batches[2].bytes.view(), last).is_ok());
}

TEST(BatchRebuild, a_record_has_the_same_bytes_however_many_are_read_with_it) {
  BatchRebuild rebuild;
  rebuild.add_record(message(1, "a"));
  rebuild.add_record(message(2, "b"));
  const auto together = rebuild.finish();
  rebuild.add_record(message(2, "b"));
  EXPECT_EQ(rebuild.finish().front().bytes.view(), together[1].bytes.view());
}

}  // namespace
}  // namespace millrace::kafka_client
