#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "codec/json.h"
#include "task/partial.h"
#include "task/source_task.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

MergePlan plan_of(std::int32_t upstreams, std::int64_t length_s, std::int64_t lateness_s) {
  MergePlan plan;
  plan.pipeline = "p@1";
  plan.repartition_topic = "partials";
  plan.upstream_partition_count = upstreams;
  plan.window.name = "w";
  plan.window.length_us = plan.window.every_us = length_s * kSecond;
  plan.window.allowed_lateness_us = lateness_s * kSecond;
  plan.window.aggregates.push_back({"n", AggregateKind::count, 4, std::nullopt});
  plan.window.aggregates.push_back({"total", AggregateKind::sum, 4, std::nullopt});
  plan.window.local = WindowResults{};
  plan.outputs.push_back({"results", 1, codec::Compression::none});
  return plan;
}

std::string partial(std::int64_t start_s, const std::string& key,
                    const std::vector<std::int64_t>& amounts) {
  KeyState state;
  state.key = key;
  state.aggregates.emplace_back(AggregateKind::count);
  state.aggregates.emplace_back(AggregateKind::sum);
  for (const auto amount : amounts) {
    state.aggregates[0].add(Value::boolean(true), {});
    state.aggregates[1].add(Value::int64(amount), {});
  }
  std::string bytes;
  encode_partial(start_s * kSecond, state, bytes);
  return bytes;
}

std::string watermark(std::int32_t upstream, std::int64_t time_s) {
  std::string bytes;
  encode_upstream_watermark({upstream, EventTime(time_s * kSecond)}, bytes);
  return bytes;
}

std::string batch_of(const std::vector<std::string>& values, Offset base) {
  codec::RecordBatchBuilder builder;
  for (const auto& value : values) builder.append(WallTime(1), std::nullopt, value, {});
  std::string bytes;
  builder.finish(bytes);
  codec::set_base_offset(bytes, 0, base);
  return bytes;
}

// "key start n=.. total=.. r=.. f" of each result; the key is the record's.
std::vector<std::string> results_in(Outputs& outputs) {
  std::vector<std::string> out;
  codec::BatchReader reader;
  Arena arena;
  for (const auto& batch : outputs.take()) {
    EXPECT_TRUE(reader.open(batch.bytes).is_ok());
    while (const auto* record = reader.next()) {
      const auto json = codec::parse_json(*record->value, arena);
      EXPECT_TRUE(json.is_ok()) << *record->value;
      std::string line(*record->key);
      for (const auto& member : json->as_map()) {
        line += " " + std::string(member.key.as_string()) + "=";
        codec::append_json(line, member.value);
      }
      out.push_back(std::move(line));
    }
  }
  return out;
}

class Driver {
 public:
  explicit Driver(const MergePlan& plan)
      : plan_(plan), task_(make_merge_task(plan, 0)), outputs_(plan.outputs) {}

  std::vector<std::string> feed(const std::vector<std::string>& values) {
    const auto status = task_->apply(batch_of(values, next_), WallTime(1), outputs_);
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    next_ = next_ + static_cast<std::int64_t>(values.size());
    EXPECT_EQ(task_->next_offset(), next_);
    return results_in(outputs_);
  }
  void restore_from_snapshot() {
    std::string bytes;
    task_->snapshot(bytes);
    task_ = make_merge_task(plan_, 0);
    const auto status = task_->restore(bytes);
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    EXPECT_EQ(task_->next_offset(), next_);
  }
  [[nodiscard]] Task& task() { return *task_; }

 private:
  const MergePlan& plan_;
  std::unique_ptr<Task> task_;
  Outputs outputs_;
  Offset next_;
};

std::string result(const std::string& key, const std::string& start, const std::string& end,
                   int revision, bool is_final, int n, int total) {
  return key + " window_start=\"" + start + "\" window_end=\"" + end +
         "\" revision=" + std::to_string(revision) + " is_final=" + (is_final ? "true" : "false") +
         " n=" + std::to_string(n) + " total=" + std::to_string(total);
}
constexpr auto kStart = "1970-01-01T00:00:00Z";
constexpr auto kEnd = "1970-01-01T00:01:00Z";

