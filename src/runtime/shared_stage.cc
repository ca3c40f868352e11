#include "runtime/shared_stage.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "runtime/shared_stage_internal.h"

// Who owns what: the group's callbacks, and the threads. shared_stage_recovery.cc brings tasks
// back.

namespace millrace::runtime {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::chrono::milliseconds kPollInterval{50};
constexpr std::chrono::milliseconds kIdleInterval{20};
constexpr std::int64_t kRestartPauseMinMs = 20;
constexpr std::int64_t kRestartPauseMaxMs = 2'000;

// The log was away for a moment, and the runner is as it was.
bool is_passing(StatusCode code) {
  return code == StatusCode::disconnected || code == StatusCode::overloaded;
}

}  // namespace

SharedStage::SharedStage(log::SharedLog& log, RunnerServices services, SharedStageOptions options,
                         TaskMaker make_task)
    : log_(log),
      services_(services),
      options_(std::move(options)),
      make_task_(std::move(make_task)),
      member_(log.join(options_.group, {options_.source_topic},
                       options_.is_static_member ? options_.process : "")) {
  MR_CHECK(options_.slots > 0 && options_.process.find('/') == std::string::npos);
  for (int s = 0; s < options_.slots; ++s) {
    const SlotCommitterOptions slot{
        options_.group + "." + options_.process + "." + std::to_string(s), options_.group};
    slots_.push_back(std::make_unique<Slot>(log_, *member_, *services_.clock, slot));
  }
  for (auto& slot : slots_) {
    slot->thread = Thread([this, &slot] { run_slot(*slot); });
  }
  if (options_.has_standby) {
    standby_ = std::make_unique<Standby>(
        *services_.clock, [this](std::int32_t partition) { return make_runner(partition, true); });
  }
  recovery_thread_ = Thread([this] { run_recovery(); });
  member_thread_ = Thread([this] { run_member(); });
}

SharedStage::~SharedStage() {
  stop(false);
}

void SharedStage::stop(bool is_orderly) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_stopping_, true)) return;
  }
  changed_.notify_all();
  if (standby_) standby_->stop();
  member_thread_.join();
  OwnedTasks all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [source, task] : tasks_) all.push_back(task);
  }
  if (is_orderly) release(all);
  for (const auto& task : all) drop(*task);
  {
    const std::lock_guard lock(mutex_);
    has_stopped_ = true;
  }
  changed_.notify_all();
  recovery_thread_.join();
  for (auto& slot : slots_) {
    slot->thread.join();
    slot->committer.stop();
  }
  const std::lock_guard lock(mutex_);
  tasks_.clear();
}

void SharedStage::run_member() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    lock.unlock();
    // An error means that the coordinator was not reached: asked again, until it says what is lost.
    (void)member_->poll(*this);
    lock.lock();
    if (!is_stopping_) changed_.wait_for(lock, kPollInterval);
  }
}

// --- the group's callbacks, on the member's thread ---

void SharedStage::assigned(const std::vector<TopicPartition>& partitions) {
  const std::lock_guard lock(mutex_);
  for (const auto& source : partitions) {
    auto& task = tasks_[source];
    MR_CHECK(task == nullptr);
    task = std::make_shared<OwnedTask>(source, slot_of(source.partition),
                                       services_.clock->monotonic_now());
  }
  changed_.notify_all();
}

SharedStage::Slot& SharedStage::slot_of(std::int32_t partition) const {
  return *slots_[static_cast<std::size_t>(partition) % slots_.size()];
}

SharedStage::OwnedTasks SharedStage::owned(const std::vector<TopicPartition>& partitions) const {
  const std::lock_guard lock(mutex_);
  OwnedTasks found;
  for (const auto& source : partitions) {
    const auto known = tasks_.find(source);
    MR_CHECK(known != tasks_.end());
    found.push_back(known->second);
  }
  return found;
}

void SharedStage::revoked(const std::vector<TopicPartition>& partitions) {
  const auto tasks = owned(partitions);
  release(tasks);
  for (const auto& task : tasks) drop(*task);
}

// The group has dealt them out anew. A transaction that is on its way goes under the old generation
// and is refused, or was in time and is waited for by the successor; none is begun any more.
void SharedStage::lost(const std::vector<TopicPartition>& partitions) {
  for (const auto& task : owned(partitions)) {
    {
      const std::lock_guard lock(mutex_);
      ++counters_.lost;
    }
    drop(*task);
  }
}

// Commits of running tasks are made with the mark; what does not make it in time is given up.
void SharedStage::release(const OwnedTasks& tasks) {
  std::unique_lock lock(mutex_);
  OwnedTasks releasing;
  for (const auto& task : tasks) {
    if (task->state != TaskState::running) continue;
    task->state = TaskState::releasing;
    releasing.push_back(task);
  }
  changed_.notify_all();
  const auto until = services_.clock->monotonic_now() + options_.release_ms_max * kNanosPerMilli;
  const auto is_over = [&] {
    return std::none_of(releasing.begin(), releasing.end(),
                        [](const auto& task) { return task->state == TaskState::releasing; });
  };
  while (!is_over()) {
    const auto left = until - services_.clock->monotonic_now();
    if (left <= 0) break;
    changed_.wait_for(lock, std::chrono::nanoseconds(left));
  }
  for (const auto& task : releasing) {
    const bool is_released = task->state == TaskState::released;
    ++(is_released ? counters_.revoked_committed : counters_.revoked_aborted);
  }
}

