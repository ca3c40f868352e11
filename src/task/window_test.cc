#include "task/window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

Window window_of(std::int64_t length_us, std::int64_t every_us, std::int64_t lateness_us) {
  Window window;
  window.name = "w";
  window.length_us = length_us;
  window.every_us = every_us;
  window.allowed_lateness_us = lateness_us;
  window.aggregates.push_back({"n", AggregateKind::count, 4, std::nullopt});
  return window;
}

TEST(PaneSet, panes_start_at_multiples_of_the_step_also_before_1970) {
  const auto tumbling = window_of(60, 60, 0);
  PaneSet panes(tumbling, true);
  const auto starts = [&](std::int64_t time) {
    const auto found = panes.starts_for(EventTime(time));
    return std::pair(found.first_us, found.last_us);
  };
  EXPECT_EQ(starts(0), std::pair(std::int64_t{0}, std::int64_t{0}));
  EXPECT_EQ(starts(59), std::pair(std::int64_t{0}, std::int64_t{0}));
  EXPECT_EQ(starts(60), std::pair(std::int64_t{60}, std::int64_t{60}));
  EXPECT_EQ(starts(-1), std::pair(std::int64_t{-60}, std::int64_t{-60}));
  EXPECT_EQ(starts(-60), std::pair(std::int64_t{-60}, std::int64_t{-60}));
}

TEST(PaneSet, a_sliding_window_has_every_pane_that_holds_the_event) {
  const auto sliding = window_of(60, 20, 0);
  PaneSet panes(sliding, true);
  for (std::int64_t time = -200; time < 200; ++time) {
    std::set<std::int64_t> expected;
    for (std::int64_t start = -400; start < 400; start += 20) {
      if (start <= time && time < start + 60) expected.insert(start);
    }
    const auto found = panes.starts_for(EventTime(time));
    std::set<std::int64_t> actual;
    for (auto start = found.first_us; start <= found.last_us; start += 20) actual.insert(start);
    ASSERT_EQ(actual, expected) << time;
  }
}

TEST(PaneSet, late_is_at_or_behind_end_plus_lateness) {
  const auto window = window_of(60, 60, 100);
  PaneSet panes(window, true);
  EXPECT_FALSE(panes.is_late(0, kNoWatermark));
  EXPECT_FALSE(panes.is_past_end(0, kNoWatermark));
  EXPECT_FALSE(panes.is_past_end(0, EventTime(59)));
  EXPECT_TRUE(panes.is_past_end(0, EventTime(60)));
  EXPECT_FALSE(panes.is_late(0, EventTime(159)));
  EXPECT_TRUE(panes.is_late(0, EventTime(160)));
}

TEST(PaneSet, keys_keep_the_order_of_their_first_event) {
  const auto window = window_of(60, 60, 0);
  PaneSet panes(window, true);
  auto& pane = panes.pane(0);
  for (const auto* key : {"c", "a", "c", "b", "a"}) panes.key_state(pane, key);
  std::string order;
  for (const auto& state : pane.keys) order += state.key;
  EXPECT_EQ(order, "cab");
  EXPECT_EQ(panes.open_keys(), 3u);
}

TEST(PaneSet, a_snapshot_of_another_definition_is_refused) {
  const auto window = window_of(60, 60, 0);
  PaneSet panes(window, true);
  panes.key_state(panes.pane(0), "a");
  std::string bytes;
  Encoder to(bytes);
  panes.snapshot(to);
  const auto restore = [&](const Window& other) {
    PaneSet restored(other, true);
    Decoder from(bytes);
    return restored.restore(from);
  };
  EXPECT_TRUE(restore(window_of(60, 60, 0)).is_ok());
  EXPECT_EQ(restore(window_of(60, 30, 0)).code(), StatusCode::invalid);
  EXPECT_EQ(restore(window_of(60, 60, 1)).code(), StatusCode::invalid);
  auto other = window_of(60, 60, 0);
  other.aggregates.front().kind = AggregateKind::sum;
  EXPECT_EQ(restore(other).code(), StatusCode::invalid);
}

// What a set of panes does, from the whole history: a pane is open from its first event until the
// watermark passes its end (and lateness, where fired panes are kept).
class HistoryTwin {
 public:
  HistoryTwin(const Window& window, bool keeps_fired)
      : window_(window), keeps_fired_(keeps_fired) {}

