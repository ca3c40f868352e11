#include "task/watermark.h"

#include <algorithm>

namespace millrace::task {
namespace {

constexpr std::int64_t kEventTimeUsMax = std::int64_t{1} << 60;

}  // namespace

EventTime decode_event_time(Decoder& from) {
  const EventTime out(from.zigzag());
  if (out != kNoWatermark && (out.value > kEventTimeUsMax || out.value < -kEventTimeUsMax)) {
    from.fail();
  }
  return out;
}

bool Watermark::observe(EventTime event_time) {
  // After an advance from outside (idle, drain) the clock may stand ahead of the events.
  const auto reference = std::max(largest_, current_);
  if (reference != kNoWatermark && event_time.value - config_.max_jump_us <= reference.value) {
    jump_count_ = 0;
    return raise_largest(event_time);
  }
  jump_smallest_ = jump_count_ == 0 ? event_time : std::min(jump_smallest_, event_time);
  if (++jump_count_ <= config_.jump_confirmations) return false;
  jump_count_ = 0;
  return raise_largest(jump_smallest_);
}

EventTime Watermark::unseen_from() const {
  if (largest_ == kNoWatermark) return current_;
  return std::max(EventTime(largest_.value + 1), current_);
}

EventTime Watermark::if_nothing_more_comes() const {
  if (current_ != kNoWatermark || jump_count_ == 0) return current_;
  return jump_smallest_ - config_.out_of_orderness_us;
}

bool Watermark::raise_largest(EventTime event_time) {
  if (event_time <= largest_) return false;
  largest_ = event_time;
  return advance_to(event_time - config_.out_of_orderness_us);
}

bool Watermark::advance_to(EventTime watermark) {
  if (watermark <= current_) return false;
  current_ = watermark;
  return true;
}

void Watermark::snapshot(Encoder& to) const {
  to.zigzag(current_.value);
  to.zigzag(largest_.value);
  to.zigzag(jump_count_);
  to.zigzag(jump_smallest_.value);
}

void Watermark::restore(Decoder& from) {
  current_ = decode_event_time(from);
  largest_ = decode_event_time(from);
  jump_count_ = static_cast<std::int32_t>(from.zigzag());
  jump_smallest_ = decode_event_time(from);
  if (jump_count_ < 0) from.fail();
}

}  // namespace millrace::task
