#include "runtime/pipeline_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "runtime/pipeline_runner_for_tests.h"

namespace millrace::runtime {
namespace {

using ::testing::HasSubstr;

std::string text_of(int version, const std::string& idle = "auto", const std::string& more = "") {
  return "pipeline: p\nversion: " + std::to_string(version) +
         "\nsource: { topic: in, key: k, event_time: t, partitions: 2, idle_advance: " + idle +
         ", idle_after: 30s, jump_confirmations: 0 }\nvalidate: { schema: s.json }\n" + more +
         "windows:\n"
         "  - { name: w, key: k, tumbling: 1m, allowed_lateness: 2h, emit_to: results,\n"
         "      aggregates: { n: count() } }\n"
         "  - { name: all, tumbling: 1m, emit_to: totals, aggregates: { n: count() } }\n";
}

TEST_F(PipelineRunnerTest, the_same_file_starts_again) {
  must_start(text_of(1));
  must_start(text_of(1));
  must_start(text_of(2));
}

TEST_F(PipelineRunnerTest, another_content_under_the_same_version_names_the_lines) {
  must_start(text_of(1));
  const auto status = start(text_of(1, "off"));
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(message(status), HasSubstr("pipeline p version 1 ran with another content; raise its "
                                         "version:\n  line 3 was: source: "));
  EXPECT_THAT(message(status), HasSubstr("idle_advance: off"));
  EXPECT_THAT(message(status), testing::Not(HasSubstr("line 4")));
  must_start(text_of(1));  // the old file still runs
}

TEST_F(PipelineRunnerTest, another_schema_under_the_same_version_is_refused) {
  must_start(text_of(1));
  const auto status = start(text_of(1), std::string(kSchema) + "\n");
  EXPECT_THAT(message(status), HasSubstr("raise its version: its schema is another one"));
}

TEST_F(PipelineRunnerTest, an_older_version_does_not_come_back) {
  must_start(text_of(3));
  EXPECT_EQ(message(start(text_of(2))), "pipeline p version 3 ran already; the file says 2");
}

TEST_F(PipelineRunnerTest, a_topic_with_other_partitions_is_refused) {
  log::TopicConfig config;
  config.partition_count = 5;
  ASSERT_TRUE(storage_.log().create_topic("in", config).is_ok());
  EXPECT_EQ(message(start(text_of(1))), "topic in has 5 partitions, pipeline p was made for 2");
}

TEST_F(PipelineRunnerTest, a_window_that_was_changed_does_not_take_the_old_ones_state) {
  must_start(text_of(1));
  append(0, now(), "a");
  settle();
  DiskPatience patience;
  ASSERT_TRUE(runner_->finish(patience).is_ok());
  auto text = text_of(2);
  text.replace(text.find("2h"), 2, "1h");
  const auto status = start(text);
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("would be lost"));
  must_start(text_of(1));  // the refused version is not in force
  EXPECT_EQ(runner_->stages()[0].tasks[0]->report().replayed_records, 0u);
}

TEST_F(PipelineRunnerTest, a_higher_version_takes_over_from_a_clean_stop_only) {
  must_start(text_of(1));
  append(0, now(), "a");
  settle();
  const auto status = start(text_of(2));
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("did not stop cleanly"));
  must_start(text_of(1));
  DiskPatience patience;
  ASSERT_TRUE(runner_->finish(patience).is_ok());
  must_start(text_of(2));
  EXPECT_EQ(runner_->stages()[0].tasks[0]->report().task.counters.records_in, 1u);
}

// Whether a crash comes before the first commit of a task or after it.
TEST_F(PipelineRunnerTest, a_version_is_in_every_journal_before_it_is_registered) {
  const auto version_in_force = [&](std::int32_t partition) {
    std::int32_t version = 0;
    for (const auto& record : storage_.records({"millrace.p.source.journal", partition})) {
      const auto entry = task::decode_journal_entry(*record.value);
      EXPECT_TRUE(entry.is_ok());
      const auto* pipeline = std::get_if<task::PipelineEntry>(&entry->event);
      if (pipeline != nullptr) version = pipeline->version;
    }
    return version;
  };
  must_start(text_of(1));
  DiskPatience patience;
  ASSERT_TRUE(runner_->finish(patience).is_ok());
  EXPECT_EQ(version_in_force(0), 1);
  must_start(text_of(2));  // no task takes a step
  EXPECT_EQ(version_in_force(0), 2);
  EXPECT_EQ(version_in_force(1), 2);
}

TEST_F(PipelineRunnerTest, an_idle_partition_follows_the_slowest_busy_one) {
  must_start(text_of(1));
  const auto base = EventTime(1'000'000 * kMinute);
  append(0, base, "a");
  append(1, base + 5 * kMinute, "b");
  settle();
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), base);  // nobody is idle yet
  clock_.advance_ms(29'999);
  append(1, base + 7 * kMinute, "b");
  settle();
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), base);
  clock_.advance_ms(1);
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), base + 7 * kMinute);
  EXPECT_EQ(watermark(1), base + 7 * kMinute);
  // The window over everything waited for partition 0 and has its first two panes now.
  EXPECT_EQ(results_in("totals"), 4u);  // each with its final revision
}

