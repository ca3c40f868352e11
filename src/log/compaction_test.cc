#include "log/compaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sim/fault_file_system.h"

namespace millrace::log {
namespace {

using sim::FaultFileSystem;

const TopicPartition kP{"t", 0};
constexpr std::int64_t kTombstonesMs = 10'000;

class CompactionTest : public testing::Test {
 protected:
  explicit CompactionTest(std::uint64_t seed = 5) : files_(seed) {
    EXPECT_TRUE(files_.make_folders("/data").is_ok());
    EXPECT_TRUE(files_.sync_folder("/").is_ok());
    open();
    TopicConfig config;
    config.segment_bytes = 400;
    config.is_compacted = true;
    config.delete_retention_ms = kTombstonesMs;
    MR_CHECK(log_->create_topic("t", config).is_ok());
  }

  void open() {
    EmbeddedLogOptions options;
    options.folder = "/data/log";
    options.wal_file_bytes = 64 << 10;
    options.maintenance_interval_ms = 3'600'000;
    auto opened = EmbeddedLog::open(options, files_, clock_);
    MR_CHECK(opened.is_ok());
    log_ = std::move(opened).value();
  }

  void crash_and_open() {
    files_.crash();
    log_.reset();
    files_.restart();
    open();
  }

  void append(const std::vector<TestRecord>& records) {
    const auto appended = append_and_wait(*log_, append_to(kP, make_batch(records)));
    ASSERT_TRUE(appended.is_ok()) << appended.status().to_string();
    for (const auto& record : records) all_.push_back({Offset(next_++), record, clock_.wall_now()});
  }

  // Closes the segment before it.
  void append_filler() { append({{"filler", std::string(400, 'f')}}); }

  void maintain() {
    const Status status = log_->run_maintenance();
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }

  std::vector<ReadRecord> read() {
    const auto found = read_all(*log_, kP);
    EXPECT_TRUE(found.is_ok()) << found.status().to_string();
    return found.is_ok() ? found.value() : std::vector<ReadRecord>();
  }

  // What somebody who reads from the start believes in the end.
  static std::map<std::string, std::string> table_of(const std::vector<ReadRecord>& records) {
    std::map<std::string, std::string> table;
    for (const auto& record : records) {
      if (record.record.value) {
        table[record.record.key.value()] = *record.record.value;
      } else {
        table.erase(record.record.key.value());
      }
    }
    return table;
  }

  // Every record found was appended just so, and the final table is that of all records.
  void expect_faithful() {
    const auto found = read();
    for (const auto& record : found) {
      ASSERT_LT(record.offset.value, next_);
      ASSERT_EQ(record, all_[static_cast<std::size_t>(record.offset.value)]);
    }
    ASSERT_EQ(table_of(found), table_of(all_));
    ASSERT_EQ(log_->offsets(kP).value().end, Offset(next_));
  }

  bool has(const std::string& key, const std::optional<std::string>& value) {
    for (const auto& record : read()) {
      if (record.record.key == key && record.record.value == value) return true;
    }
    return false;
  }

  FaultFileSystem files_;
  ManualClock clock_;
  std::unique_ptr<EmbeddedLog> log_;
  std::vector<ReadRecord> all_;
  std::int64_t next_ = 0;
};

TEST_F(CompactionTest, only_the_newest_record_of_a_key_stays_and_keeps_its_offset) {
  append({{"a", "1"}, {"b", "1"}, {"a", "2"}});
  append({{"c", "1"}, {"b", "2"}});
  append_filler();
  maintain();
  const auto found = read();
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0], all_[2]);  // a = 2
  EXPECT_EQ(found[1], all_[3]);
  EXPECT_EQ(found[2], all_[4]);
  EXPECT_EQ(found[3], all_[5]);
  // Offsets that are gone lead to the next that is there.
  const auto fetched = log_->fetch(kP, Offset(0), 1, Visibility::durable);
  ASSERT_FALSE(fetched.value().batches.empty());
  EXPECT_LE(fetched.value().batches[0].base_offset, Offset(2));
  crash_and_open();
  EXPECT_EQ(read(), found);
}

