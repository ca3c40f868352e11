#include "log/segment_format.h"

#include <gtest/gtest.h>

#include "log/log_test_support.h"

namespace millrace::log {
namespace {

// Made by hand from docs/formats/segment.md, with another program's CRC-32C.
constexpr std::string_view kHeader =
    "4d52534701000000080706050403020118171615141312110500000000000000"
    "d20400000000000002000000000000000000000000000000000000005eaca466";
constexpr std::string_view kFrameHeader = "7b68e5cf8b0100004600000075bfa110";
constexpr std::string_view kIndexEntry =
    "d20400000000000040000000000000007b68e5cf8b010000d8fb154300000000";

std::string counting_bytes() {
  std::string batch;
  for (char c = 0; c < 70; ++c) batch.push_back(c);
  return batch;
}

TEST(SegmentFormat, a_segment_header_has_these_bytes) {
  const SegmentHeader header{.log_id = {0x0102030405060708, 0x1112131415161718},
                             .topic_id = 5,
                             .partition = 2,
                             .base_offset = Offset(1234)};
  EXPECT_EQ(encode_segment_header(header), from_hex(kHeader));
  EXPECT_EQ(parse_segment_header(from_hex(kHeader)).value(), header);
}

TEST(SegmentFormat, a_frame_header_has_these_bytes_and_covers_what_the_batch_crc_leaves_out) {
  const std::string batch = counting_bytes();
  std::string bytes;
  append_frame_header(WallTime(1'700'000'000'123), batch, bytes);
  EXPECT_EQ(bytes, from_hex(kFrameHeader));
  const auto parsed = parse_frame_header(bytes + batch);
  EXPECT_EQ(parsed.value().append_time, WallTime(1'700'000'000'123));
  EXPECT_EQ(parsed.value().batch_bytes, 70u);
  for (std::size_t at = 0; at < kFrameHeaderBytes + 21; ++at) {
    std::string damaged = bytes + batch;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    EXPECT_EQ(parse_frame_header(damaged).status().code(), StatusCode::corrupt) << at;
  }
}

TEST(SegmentFormat, an_index_entry_has_these_bytes) {
  const IndexEntry entry{Offset(1234), 64, WallTime(1'700'000'000'123)};
  std::string bytes;
  append_index_entry(entry, bytes);
  EXPECT_EQ(bytes, from_hex(kIndexEntry));
  EXPECT_EQ(parse_index_entry(bytes).value(), entry);
  bytes[3] ^= 1;
  EXPECT_EQ(parse_index_entry(bytes).status().code(), StatusCode::corrupt);
}

TEST(SegmentFormat, names_say_offset_generation_and_topic) {
  EXPECT_EQ(segment_file_name(Offset(1234), 0), "00000000000000001234.log");
  EXPECT_EQ(segment_file_name(Offset(1234), 2), "00000000000000001234.2.log");
  EXPECT_EQ(index_file_name(Offset(0), 0), "00000000000000000000.index");
  EXPECT_EQ(partition_folder_name("ticks", 3, 17), "ticks-3.17");
  EXPECT_LE(partition_folder_name(std::string(249, 'x'), 9999, UINT64_MAX).size(), 255u);
}

}  // namespace
}  // namespace millrace::log
