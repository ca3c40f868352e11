#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "base/time_text.h"
#include "codec/compression.h"
#include "codec/json.h"
#include "pipeline/pipeline_twin.h"

// Whole pipelines against batch oracles: what the windows must hold, computed from all events at
// once.

namespace millrace::pipeline {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
const WallTime kNow(946'684'800'000);  // 2000-01-01

// --- a made-up pipeline: a local window, a sliding one by another key, one for everything ---

constexpr const char* kPipeline = R"yaml(
pipeline: w
source: { topic: in, key: k, event_time: t, out_of_orderness: 5s, partitions: 3,
          jump_confirmations: 0 }
validate: { schema: s.json }
windows:
  - name: by_key
    key: k
    tumbling: 10s
    allowed_lateness: 7s
    emit_to: by_key_out
    aggregates: &all
      { n: count(), total: sum(x), low: min(x), high: max(x), first: first(x), last: last(x) }
  - name: by_kind
    key: kind
    sliding: { size: 12s, every: 4s }
    allowed_lateness: 3s
    emit_to: by_kind_out
    aggregates: *all
    fields: { doubled: n * 2 }
  - name: everything
    tumbling: 5s
    emit_to: everything_out
    aggregates: *all
sinks: [{ topic: out }]
dead_letters: { topic: dlq }
)yaml";
constexpr const char* kSchema = R"({
  "type": "object", "required": ["t", "k", "kind", "x"],
  "properties": {"t": {"type": "string", "format": "date-time"}, "k": {"type": "string"},
                 "kind": {"type": "string"}, "x": {"type": "integer"}}})";
constexpr std::int32_t kPartitions = 3;

struct WindowShape {
  std::string name;
  std::string topic;
  std::int64_t length_s;
  std::int64_t every_s;
  std::int64_t lateness_s;
};
const std::vector<WindowShape>& shapes() {
  static const std::vector<WindowShape> known{{"by_key", "by_key_out", 10, 10, 7},
                                              {"by_kind", "by_kind_out", 12, 4, 3},
                                              {"everything", "everything_out", 5, 5, 0}};
  return known;
}

struct Event {
  std::int64_t time_us = 0;
  std::string key;
  std::string kind;
  std::int64_t x = 0;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

std::vector<Event> random_events(Random& random) {
  std::vector<Event> events;
  std::array<std::int64_t, kPartitions> next{};
  std::int64_t now = 100 * kSecond;
  for (int i = 0; i < 250; ++i) {
    now += static_cast<std::int64_t>(random.below(2 * kSecond));
    Event event;
    event.time_us = now - static_cast<std::int64_t>(random.below(7 * kSecond));
    if (random.one_in(8)) event.time_us -= static_cast<std::int64_t>(random.below(30 * kSecond));
    if (random.one_in(3)) event.time_us = event.time_us / kSecond * kSecond;  // ties
    event.partition = static_cast<std::int32_t>(random.below(kPartitions));
    // A key lives in one partition.
    event.key = std::to_string(event.partition) + static_cast<char>('a' + random.below(2));
    event.kind = std::string(1, static_cast<char>('A' + random.below(3)));
    event.x = static_cast<std::int64_t>(random.below(100)) - 50;
    event.offset = next[static_cast<std::size_t>(event.partition)]++;
    events.push_back(event);
  }
  return events;
}

PlainRecord record_of(const Event& event) {
  return pipeline::record_of(event.key, R"({"t":")" + format_event_time(EventTime(event.time_us)) +
                                            R"(","k":")" + event.key + R"(","kind":")" +
                                            event.kind + R"(","x":)" + std::to_string(event.x) +
                                            "}");
}

// One window's result as text: "window key start: n total low high first last".
using Results = std::map<std::string, std::string>;

struct OracleOutcome {
  Results results;
  std::size_t late_letters = 0;
};

