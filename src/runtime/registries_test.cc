#include <gtest/gtest.h>

#include <string>

#include "runtime/journal_reader.h"
#include "runtime/pipeline_registry.h"
#include "runtime/runtime_for_tests.h"
#include "runtime/table_registry.h"

namespace millrace::runtime {
namespace {

TEST(PipelineRegistry, the_newest_version_of_each_pipeline_is_found) {
  log::ManualClock clock;
  Storage storage(clock);
  ASSERT_TRUE(create_registry(storage.log()).is_ok());
  ASSERT_TRUE(create_registry(storage.log()).is_ok());  // again is fine
  EXPECT_FALSE(find_registered(storage.log(), "ticks")->has_value());
  const RegisteredPipeline first{"ticks", 1, {1, 2}, 4, "a\nb"};
  const RegisteredPipeline second{"ticks", 2, {3, 4}, 4, "a\nc"};
  const RegisteredPipeline other{"orders", 7, {5, 6}, 1, "z"};
  for (const auto& pipeline : {first, other, second}) {
    ASSERT_TRUE(register_pipeline(storage.log(), pipeline, WallTime(1)).is_ok());
  }
  storage.reopen();
  const auto found = find_registered(storage.log(), "ticks");
  ASSERT_TRUE(found.is_ok() && found->has_value());
  EXPECT_EQ((*found)->version, 2);
  EXPECT_EQ((*found)->file, (Hash128{3, 4}));
  EXPECT_EQ((*found)->text, "a\nc");
  EXPECT_EQ((*find_registered(storage.log(), "orders"))->version, 7);
}

TEST(PipelineRegistry, a_difference_names_the_lines) {
  EXPECT_EQ(describe_difference("a\nb\nc", "a\nB\nc\nd"),
            "\n  line 2 was: b\n  line 2 now: B\n  line 4 now: d");
  EXPECT_EQ(describe_difference("a\n\n", "a"), "\n  line 2 was: ");
  EXPECT_EQ(describe_difference("same", "same"), "");
  EXPECT_EQ(
      describe_difference("1\n2\n3\n4\n5\n6\n7", ""),
      "\n  line 1 was: 1\n  line 2 was: 2\n  line 3 was: 3\n  line 4 was: 4\n  line 5 was: 5");
}

TEST(TableRegistry, versions_stay_for_those_who_ask_by_hash) {
  log::ManualClock clock;
  Storage storage(clock);
  ASSERT_TRUE(storage.log().create_topic("tables", {}).is_ok());
  pipeline::TableFile file{"t", task::TableFormat::csv, "id", "id,v\na,1\n"};
  Hash128 first;
  {
    TableRegistry tables(storage.log(), "tables");
    const auto published = tables.publish(file);
    ASSERT_TRUE(published.is_ok());
    first = *published;
    EXPECT_EQ(*tables.publish(file), first);  // nothing new
    EXPECT_EQ(storage.records({"tables", 0}).size(), 1u);
    file.content = "id,v\na,2\n";
    EXPECT_NE(*tables.publish(file), first);
    file.content = "id,v\na\n";
    EXPECT_EQ(tables.publish(file).status().message(),
              "table t: line 2 has 1 fields, the header has 2");
  }
  TableRegistry tables(storage.log(), "tables");
  EXPECT_EQ(tables.provider()("t", first), nullptr);  // not before load
  ASSERT_TRUE(tables.load({file}).is_ok());
  const auto table = tables.provider()("t", first);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->row_count(), 1u);
  EXPECT_EQ(tables.provider()("t", {9, 9}), nullptr);
  EXPECT_EQ(tables.provider()("u", first), nullptr);
}

class JournalReaderTest : public testing::Test {
 protected:
  JournalReaderTest() : storage_(clock_) {
    EXPECT_TRUE(storage_.log().create_topic("j", {}).is_ok());
  }

  void append(std::uint64_t sequence, task::JournalEvent event) {
    std::string bytes;
    task::encode_journal_entry({sequence, Offset(7), WallTime(1), std::move(event)}, bytes);
    append_bytes(bytes);
  }
  void append_bytes(const std::string& bytes) {
    storage_.append({"j", 0}, std::vector{pipeline::record_of(std::nullopt, bytes)});
  }
  Result<JournalState> read() { return read_journal(storage_.log(), {"j", 0}); }

  log::ManualClock clock_;
  Storage storage_;
};

TEST_F(JournalReaderTest, an_empty_journal_has_no_position) {
  const auto state = read();
  ASSERT_TRUE(state.is_ok());
  EXPECT_FALSE(state->last_position.has_value());
  EXPECT_EQ(state->next_sequence, 1u);
}

TEST_F(JournalReaderTest, retired_snapshots_are_gone) {
  append(1, task::SnapshotEntry{"a", Offset(1), 0, {}, 1});
  append(2, task::SnapshotEntry{"b", Offset(2), 1, {}, 1});
  append(3, task::SnapshotRetiredEntry{"a"});
  append(4, task::PositionEntry{9, "me"});
  const auto state = read();
  ASSERT_TRUE(state.is_ok()) << state.status().to_string();
  ASSERT_EQ(state->snapshots.size(), 1u);
  EXPECT_EQ(state->snapshots[0].object_key, "b");
  EXPECT_EQ(state->next_sequence, 5u);
  EXPECT_EQ(std::get<task::PositionEntry>(state->last_position->event).commit_sequence, 9u);
}

TEST_F(JournalReaderTest, a_gap_and_a_foreign_record_are_corrupt) {
  append(1, task::PositionEntry{1, "me"});
  append(3, task::PositionEntry{2, "me"});
  auto state = read();
  ASSERT_EQ(state.status().code(), StatusCode::corrupt);
  EXPECT_EQ(state.status().message(), "j/0: entry 3 follows entry 1");
  ASSERT_TRUE(storage_.log().delete_records({"j", 0}, Offset(1)).is_ok());
  ASSERT_TRUE(read().is_ok());  // begins at 3
  append_bytes("?");
  state = read();
  ASSERT_EQ(state.status().code(), StatusCode::corrupt);
  EXPECT_EQ(state.status().message(), "j/0: journal entry: format version 63, this binary reads 1");
}

}  // namespace
}  // namespace millrace::runtime
