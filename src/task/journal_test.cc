#include "task/journal.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"

namespace millrace::task {
namespace {

std::string bytes_of(const JournalEntry& entry) {
  std::string bytes;
  encode_journal_entry(entry, bytes);
  return bytes;
}

constexpr Hash128 kHash{0x0807060504030201, 0x100f0e0d0c0b0a09};
constexpr std::string_view kHashBytes =
    "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10";

// Version 1, sequence 300, offset 64, wall time 1: 01, ac 02, 80 01, 02, then the event.
std::string golden(std::string_view event) {
  return std::string("\x01\xac\x02\x80\x01\x02") + std::string(event);
}
JournalEntry entry(JournalEvent event) {
  return {300, Offset(64), WallTime(1), std::move(event)};
}

struct Golden {
  JournalEntry entry;
  std::string bytes;
};

std::vector<Golden> all_golden() {
  const std::string hash(kHashBytes);
  return {
      {entry(PositionEntry{5, "me"}), golden("\x01\x05\x02me")},
      {entry(WatermarkEntry{EventTime(-3)}), golden("\x02\x05")},
      {entry(TableVersionEntry{"sectors", kHash}), golden("\x03\x07sectors" + hash)},
      {entry(PipelineEntry{"ticks", 2, kHash, 4}), golden("\x04\x05ticks\x04" + hash + "\x08")},
      {entry(SnapshotEntry{"k/1", Offset(64), 299, kHash, 1000}),
       golden("\x05\x03k/1\x80\x01\xab\x02" + hash + "\xe8\x07")},
      {entry(SnapshotRetiredEntry{"k/0"}), golden("\x06\x03k/0")},
      {entry(StateLostEntry{"w", 3, 300, 0, 5}),
       golden(std::string_view("\x07\x01w\x03\xac\x02\x00\x05", 8))},
      {entry(SourceTopicEntry{"in", 7}),
       golden(std::string_view("\x08\x02in\x07\0\0\0\0\0\0\0", 12))},
  };
}

TEST(Journal, has_the_bytes_of_its_format) {
  for (const auto& [entry, bytes] : all_golden()) EXPECT_EQ(bytes_of(entry), bytes);
}

TEST(Journal, reads_what_was_written) {
  for (const auto& [entry, bytes] : all_golden()) {
    const auto read = decode_journal_entry(bytes);
    ASSERT_TRUE(read.is_ok()) << read.status().to_string();
    EXPECT_EQ(read->sequence, 300u);
    EXPECT_EQ(read->at, Offset(64));
    EXPECT_EQ(read->wall_time, WallTime(1));
    EXPECT_EQ(read->event.index(), entry.event.index());
    EXPECT_EQ(bytes_of(*read), bytes);
  }
}

TEST(Journal, every_cut_and_every_extra_byte_is_noticed) {
  for (const auto& [entry, bytes] : all_golden()) {
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto read = decode_journal_entry(std::string_view(bytes).substr(0, length));
      ASSERT_FALSE(read.is_ok()) << length;
      EXPECT_EQ(read.status().code(), StatusCode::corrupt);
    }
    EXPECT_EQ(decode_journal_entry(bytes + '\0').status().code(), StatusCode::corrupt);
  }
}

TEST(Journal, says_which_version_or_event_it_does_not_know) {
  auto bytes = golden("\x02\x05");
  bytes[0] = 9;
  const auto version = decode_journal_entry(bytes);
  ASSERT_FALSE(version.is_ok());
  EXPECT_EQ(version.status().message(), "journal entry: format version 9, this binary reads 1");
  const auto event = decode_journal_entry(golden("\x63"));
  ASSERT_FALSE(event.is_ok());
  EXPECT_EQ(event.status().message(), "journal entry: unknown event type 99");
}

TEST(Journal, damaged_entries_are_refused_or_read_as_others_but_never_break_anything) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    for (const auto& [entry, bytes] : all_golden()) {
      auto damaged = bytes;
      for (std::uint64_t i = 0; i <= random.below(3); ++i) {
        damaged[random.below(damaged.size())] = static_cast<char>(random.next());
      }
      const auto read = decode_journal_entry(damaged);
      if (!read.is_ok()) EXPECT_EQ(read.status().code(), StatusCode::corrupt) << "seed " << seed;
    }
  }
}

TEST(Journal, only_watermarks_and_table_versions_change_a_tasks_state) {
  std::vector<bool> inputs;
  for (const auto& golden : all_golden()) inputs.push_back(is_task_input(golden.entry.event));
  EXPECT_EQ(inputs, (std::vector{false, true, true, false, false, false, false, false}));
}

}  // namespace
}  // namespace millrace::task