TEST_F(CompactionTest, the_newest_segment_is_left_alone) {
  append({{"a", "1"}, {"a", "2"}});
  maintain();
  EXPECT_EQ(read().size(), 2u);
}

TEST_F(CompactionTest, a_tombstone_outlives_what_it_deletes_by_delete_retention_ms) {
  append({{"a", "1"}});
  append({{"a", std::nullopt}});
  append_filler();
  maintain();
  EXPECT_FALSE(has("a", "1"));
  EXPECT_TRUE(has("a", std::nullopt));
  clock_.advance_ms(kTombstonesMs + 1);
  for (int i = 0; i < 8; ++i) append_filler();  // enough that is new for another pass
  maintain();
  EXPECT_FALSE(has("a", std::nullopt));
  expect_faithful();
}

TEST_F(CompactionTest, records_without_a_key_stay) {
  append({{std::nullopt, "x"}, {"a", "1"}, {std::nullopt, "y"}, {"a", "2"}});
  append_filler();
  maintain();
  EXPECT_EQ(read().size(), 4u);
}

TEST_F(CompactionTest, segments_above_a_pin_stay_as_they_are) {
  append({{"a", "1"}, {"a", "2"}});
  append_filler();
  log_->pin("reader", kP, Offset(1));
  maintain();
  EXPECT_EQ(read().size(), 3u);
  log_->unpin("reader", kP);
  maintain();
  EXPECT_EQ(read().size(), 2u);
}

TEST_F(CompactionTest, a_segment_of_which_nothing_is_left_leaves_a_gap_that_reads_skip) {
  append({{"a", "1"}, {"a", std::string(400, '2')}});
  append({{"a", std::string(400, '3')}});
  append({{"a", std::string(400, '4')}});
  append_filler();
  maintain();
  const auto found = read();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].offset, Offset(3));
  for (std::int64_t from = 0; from <= 3; ++from) {
    const auto fetched = log_->fetch(kP, Offset(from), 1, Visibility::durable);
    ASSERT_EQ(fetched.value().batches.size(), 1u);
    EXPECT_EQ(fetched.value().batches[0].base_offset, Offset(3));
  }
}

TEST_F(CompactionTest, random_updates_end_in_the_same_table_and_one_record_per_key) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    for (int i = 0; i < 60; ++i) {
      std::vector<TestRecord> records;
      for (std::uint64_t k = 1 + random.below(5); k > 0; --k) {
        TestRecord record{"k" + std::to_string(random.below(12)), std::nullopt};
        if (!random.one_in(4)) record.value = std::to_string(random.next());
        records.push_back(record);
      }
      append(records);
      clock_.advance_ms(static_cast<std::int64_t>(random.below(2000)));
      if (random.one_in(8)) maintain();
      if (random.one_in(20)) crash_and_open();
    }
    expect_faithful();
  }
  for (int i = 0; i < 40; ++i) append_filler();
  maintain();
  expect_faithful();
  std::map<std::string, int> counts;
  for (const auto& record : read()) ++counts[record.record.key.value()];
  counts.erase("filler");
  for (const auto& [key, count] : counts) EXPECT_EQ(count, 1) << key;
}

TEST_F(CompactionTest, a_crash_at_any_point_of_it_loses_nothing) {
  for (std::uint64_t operations = 1; operations < 120; ++operations) {
    SCOPED_TRACE(operations);
    append({{"a", std::to_string(operations)}, {"b", std::to_string(operations)}});
    append({{"a", "again"}, {"c", std::string(300, 'c')}});
    append_filler();
    files_.die_after(operations);
    static_cast<void>(log_->run_maintenance());
    crash_and_open();
    expect_faithful();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace millrace::log
