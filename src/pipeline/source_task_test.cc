#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <sstream>

#include "base/time_text.h"
#include "codec/compression.h"
#include "codec/json.h"
#include "pipeline/pipeline_twin.h"

// Source tasks of the pipelines that come with the project.

namespace millrace::pipeline {
namespace {

using ::testing::HasSubstr;

WallTime wall(const std::string& text) {
  const auto instant = parse_instant(text);
  EXPECT_TRUE(instant.has_value()) << text;
  return WallTime(instant->seconds * 1000);
}

const WallTime kNow = wall("2012-06-21T20:00:00Z");
constexpr std::int32_t kPartition = 0;

std::vector<PlainRecord> lines_as_records(const std::string& text, const std::string& key) {
  std::vector<PlainRecord> records;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) records.push_back(record_of(key, line));
  return records;
}

std::vector<PlainRecord> amzn_trades() {
  std::string text;
  const auto status =
      codec::decompress(codec::Compression::gzip,
                        read_source_file("data/amzn_trades_2012-06-21.jsonl.gz"), 10 << 20, text);
  EXPECT_TRUE(status.is_ok()) << status.to_string();
  return lines_as_records(text, "AMZN");
}

// The text of a member of a JSON object; numbers as they print, null as "null".
std::string member(const PlainRecord& record, std::string_view name) {
  Arena arena;
  const auto json = codec::parse_json(record.value.value_or("null"), arena);
  EXPECT_TRUE(json.is_ok()) << record.value.value_or("(null)");
  for (const auto& entry : json->as_map()) {
    if (entry.key.as_string() != name) continue;
    std::string text;
    codec::append_json(text, entry.value);
    return entry.value.kind() == ValueKind::string ? std::string(entry.value.as_string()) : text;
  }
  return "(absent)";
}

void expect_conserved(const task::TaskCounters& counters) {
  std::uint64_t row_letters = 0;
  for (const auto count : counters.dead_letters) row_letters += count;
  row_letters -= counters.dead_letters[static_cast<std::size_t>(task::ErrorType::late_event)];
  for (const auto& window : counters.windows) {
    row_letters -= window.failed;
    EXPECT_EQ(window.in, window.counted + window.late);
  }
  EXPECT_EQ(counters.records_in, counters.passed + counters.dropped_duplicates + row_letters);
}

// One trading day and the records that break everything there is to break; the windows of that day
// were computed by somebody else (data/README.md).
class TicksOfADay : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    plan_ = shipped_pipeline("ticks").release();
    ASSERT_NE(plan_, nullptr);
    driver_ = new PipelineDriver(*plan_, kNow);
    const auto trades = amzn_trades();
    Random random(1);
    cut_randomly(trades.size(), random, [&](std::size_t first, std::size_t count) {
      driver_->feed(kPartition, std::span(trades).subspan(first, count));
    });
    driver_->feed(kPartition, lines_as_records(read_source_file("data/mixed_ticks.jsonl"), "AMZN"));
    driver_->event(kPartition,
                   task::WatermarkEntry{driver_->source(kPartition).report().largest_pane_end});
  }
  static void TearDownTestSuite() {
    delete driver_;
    delete plan_;
  }

  static const Pipeline* plan_;    // NOLINT(readability-identifier-naming): a member
  static PipelineDriver* driver_;  // NOLINT(readability-identifier-naming): a member
};
const Pipeline* TicksOfADay::plan_ = nullptr;
PipelineDriver* TicksOfADay::driver_ = nullptr;

TEST_F(TicksOfADay, has_the_windows_that_were_computed_elsewhere) {
  std::map<std::string, PlainRecord> newest;  // by window_start
  for (const auto& record : all_of(driver_->topics(), "aggregates_topic")) {
    newest[member(record, "window_start")] = record;
  }
  std::istringstream lines(read_source_file("data/amzn_trades_2012-06-21.expected_windows.csv"));
  std::string line;
  std::getline(lines, line);
  ASSERT_EQ(line, "window_start,ticker,event_count,min_price,max_price,avg_price,total_volume");
  std::size_t count = 0;
  while (std::getline(lines, line)) {
    ++count;
    const auto start = line.substr(0, line.find(','));
    ASSERT_TRUE(newest.contains(start)) << start;
    std::string actual = start;
    for (const auto* name :
         {"ticker", "event_count", "min_price", "max_price", "avg_price", "total_volume"}) {
      actual += "," + member(newest[start], name);
    }
    EXPECT_EQ(actual, line);
  }
  EXPECT_EQ(count, newest.size());
}

