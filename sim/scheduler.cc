#include "sim/scheduler.h"

#include <execinfo.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace millrace::sim {
namespace {

constexpr std::int64_t kDeadlineJitterNs = 20'000;
constexpr std::uint64_t kPriorityChangeOneIn = 40;  // switches
constexpr int kFramesMax = 40;

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options)
    : options_(options), random_(options.seed ^ 0x5c4ed01e5ULL) {
  MR_CHECK(options_.switch_one_in > 0 && options_.step_ns >= 0);
}

Scheduler::~Scheduler() {
  MR_CHECK(ThreadScheduler::current() != this);
}

void Scheduler::mix(std::uint64_t value) {
  trace_hash_ = (trace_hash_ ^ value) * 0x9e3779b97f4a7c15ULL;
  trace_hash_ ^= trace_hash_ >> 29;
}

void Scheduler::note(std::string_view what) {
  mix(hash64(what));
  if (!is_tracing_) return;
  std::fprintf(stderr, "%12.6f %-14s %.*s\n", static_cast<double>(now_ns_) / 1e9,
               current_ == nullptr ? "-" : current_->name.c_str(), static_cast<int>(what.size()),
               what.data());
}

void Scheduler::set_name(std::string name) {
  MR_CHECK(current_ != nullptr);
  current_->name = std::move(name);
}

void Scheduler::run(std::function<void()> body) {
  MR_CHECK(ThreadScheduler::current() == nullptr && tasks_.empty());
  ThreadScheduler::install(this);
  start_thread(std::move(body));
  current_ = tasks_.front().get();
  current_->name = "main";
  std::erase(runnable_, current_);
  draw_countdown();
  root_.switch_to(*current_->fiber);
  // The first one has ended.
  for (const auto& task : tasks_) {
    if (task->state != State::ended) get_stuck("thread " + task->name + " was never joined");
  }
  tasks_.clear();
  ThreadScheduler::install(nullptr);
}

void Scheduler::enter(void* task) {
  auto& self = *static_cast<Task*>(task);
  auto& scheduler = *self.scheduler;
  self.has_begun = true;
  self.body();
  self.body = nullptr;
  self.state = State::ended;
  scheduler.wake_all(&self);
  scheduler.current_ = nullptr;
  if (self.id == 1) self.fiber->leave_to(scheduler.root_);
  Task& next = scheduler.choose();
  scheduler.current_ = &next;
  self.fiber->leave_to(*next.fiber);
}

std::uint64_t Scheduler::start_thread(std::function<void()> body) {
  auto task = std::make_unique<Task>();
  task->id = next_id_++;
  task->name = "t" + std::to_string(task->id);
  task->body = std::move(body);
  task->scheduler = this;
  task->priority = random_.next();
  task->fiber = std::make_unique<Fiber>(options_.stack_bytes, &Scheduler::enter, task.get());
  runnable_.push_back(task.get());
  const auto id = task->id;
  tasks_.push_back(std::move(task));
  if (current_ != nullptr) yield();
  return id;
}

void Scheduler::join_thread(std::uint64_t id) {
  yield();
  const auto at =
      std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& task) { return task->id == id; });
  MR_CHECK(at != tasks_.end());
  Task* const task = at->get();
  MR_CHECK(task != current_);
  while (task->state != State::ended) block(task, -1);
  std::erase_if(tasks_, [&](const auto& known) { return known.get() == task; });
}

void Scheduler::draw_countdown() {
  countdown_ = 1 + (options_.switch_one_in == 1 ? 0 : random_.below(2 * options_.switch_one_in));
}

void Scheduler::yield() {
  if (current_ == nullptr) return;
  now_ns_ += options_.step_ns;
  if (++steps_ > options_.steps_max) get_stuck("it does not come to an end");
  if (--countdown_ > 0) return;
  draw_countdown();
  wake_due();
  if (runnable_.empty()) return;
  runnable_.push_back(current_);
  switch_away();
}

bool Scheduler::block(const void* place, std::int64_t ns_max) {
  Task& self = *current_;
  self.state = State::blocked;
  self.place = place;
  self.has_timed_out = false;
  self.deadline_ns = -1;
  now_ns_ += options_.step_ns;
  if (++steps_ > options_.steps_max) get_stuck("it does not come to an end");
  if (ns_max >= 0) {
    self.deadline_ns =
        now_ns_ + ns_max + static_cast<std::int64_t>(random_.below(kDeadlineJitterNs));
    deadlines_.emplace(self.deadline_ns, self.id);
  }
  blocked_.push_back(&self);
  switch_away();
  return !self.has_timed_out;
}

