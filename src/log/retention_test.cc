#include "log/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sim/fault_file_system.h"

namespace millrace::log {
namespace {

using sim::FaultFileSystem;

using testing::ElementsAre;
using testing::IsEmpty;

const TopicPartition kP{"t", 0};

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() : files_(3) {
    EXPECT_TRUE(files_.make_folders("/log").is_ok());
    EmbeddedLogOptions options;
    options.folder = "/log";
    options.wal_file_bytes = 64 << 10;
    options.maintenance_interval_ms = 3'600'000;
    auto opened = EmbeddedLog::open(options, files_, clock_);
    MR_CHECK(opened.is_ok());
    log_ = std::move(opened).value();
  }

  void create(const TopicConfig& config) { ASSERT_TRUE(log_->create_topic("t", config).is_ok()); }

  // Each value fills a segment of its own.
  void append_segment(const std::string& value) {
    ASSERT_TRUE(append_and_wait(*log_, append_to(kP, make_batch({value.c_str()}))).is_ok());
    ASSERT_TRUE(log_->run_maintenance().is_ok());
  }

  std::vector<std::string> values() {
    const auto read = read_all(*log_, kP);
    EXPECT_TRUE(read.is_ok()) << read.status().to_string();
    return read.is_ok() ? values_of(read.value()) : std::vector<std::string>();
  }

  std::size_t segment_count() {
    std::size_t count = 0;
    for (const auto& path : files_.all_paths()) count += path.ends_with(".log") ? 1 : 0;
    return count;
  }

  FaultFileSystem files_;
  ManualClock clock_;
  std::unique_ptr<EmbeddedLog> log_;
};

// The records' own time is the year 1970; only when they were appended counts.
TEST_F(RetentionTest, records_go_when_their_append_is_older_than_retention_ms) {
  TopicConfig config;
  config.segment_bytes = 1;
  config.retention_ms = 1000;
  create(config);
  append_segment("a");
  clock_.advance_ms(600);
  append_segment("b");
  EXPECT_THAT(values(), ElementsAre("a", "b"));
  clock_.advance_ms(401);
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), ElementsAre("b"));
  EXPECT_EQ(log_->offsets(kP).value().start, Offset(1));
  EXPECT_EQ(segment_count(), 1u);
  clock_.advance_ms(10'000);
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), IsEmpty());
  EXPECT_EQ(log_->offsets(kP).value().start, Offset(2));
  EXPECT_EQ(log_->fetch(kP, Offset(1), 1, Visibility::durable).status().code(),
            StatusCode::out_of_range);
  append_segment("c");
  EXPECT_THAT(values(), ElementsAre("c"));
}

TEST_F(RetentionTest, bounds_of_a_compacted_topic_are_kept_until_they_are_put_in_force) {
  TopicConfig config;
  config.segment_bytes = 1;
  config.retention_ms = 1000;
  config.retention_bytes = 1;
  config.is_compacted = true;
  config.is_retention_on = false;
  create(config);
  append_segment("a");
  append_segment("b");
  clock_.advance_ms(10'000);
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), ElementsAre("a", "b"));
  config.is_retention_on = true;
  ASSERT_TRUE(log_->alter_topic("t", config).is_ok());
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), IsEmpty());
  config.is_compacted = config.is_retention_on = false;
  EXPECT_EQ(log_->alter_topic("t", config).code(), StatusCode::invalid);
}

TEST_F(RetentionTest, a_quiet_topic_is_cut_by_age_so_that_retention_finds_something) {
  TopicConfig config;
  config.retention_ms = 1000;
  create(config);
  for (const char* value : {"a", "b", "c", "d"}) {
    append_segment(value);
    clock_.advance_ms(400);
  }
  EXPECT_THAT(values(), ElementsAre("b", "c", "d"));
}