TEST_F(TicksOfADay, refuses_each_mixed_record_for_the_reason_that_its_readme_gives) {
  const std::vector<std::string> expected{"SCHEMA_INVALID",
                                          "SCHEMA_INVALID",
                                          "SCHEMA_INVALID",
                                          "SCHEMA_INVALID",
                                          "SCHEMA_INVALID",
                                          "SCHEMA_INVALID",
                                          "SCHEMA_INVALID",
                                          "BUSINESS_RULE_VIOLATION",
                                          "BUSINESS_RULE_VIOLATION",
                                          "BUSINESS_RULE_VIOLATION",
                                          "FUTURE_EVENT",
                                          "LATE_EVENT",
                                          "DUPLICATE"};
  const auto letters = all_of(driver_->topics(), "dlq_topic");
  ASSERT_EQ(letters.size(), expected.size());
  const auto originals = lines_as_records(read_source_file("data/mixed_ticks.jsonl"), "AMZN");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE("line " + std::to_string(i + 1));
    EXPECT_EQ(member(letters[i], "error_type"), expected[i]);
    EXPECT_EQ(member(letters[i], "original_message"), *originals[i].value);
    EXPECT_EQ(member(letters[i], "original_offset"), std::to_string(11'419 + i));
    EXPECT_EQ(member(letters[i], "error_timestamp"), "2012-06-21T20:00:00.000Z");
    EXPECT_EQ(member(letters[i], "pipeline"), "ticks@1");
    EXPECT_EQ(letters[i].key, "AMZN");
    EXPECT_EQ(letters[i].timestamp, kNow);
    const std::vector<std::pair<std::string, std::optional<std::string>>> headers{
        {"millrace-source", "input_topic/0/" + std::to_string(11'419 + i)},
        {"millrace-pipeline", "ticks@1"},
        {"millrace-error", expected[i]}};
    EXPECT_EQ(letters[i].headers, headers);
  }
  EXPECT_EQ(member(letters[9], "error_message"),
            "price must be greater than 0; volume must not be negative");
  EXPECT_EQ(member(letters[2], "attempted_id"), "mixed-tick-01");
  EXPECT_EQ(member(letters[3], "attempted_id"), "null");
}

TEST_F(TicksOfADay, conserves_every_record) {
  const auto counters = driver_->source(kPartition).report().counters;
  EXPECT_EQ(counters.records_in, 11'432u);
  EXPECT_EQ(counters.passed, 11'420u);  // the late one is an event like any other to the output
  EXPECT_EQ(all_of(driver_->topics(), "output_topic").size(), 11'420u);
  ASSERT_EQ(counters.windows.size(), 1u);
  EXPECT_EQ(counters.windows[0].in, 11'420u);
  EXPECT_EQ(counters.windows[0].late, 1u);
  expect_conserved(counters);
}

TEST_F(TicksOfADay, has_a_state_of_little_more_than_16_bytes_an_id) {
  std::string bytes;
  driver_->source(kPartition).snapshot(bytes);
  EXPECT_GT(bytes.size(), 11'420u * 16);
  EXPECT_LT(bytes.size(), 11'420u * 16 + 4'000);
  RecordProperty("bytes", static_cast<int>(bytes.size()));
}

TEST_F(TicksOfADay, enriches_the_original_text) {
  const auto first = all_of(driver_->topics(), "output_topic").front();
  EXPECT_EQ(*first.value,
            R"({"event_id":"amzn-20120621-00001","timestamp":"2012-06-21T13:30:00.017460Z",)"
            R"("ticker":"AMZN","price":"223.82","volume":1,"source":"lobster",)"
            R"("sector":"Consumer Discretionary","notional":"223.8200"})");
  EXPECT_EQ(first.timestamp, kNow);
}

TEST_F(TicksOfADay, features_are_the_windows_results) {
  EXPECT_EQ(all_of(driver_->topics(), "millrace.features.tick_features"),
            all_of(driver_->topics(), "aggregates_topic"));
}

// --- single records ---

std::string tick(const std::string& id, const std::string& time, const std::string& more = "") {
  return R"({"event_id":")" + id + R"(","timestamp":")" + time +
         R"(","ticker":"AMZN","price":"1.00","volume":1)" + more + "}";
}

class OneTick : public testing::Test {
 protected:
  OneTick() : plan_(ticks_that_believe_the_first_event()), driver_(*plan_, kNow) {}

  static std::unique_ptr<Pipeline> ticks_that_believe_the_first_event() {
    auto plan = shipped_pipeline("ticks");
    plan->source.watermark.jump_confirmations = 0;
    return plan;
  }

  // "error_type|stage|message" of the letter that the record became, or "passed".
  std::string outcome_of(const PlainRecord& record) {
    const auto before = all_of(driver_.topics(), "dlq_topic").size();
    driver_.feed(kPartition, std::vector{record});
    const auto letters = all_of(driver_.topics(), "dlq_topic");
    if (letters.size() == before) return "passed";
    return member(letters.back(), "error_type") + "|" + member(letters.back(), "stage") + "|" +
           member(letters.back(), "error_message");
  }
  std::string outcome_of(const std::string& value) { return outcome_of(record_of("AMZN", value)); }

  std::unique_ptr<Pipeline> plan_;
  PipelineDriver driver_;
};

TEST_F(OneTick, bytes_that_are_no_json_go_to_decode) {
  for (const auto* text : {"", "{", "null", "[]", "\"text\"", "{}{}", "{\"a\":1,\"a\":2}", "\xff",
                           "{\"event_id\":\"\xc3\x28\"}", "{\"a\":1e999}"}) {
    EXPECT_THAT(outcome_of(text), HasSubstr("SCHEMA_INVALID|decode|unreadable JSON: byte "))
        << text;
  }
  EXPECT_EQ(outcome_of(record_of("AMZN", std::nullopt)),
            "SCHEMA_INVALID|decode|the record has no value (a tombstone)");
}

TEST_F(OneTick, a_number_that_no_type_holds_is_no_reason_to_stop) {
  const auto time = "2012-06-21T13:30:00Z";
  EXPECT_THAT(outcome_of(tick("a", time, R"(,"more":123456789012345678901234567890123456789)")),
              HasSubstr("SCHEMA_INVALID|decode|"));
  EXPECT_EQ(outcome_of(tick("b", time, R"(,"more":12345678901234567890)")), "passed");
  EXPECT_THAT(outcome_of(tick("c", time, R"(,"source":5)")), HasSubstr("SCHEMA_INVALID|schema|"));
}

TEST_F(OneTick, the_records_key_must_be_the_field) {
  const auto text = tick("a", "2012-06-21T13:30:00Z");
  EXPECT_THAT(outcome_of(record_of(std::nullopt, text)),
              HasSubstr("SCHEMA_INVALID|key|the record's key is null instead of field ticker"));
  EXPECT_THAT(outcome_of(record_of("AAPL", text)),
              HasSubstr("SCHEMA_INVALID|key|the record's key differs from field ticker"));
  EXPECT_EQ(outcome_of(record_of("AMZN", text)), "passed");
}

TEST_F(OneTick, a_member_that_the_pipeline_computes_must_not_be_there) {
  EXPECT_EQ(
      outcome_of(tick("a", "2012-06-21T13:30:00Z", R"(,"sector":"x")")),
      "SCHEMA_INVALID|schema|member sector is computed by the pipeline and must not be in the "
      "event");
}

TEST_F(OneTick, an_hour_ahead_of_processing_time_is_the_end) {
  EXPECT_EQ(outcome_of(tick("a", "2012-06-21T21:00:00Z")), "passed");
  EXPECT_EQ(outcome_of(tick("b", "2012-06-21T21:00:00.000001Z")),
            "FUTURE_EVENT|time|event time 2012-06-21T21:00:00.000001Z is more than 3600 s ahead of "
            "processing time");
  EXPECT_EQ(driver_.source(kPartition).report().watermark.value,
            wall("2012-06-21T20:59:30Z").value * 1000);
}

TEST_F(OneTick, an_id_is_only_used_up_by_a_record_that_came_that_far) {
  const auto time = std::string("2012-06-21T13:30:00Z");
  EXPECT_THAT(outcome_of(R"({"event_id":"a","timestamp":")" + time +
                         R"(","ticker":"AMZN","price":"0","volume":1})"),
              HasSubstr("BUSINESS_RULE_VIOLATION|rules|"));
  EXPECT_EQ(outcome_of(tick("a", time)), "passed");
  EXPECT_EQ(outcome_of(tick("a", time)), "DUPLICATE|dedup|id a was seen before");
}

TEST_F(OneTick, white_space_and_an_unknown_ticker_are_kept) {
  driver_.feed(kPartition, std::vector{record_of("ZZZ",
                                                 " { \"event_id\" : \"a\",\n\"timestamp\":"
                                                 "\"2012-06-21T13:30:00Z\",\"ticker\":\"ZZZ\","
                                                 "\"price\":2.5,\"volume\":2 } ")});
  const auto out = all_of(driver_.topics(), "output_topic");
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(*out[0].value,
            " { \"event_id\" : \"a\",\n\"timestamp\":\"2012-06-21T13:30:00Z\",\"ticker\":\"ZZZ\","
            "\"price\":2.5,\"volume\":2 ,\"sector\":null,\"notional\":\"5.0000\"}");
}

TEST_F(OneTick, late_events_revise_until_allowed_lateness_is_over) {
  const auto results = [&] { return all_of(driver_.topics(), "aggregates_topic"); };
  EXPECT_EQ(outcome_of(tick("a", "2012-06-21T13:30:10Z")), "passed");
  EXPECT_EQ(outcome_of(tick("b", "2012-06-21T13:31:29.999999Z")), "passed");
  EXPECT_TRUE(results().empty());
  EXPECT_EQ(outcome_of(tick("c", "2012-06-21T13:31:30Z")), "passed");  // watermark 13:31:00
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(member(results()[0], "event_count"), "1");
  EXPECT_EQ(member(results()[0], "revision"), "0");
  EXPECT_EQ(outcome_of(tick("d", "2012-06-21T13:30:59Z")), "passed");
  ASSERT_EQ(results().size(), 2u);
  EXPECT_EQ(member(results()[1], "event_count"), "2");
  EXPECT_EQ(member(results()[1], "revision"), "1");
  EXPECT_EQ(member(results()[1], "is_final"), "false");
  EXPECT_EQ(outcome_of(tick("e", "2012-06-21T13:41:30Z")), "passed");  // watermark 13:41:00
  ASSERT_EQ(results().size(), 4u);  // that window closes, the one of 13:31 fires
  EXPECT_EQ(member(results()[2], "is_final"), "true");
  EXPECT_EQ(member(results()[2], "revision"), "2");
  EXPECT_EQ(outcome_of(tick("f", "2012-06-21T13:30:59Z")),
            "LATE_EVENT|window ticks_1m|too late for 1 of window ticks_1m, the first starting at "
            "2012-06-21T13:30:00Z; the watermark is 2012-06-21T13:41:00Z");
  EXPECT_EQ(all_of(driver_.topics(), "output_topic").size(), 6u);
}

TEST(SourceTask, an_event_without_a_window_key_passes_and_is_named_by_the_window) {
  auto text = read_source_file("pipelines/ticks.yaml");
  text.replace(text.find("    key: ticker\n    tumbling"), 16, "    key: sector\n");
  text.replace(text.find("record_id: ticker"), 17, "record_id: sector");
  const auto plan = build_or_fail(options_for(text));
  ASSERT_NE(plan, nullptr);
  PipelineDriver driver(*plan, kNow);
  driver.feed(kPartition,
              std::vector{record_of("ZZZ", R"({"event_id":"a","timestamp":"2012-06-21T13:30:00Z",)"
                                           R"("ticker":"ZZZ","price":1,"volume":1})")});
  EXPECT_EQ(all_of(driver.topics(), "output_topic").size(), 1u);
  const auto letters = all_of(driver.topics(), "dlq_topic");
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(member(letters[0], "error_type"), "BUSINESS_RULE_VIOLATION");
  EXPECT_EQ(member(letters[0], "stage"), "window ticks_1m");
  EXPECT_EQ(member(letters[0], "error_message"), "the key of window ticks_1m is not a string");
  const auto counters = driver.source(kPartition).report().counters;
  EXPECT_EQ(counters.windows[0].failed, 1u);
  expect_conserved(counters);
}

// --- seeded: any cut, any snapshot ---

std::string random_tick(Random& random, int number) {
  static constexpr std::array kBroken{"{", "[]", "{}", "\xff\xfe", "{\"event_id\":\"e1\"}"};
  if (random.one_in(15)) return kBroken[random.below(kBroken.size())];
  auto seconds = number / 2 + static_cast<int>(random.below(40));
  if (random.one_in(25)) seconds -= 900;
  if (random.one_in(40)) seconds += 30'000;  // future
  if (random.one_in(60)) seconds += 4'000;
  const EventTime time(1'340'285'400'000'000 + seconds * 1'000'000LL +
                       static_cast<std::int64_t>(random.below(1000)));
  std::string text = R"({"event_id":"e)" + std::to_string(random.below(700)) +
                     R"(","timestamp":")" + format_event_time(time) + R"(","ticker":")";
  text += static_cast<char>('A' + random.below(3));
  text += R"(","price":)";
  const auto price = std::to_string(random.below(300)) + "." + std::to_string(random.below(100));
  text += random.one_in(2) ? "\"" + price + "\"" : price;
  text += R"(,"volume":)" + std::to_string(static_cast<int>(random.below(50)) - 1);
  if (random.one_in(10)) text += R"(,"extra":{"x":[1,2]})";
  return text + "}";
}

std::vector<PlainRecord> random_ticks(std::uint64_t seed, std::size_t count) {
  Random random(seed);
  std::vector<PlainRecord> records;
  for (std::size_t i = 0; i < count; ++i) {
    auto text = random_tick(random, static_cast<int>(i));
    const auto at = text.find("\"ticker\":\"");
    std::optional<std::string> key;
    if (at != std::string::npos && !random.one_in(50)) key = text.substr(at + 10, 1);
    auto record = record_of(key, std::move(text));
    if (random.one_in(5)) record.headers.emplace_back("trace", std::to_string(i));
    records.push_back(std::move(record));
  }
  return records;
}

// A source task alone, whose state can be taken and put back.
struct Runner {
  explicit Runner(const Pipeline& pipeline)
      : plan(pipeline), outputs(pipeline.source.outputs), task(make()) {
    for (const auto& file : plan.tables) {
      const auto status = task->apply_event(
          task::TableVersionEntry{file.name, task::table_content_hash(file.content)}, kNow,
          outputs);
      EXPECT_TRUE(status.is_ok());
    }
  }
  [[nodiscard]] std::unique_ptr<task::Task> make() const {
    return task::make_source_task(plan.source, kPartition, own_tables(plan));
  }
  void apply(std::span<const PlainRecord> records) {
    const auto status = task->apply(batch_of(records, task->next_offset()), kNow, outputs);
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }
  [[nodiscard]] std::string state() const {
    std::string bytes;
    task->snapshot(bytes);
    return bytes;
  }
  void restore(const std::string& bytes) {
    task = make();
    const auto status = task->restore(bytes);
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }

  const Pipeline& plan;
  task::Outputs outputs;
  std::unique_ptr<task::Task> task;
  Topics topics;
};

TEST(SourceTask, neither_batches_nor_commits_nor_snapshots_change_an_output_byte) {
  const auto plan = shipped_pipeline("ticks");
  ASSERT_NE(plan, nullptr);
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto records = random_ticks(seed, 500);
    Runner whole(*plan);
    whole.apply(records);
    take_outputs(whole.outputs, whole.topics);
    ASSERT_GT(all_of(whole.topics, "output_topic").size(), 200u);
    ASSERT_GT(all_of(whole.topics, "dlq_topic").size(), 20u);
    ASSERT_GT(all_of(whole.topics, "aggregates_topic").size(), 5u);
    expect_conserved(whole.task->report().counters);
    Random random(seed);
    Runner cut(*plan);
    cut_randomly(records.size(), random, [&](std::size_t first, std::size_t count) {
      cut.apply(std::span(records).subspan(first, count));
      if (random.one_in(2)) take_outputs(cut.outputs, cut.topics);
      if (random.one_in(3)) cut.restore(cut.state());
    });
    take_outputs(cut.outputs, cut.topics);
    ASSERT_EQ(cut.topics, whole.topics);
    EXPECT_EQ(cut.state(), whole.state());
  }
}