TEST(MergeTask, waits_for_every_upstream_then_fires_revises_and_closes) {
  const auto plan = plan_of(2, 60, 30);
  Driver driver(plan);
  using Lines = std::vector<std::string>;
  EXPECT_EQ(driver.feed({partial(0, "eu", {1, 2}), watermark(0, 60)}), Lines{});
  EXPECT_EQ(driver.feed({partial(0, "eu", {10}), partial(0, "us", {5}), watermark(1, 59)}),
            Lines{});
  EXPECT_EQ(driver.feed({watermark(1, 60)}), (Lines{result("eu", kStart, kEnd, 0, false, 3, 13),
                                                    result("us", kStart, kEnd, 0, false, 1, 5)}));
  // A record within lateness revises, a key that was not there before gets its first result.
  EXPECT_EQ(driver.feed({partial(0, "us", {7})}),
            Lines{result("us", kStart, kEnd, 1, false, 2, 12)});
  EXPECT_EQ(driver.feed({partial(0, "uk", {1})}),
            Lines{result("uk", kStart, kEnd, 0, false, 1, 1)});
  EXPECT_EQ(driver.feed({watermark(0, 500)}), Lines{});
  EXPECT_EQ(driver.feed({watermark(1, 90)}), (Lines{result("eu", kStart, kEnd, 1, true, 3, 13),
                                                    result("us", kStart, kEnd, 2, true, 2, 12),
                                                    result("uk", kStart, kEnd, 1, true, 1, 1)}));
  EXPECT_EQ(driver.task().report().open_pane_count, 0u);
}

TEST(MergeTask, a_pane_that_begins_within_lateness_fires_at_once) {
  const auto plan = plan_of(1, 60, 30);
  Driver driver(plan);
  using Lines = std::vector<std::string>;
  EXPECT_EQ(driver.feed({watermark(0, 70)}), Lines{});
  EXPECT_EQ(driver.feed({partial(0, "eu", {4})}),
            Lines{result("eu", kStart, kEnd, 0, false, 1, 4)});
  EXPECT_EQ(driver.feed({watermark(0, 90)}), Lines{result("eu", kStart, kEnd, 1, true, 1, 4)});
}

TEST(MergeTask, an_upstream_never_goes_back_and_unknown_ones_do_not_count) {
  const auto plan = plan_of(2, 60, 0);
  Driver driver(plan);
  driver.feed({watermark(0, 100), watermark(0, 50), watermark(1, 70), watermark(7, 10)});
  EXPECT_EQ(driver.task().report().watermark, EventTime(70 * kSecond));
  EXPECT_EQ(driver.task().report().upstream_watermarks,
            (std::vector{EventTime(100 * kSecond), EventTime(70 * kSecond)}));
}

TEST(MergeTask, refuses_foreign_snapshots_and_records) {
  const auto plan = plan_of(2, 60, 0);
  std::string snapshot;
  make_merge_task(plan, 0)->snapshot(snapshot);
  EXPECT_TRUE(make_merge_task(plan, 0)->restore(snapshot).is_ok());
  const auto wider = plan_of(3, 60, 0);
  EXPECT_EQ(make_merge_task(wider, 0)->restore(snapshot).code(), StatusCode::invalid);
  for (std::size_t length = 0; length < snapshot.size(); ++length) {
    EXPECT_FALSE(make_merge_task(plan, 0)->restore(snapshot.substr(0, length)).is_ok()) << length;
  }
  Outputs outputs(plan.outputs);
  const auto status =
      make_merge_task(plan, 0)->apply(batch_of({"?"}, Offset(0)), WallTime(1), outputs);
  EXPECT_EQ(status.code(), StatusCode::corrupt);
}

// --- random interleavings against a batch oracle ---

