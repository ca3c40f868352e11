#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/time_text.h"
#include "pipeline/pipeline_twin.h"

// The bound of a window's open keys, and aggregates whose argument fails.

namespace millrace::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr WallTime kNow{1'700'000'000'000};
constexpr std::int64_t kMinute = 60'000'000;
constexpr EventTime kBase{1'699'999'200'000'000};
constexpr const char* kSchema = R"({
  "type": "object", "required": ["t", "k", "x"],
  "properties": {"t": {"type": "string", "format": "date-time"}, "k": {"type": "string"},
                 "x": {"type": "integer"}}})";

std::unique_ptr<Pipeline> plan_of(const std::string& window) {
  return build_or_fail(options_for(
      "pipeline: p\nversion: 1\nsource: { topic: in, key: k, event_time: t, partitions: 2, "
      "jump_confirmations: 0 }\n"
      "validate: { schema: s.json }\nwindows:\n  - { name: w, emit_to: agg, " +
          window + " }\nsinks: [{ topic: out }]\ndead_letters: { topic: dlq }\n",
      {{"s.json", kSchema}}));
}

PlainRecord event(const std::string& key, std::int64_t minute, int x = 1) {
  return record_of(key, R"({"t":")" + format_event_time(kBase + minute * kMinute) + R"(","k":")" +
                            key + R"(","x":)" + std::to_string(x) + "}");
}

std::vector<std::string> messages(const Topics& topics) {
  std::vector<std::string> out;
  for (const auto& letter : all_of(topics, "dlq")) {
    const auto& text = *letter.value;
    const auto from = text.find("\"error_message\":\"") + 17;
    out.push_back(text.substr(from, text.find('"', from) - from));
  }
  return out;
}

const task::WindowCounters counters(PipelineDriver& driver) {
  return driver.source(0).report().counters.windows.at(0);
}

TEST(WindowBound, an_event_that_needs_one_key_too_many_is_dead_lettered_and_has_passed) {
  const auto plan = plan_of("key: k, tumbling: 1m, max_open_keys: 2, aggregates: { n: count() }");
  PipelineDriver driver(*plan, kNow);
  driver.feed(0, std::vector{event("a", 0), event("b", 0), event("c", 0), event("a", 0)});
  EXPECT_THAT(messages(driver.topics()),
              ElementsAre("window w holds 2 open keys, its max_open_keys is 2"));
  EXPECT_THAT(*all_of(driver.topics(), "dlq").at(0).value,
              HasSubstr(R"("error_type":"BUSINESS_RULE_VIOLATION")"));
  EXPECT_THAT(*all_of(driver.topics(), "dlq").at(0).value, HasSubstr(R"("stage":"window w")"));
  EXPECT_EQ(all_of(driver.topics(), "out").size(), 4u);
  EXPECT_EQ(counters(driver).in, 3u);
  EXPECT_EQ(counters(driver).counted, 3u);
  EXPECT_EQ(counters(driver).failed, 1u);
  EXPECT_EQ(driver.source(0).report().window_states.at(0).open_keys, 2u);
  // A pane that closes makes room.
  driver.advance_all(kBase + kMinute);
  driver.feed(0, std::vector{event("c", 1)});
  EXPECT_EQ(messages(driver.topics()).size(), 1u);
}

TEST(WindowBound, with_sliding_windows_an_event_counts_in_all_its_panes_or_in_none) {
  const auto plan = plan_of(
      "key: k, sliding: { size: 2m, every: 1m }, max_open_keys: 3, aggregates: { n: count() }");
  ASSERT_NE(plan, nullptr);
  PipelineDriver driver(*plan, kNow);
  driver.feed(0, std::vector{event("a", 0), event("b", 0), event("a", 1)});
  EXPECT_EQ(messages(driver.topics()).size(), 1u);  // b would have needed two
  EXPECT_EQ(counters(driver).in, 4u);
  // The third event's time closed the first pane.
  EXPECT_EQ(driver.source(0).report().window_states.at(0).open_keys, 2u);
  driver.feed(0, std::vector{event("a", 0)});
  EXPECT_EQ(counters(driver).in, 6u);
}