TEST_F(RetentionTest, the_oldest_segments_go_while_the_partition_is_too_large) {
  TopicConfig config;
  config.segment_bytes = 1;
  create(config);
  append_segment("a");
  const std::int64_t one = log_->offsets(kP).value().stored_bytes;
  append_segment("b");
  append_segment("c");
  config.retention_bytes = one * 2;
  ASSERT_TRUE(log_->alter_topic("t", config).is_ok());
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), ElementsAre("b", "c"));
  config.retention_bytes = 0;
  ASSERT_TRUE(log_->alter_topic("t", config).is_ok());
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), ElementsAre("c"));  // the newest segment stays
}

TEST_F(RetentionTest, nothing_at_or_above_the_oldest_pin_goes) {
  TopicConfig config;
  config.segment_bytes = 1;
  config.retention_ms = 1000;
  create(config);
  for (const char* value : {"a", "b", "c"}) append_segment(value);
  log_->pin("one", kP, Offset(2));
  log_->pin("other", kP, Offset(1));
  clock_.advance_ms(5000);
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), ElementsAre("b", "c"));
  log_->unpin("other", kP);
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), ElementsAre("c"));
}

TEST_F(RetentionTest, files_below_deleted_records_go) {
  TopicConfig config;
  config.segment_bytes = 1;
  create(config);
  for (const char* value : {"a", "b", "c"}) append_segment(value);
  ASSERT_TRUE(log_->delete_records(kP, Offset(2)).is_ok());
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_EQ(segment_count(), 1u);
  EXPECT_THAT(values(), ElementsAre("c"));
}

TEST_F(RetentionTest, the_files_of_a_deleted_topic_go) {
  TopicConfig config;
  create(config);
  append_segment("a");
  EXPECT_EQ(segment_count(), 1u);
  ASSERT_TRUE(log_->delete_topic("t").is_ok());
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_EQ(segment_count(), 0u);
}

TEST_F(RetentionTest, whether_anything_is_due_is_known_without_doing_it) {
  SegmentList segments(2);
  segments[0].info = {.base_offset = Offset(0),
                      .generation = 0,
                      .valid_bytes = 1000,
                      .next_offset = Offset(10),
                      .first_append_time = WallTime(0),
                      .last_append_time = WallTime(100)};
  segments[1].info = segments[0].info;
  segments[1].info.base_offset = Offset(10);
  segments[1].info.next_offset = Offset(20);
  TopicConfig config;
  const Offset no_pin(INT64_MAX);
  const auto is_due = [&](std::int64_t now, std::int64_t start, Offset pin) {
    return is_retention_due(segments, config, WallTime(now), Offset(start), pin);
  };
  EXPECT_FALSE(is_due(1'000'000, 0, no_pin));
  config.retention_ms = 50;
  EXPECT_FALSE(is_due(150, 0, no_pin));
  EXPECT_TRUE(is_due(151, 0, no_pin));
  EXPECT_FALSE(is_due(151, 0, Offset(9)));
  EXPECT_TRUE(is_due(0, 10, no_pin));
  config = {};
  config.retention_bytes = 1000;
  EXPECT_TRUE(is_due(0, 0, no_pin));
  config.retention_bytes = 1001;
  EXPECT_FALSE(is_due(0, 0, no_pin));
}

// Pins come with those who need them, some time after the log was opened.
TEST_F(RetentionTest, waits_until_everybody_has_pinned_what_they_need) {
  TopicConfig config;
  config.segment_bytes = 1;
  config.retention_ms = 1000;
  create(config);
  append_segment("a");
  append_segment("b");
  ASSERT_TRUE(log_->close().is_ok());
  log_.reset();
  clock_.advance_ms(5'000);
  EmbeddedLogOptions options;
  options.folder = "/log";
  options.wal_file_bytes = 64 << 10;
  options.maintenance_interval_ms = 3'600'000;
  options.waits_with_retention = true;
  auto opened = EmbeddedLog::open(options, files_, clock_);
  ASSERT_TRUE(opened.is_ok());
  log_ = std::move(opened).value();
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), ElementsAre("a", "b"));
  log_->pin("somebody", kP, Offset(1));
  log_->begin_retention();
  ASSERT_TRUE(log_->run_maintenance().is_ok());
  EXPECT_THAT(values(), ElementsAre("b"));
}

}  // namespace
}  // namespace millrace::log
