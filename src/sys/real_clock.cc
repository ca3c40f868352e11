#include "sys/real_clock.h"

#include <time.h>

#include "base/check.h"

namespace millrace::sys {
namespace {

timespec read_clock(clockid_t id) {
  timespec now{};
  MR_CHECK(::clock_gettime(id, &now) == 0);
  return now;
}

}  // namespace

WallTime RealClock::wall_now() const {
  const timespec now = read_clock(CLOCK_REALTIME);
  return WallTime(std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000);
}

MonotonicTime RealClock::monotonic_now() const {
  const timespec now = read_clock(CLOCK_MONOTONIC);
  return MonotonicTime(std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

}  // namespace millrace::sys
