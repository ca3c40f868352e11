#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/thread.h"

namespace millrace::runtime {

// What one thread has asked of another, given once. Thread-safe.
template <typename T>
class Answer {
 public:
  void give(Result<T> result) {
    // Told under the lock: who waits may destroy this as soon as it has the answer.
    const std::lock_guard lock(mutex_);
    if (!result_) result_ = std::move(result);
    given_.notify_all();
  }

  // Takes the answer out; `cancelled` when `is_cancelled` says so first.
  Result<T> wait(const std::function<bool()>& is_cancelled) {
    constexpr std::chrono::milliseconds kPollInterval{10};
    std::unique_lock lock(mutex_);
    while (!given_.wait_for(lock, kPollInterval, [this] { return result_.has_value(); })) {
      if (is_cancelled()) return cancelled_error("stopped before there was an answer");
    }
    return std::move(*result_);
  }

 private:
  Mutex mutex_;
  Condition given_;
  std::optional<Result<T>> result_;
};

}  // namespace millrace::runtime