TEST_F(PipelineRunnerTest, of_several_busy_ones_the_slowest_counts) {
  auto text = text_of(1);
  text.replace(text.find("partitions: 2"), 13, "partitions: 3");
  must_start(text);
  const auto base = EventTime(1'000'000 * kMinute);
  append(0, base, "a");
  settle();
  clock_.advance_ms(30'000);
  append(1, base + 7 * kMinute, "b");
  append(2, base + 3 * kMinute, "c");
  settle();
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), base + 3 * kMinute);
  EXPECT_EQ(watermark(2), base + 3 * kMinute);
}

TEST_F(PipelineRunnerTest, many_fired_windows_do_not_hide_one_that_waits) {
  const auto text = text_of(1);
  must_start(text.substr(0, text.find("  - { name: all")));
  const auto base = EventTime(1'000'000 * kMinute);
  for (int i = 0; i <= 40; ++i) append(0, base + i * kMinute, "a");
  for (int i = 15; i <= 41; ++i) append(1, base + i * kMinute, "b");
  settle();
  EXPECT_EQ(watermark(0), base + 40 * kMinute);
  clock_.advance_ms(30'000);
  append(1, base + 42 * kMinute, "b");
  settle();
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), base + 42 * kMinute);
}

TEST_F(PipelineRunnerTest, a_live_feed_goes_on_with_the_wall_clock_when_all_is_idle) {
  must_start(text_of(1));
  const auto last = now();
  append(0, last, "a");
  append(1, last - kMinute, "b");
  settle();
  clock_.advance_ms(30'000);
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), last);
  EXPECT_EQ(watermark(1), last);
  clock_.advance_ms(61'000);
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), last + 61'000'000);
  EXPECT_EQ(watermark(1), last + 61'000'000);
  clock_.advance_ms(3'600'000);  // every window has fired: nothing to move for
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), last + 61'000'000);
}

TEST_F(PipelineRunnerTest, a_live_feed_of_few_events_closes_its_windows_when_all_is_idle) {
  auto text = text_of(1);
  text.replace(text.find("jump_confirmations: 0"), 21, "jump_confirmations: 10");
  must_start(text);
  const auto last = now();
  append(0, last, "a");
  append(0, last + 1'000'000, "a");
  settle();
  EXPECT_EQ(watermark(0), task::kNoWatermark);
  clock_.advance_ms(30'000);
  runner_->tick();
  settle();
  clock_.advance_ms(61'000);
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), last + 61'000'000);
  EXPECT_EQ(watermark(1), last + 61'000'000);
  EXPECT_EQ(results_in("results"), 1u);
}

TEST_F(PipelineRunnerTest, a_paused_replay_of_old_events_never_becomes_late) {
  must_start(text_of(1));
  const auto old = now() - 3 * 60 * kMinute;
  append(0, old, "a");
  append(1, old, "b");
  settle();
  clock_.advance_ms(86'400'000);
  runner_->tick();
  settle();
  clock_.advance_ms(86'400'000);
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), old);
  EXPECT_TRUE(storage_.records({"results", 0}).empty());
}

TEST_F(PipelineRunnerTest, idle_advance_on_moves_even_old_feeds_and_off_moves_none) {
  must_start(text_of(1, "on"));
  const auto old = now() - 3 * 60 * kMinute;
  append(0, old, "a");
  settle();
  clock_.advance_ms(30'000);
  runner_->tick();
  clock_.advance_ms(1'000);
  settle();
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), old + 1'000'000);
  DiskPatience patience;
  ASSERT_TRUE(runner_->finish(patience).is_ok());
  must_start(text_of(2, "off"));
  const auto live = now();
  append(0, live, "a");
  settle();
  clock_.advance_ms(90'000);
  runner_->tick();
  settle();
  runner_->tick();
  settle();
  EXPECT_EQ(watermark(0), live);
}

TEST_F(PipelineRunnerTest, a_drain_fires_every_window_and_says_how_many) {
  must_start(text_of(1));
  const auto base = EventTime(1'000'000 * kMinute);
  append(0, base, "a");
  append(0, base + kMinute, "c");
  append(1, base + 5 * kMinute, "b");
  std::atomic<bool> is_done{false};
  std::thread worker([&] {
    while (!is_done) {
      for (auto* task : runner_->runners()) EXPECT_TRUE(task->step().is_ok());
      std::this_thread::yield();
    }
  });
  const auto drained = runner_->drain([] { return false; });
  is_done = true;
  worker.join();
  ASSERT_TRUE(drained.is_ok()) << drained.status().to_string();
  // The first minute fired before; left are two of w, two of all and the final ones of these.
  EXPECT_EQ(drained->windows_fired, 6u);
  EXPECT_EQ(watermark(0), base + 6 * kMinute);
  EXPECT_EQ(watermark(1), base + 6 * kMinute);
  EXPECT_EQ(results_in("results"), 3u);
  EXPECT_EQ(results_in("totals"), 6u);
}

}  // namespace
}  // namespace millrace::runtime
