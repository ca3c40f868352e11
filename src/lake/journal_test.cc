#include "lake/journal.h"

#include <gtest/gtest.h>

namespace millrace::lake {
namespace {

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::string encoded(std::uint64_t sequence, LakeEvent event) {
  std::string bytes;
  encode_lake_entry({sequence, WallTime(1000), std::move(event)}, bytes);
  return bytes;
}

WriterConfig small_writer() {
  WriterConfig writer;
  writer.partition_by = {"hour"};
  writer.layout.fields = {{"t", FieldType::timestamp},
                          {"p", FieldType::decimal, true, false, 18, 4}};
  return writer;
}

// Every byte by hand from docs/formats/lake.md; spaces only for the reader.
TEST(LakeJournal, entries_have_the_bytes_of_the_format_page) {
  const auto expect_bytes = [](const std::string& bytes, std::string expected) {
    std::erase(expected, ' ');
    EXPECT_EQ(hex(bytes), expected);
  };
  // version, sequence, wall time 1000 as zigzag 2000, type, then the event
  expect_bytes(encoded(1, BeginEntry{"out", 7, Offset(5)}),
               "01 01 d00f 01 03 6f7574 0700000000000000 0a");
  expect_bytes(encoded(2, WriterEntry{1, small_writer()}),
               "01 02 d00f 02 01 02 01 04 01 04 686f7572 00 02 "
               "01 74 04 26 04 03 "
               "01 70 02 12 04 03");
  expect_bytes(encoded(3, FreezeEntry{1, Offset(5), Offset(9), 1, {{"a", 3}, {"b", 1}}}),
               "01 03 d00f 03 01 0a 12 01 02 01 61 03 01 62 01");
  expect_bytes(encoded(4, UploadsEntry{1, {{1, "u7"}}}), "01 04 d00f 04 01 01 01 02 7537");
  expect_bytes(encoded(5, DoneEntry{1, {300, 2}, 1}), "01 05 d00f 05 01 02 ac02 02 01");
}

TEST(LakeJournal, entries_come_back_as_they_went) {
  const auto bytes = encoded(3, FreezeEntry{4, Offset(5), Offset(9), 2, {{"a", 3}, {"b", 1}}});
  const auto entry = decode_lake_entry(bytes);
  ASSERT_TRUE(entry.is_ok());
  EXPECT_EQ(entry->sequence, 3u);
  EXPECT_EQ(entry->wall_time, WallTime(1000));
  const auto& freeze = std::get<FreezeEntry>(entry->event);
  EXPECT_EQ(freeze.range, 4u);
  EXPECT_EQ(freeze.next_offset, Offset(9));
  EXPECT_EQ(freeze.files, (std::vector<FrozenFile>{{"a", 3}, {"b", 1}}));

  const auto writer = decode_lake_entry(encoded(1, WriterEntry{1, small_writer()}));
  ASSERT_TRUE(writer.is_ok());
  EXPECT_TRUE(is_same_writer(std::get<WriterEntry>(writer->event).config, small_writer()));
}

TEST(LakeJournal, malformed_entries_are_corrupt) {
  const auto bytes = encoded(3, FreezeEntry{4, Offset(5), Offset(9), 2, {{"a", 3}}});
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_EQ(decode_lake_entry(bytes.substr(0, cut)).status().code(), StatusCode::corrupt) << cut;
  }
  EXPECT_EQ(decode_lake_entry(bytes + "x").status().code(), StatusCode::corrupt);
  auto other = bytes;
  other[0] = 2;
  EXPECT_EQ(decode_lake_entry(other).status().code(), StatusCode::corrupt);
  other = bytes;
  other[4] = 9;
  EXPECT_EQ(decode_lake_entry(other).status().code(), StatusCode::corrupt);
}

class StateRules : public testing::Test {
 protected:
  StateRules() {
    EXPECT_TRUE(take(BeginEntry{"out", 7, Offset(5)}).is_ok());
    EXPECT_TRUE(take(WriterEntry{1, small_writer()}).is_ok());
  }
  Status take(LakeEvent event) {
    return state_.take({state_.last_sequence + 1, WallTime(1), std::move(event)});
  }
  StatusCode code_of(LakeEvent event) { return take(std::move(event)).code(); }