// Its runner, if any, goes with the thread that uses it.
void SharedStage::drop(OwnedTask& task) {
  std::shared_ptr<SlotCommitter::Port> port;
  {
    const std::lock_guard lock(mutex_);
    task.state = TaskState::dropped;
    port = task.port;
    const auto known = tasks_.find(task.source);
    if (known != tasks_.end() && known->second.get() == &task) tasks_.erase(known);
  }
  if (port) port->drop();
  changed_.notify_all();
}

// --- slots ---

void SharedStage::run_slot(Slot& slot) {
  OwnedTasks mine;
  std::unique_lock lock(mutex_);
  while (!has_stopped_) {
    mine.clear();
    for (const auto& [source, task] : tasks_) {
      if (task->slot == &slot) mine.push_back(task);
    }
    lock.unlock();
    bool did_work = false;
    for (const auto& task : mine) did_work |= step(*task);
    mine.clear();
    lock.lock();
    if (!did_work && !has_stopped_) changed_.wait_for(lock, kIdleInterval);
  }
}

bool SharedStage::step(OwnedTask& task) {
  auto state = TaskState::dropped;
  {
    const std::lock_guard lock(mutex_);
    state = task.state;
  }
  if (state != TaskState::running && state != TaskState::releasing) return false;
  if (state == TaskState::releasing) task.runner->release();
  const auto did_work = task.runner->step();
  if (!did_work.is_ok()) {
    if (!is_passing(did_work.status().code())) restart(task, did_work.status().to_string());
    return false;
  }
  // A task whose commits were refused has none to hand in, perhaps, and would not notice.
  if (task.port->is_dropped()) {
    restart(task, "the slot lost its tasks");
    return false;
  }
  if (task.runner->has_released()) {
    const std::lock_guard lock(mutex_);
    if (task.state == TaskState::releasing) task.state = TaskState::released;
    changed_.notify_all();
  }
  return *did_work;
}

// Dropped, but still ours as far as the group has said: it begins again from what is committed,
// after pauses that grow as long as it does not hold.
void SharedStage::restart(OwnedTask& task, std::string why) {
  task.port->drop();
  std::unique_ptr<TaskRunner> old;
  const std::lock_guard lock(mutex_);
  old = std::move(task.runner);
  if (task.state == TaskState::dropped) return;
  if (task.state == TaskState::releasing) {
    task.state = TaskState::dropped;
    changed_.notify_all();
    return;
  }
  const auto now = services_.clock->monotonic_now();
  const bool has_held = now - task.recovered_at > 10 * kRestartPauseMaxMs * kNanosPerMilli;
  task.pause_ms = has_held ? kRestartPauseMinMs
                           : std::clamp(2 * task.pause_ms, kRestartPauseMinMs, kRestartPauseMaxMs);
  task.state = TaskState::recovering;
  task.why = std::move(why);
  task.due = now + task.pause_ms * kNanosPerMilli;
  task.assigned_at = now;
  ++counters_.restarts;
  changed_.notify_all();
}

// --- what others see ---

std::map<std::int32_t, SharedStage::TaskStatus> SharedStage::tasks() const {
  const std::lock_guard lock(mutex_);
  std::map<std::int32_t, TaskStatus> all;
  for (const auto& [source, task] : tasks_) {
    auto& status = all[source.partition];
    status.state = task->state;
    status.why = task->why;
    if (task->state != TaskState::running) continue;
    // Before and behind the report: nothing in it is of a decision that is not durable.
    status.has_settled = task->runner->has_settled();
    status.report = task->runner->report();
    status.has_settled &= task->runner->has_settled();
    status.processing_duration = task->runner->processing_duration();
  }
  return all;
}

bool SharedStage::post(std::int32_t partition, const task::JournalEvent& event) {
  const std::lock_guard lock(mutex_);
  const auto known = tasks_.find({options_.source_topic, partition});
  if (known == tasks_.end() || known->second->state != TaskState::running) return false;
  known->second->runner->post(event);
  return true;
}

// A follower of a task that has come to us stays until its recovery has asked for it.
void SharedStage::follow(const std::set<std::int32_t>& partitions) {
  if (!standby_) return;
  auto wanted = partitions;
  std::set<std::int32_t> ended;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [source, task] : tasks_) {
      const bool may_ask =
          task->state == TaskState::recovering || task->state == TaskState::refused;
      wanted.erase(source.partition);
      if (!may_ask) ended.insert(source.partition);
    }
  }
  standby_->follow(wanted, ended);
}

std::map<std::int32_t, Standby::Follower> SharedStage::followers() const {
  return standby_ ? standby_->followers() : std::map<std::int32_t, Standby::Follower>();
}

StageCounters SharedStage::counters() const {
  const std::lock_guard lock(mutex_);
  auto counters = counters_;
  if (standby_) {
    const auto of = standby_->counters();
    counters.followers_begun = of.begun;
    counters.followers_thrown_away += of.thrown_away;
  }
  for (const auto& slot : slots_) {
    const auto of = slot->committer.report().counters;
    counters.slots.transactions += of.transactions;
    counters.slots.aborted += of.aborted;
    counters.slots.unknown_committed += of.unknown_committed;
    counters.slots.unknown_aborted += of.unknown_aborted;
    counters.slots.unknown_lost += of.unknown_lost;
    counters.slots.fenced += of.fenced;
    counters.slots.outlived_generations += of.outlived_generations;
  }
  return counters;
}

std::vector<SlotReport> SharedStage::slots() const {
  std::vector<SlotReport> all;
  for (const auto& slot : slots_) all.push_back(slot->committer.report());
  return all;
}

}  // namespace millrace::runtime
