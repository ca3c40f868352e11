#pragma once

#include <cstdint>

#include "base/strong.h"

namespace millrace {

// Event time: microseconds since 1970-01-01T00:00:00Z, as found in the event. Never derived from a
// clock, never converted implicitly to WallTime.
using EventTime = Strong<struct EventTimeTag, std::int64_t>;

// Wall-clock time: milliseconds since 1970-01-01T00:00:00Z (Kafka's record timestamp unit).
using WallTime = Strong<struct WallTimeTag, std::int64_t>;

// Monotonic time: nanoseconds since an arbitrary start. Only for measuring.
using MonotonicTime = Strong<struct MonotonicTimeTag, std::int64_t>;

inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;
inline constexpr std::int64_t kMicrosPerMilli = 1'000;

// The one source of time; the real one is sys::RealClock. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall_now() const = 0;
  [[nodiscard]] virtual MonotonicTime monotonic_now() const = 0;
};

}  // namespace millrace