TEST(SourceTask, a_suppressed_replay_comes_to_the_same_state) {
  const auto plan = shipped_pipeline("ticks");
  const auto records = random_ticks(77, 300);
  Runner live(*plan);
  Runner replayed(*plan);
  replayed.outputs.set_suppressed(true);
  for (std::size_t at = 0; at < records.size(); at += 25) {
    live.apply(std::span(records).subspan(at, 25));
    replayed.apply(std::span(records).subspan(at, 25));
    ASSERT_EQ(live.state(), replayed.state()) << at;
  }
  EXPECT_TRUE(replayed.outputs.empty());
}

TEST(SourceTask, records_below_the_next_offset_are_skipped) {
  const auto plan = shipped_pipeline("ticks");
  const auto records = random_ticks(5, 60);
  Runner once(*plan);
  once.apply(records);
  Runner again(*plan);
  for (const std::size_t first : {0u, 10u, 5u, 40u, 0u}) {
    const auto batch =
        batch_of(std::span(records).subspan(first, std::min<std::size_t>(30, 60 - first)),
                 Offset(static_cast<std::int64_t>(first)));
    ASSERT_TRUE(again.task->apply(batch, kNow, again.outputs).is_ok());
  }
  take_outputs(once.outputs, once.topics);
  take_outputs(again.outputs, again.topics);
  EXPECT_EQ(again.topics, once.topics);
}