void Scheduler::make_runnable(Task& task) {
  MR_CHECK(task.state == State::blocked);
  if (task.deadline_ns >= 0) deadlines_.erase({task.deadline_ns, task.id});
  task.state = State::runnable;
  task.place = nullptr;
  task.deadline_ns = -1;
  std::erase(blocked_, &task);
  runnable_.push_back(&task);
}

void Scheduler::wake_one(const void* place) {
  std::size_t count = 0;
  for (const Task* task : blocked_) count += task->place == place ? 1 : 0;
  if (count == 0) return;
  std::size_t which = count == 1 ? 0 : random_.below(count);
  for (Task* task : blocked_) {
    if (task->place != place || which-- > 0) continue;
    return make_runnable(*task);
  }
}

void Scheduler::wake_all(const void* place) {
  for (std::size_t i = 0; i < blocked_.size();) {
    if (blocked_[i]->place == place) {
      make_runnable(*blocked_[i]);
    } else {
      ++i;
    }
  }
}

void Scheduler::wake_due() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ns_) {
    const auto id = deadlines_.begin()->second;
    const auto at = std::find_if(blocked_.begin(), blocked_.end(),
                                 [&](const Task* task) { return task->id == id; });
    MR_CHECK(at != blocked_.end());
    Task& task = **at;
    make_runnable(task);
    task.has_timed_out = true;
  }
}

Scheduler::Task& Scheduler::choose() {
  wake_due();
  if (runnable_.empty()) {
    if (deadlines_.empty()) get_stuck("every thread waits, and for no time");
    now_ns_ = std::max(now_ns_, deadlines_.begin()->first);
    wake_due();
  }
  MR_CHECK(!runnable_.empty());
  std::size_t which = 0;
  if (options_.has_priorities) {
    for (std::size_t i = 1; i < runnable_.size(); ++i) {
      if (runnable_[i]->priority > runnable_[which]->priority) which = i;
    }
    if (random_.one_in(kPriorityChangeOneIn)) runnable_[which]->priority = random_.next();
  } else if (runnable_.size() > 1) {
    which = random_.below(runnable_.size());
  }
  Task& chosen = *runnable_[which];
  runnable_[which] = runnable_.back();
  runnable_.pop_back();
  return chosen;
}

void Scheduler::switch_away() {
  Task& self = *current_;
  Task& next = choose();
  ++switches_;
  mix(next.id * 0x10001 + static_cast<std::uint64_t>(now_ns_));
  if (&next == &self) return;
  current_ = &next;
  self.fiber->switch_to(*next.fiber);
  while (is_printing_) {
    void* frames[kFramesMax];
    const int count = ::backtrace(frames, kFramesMax);
    ::backtrace_symbols_fd(frames, count, 2);
    Task* const back = printing_for_;
    current_ = back;
    self.fiber->switch_to(*back->fiber);
  }
}

void Scheduler::sleep_ns(std::int64_t ns) {
  block(nullptr, std::max<std::int64_t>(ns, 0));
}

void Scheduler::set_on_stuck(std::function<void(const std::string&)> on_stuck) {
  on_stuck_ = std::move(on_stuck);
}

// Every other fiber is let go on for a moment inside switch_away, to print its own stack.
void Scheduler::print_threads() {
  Task* const self = current_;
  is_printing_ = true;
  printing_for_ = self;
  for (const auto& task : tasks_) {
    if (task->state == State::ended) continue;
    std::fprintf(stderr, "--- thread %s, %s\n", task->name.c_str(),
                 task.get() == self               ? "running"
                 : task->state == State::runnable ? "could go on"
                 : task->deadline_ns >= 0         ? "waits for a time"
                                                  : "waits");
    std::fflush(stderr);
    if (self == nullptr || task.get() == self || !task->has_begun) continue;
    current_ = task.get();
    self->fiber->switch_to(*task->fiber);
    current_ = self;
  }
  is_printing_ = false;
}

void Scheduler::get_stuck(const std::string& why) {
  std::fprintf(stderr, "simulation stuck at %.6f s after %" PRIu64 " steps: %s\n",
               static_cast<double>(now_ns_) / 1e9, steps_, why.c_str());
  if (current_ != nullptr) print_threads();
  if (on_stuck_) on_stuck_(why);
  std::abort();
}

}  // namespace millrace::sim
