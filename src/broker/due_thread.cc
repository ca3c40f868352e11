#include "broker/due_thread.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace millrace::broker {

DueThread::DueThread(const Clock& clock, std::function<MonotonicTime()> run_due)
    : clock_(clock), run_due_(std::move(run_due)), thread_([this] { run(); }) {}

DueThread::~DueThread() {
  stop();
}

void DueThread::wake(MonotonicTime at) {
  const std::lock_guard lock(mutex_);
  if (at >= next_) return;
  next_ = at;
  changed_.notify_one();
}

void DueThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void DueThread::run() {
  constexpr MonotonicTime kNever{INT64_MAX};
  constexpr std::int64_t kWaitNsMax = 60'000'000'000;
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    const std::int64_t wait_ns = next_.value - clock_.monotonic_now().value;
    if (wait_ns > 0) {
      changed_.wait_for(lock, std::chrono::nanoseconds(std::min(wait_ns, kWaitNsMax)));
      continue;
    }
    next_ = kNever;  // what wakes it while it runs counts
    lock.unlock();
    const MonotonicTime at = run_due_();
    lock.lock();
    next_ = std::min(next_, at);
  }
}

}  // namespace millrace::broker