TEST(SourceTask, snapshots_of_others_and_cut_ones_are_refused) {
  const auto ticks = shipped_pipeline("ticks");
  const auto orders = shipped_pipeline("orders");
  Runner runner(*ticks);
  runner.apply(random_ticks(3, 100));
  const auto state = runner.state();
  const auto restore = [&](const Pipeline& plan, std::string_view bytes) {
    return task::make_source_task(plan.source, kPartition, own_tables(plan))->restore(bytes);
  };
  EXPECT_TRUE(restore(*ticks, state).is_ok());
  EXPECT_FALSE(restore(*orders, state).is_ok());
  EXPECT_EQ(restore(*ticks, state + "x").code(), StatusCode::corrupt);
  for (std::size_t length = 0; length < state.size(); length += 1 + length / 16) {
    EXPECT_FALSE(restore(*ticks, state.substr(0, length)).is_ok()) << length;
  }
}

TEST(SourceTask, without_a_table_version_in_force_nothing_is_found) {
  const auto plan = shipped_pipeline("ticks");
  task::Outputs outputs(plan->source.outputs);
  const auto task = task::make_source_task(plan->source, kPartition, own_tables(*plan));
  const std::vector records{record_of("AMZN", tick("a", "2012-06-21T13:30:00Z"))};
  ASSERT_TRUE(task->apply(batch_of(records, Offset(0)), kNow, outputs).is_ok());
  EXPECT_TRUE(task->report().tables.empty());
  Topics topics;
  take_outputs(outputs, topics);
  EXPECT_EQ(member(all_of(topics, "output_topic").at(0), "sector"), "null");
}

TEST(SourceTask, a_table_version_that_is_not_published_is_an_error) {
  const auto plan = shipped_pipeline("ticks");
  Runner runner(*plan);
  const auto status =
      runner.task->apply_event(task::TableVersionEntry{"sectors", {1, 2}}, kNow, runner.outputs);
  EXPECT_EQ(status.code(), StatusCode::not_found);
  EXPECT_THAT(std::string(status.message()), HasSubstr("table sectors"));
}

}  // namespace
}  // namespace millrace::pipeline