  void add(std::int64_t start, const std::string& key) {
    auto& pane = open_[start];
    if (std::find(pane.keys.begin(), pane.keys.end(), key) == pane.keys.end()) {
      pane.keys.push_back(key);
    }
  }
  // "fire 0: a b" and "close 0: a b", in the order they must happen.
  std::vector<std::string> advance(std::int64_t watermark) {
    std::vector<std::string> out;
    for (auto it = open_.begin(); it != open_.end();) {
      const auto end = it->first + window_.length_us;
      const bool is_fired_now = watermark >= end && !it->second.is_fired;
      if (is_fired_now) {
        it->second.is_fired = true;
        out.push_back("fire " + describe(*it));
      }
      const auto closes_at = keeps_fired_ ? end + window_.allowed_lateness_us : end;
      if (watermark >= closes_at) {
        out.push_back("close " + describe(*it));
        it = open_.erase(it);
      } else {
        ++it;
      }
    }
    return out;
  }
  [[nodiscard]] std::size_t open_keys() const {
    std::size_t count = 0;
    for (const auto& [start, pane] : open_) count += pane.keys.size();
    return count;
  }
  [[nodiscard]] std::int64_t largest_end() const {
    return open_.empty() ? kNoWatermark.value : open_.rbegin()->first + window_.length_us;
  }

 private:
  struct OpenPaneTwin {
    bool is_fired = false;
    std::vector<std::string> keys;
  };
  static std::string describe(const std::pair<const std::int64_t, OpenPaneTwin>& pane) {
    auto text = std::to_string(pane.first) + ":";
    for (const auto& key : pane.second.keys) text += " " + key;
    return text;
  }

  const Window& window_;
  bool keeps_fired_;
  std::map<std::int64_t, OpenPaneTwin> open_;
};

std::string describe(const Pane& pane) {
  auto text = std::to_string(pane.start_us) + ":";
  for (const auto& state : pane.keys) text += " " + state.key;
  return text;
}

void run_against_history(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const auto every = static_cast<std::int64_t>(1 + random.below(10));
  const auto length = every * static_cast<std::int64_t>(1 + random.below(4));
  const auto window = window_of(length, every, static_cast<std::int64_t>(random.below(30)));
  const bool keeps_fired = random.one_in(2);
  PaneSet panes(window, keeps_fired);
  HistoryTwin twin(window, keeps_fired);
  std::int64_t watermark = 0;
  for (int i = 0; i < 300; ++i) {
    const auto time = watermark + static_cast<std::int64_t>(random.below(60)) - 30;
    const auto key = std::string(1, static_cast<char>('a' + random.below(4)));
    const auto starts = panes.starts_for(EventTime(time));
    for (auto start = starts.first_us; start <= starts.last_us; start += every) {
      if (panes.is_late(start, EventTime(watermark))) continue;
      if (!keeps_fired && panes.is_past_end(start, EventTime(watermark))) continue;
      panes.key_state(panes.pane(start), key);
      twin.add(start, key);
    }
    if (random.one_in(2)) watermark += static_cast<std::int64_t>(random.below(25));
    std::vector<std::string> done;
    panes.advance(
        EventTime(watermark), [&](Pane& pane) { done.push_back("fire " + describe(pane)); },
        [&](Pane& pane) { done.push_back("close " + describe(pane)); });
    ASSERT_EQ(done, twin.advance(watermark)) << "step " << i;
    ASSERT_EQ(panes.open_keys(), twin.open_keys());
    ASSERT_EQ(panes.largest_end().value, twin.largest_end());
    if (!random.one_in(20)) continue;
    std::string bytes;
    Encoder to(bytes);
    panes.snapshot(to);
    panes = PaneSet(window, keeps_fired);
    Decoder from(bytes);
    ASSERT_TRUE(panes.restore(from).is_ok());
    ASSERT_TRUE(from.finish("panes").is_ok());
  }
}

TEST(PaneSet, fires_and_closes_what_the_history_says_across_snapshots) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) run_against_history(seed);
}

}  // namespace
}  // namespace millrace::task
