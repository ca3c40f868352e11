#include "log/durable_answers.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::log {

DurableAnswers::DurableAnswers(CommitPort& log) : log_(log), thread_([this] { run(); }) {}

DurableAnswers::~DurableAnswers() {
  stop();
}

void DurableAnswers::after(CommitSequence sequence, Then then) {
  if (sequence <= log_.durable_sequence()) return then(ok_status());
  {
    const std::lock_guard lock(mutex_);
    if (!is_stopping_) {
      waiting_.emplace(sequence, std::move(then));
      changed_.notify_one();
      return;
    }
  }
  then(cancelled_error("the process is stopping"));
}

void DurableAnswers::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void DurableAnswers::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    // The oldest: the log syncs as fast as it can by itself, and nobody waits for a later one.
    const auto oldest = waiting_.begin()->first;
    lock.unlock();
    const Status status = log_.wait_durable(oldest);
    const auto durable = status.is_ok() ? std::max(oldest, log_.durable_sequence()) : oldest;
    lock.lock();
    std::vector<Then> due;
    const auto end = waiting_.upper_bound(durable);
    for (auto it = waiting_.begin(); it != end; ++it) due.push_back(std::move(it->second));
    waiting_.erase(waiting_.begin(), end);
    lock.unlock();
    for (const auto& then : due) then(status);
    lock.lock();
  }
}

}  // namespace millrace::log