std::string group_of(const WindowShape& shape, const Event& event) {
  if (shape.name == "by_key") return event.key;
  return shape.name == "by_kind" ? event.kind : "";
}

std::string summary(const std::vector<Event>& events) {
  const auto is_before = [](const Event& a, const Event& b) {
    return std::tuple(a.time_us, a.offset, a.partition) <
           std::tuple(b.time_us, b.offset, b.partition);
  };
  std::int64_t total = 0;
  auto low = events.front().x;
  auto high = low;
  for (const auto& event : events) {
    total += event.x;
    low = std::min(low, event.x);
    high = std::max(high, event.x);
  }
  const auto first = std::min_element(events.begin(), events.end(), is_before);
  const auto last = std::max_element(events.begin(), events.end(), is_before);
  std::ostringstream out;
  out << events.size() << " " << total << " " << low << " " << high << " " << first->x << " "
      << last->x;
  return out.str();
}

// An event counts in a window unless its partition's watermark, before it came, had passed the
// window's end and lateness.
OracleOutcome oracle(const std::vector<Event>& events) {
  OracleOutcome outcome;
  std::map<std::string, std::vector<Event>> groups;
  std::map<std::int32_t, std::int64_t> newest;
  for (const auto& event : events) {
    std::optional<std::int64_t> watermark;
    if (newest.contains(event.partition)) watermark = newest[event.partition] - 5 * kSecond;
    for (const auto& shape : shapes()) {
      bool is_late = false;
      for (std::int64_t start = 0; start <= event.time_us; start += shape.every_s * kSecond) {
        const auto end = start + shape.length_s * kSecond;
        if (event.time_us >= end) continue;
        if (watermark && *watermark >= end + shape.lateness_s * kSecond) {
          is_late = true;
          continue;
        }
        groups[shape.name + " " + group_of(shape, event) + " " +
               format_event_time(EventTime(start))]
            .push_back(event);
      }
      if (is_late) ++outcome.late_letters;
    }
    const auto seen = newest.find(event.partition);
    newest[event.partition] =
        seen == newest.end() ? event.time_us : std::max(seen->second, event.time_us);
  }
  for (const auto& [place, group] : groups) outcome.results[place] = summary(group);
  return outcome;
}

std::map<std::string, std::string> members_of(const PlainRecord& record) {
  Arena arena;
  std::map<std::string, std::string> members;
  const auto json = codec::parse_json(record.value.value_or("null"), arena);
  EXPECT_TRUE(json.is_ok()) << record.value.value_or("(null)");
  for (const auto& entry : json->as_map()) {
    std::string text;
    codec::append_json(text, entry.value);
    if (entry.value.kind() == ValueKind::string) text = entry.value.as_string();
    members[std::string(entry.key.as_string())] = text;
  }
  return members;
}

// The newest revision of every window; revisions count from 0 and end with the final one.
Results results_in(const Topics& topics) {
  Results results;
  std::map<std::string, int> revisions;
  std::map<std::string, bool> is_final;
  for (const auto& shape : shapes()) {
    for (const auto& record : all_of(topics, shape.topic)) {
      auto members = members_of(record);
      const auto place =
          shape.name + " " + record.key.value_or("?") + " " + members["window_start"];
      EXPECT_FALSE(is_final[place]) << place;
      EXPECT_EQ(members["revision"], std::to_string(revisions[place]++)) << place;
      is_final[place] = members["is_final"] == "true";
      if (shape.name == "by_kind") {
        EXPECT_EQ(members["doubled"], std::to_string(2 * std::stoll(members["n"])));
      }
      results[place] = members["n"] + " " + members["total"] + " " + members["low"] + " " +
                       members["high"] + " " + members["first"] + " " + members["last"];
    }
  }
  for (const auto& [place, was_final] : is_final) EXPECT_TRUE(was_final) << place;
  return results;
}

