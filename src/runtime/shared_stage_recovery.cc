#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "runtime/shared_stage.h"
#include "runtime/shared_stage_internal.h"

// How a partition that came to us gets its task back, in short attempts: settle what its last owner
// may have open, then the offset (R3), the journal (R3), state (R6), and whether all agree (R1).

namespace millrace::runtime {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::chrono::milliseconds kIdleInterval{20};
constexpr std::int64_t kAttemptPauseMs = 20;
constexpr std::int64_t kRefusedPauseMs = 1'000;
// A follower that works longer than that at one piece is not waited for.
constexpr std::int64_t kFollowerWaitMs = 10'000;

}  // namespace

void SharedStage::run_recovery() {
  OwnedTasks waiting;
  std::unique_lock lock(mutex_);
  while (!has_stopped_) {
    waiting.clear();
    for (const auto& [source, task] : tasks_) {
      const bool is_waiting =
          task->state == TaskState::recovering || task->state == TaskState::refused;
      if (is_waiting && task->due <= services_.clock->monotonic_now()) waiting.push_back(task);
    }
    lock.unlock();
    for (const auto& task : waiting) recover_when_due(*task);
    const bool did_work = !waiting.empty();
    waiting.clear();
    lock.lock();
    if (!did_work && !has_stopped_) changed_.wait_for(lock, kIdleInterval);
  }
}

void SharedStage::recover_when_due(OwnedTask& task) {
  const auto status = try_recover(task);
  if (!status.is_ok() && task.port) task.port->drop();
  std::unique_ptr<TaskRunner> failed;
  const std::lock_guard lock(mutex_);
  // Nothing of a follower was touched as long as it is one.
  const bool is_spent = !status.is_ok() && task.runner && !task.runner->is_following();
  if (is_spent || task.state == TaskState::dropped) failed = std::move(task.runner);
  if (task.state == TaskState::dropped) return;
  const auto now = services_.clock->monotonic_now();
  if (status.is_ok()) {
    task.state = TaskState::running;
    task.why.clear();
    task.recovered_at = now;
    ++counters_.recovered;
    counters_.takeovers_by_standby += task.runner->has_taken_over() ? 1 : 0;
    changed_.notify_all();
    return;
  }
  const bool is_refused =
      status.code() != StatusCode::overloaded && status.code() != StatusCode::disconnected;
  if (is_refused) ++counters_.refused;
  task.state = is_refused ? TaskState::refused : TaskState::recovering;
  task.why = status.to_string();
  task.due = now + (is_refused ? kRefusedPauseMs : kAttemptPauseMs) * kNanosPerMilli;
}

// One attempt. `overloaded` and `disconnected`: the next may succeed; anything else is for a person
// to look at, though it is tried again, too.
Status SharedStage::try_recover(OwnedTask& task) {
  if (!task.slot->committer.is_ready()) return overloaded_error("the slot is not ready");
  if (task.port && task.port->is_in_transaction()) {
    return overloaded_error("the task's own last transaction has not ended");
  }
  auto committed = member_->committed_offset(task.source);
  if (!committed.is_ok()) {
    if (committed.status().code() != StatusCode::overloaded) return committed.status();
    std::unique_lock lock(mutex_);
    ++counters_.unstable_waits;
    const auto waited = services_.clock->monotonic_now() - task.assigned_at;
    lock.unlock();
    // Whose transaction that is nobody says; the journal names the last owner that is visible.
    if (waited > options_.fence_after_ms * kNanosPerMilli) {
      bool has_fenced = false;
      MR_RETURN_IF_ERROR(fence(task, journalled_owner(task), has_fenced));
    }
    return committed.status();
  }
  bool has_fenced = false;
  MR_RETURN_IF_ERROR(settle_last_owner(task, *committed, has_fenced));
  if (has_fenced) return overloaded_error("what its last owner had open was ended; asking again");
  MR_RETURN_IF_ERROR(find_runner(task));
  auto port = task.slot->committer.open_port(task.source, *committed);
  {
    const std::lock_guard lock(mutex_);
    task.port = port;
    if (task.state == TaskState::dropped) port->drop();
  }
  task.runner->commit_through(*port);
  const bool was_following = task.runner->is_following();
  auto status = task.runner->recover(options_.first_events, *committed);
  const std::lock_guard lock(mutex_);
  const bool is_in_doubt =
      was_following && !task.runner->is_following() && !task.runner->has_taken_over();
  counters_.followers_thrown_away += is_in_doubt ? 1 : 0;
  if (status.code() == StatusCode::overloaded) ++counters_.journal_waits;
  if (status.is_ok() && !*committed) ++counters_.offsets_restored;
  if (status.code() == StatusCode::fenced && port->is_dropped()) {
    return overloaded_error("the slot lost its tasks");
  }
  return status;
}

