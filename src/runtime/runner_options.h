#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "log/log.h"
#include "objects/object_store.h"
#include "runtime/snapshot_catalog.h"
#include "task/dedup.h"
#include "task/journal.h"
#include "task/outputs.h"
#include "task/task.h"

// What a task runner is given, and what it says of itself.

namespace millrace::runtime {

class DedupMemory;
class SnapshotWriter;

// What a task runner works with; all outlive it.
struct RunnerServices {
  log::Log* log = nullptr;
  objects::ObjectStore* objects = nullptr;
  const Clock* clock = nullptr;
  SnapshotWriter* snapshots = nullptr;
  log::CommitPort* commits = nullptr;   // null: the log itself
  SnapshotCatalog* catalog = nullptr;   // null: no snapshot has a name
  DedupMemory* dedup_memory = nullptr;  // null: without a bound
};

struct RunnerOptions {
  std::string pipeline;  // name
  std::string stage;
  TopicPartition source;
  std::int32_t source_partition_count = 1;
  TopicPartition journal;
  std::string group;
  std::string owner;  // of this process
  std::vector<task::OutputTopic> outputs;
  std::int64_t checkpoint_interval_ms = 10'000;
  std::size_t dedup_open_ids_max = task::Dedup::kOpenIdsMax;
  std::uint64_t dedup_dump_ids_min = std::uint64_t{1} << 20;  // see IdStore
  // What a start may have to apply again before a snapshot is taken early.
  std::int64_t replay_budget_ns = 500'000'000;
  // Several processes share the log (log/shared_log.h): only what is durable is applied, the group
  // knows the position as well as the journal, and the journal may come later.
  bool is_log_shared = false;
  // The task is another process' for now: TaskRunner::follow().
  bool is_follower = false;
};

// How long a stop, all tasks of a process together, or a start waits for a disk that takes nothing.
struct DiskPatience {
  std::int64_t wait_ms_left = 10'000;
};

// In a position's owner and in the group's metadata: its owner gave the task up with this commit,
// and has nothing of it on its way any more (R5).
inline constexpr std::string_view kReleasedMark = "/released";

// What others see of a runner. A copy as of its last step.
struct RunnerReport {
  task::TaskReport task;
  Offset durable_offset;  // committed and synced
  // All that readers may see below it has been applied: at the end of a log this is the end, though
  // it may end in something that is no record (R13).
  Offset consumed_offset;
  std::uint64_t commits = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t replayed_records = 0;   // at the last start
  Offset restored_offset{-1};           // of the snapshot it restored then; -1: there was none
  std::uint64_t refused_snapshots = 0;  // tried before that one and not usable
  std::uint64_t stalled_commits = 0;    // that the log did not take at once
  WallTime last_input_time;             // when the task last applied input
};

// A snapshot that was taken because somebody asked; retention leaves it as long as the hold lives.
struct TakenSnapshot {
  task::SnapshotEntry entry;
  std::shared_ptr<SnapshotCatalog::Hold> hold;
};

// What a restore did: the state is that of `from` and everything since, applied again.
struct RestoredRange {
  Offset from;
  Offset to;
};

}  // namespace millrace::runtime
