#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/thread.h"
#include "base/time.h"
#include "sim/fiber.h"

namespace millrace::sim {

struct SchedulerOptions {
  std::uint64_t seed = 1;
  // Another thread goes on at one in so many of the places where it may; 1: at every.
  std::uint32_t switch_one_in = 4;
  // Threads with the highest of random, rarely changing priorities go on, rather than any: finds
  // what needs one thread to stand still for long (Burckhardt et al., ASPLOS 2010).
  bool has_priorities = false;
  std::int64_t step_ns = 400;  // of simulated time, per place
  std::uint64_t steps_max = 200'000'000;
  std::size_t stack_bytes = 256 << 10;
};

// Runs the threads of base/thread.h as fibers on the calling thread, one at a time. Which one goes
// on at a lock, a wait or any other place is the seed's choice; so is nothing else: two runs of one
// seed are the same, step for step. Time is simulated and jumps when everybody waits.
class Scheduler final : public ThreadScheduler {
 public:
  explicit Scheduler(const SchedulerOptions& options);
  ~Scheduler() override;

  // Runs `body` as the first thread and returns when it has; all others must have ended by then.
  void run(std::function<void()> body);

  std::uint64_t start_thread(std::function<void()> body) override;
  void join_thread(std::uint64_t id) override;
  void yield() override;
  bool block(const void* place, std::int64_t ns_max) override;
  void wake_one(const void* place) override;
  void wake_all(const void* place) override;

  void sleep_ns(std::int64_t ns);
  [[nodiscard]] std::int64_t now_ns() const { return now_ns_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] std::uint64_t switches() const { return switches_; }

  // Everything that happened, in a number; equal for equal runs.
  [[nodiscard]] std::uint64_t trace_hash() const { return trace_hash_; }
  // Adds to the trace; printed when tracing.
  void note(std::string_view what);
  void set_tracing(bool is_tracing) { is_tracing_ = is_tracing; }
  [[nodiscard]] bool is_tracing() const { return is_tracing_; }
  // Names the calling thread in traces and reports.
  void set_name(std::string name);

  // Called, once and never to return, when nobody can ever go on or the steps are used up. By
  // default prints where every thread is and aborts.
  void set_on_stuck(std::function<void(const std::string& why)> on_stuck);
  // Prints every thread's place to stderr.
  void print_threads();

 private:
  enum class State : std::uint8_t { runnable, blocked, ended };
  struct Task {
    std::uint64_t id = 0;
    std::string name;
    std::function<void()> body;
    std::unique_ptr<Fiber> fiber;
    State state = State::runnable;
    const void* place = nullptr;
    std::int64_t deadline_ns = -1;  // while blocked; -1: none
    bool has_timed_out = false;
    bool has_begun = false;
    std::uint64_t priority = 0;
    Scheduler* scheduler = nullptr;
  };

  static void enter(void* task);
  void make_runnable(Task& task);
  void wake_due();
  // Somebody else goes on, or the caller again.
  void switch_away();
  Task& choose();
  void draw_countdown();
  void mix(std::uint64_t value);
  [[noreturn]] void get_stuck(const std::string& why);

  SchedulerOptions options_;
  Random random_;
  Fiber root_;
  std::vector<std::unique_ptr<Task>> tasks_;  // all that have not been joined, by id
  std::vector<Task*> runnable_;               // in no order that depends on addresses
  std::vector<Task*> blocked_;
  std::set<std::pair<std::int64_t, std::uint64_t>> deadlines_;  // with the task's id
  Task* current_ = nullptr;
  std::uint64_t next_id_ = 1;
  std::int64_t now_ns_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t switches_ = 0;
  std::uint64_t countdown_ = 1;  // places until the next switch
  std::uint64_t trace_hash_ = 0x6d696c6c72616365;
  bool is_tracing_ = false;
  bool is_printing_ = false;
  Task* printing_for_ = nullptr;
  std::function<void(const std::string&)> on_stuck_;
};

// The simulated time. Thread-safe as everything in a simulation.
class SimClock final : public Clock {
 public:
  SimClock(const Scheduler& scheduler, WallTime start) : scheduler_(scheduler), start_(start) {}

  [[nodiscard]] WallTime wall_now() const override {
    return start_ + (scheduler_.now_ns() / 1'000'000 + skew_ms_);
  }
  [[nodiscard]] MonotonicTime monotonic_now() const override {
    return MonotonicTime(scheduler_.now_ns() + 1);
  }
  // The wall clock is set, forwards or backwards; the monotonic one never notices.
  void skew_ms(std::int64_t by_ms) { skew_ms_ += by_ms; }

 private:
  const Scheduler& scheduler_;
  WallTime start_;
  std::int64_t skew_ms_ = 0;
};

}  // namespace millrace::sim
