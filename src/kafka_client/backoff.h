#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "base/thread.h"
#include "base/time.h"

namespace millrace::kafka_client {

// The pauses between attempts, each twice as long as the one before.
class Backoff {
 public:
  explicit Backoff(const Clock& clock, MonotonicTime deadline)
      : clock_(clock), deadline_(deadline) {}

  // False when the deadline is nearer than the pause: there is no time for another attempt.
  bool wait() {
    const auto pause_ns = std::exchange(next_ns_, std::min(2 * next_ns_, kLongestNs));
    if (deadline_ - clock_.monotonic_now() <= pause_ns) return false;
    pause_for(std::chrono::nanoseconds(pause_ns));
    return true;
  }

 private:
  static constexpr std::int64_t kFirstNs = 2'000'000;
  static constexpr std::int64_t kLongestNs = 200'000'000;

  const Clock& clock_;
  const MonotonicTime deadline_;
  std::int64_t next_ns_ = kFirstNs;
};

}  // namespace millrace::kafka_client
