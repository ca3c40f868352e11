#include "base/thread.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace millrace {

thread_local ThreadScheduler* ThreadScheduler::installed = nullptr;

void Mutex::lock_simulated(ThreadScheduler& scheduler) {
  scheduler.yield();
  while (is_held_) scheduler.block(this, -1);
  is_held_ = true;
}

void Mutex::unlock_simulated(ThreadScheduler& scheduler) {
  MR_CHECK(is_held_);
  is_held_ = false;
  scheduler.wake_one(this);
}

void SharedMutex::lock() {
  auto* scheduler = ThreadScheduler::current();
  if (scheduler == nullptr) return mutex_.lock();
  scheduler->yield();
  while (is_held_ || shared_holders_ > 0) scheduler->block(this, -1);
  is_held_ = true;
}

void SharedMutex::unlock() {
  auto* scheduler = ThreadScheduler::current();
  if (scheduler == nullptr) return mutex_.unlock();
  MR_CHECK(is_held_);
  is_held_ = false;
  scheduler->wake_all(this);
}

void SharedMutex::lock_shared() {
  auto* scheduler = ThreadScheduler::current();
  if (scheduler == nullptr) return mutex_.lock_shared();
  scheduler->yield();
  while (is_held_) scheduler->block(this, -1);
  ++shared_holders_;
}

void SharedMutex::unlock_shared() {
  auto* scheduler = ThreadScheduler::current();
  if (scheduler == nullptr) return mutex_.unlock_shared();
  MR_CHECK(shared_holders_ > 0);
  if (--shared_holders_ == 0) scheduler->wake_all(this);
}

void Condition::notify_one() {
  if (auto* scheduler = ThreadScheduler::current()) return scheduler->wake_one(this);
  condition_.notify_one();
}

void Condition::notify_all() {
  if (auto* scheduler = ThreadScheduler::current()) return scheduler->wake_all(this);
  condition_.notify_all();
}

void Condition::wait(std::unique_lock<Mutex>& lock) {
  if (auto* scheduler = ThreadScheduler::current()) {
    // Nobody else runs between the two lines, so no notification is lost.
    lock.unlock();
    scheduler->block(this, -1);
    lock.lock();
    return;
  }
  std::unique_lock standard(lock.mutex()->mutex_, std::adopt_lock);
  condition_.wait(standard);
  standard.release();
}

bool Condition::wait_for(std::unique_lock<Mutex>& lock, std::chrono::nanoseconds at_most) {
  if (auto* scheduler = ThreadScheduler::current()) {
    lock.unlock();
    const bool was_woken = scheduler->block(this, std::max<std::int64_t>(0, at_most.count()));
    lock.lock();
    return was_woken;
  }
  std::unique_lock standard(lock.mutex()->mutex_, std::adopt_lock);
  const auto outcome = condition_.wait_for(standard, at_most);
  standard.release();
  return outcome == std::cv_status::no_timeout;
}

bool Condition::wait_for_predicate(std::unique_lock<Mutex>& lock, std::chrono::nanoseconds at_most,
                                   const std::function<bool()>& is_done) {
  if (ThreadScheduler::current() != nullptr) {
    // Reasonless wakes restart the time; a simulation's scheduler gives few.
    while (!is_done()) {
      if (!wait_for(lock, at_most)) return is_done();
    }
    return true;
  }
  std::unique_lock standard(lock.mutex()->mutex_, std::adopt_lock);
  const bool outcome = condition_.wait_for(standard, at_most, is_done);
  standard.release();
  return outcome;
}

void pause_for(std::chrono::nanoseconds duration) {
  Mutex mutex;
  Condition never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, duration, [] { return false; });
}

Thread::Thread(std::function<void()> body) {
  if (auto* scheduler = ThreadScheduler::current()) {
    simulated_ = scheduler->start_thread(std::move(body));
    MR_CHECK(simulated_ != 0);
    return;
  }
  thread_ = std::thread(std::move(body));
}

Thread::Thread(Thread&& other) noexcept
    : thread_(std::move(other.thread_)), simulated_(std::exchange(other.simulated_, 0)) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  MR_CHECK(!joinable());
  thread_ = std::move(other.thread_);
  simulated_ = std::exchange(other.simulated_, 0);
  return *this;
}

Thread::~Thread() {
  MR_CHECK(!joinable());
}

void Thread::join() {
  MR_CHECK(joinable());
  if (simulated_ == 0) return thread_.join();
  ThreadScheduler::current()->join_thread(std::exchange(simulated_, 0));
}

}  // namespace millrace
