#pragma once

#include <cstdint>
#include <limits>

#include "base/coding.h"
#include "base/time.h"

namespace millrace::task {

inline constexpr EventTime kNoWatermark{std::numeric_limits<std::int64_t>::min()};

// Reads an event time or kNoWatermark. Fails on what no event can have, more than 36,000 years from
// 1970: with any other, sums of it and of a few durations are numbers.
EventTime decode_event_time(Decoder& from);

struct WatermarkConfig {
  std::int64_t out_of_orderness_us = 0;
  std::int64_t max_jump_us = 86'400'000'000;
  std::int32_t jump_confirmations = 10;
};

// The event-time clock of one source partition (R12): the largest event time seen minus the bound,
// monotone. An event further than max_jump past the largest one is not believed until
// `jump_confirmations` further events in a row are that far ahead, too; then the clock moves to the
// smallest of them. The beginning is such a jump: there is no watermark before
// `jump_confirmations` + 1 events, and it starts at the smallest of them, so that a feed of old
// events survives one that begins with `now()`.
class Watermark {
 public:
  explicit Watermark(const WatermarkConfig& config) : config_(config) {}

  // kNoWatermark until the first events are believed.
  [[nodiscard]] EventTime current() const { return current_; }
  // Before there is a watermark the one that the events so far would give; kNoWatermark without
  // any. For whoever decides that the partition is idle.
  [[nodiscard]] EventTime if_nothing_more_comes() const;

  // The smallest event time of which no event was seen, and none is expected but late ones:
  // whatever begins here misses nothing. Events that are not believed do not count; kNoWatermark
  // before the first that is.
  [[nodiscard]] EventTime unseen_from() const;

  // Returns whether the watermark moved.
  bool observe(EventTime event_time);
  // Never moves back.
  bool advance_to(EventTime watermark);

  void snapshot(Encoder& to) const;
  void restore(Decoder& from);

 private:
  bool raise_largest(EventTime event_time);

  WatermarkConfig config_;
  EventTime current_ = kNoWatermark;
  EventTime largest_ = kNoWatermark;
  std::int32_t jump_count_ = 0;
  EventTime jump_smallest_ = kNoWatermark;
};

}  // namespace millrace::task
