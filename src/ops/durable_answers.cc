#include "ops/durable_answers.h"

#include <utility>

namespace millrace::ops {

DurableAnswers::DurableAnswers(log::Log& log) : log_(log), thread_([this] { run(); }) {}

DurableAnswers::~DurableAnswers() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DurableAnswers::when_durable(log::CommitSequence sequence, Answer answer) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({sequence, std::move(answer)});
  }
  changed_.notify_one();
}

void DurableAnswers::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
    if (is_stopping_) break;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    next.answer(log_.wait_durable(next.sequence));
    lock.lock();
  }
  auto rest = std::exchange(waiting_, {});
  lock.unlock();
  for (auto& waiting : rest) waiting.answer(cancelled_error("the server is stopping"));
}

}  // namespace millrace::ops
