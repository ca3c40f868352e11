#include "runtime/idle_watermarks.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kLiveFeedMs = 3'600'000;  // R13: newer events make a feed a live one

}  // namespace

std::optional<EventTime> IdleWatermarks::target(std::span<const SourceProgress> sources,
                                                bool has_open_panes, WallTime now) {
  std::optional<EventTime> slowest;  // of the busy ones
  bool has_idle = false;
  for (const auto& source : sources) {
    has_idle |= source.is_idle;
    if (source.is_idle) continue;
    slowest = slowest ? std::min(*slowest, source.watermark) : source.watermark;
  }
  if (slowest) all_idle_since_ = WallTime(-1);
  if (!has_idle || !has_open_panes) return std::nullopt;
  if (!slowest) return target_of_all_idle(sources, now);
  if (*slowest == task::kNoWatermark) return std::nullopt;
  return slowest;
}

// With nothing coming at all a live feed's clock goes on with the wall; that of a paused replay
// stands.
std::optional<EventTime> IdleWatermarks::target_of_all_idle(std::span<const SourceProgress> sources,
                                                            WallTime now) {
  using Advance = pipeline::IdlePolicy::Advance;
  if (policy_.advance == Advance::off) return std::nullopt;
  EventTime newest = task::kNoWatermark;
  for (const auto& source : sources) newest = std::max(newest, source.watermark_if_idle);
  if (newest == task::kNoWatermark) return std::nullopt;
  if (policy_.advance == Advance::automatic &&
      newest.value < (now.value - kLiveFeedMs) * kMicrosPerMilli) {
    return std::nullopt;
  }
  if (all_idle_since_.value < 0) {
    all_idle_since_ = now;
    all_idle_watermark_ = newest;
  }
  return all_idle_watermark_ + (now - all_idle_since_) * kMicrosPerMilli;
}

}  // namespace millrace::runtime