TEST(WindowBound, what_is_refused_does_not_depend_on_batches_or_restarts) {
  const auto plan = plan_of(
      "key: k, tumbling: 1m, allowed_lateness: 2m, max_open_keys: 4, "
      "aggregates: { n: count(), total: sum(x) }");
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<PlainRecord> records;
    for (int i = 0; i < 300; ++i) {
      const std::string key(1, static_cast<char>('a' + random.below(4)));
      records.push_back(event(key, i / 40 + static_cast<std::int64_t>(random.below(3)), i));
    }
    PipelineDriver whole(*plan, kNow);
    whole.feed(0, records);
    PipelineDriver cut(*plan, kNow);
    cut_randomly(records.size(), random, [&](std::size_t first, std::size_t count) {
      cut.feed(0, std::span(records).subspan(first, count));
      if (random.one_in(3)) cut.restart();
    });
    EXPECT_GT(messages(whole.topics()).size(), 5u);
    EXPECT_EQ(cut.topics(), whole.topics());
  }
}

TEST(WindowBound, a_merging_task_dead_letters_the_partial_result_whole) {
  const auto plan = plan_of(
      "key: k + 'x', tumbling: 1m, max_open_keys: 2, aggregates: { n: count(), total: sum(x) }");
  PipelineDriver driver(*plan, kNow);
  driver.feed(0, std::vector{event("a", 0, 5), event("b", 0, 6)});
  driver.feed(1, std::vector{event("c", 0, 7), event("d", 0, 8)});
  driver.advance_all(kBase + 10 * kMinute);
  driver.merge();
  std::size_t results = all_of(driver.topics(), "agg").size();
  const auto letters = all_of(driver.topics(), "dlq");
  // Two firings for each key that found room; the others are in the dead letters.
  EXPECT_EQ(results / 2 + letters.size(), 4u);
  for (const auto& letter : letters) {
    EXPECT_THAT(*letter.value, HasSubstr("a partial result of window w finds 2 open keys"));
    EXPECT_THAT(*letter.value, HasSubstr(R"("original_topic":"millrace.p.w.partials")"));
  }
}

TEST(WindowAggregates, an_argument_that_fails_is_not_counted_and_seen_in_the_counters) {
  const auto plan = plan_of(
      "key: k, tumbling: 1m, aggregates: { n: count(), total: sum(10 / x), last: last(10 / x) }");
  PipelineDriver driver(*plan, kNow);
  driver.feed(0, std::vector{event("a", 0, 5), event("a", 0, 0), event("a", 0, 2)});
  EXPECT_TRUE(messages(driver.topics()).empty());
  EXPECT_EQ(counters(driver).uncounted, 2u);
  EXPECT_EQ(counters(driver).counted, 3u);
  driver.advance_all(kBase + kMinute);
  const auto results = all_of(driver.topics(), "agg");
  ASSERT_FALSE(results.empty());
  EXPECT_THAT(*results.back().value, HasSubstr(R"("n":3,"total":7,"last":5)"));
}

// 1'699'999'200 s, the base of all events here, is a whole minute.
TEST(WindowResults, times_are_milliseconds_where_the_window_says_so_in_merging_tasks_too) {
  for (const std::string key : {"k", "k + ''"}) {
    const auto plan =
        plan_of("key: \"" + key + "\", tumbling: 1m, times: epoch_ms, aggregates: { n: count() }");
    ASSERT_NE(plan, nullptr);
    PipelineDriver driver(*plan, kNow);
    driver.feed(0, std::vector{event("a", 0), event("a", 1)});
    driver.advance_all(kBase + 3 * kMinute);
    driver.merge();
    const auto results = all_of(driver.topics(), "agg");
    ASSERT_FALSE(results.empty());
    EXPECT_THAT(*results.front().value,
                HasSubstr(R"("window_start":1699999200000,"window_end":1699999260000,"revision")"));
  }
}

}  // namespace
}  // namespace millrace::pipeline