// Feeds the partitions in random interleaving, merging in between.
Topics run_interleaved(const Pipeline& plan, const std::vector<Event>& events, Random& random) {
  PipelineDriver driver(plan, kNow);
  std::array<std::vector<PlainRecord>, kPartitions> waiting;
  for (const auto& event : events) {
    waiting[static_cast<std::size_t>(event.partition)].push_back(record_of(event));
  }
  std::array<std::size_t, kPartitions> sent{};
  for (bool is_open = true; is_open;) {
    is_open = false;
    for (std::size_t p = 0; p < kPartitions; ++p) is_open |= sent[p] < waiting[p].size();
    const auto p = random.below(kPartitions);
    const auto count = std::min(waiting[p].size() - sent[p], 1 + random.below(30));
    driver.feed(static_cast<std::int32_t>(p), std::span(waiting[p]).subspan(sent[p], count));
    sent[p] += count;
    if (random.one_in(2)) driver.merge(1 + random.below(10));
    if (random.one_in(10)) driver.restart();
  }
  driver.advance_all(EventTime(10'000 * kSecond));
  driver.merge();
  return driver.topics();
}

TEST(Windows, of_every_kind_agree_with_a_batch_oracle_whatever_the_interleaving) {
  const auto plan = build_or_fail(options_for(kPipeline, {{"s.json", kSchema}}));
  ASSERT_NE(plan, nullptr);
  ASSERT_EQ(plan->merges.size(), 2u);
  std::size_t late = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto events = random_events(random);
    const auto expected = oracle(events);
    late += expected.late_letters;
    for (int round = 0; round < 3; ++round) {
      const auto topics = run_interleaved(*plan, events, random);
      ASSERT_EQ(results_in(topics), expected.results);
      EXPECT_EQ(all_of(topics, "dlq").size(), expected.late_letters);
      EXPECT_EQ(all_of(topics, "out").size(), events.size());
    }
  }
  EXPECT_GT(late, 50u);
}

TEST(Windows, send_the_same_partials_and_watermarks_whatever_the_cuts_and_snapshots) {
  const auto plan = build_or_fail(options_for(kPipeline, {{"s.json", kSchema}}));
  ASSERT_NE(plan, nullptr);
  for (std::uint64_t seed = 21; seed <= 28; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<PlainRecord> records;
    for (const auto& event : random_events(random)) records.push_back(record_of(event));
    PipelineDriver whole(*plan, kNow);
    whole.feed(0, records);
    whole.merge();
    PipelineDriver cut(*plan, kNow);
    cut_randomly(records.size(), random, [&](std::size_t first, std::size_t count) {
      cut.feed(0, std::span(records).subspan(first, count));
      if (random.one_in(3)) cut.restart();
      if (random.one_in(3)) cut.merge(1 + random.below(20));
    });
    cut.merge();
    ASSERT_GT(all_of(whole.topics(), "millrace.w.by_kind.partials").size(), 50u);
    EXPECT_EQ(cut.topics(), whole.topics());
  }
}

// --- orders of a real shop, by region ---

struct RegionTotals {
  std::int64_t orders = 0;
  std::int64_t cents = 0;
  std::int64_t largest_cents = 0;
};

std::string text_of_cents(std::int64_t cents) {
  const auto rest = std::to_string(cents % 100);
  return std::to_string(cents / 100) + "." + (rest.size() == 1 ? "0" : "") + rest;
}

// cents / n to 4 digits, half to even; all amounts are positive.
std::string average_text(std::int64_t cents, std::int64_t n) {
  const auto top = cents * 100;
  auto quotient = top / n;
  const auto twice_rest = 2 * (top % n);
  if (twice_rest > n || (twice_rest == n && quotient % 2 == 1)) ++quotient;
  auto digits = std::to_string(quotient);
  while (digits.size() < 5) digits.insert(0, "0");
  return digits.insert(digits.size() - 4, ".");
}

// The value between the quotes behind "name":".
std::string plain_member(const std::string& line, const std::string& name) {
  const auto at = line.find("\"" + name + "\":");
  EXPECT_NE(at, std::string::npos) << line;
  const auto begin = line.find('"', at + name.size() + 3) + 1;
  return line.substr(begin, line.find('"', begin) - begin);
}

std::vector<std::string> cdnow_lines(std::size_t count) {
  std::string text;
  EXPECT_TRUE(codec::decompress(codec::Compression::gzip,
                                read_source_file("data/cdnow_orders_1997.jsonl.gz"), 100 << 20,
                                text)
                  .is_ok());
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; lines.size() < count && std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(Windows, of_orders_by_region_agree_with_sums_in_cents) {
  const auto plan = shipped_pipeline("orders");
  ASSERT_NE(plan, nullptr);
  PipelineDriver driver(*plan, kNow);
  std::map<std::string, RegionTotals> expected;  // by "region window_start"
  std::vector<std::vector<PlainRecord>> waiting(4);
  std::size_t zero_amounts = 0;
  const auto lines = cdnow_lines(4'000);
  ASSERT_EQ(lines.size(), 4'000u);
  for (const auto& line : lines) {
    const auto customer = plain_member(line, "customer_id");
    waiting[static_cast<std::size_t>(partition_for_key(customer, 4))].push_back(
        pipeline::record_of(customer, line));
    const auto amount = plain_member(line, "amount");
    const auto point = amount.find('.');
    ASSERT_EQ(amount.size() - point, 3u) << amount;
    const std::int64_t cents =
        std::stoll(amount.substr(0, point)) * 100 + std::stoll(amount.substr(point + 1));
    if (cents == 0) {
      ++zero_amounts;
      continue;
    }
    auto region = customer.substr(5, 2);
    std::transform(region.begin(), region.end(), region.begin(), [](char c) { return c | 0x20; });
    const auto seconds = parse_instant(plain_member(line, "timestamp"))->seconds;
    auto& totals =
        expected[region + " " + format_event_time(EventTime(seconds / 300 * 300 * kSecond))];
    ++totals.orders;
    totals.cents += cents;
    totals.largest_cents = std::max(totals.largest_cents, cents);
  }
  Random random(9);
  for (std::size_t at = 0; at < 2'000; at += 100) {
    for (std::int32_t p = 0; p < 4; ++p) {
      const auto& records = waiting[static_cast<std::size_t>(p)];
      if (at >= records.size()) continue;
      driver.feed(p,
                  std::span(records).subspan(at, std::min<std::size_t>(100, records.size() - at)));
    }
    driver.merge(1 + random.below(200));
  }
  driver.advance_all(EventTime(kNow.value * 1000));
  driver.merge();
  std::map<std::string, std::map<std::string, std::string>> newest;
  for (const auto& record : all_of(driver.topics(), "ecommerce.orders.aggregates")) {
    auto members = members_of(record);
    newest[members["region"] + " " + members["window_start"]] = members;
  }
  ASSERT_EQ(newest.size(), expected.size());
  for (const auto& [place, totals] : expected) {
    auto& members = newest[place];
    EXPECT_EQ(members["total_orders"], std::to_string(totals.orders)) << place;
    EXPECT_EQ(members["total_amount"], text_of_cents(totals.cents)) << place;
    EXPECT_EQ(members["max_order_value"], text_of_cents(totals.largest_cents)) << place;
    EXPECT_EQ(members["avg_order_value"], average_text(totals.cents, totals.orders)) << place;
    EXPECT_EQ(members["is_final"], "true") << place;
    EXPECT_EQ(members["processing_timestamp_ms"], std::to_string(kNow.value)) << place;
  }
  EXPECT_EQ(all_of(driver.topics(), "ecommerce.orders.dlq").size(), zero_amounts);
}

}  // namespace
}  // namespace millrace::pipeline