struct Upstream {
  std::vector<std::string> records;  // in the order they leave
  std::size_t sent = 0;
};
struct Total {
  std::int64_t n = 0;
  std::int64_t sum = 0;
  bool operator==(const Total&) const = default;
};
using Totals = std::map<std::pair<std::int64_t, std::string>, Total>;

// What one source task sends by R14: partials of a pane before the watermark that passes its end,
// single late ones before the watermark that passes end + lateness.
Upstream make_upstream(std::int32_t number, std::int64_t length, std::int64_t lateness,
                       Random& random, Totals& totals) {
  Upstream upstream;
  const auto send = [&](std::int64_t start) {
    const auto key = std::string(1, static_cast<char>('a' + random.below(3)));
    std::vector<std::int64_t> amounts;
    auto& total = totals[{start, key}];
    for (std::uint64_t i = 0; i <= random.below(3); ++i) {
      amounts.push_back(static_cast<std::int64_t>(random.below(100)));
      ++total.n;
      total.sum += amounts.back();
    }
    upstream.records.push_back(partial(start, key, amounts));
  };
  for (std::int64_t pane = 0; pane < 6; ++pane) {
    for (std::uint64_t i = random.below(4); i > 0; --i) send(pane * length);
    const auto now = (pane + 1) * length;
    upstream.records.push_back(watermark(number, now));
    for (std::int64_t old = 0; old <= pane; ++old) {
      const bool is_in_time = now < (old + 1) * length + lateness;
      if (is_in_time && random.one_in(3)) send(old * length);
    }
  }
  upstream.records.push_back(watermark(number, 1'000'000));
  return upstream;
}

struct SeenResult {
  std::int64_t revision = 0;
  bool is_final = false;
  Total total;
};

void check_interleaving(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const auto upstream_count = static_cast<std::int32_t>(1 + random.below(4));
  const std::int64_t length = 10;
  const auto lateness = static_cast<std::int64_t>(random.below(3)) * 7;
  const auto plan = plan_of(upstream_count, length, lateness);
  Totals totals;
  std::vector<Upstream> upstreams;
  for (std::int32_t u = 0; u < upstream_count; ++u) {
    upstreams.push_back(make_upstream(u, length, lateness, random, totals));
  }
  Driver driver(plan);
  std::map<std::string, SeenResult> seen;  // by "key start"
  std::vector<std::string> waiting;
  for (std::size_t left = 1; left > 0;) {
    left = 0;
    for (const auto& upstream : upstreams) left += upstream.records.size() - upstream.sent;
    auto& next = upstreams[random.below(upstreams.size())];
    if (next.sent < next.records.size()) waiting.push_back(next.records[next.sent++]);
    if (waiting.empty() || (left > 1 && !random.one_in(4))) continue;
    for (const auto& line : driver.feed(waiting)) {
      const auto place = line.substr(0, line.find(" window_end"));
      auto& result = seen[place];
      EXPECT_FALSE(result.is_final) << line;
      EXPECT_NE(line.find("revision=" + std::to_string(result.revision++) + " "), std::string::npos)
          << line;
      result.is_final = line.find("is_final=true") != std::string::npos;
      result.total = {std::stoll(line.substr(line.find(" n=") + 3)),
                      std::stoll(line.substr(line.find(" total=") + 7))};
    }
    waiting.clear();
    if (random.one_in(8)) driver.restore_from_snapshot();
  }
  ASSERT_EQ(seen.size(), totals.size());
  for (const auto& [place, total] : totals) {
    const auto start = std::string("1970-01-01T00:00:") + (place.first < 10 ? "0" : "") +
                       std::to_string(place.first) + "Z";
    const auto& result = seen[place.second + " window_start=\"" + start + "\""];
    EXPECT_TRUE(result.is_final) << place.first << place.second;
    EXPECT_EQ(result.total, total) << place.first << place.second;
  }
}

TEST(MergeTask, any_interleaving_of_upstreams_gives_the_same_final_windows) {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) check_interleaving(seed);
}

}  // namespace
}  // namespace millrace::task
