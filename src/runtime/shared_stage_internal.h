#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "base/thread.h"
#include "runtime/shared_stage.h"

// Shared by the two files of the stage alone.

namespace millrace::runtime {

struct SharedStage::Slot {
  Slot(log::SharedLog& log, log::GroupMember& member, const Clock& clock,
       const SlotCommitterOptions& options)
      : committer(log, member, clock, options) {}

  SlotCommitter committer;
  Thread thread;
};

// A partition of this member's. A new one is made for every assignment, as a dropped one may still
// be in use for a step.
struct SharedStage::OwnedTask {
  OwnedTask(TopicPartition its_source, Slot& its_slot, MonotonicTime now)
      : source(std::move(its_source)), slot(&its_slot), due(now), assigned_at(now) {}

  const TopicPartition source;
  Slot* const slot;

  // Guarded by the stage's mutex.
  TaskState state = TaskState::recovering;
  std::string why;
  std::shared_ptr<SlotCommitter::Port> port;
  bool has_asked_standby = false;  // of the recovery's thread
  // Of the recovery's thread while recovering (a follower perhaps, between two attempts), of the
  // slot's while running or releasing.
  std::unique_ptr<TaskRunner> runner;
  MonotonicTime due;  // of the next attempt to recover
  MonotonicTime assigned_at;
  MonotonicTime recovered_at;
  std::int64_t pause_ms = 0;
  // Once per assignment: two slots that took over each other's partitions would otherwise fence
  // each other for ever. What was open is ended by the first time; nothing of this task's can be
  // begun under an older generation.
  std::set<std::string> fenced_owners;
};

}  // namespace millrace::runtime
