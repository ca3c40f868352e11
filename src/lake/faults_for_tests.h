#pragma once

// A clock that stands still, and calls that fail on purpose. Only for tests.

#include <cstdint>
#include <mutex>

#include "base/status.h"
#include "base/time.h"

namespace millrace::lake {

// Stands still until told otherwise. Thread-safe.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override {
    const std::lock_guard lock(mutex_);
    return WallTime(wall_ms_);
  }
  [[nodiscard]] MonotonicTime monotonic_now() const override {
    return MonotonicTime(wall_now().value * 1'000'000);
  }
  void advance_ms(std::int64_t ms) {
    const std::lock_guard lock(mutex_);
    wall_ms_ += ms;
  }

 private:
  mutable std::mutex mutex_;
  std::int64_t wall_ms_ = 1'700'000'000'000;
};

// Counts the calls of log and store together and makes the n-th one fail, before or after it took
// effect. A crash makes all later calls fail, too, until recover().
class FaultPlan {
 public:
  enum class Kind : std::uint8_t { none, before, after };

  void fail_at(std::uint64_t call, Kind kind, bool is_crash) {
    const std::lock_guard lock(mutex_);
    fail_at_ = call;
    kind_ = kind;
    is_crash_ = is_crash;
    calls_ = 0;
    has_fired_ = false;
  }
  void recover() { fail_at(0, Kind::none, false); }
  [[nodiscard]] bool has_fired() const {
    const std::lock_guard lock(mutex_);
    return has_fired_;
  }

  Kind next() {
    const std::lock_guard lock(mutex_);
    ++calls_;
    if (kind_ == Kind::none) return Kind::none;
    if (has_fired_ && is_crash_) return Kind::before;
    if (calls_ != fail_at_) return Kind::none;
    has_fired_ = true;
    return kind_;
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t calls_ = 0;
  std::uint64_t fail_at_ = 0;
  Kind kind_ = Kind::none;
  bool is_crash_ = false;
  bool has_fired_ = false;
};

// What `run` gives, or a failure instead of or after it.
template <typename Run>
auto with_fault(FaultPlan& plan, Run&& run) -> decltype(run()) {
  const auto kind = plan.next();
  if (kind == FaultPlan::Kind::before) return io_error("the fault before the call");
  auto result = run();
  if (kind == FaultPlan::Kind::after) return io_error("the fault after the call");
  return result;
}

}  // namespace millrace::lake
