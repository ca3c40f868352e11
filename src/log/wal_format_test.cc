#include "log/wal_format.h"

#include <gtest/gtest.h>

#include "log/log_test_support.h"

namespace millrace::log {
namespace {

constexpr LogId kLogId{0x0102030405060708, 0x1112131415161718};

// Made by hand from docs/formats/write_ahead_log.md, with another program's CRC-32C.
constexpr std::string_view kFileHeader =
    "4d52574601000000080706050403020118171615141312110700000000000000"
    "01000000000000000000000000000000000000000000000000000000070c2b6b";
constexpr std::string_view kGroup =
    "4d52574701000000080706050403020118171615141312112a00000000000000"
    "0700000000000000400000000000000006000000000000000010000000000000"
    "e80300000000000029000000000000000200000034000000096f362414c99b73"
    "0116000000090000007b68e5cf8b01000001050209010167017402d804016d42"
    "4154434844415441040300000000000000050174";

GroupHeader golden_header() {
  return {.log_id = kLogId,
          .group = 42,
          .position = {7, 64},
          .previous_end = {6, 4096},
          .first_commit = CommitSequence(1000),
          .synced_through = 41,
          .entry_count = 2,
          .payload_bytes = 52,
          .payload_crc = 0x24366f09};
}

TEST(WalFormat, a_file_header_has_these_bytes) {
  const WalFileHeader header{.log_id = kLogId, .file = 7, .is_recycled = true};
  EXPECT_EQ(encode_file_header(header), from_hex(kFileHeader));
  EXPECT_EQ(parse_file_header(from_hex(kFileHeader)).value(), header);
}

TEST(WalFormat, a_group_has_these_bytes) {
  const std::string golden = from_hex(kGroup);
  std::string bytes;
  append_group_header(golden_header(), bytes);
  CommitMeta meta;
  meta.append_time = WallTime(1'700'000'000'123);
  meta.batches.push_back({.topic_id = 5, .partition = 2, .batch_bytes = 9});
  meta.offsets.push_back({"g", {"t", 1}, Offset(300), "m"});
  std::string encoded;
  append_commit_meta(meta, encoded);
  append_entry_header(EntryKind::commit, encoded.size(), 9, bytes);
  bytes += encoded + "BATCHDATA";
  const std::string deleted = encode_topic_deleted({5, "t"});
  append_entry_header(EntryKind::topic_deleted, deleted.size(), 0, bytes);
  bytes += deleted;
  EXPECT_EQ(bytes, golden);
}

TEST(WalFormat, the_golden_group_reads_back) {
  const std::string golden = from_hex(kGroup);
  EXPECT_EQ(parse_group_header(golden).value(), golden_header());
  std::string_view rest = std::string_view(golden).substr(kGroupHeaderBytes);
  const EntryView commit = take_entry(rest).value();
  EXPECT_EQ(commit.kind, EntryKind::commit);
  EXPECT_EQ(commit.data, "BATCHDATA");
  const CommitMeta meta = parse_commit_meta(commit.meta).value();
  EXPECT_EQ(meta.append_time, WallTime(1'700'000'000'123));
  ASSERT_EQ(meta.batches.size(), 1u);
  EXPECT_EQ(meta.batches[0], (CommitMeta::Batch{5, 2, 9}));
  ASSERT_EQ(meta.offsets.size(), 1u);
  EXPECT_EQ(meta.offsets[0].source, (TopicPartition{"t", 1}));
  EXPECT_EQ(meta.offsets[0].next_offset, Offset(300));
  const EntryView deleted = take_entry(rest).value();
  EXPECT_EQ(parse_topic_deleted(deleted.meta).value().name, "t");
  EXPECT_TRUE(rest.empty());
}

TEST(WalFormat, any_changed_bit_of_a_header_is_noticed) {
  for (const auto golden : {kFileHeader, kGroup}) {
    const std::size_t header_bytes = golden == kGroup ? kGroupHeaderBytes : kWalFileHeaderBytes;
    for (std::size_t bit = 0; bit < header_bytes * 8; ++bit) {
      std::string bytes = from_hex(golden);
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      const auto code = golden == kGroup ? parse_group_header(bytes).status().code()
                                         : parse_file_header(bytes).status().code();
      EXPECT_EQ(code, StatusCode::corrupt) << bit;
    }
  }
}

TEST(WalFormat, a_cut_off_entry_is_corrupt_wherever_it_is_cut) {
  const std::string golden = from_hex(kGroup);
  const std::string_view payload = std::string_view(golden).substr(kGroupHeaderBytes, 40);
  for (std::size_t bytes = 0; bytes < payload.size(); ++bytes) {
    std::string_view cut = payload.substr(0, bytes);
    EXPECT_EQ(take_entry(cut).status().code(), StatusCode::corrupt) << bytes;
  }
}

TEST(WalFormat, the_reserved_length_of_a_commit_is_never_too_short) {
  CommitMeta meta;
  meta.append_time = WallTime(INT64_MAX);
  for (int i = 0; i < 3; ++i) {
    meta.batches.push_back({UINT64_MAX, INT32_MAX, UINT32_MAX});
    meta.offsets.push_back({"group", {"topic", INT32_MIN}, Offset(INT64_MAX), "metadata"});
  }
  std::string bytes;
  append_commit_meta(meta, bytes);
  EXPECT_LE(bytes.size(), commit_meta_bytes_max(3, meta.offsets));
}

TEST(WalFormat, file_names_have_twenty_digits) {
  EXPECT_EQ(wal_file_name(42), "00000000000000000042.wal");
  EXPECT_EQ(parse_wal_file_name("00000000000000000042.wal"), 42u);
  EXPECT_EQ(parse_wal_file_name("42.wal"), 0u);
  EXPECT_EQ(parse_wal_file_name("0000000000000000004x.wal"), 0u);
}

}  // namespace
}  // namespace millrace::log
