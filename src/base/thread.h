#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <thread>

namespace millrace {

// Threads, locks and waiting for everything that a simulation runs: layers from `log` upwards use
// these instead of the standard library's, which they are unless a scheduler is installed.

// Decides which of a simulation's threads runs; implemented by the simulation alone. All its
// threads share one thread of the operating system, of which one runs until it comes to a lock, a
// wait or an explicit yield.
class ThreadScheduler {
 public:
  virtual ~ThreadScheduler() = default;

  virtual std::uint64_t start_thread(std::function<void()> body) = 0;
  virtual void join_thread(std::uint64_t id) = 0;
  // Others may run here.
  virtual void yield() = 0;
  // Until somebody wakes the place, at most `ns_max` of simulated time (negative: no bound). False
  // when the time was over.
  virtual bool block(const void* place, std::int64_t ns_max) = 0;
  // Threads blocked at the place go on, one or all; never yields.
  virtual void wake_one(const void* place) = 0;
  virtual void wake_all(const void* place) = 0;

  // Of the calling operating system's thread; null outside of simulations.
  static ThreadScheduler* current() { return installed; }
  static void install(ThreadScheduler* scheduler) { installed = scheduler; }

 private:
  static thread_local ThreadScheduler* installed;
};

class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() {
    if (auto* scheduler = ThreadScheduler::current()) return lock_simulated(*scheduler);
    mutex_.lock();
  }
  bool try_lock() {
    if (ThreadScheduler::current() == nullptr) return mutex_.try_lock();
    if (is_held_) return false;
    is_held_ = true;
    return true;
  }
  void unlock() {
    if (auto* scheduler = ThreadScheduler::current()) return unlock_simulated(*scheduler);
    mutex_.unlock();
  }

 private:
  friend class Condition;
  void lock_simulated(ThreadScheduler& scheduler);
  void unlock_simulated(ThreadScheduler& scheduler);

  std::mutex mutex_;
  bool is_held_ = false;  // in a simulation
};

class SharedMutex {
 public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  void lock();
  void unlock();
  void lock_shared();
  void unlock_shared();

 private:
  std::shared_mutex mutex_;
  bool is_held_ = false;    // in a simulation: by a writer
  int shared_holders_ = 0;  // in a simulation
};

// May wake without a reason, as std::condition_variable.
class Condition {
 public:
  void notify_one();
  void notify_all();
  void wait(std::unique_lock<Mutex>& lock);
  // False when the time was over.
  bool wait_for(std::unique_lock<Mutex>& lock, std::chrono::nanoseconds at_most);

  template <typename Predicate>
  void wait(std::unique_lock<Mutex>& lock, Predicate is_done) {
    while (!is_done()) wait(lock);
  }
  // What the predicate says at the end.
  template <typename Predicate>
  bool wait_for(std::unique_lock<Mutex>& lock, std::chrono::nanoseconds at_most,
                Predicate is_done) {
    return wait_for_predicate(lock, at_most, std::function<bool()>(std::ref(is_done)));
  }

 private:
  bool wait_for_predicate(std::unique_lock<Mutex>& lock, std::chrono::nanoseconds at_most,
                          const std::function<bool()>& is_done);

  std::condition_variable condition_;
};

// For retries of what nobody announces; whoever can wait for a Condition does.
void pause_for(std::chrono::nanoseconds duration);

// Must be joined before it is destroyed, as std::thread.
class Thread {
 public:
  Thread() = default;
  explicit Thread(std::function<void()> body);
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();

  [[nodiscard]] bool joinable() const { return thread_.joinable() || simulated_ != 0; }
  void join();

 private:
  std::thread thread_;
  std::uint64_t simulated_ = 0;  // 0: none
};

}  // namespace millrace
