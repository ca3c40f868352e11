#include "broker/blocking_calls.h"

#include <utility>

namespace millrace::broker {

BlockingCalls::BlockingCalls() : thread_([this] { run_tasks(); }) {}

BlockingCalls::~BlockingCalls() {
  stop();
}

void BlockingCalls::run(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (is_stopping_) return;
  tasks_.push_back(std::move(task));
  changed_.notify_one();
}

void BlockingCalls::stop() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    dropped.swap(tasks_);
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void BlockingCalls::run_tasks() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // what it holds may come back here
    lock.lock();
  }
}

}  // namespace millrace::broker