// R5: unless it has released the task, its last owner may be alive and about to commit, or dead
// with a transaction open. Its transactional id is taken over, which ends both.
Status SharedStage::settle_last_owner(OwnedTask& task,
                                      const std::optional<log::GroupOffset>& committed,
                                      bool& has_fenced) {
  std::string owner;
  if (committed) {
    MR_ASSIGN_OR_RETURN(const auto position, parse_position_metadata(committed->metadata));
    owner = position.owner;
  } else {
    owner = journalled_owner(task);
  }
  return fence(task, owner, has_fenced);
}

Status SharedStage::fence(OwnedTask& task, const std::string& owner, bool& has_fenced) {
  // Our own slot's earlier life was ended when the slot became ready.
  if (owner.empty() || owner.ends_with(kReleasedMark)) return ok_status();
  if (owner == task.slot->committer.transactional_id()) return ok_status();
  if (task.fenced_owners.contains(owner)) return ok_status();
  MR_RETURN_IF_ERROR(log_.make_producer(owner)->initialize());
  task.fenced_owners.insert(owner);
  has_fenced = true;
  const std::lock_guard lock(mutex_);
  ++counters_.owners_fenced;
  return ok_status();
}

std::string SharedStage::journalled_owner(const OwnedTask& task) const {
  const auto journal = read_journal(log_, {options_.journal_topic, task.source.partition});
  if (!journal.is_ok() || !journal->last_position) return "";
  return std::get<task::PositionEntry>(journal->last_position->event).owner;
}

Status SharedStage::find_runner(OwnedTask& task) {
  if (task.runner) return ok_status();  // a follower, of the attempt before
  if (standby_ && !task.has_asked_standby) {
    auto taken = standby_->take(task.source.partition);
    const auto now = services_.clock->monotonic_now();
    const bool may_wait = now - task.assigned_at < kFollowerWaitMs * kNanosPerMilli;
    if (taken.is_busy && may_wait) return overloaded_error("its follower is at work");
    task.has_asked_standby = true;
    task.runner = std::move(taken.runner);
  }
  if (!task.runner) task.runner = make_runner(task.source.partition, false);
  return ok_status();
}

std::unique_ptr<TaskRunner> SharedStage::make_runner(std::int32_t partition,
                                                     bool is_follower) const {
  auto services = services_;
  services.log = &log_;
  auto options = runner_options(partition);
  options.is_follower = is_follower;
  return std::make_unique<TaskRunner>(services, std::move(options),
                                      [this, partition] { return make_task_(partition); });
}

RunnerOptions SharedStage::runner_options(std::int32_t partition) const {
  RunnerOptions options;
  options.pipeline = options_.pipeline;
  options.stage = options_.stage;
  options.source = {options_.source_topic, partition};
  options.source_partition_count = options_.source_partition_count;
  options.journal = {options_.journal_topic, partition};
  options.group = options_.group;
  options.owner = slot_of(partition).committer.transactional_id();
  options.outputs = options_.outputs;
  options.checkpoint_interval_ms = options_.checkpoint_interval_ms;
  options.dedup_open_ids_max = options_.dedup_open_ids_max;
  options.is_log_shared = true;
  return options;
}

}  // namespace millrace::runtime