  DeliveryState state_;
};

TEST_F(StateRules, ranges_tile) {
  EXPECT_TRUE(take(FreezeEntry{1, Offset(5), Offset(9), 1, {{"a", 3}}}).is_ok());
  EXPECT_EQ(state_.next_offset, Offset(9));
  EXPECT_EQ(state_.delivered_offset, Offset(5));
  EXPECT_TRUE(take(UploadsEntry{1, {{0, "u"}}}).is_ok());
  EXPECT_TRUE(take(UploadsEntry{1, {{0, "v"}}}).is_ok());
  EXPECT_EQ(state_.open->uploads.size(), 2u);
  EXPECT_TRUE(take(DoneEntry{1, {300}, 1}).is_ok());
  EXPECT_EQ(state_.delivered_offset, Offset(9));
  EXPECT_EQ(state_.rows, 3u);
  EXPECT_EQ(state_.file_bytes, 300u);
  EXPECT_EQ(state_.dead_letters, 1u);
  EXPECT_TRUE(take(FreezeEntry{2, Offset(9), Offset(10), 1, {}}).is_ok());
}

TEST_F(StateRules, a_hole_is_corrupt) {
  EXPECT_EQ(code_of(FreezeEntry{1, Offset(6), Offset(9), 1, {}}), StatusCode::corrupt);
}
TEST_F(StateRules, an_overlap_is_corrupt) {
  EXPECT_EQ(code_of(FreezeEntry{1, Offset(4), Offset(9), 1, {}}), StatusCode::corrupt);
}
TEST_F(StateRules, an_empty_range_is_corrupt) {
  EXPECT_EQ(code_of(FreezeEntry{1, Offset(5), Offset(5), 1, {}}), StatusCode::corrupt);
}
TEST_F(StateRules, a_skipped_range_number_is_corrupt) {
  EXPECT_EQ(code_of(FreezeEntry{2, Offset(5), Offset(9), 1, {}}), StatusCode::corrupt);
}
TEST_F(StateRules, an_unknown_writer_is_corrupt) {
  EXPECT_EQ(code_of(FreezeEntry{1, Offset(5), Offset(9), 2, {}}), StatusCode::corrupt);
}
TEST_F(StateRules, two_open_ranges_are_corrupt) {
  EXPECT_TRUE(take(FreezeEntry{1, Offset(5), Offset(9), 1, {}}).is_ok());
  EXPECT_EQ(code_of(FreezeEntry{2, Offset(9), Offset(10), 1, {}}), StatusCode::corrupt);
}
TEST_F(StateRules, done_without_freeze_is_corrupt) {
  EXPECT_EQ(code_of(DoneEntry{1, {}, 0}), StatusCode::corrupt);
}
TEST_F(StateRules, done_with_another_number_of_files_is_corrupt) {
  EXPECT_TRUE(take(FreezeEntry{1, Offset(5), Offset(9), 1, {{"a", 3}}}).is_ok());
  EXPECT_EQ(code_of(DoneEntry{1, {1, 2}, 0}), StatusCode::corrupt);
}
TEST_F(StateRules, an_upload_of_no_file_is_corrupt) {
  EXPECT_TRUE(take(FreezeEntry{1, Offset(5), Offset(9), 1, {{"a", 3}}}).is_ok());
  EXPECT_EQ(code_of(UploadsEntry{1, {{1, "u"}}}), StatusCode::corrupt);
}
TEST_F(StateRules, a_second_begin_is_corrupt) {
  EXPECT_EQ(code_of(BeginEntry{"out", 7, Offset(5)}), StatusCode::corrupt);
}
TEST_F(StateRules, a_gap_in_the_sequence_is_corrupt) {
  EXPECT_EQ(state_.take({4, WallTime(1), DoneEntry{}}).code(), StatusCode::corrupt);
}

}  // namespace
}  // namespace millrace::lake
