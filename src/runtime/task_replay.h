#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "objects/object_store.h"
#include "runtime/dedup_memory.h"
#include "runtime/journal_reader.h"
#include "runtime/task_runner.h"
#include "task/task.h"

namespace millrace::runtime {

// Which task is replayed. `log`, `objects`, `catalog` and `task` outlive the replay.
struct ReplaySubject {
  log::Log* log = nullptr;
  objects::ObjectStore* objects = nullptr;
  SnapshotCatalog* catalog = nullptr;  // the running task's; null: it retires nothing meanwhile
  const RunnerOptions* task = nullptr;
  TaskRunner::TaskMaker make_task;
  DedupMemory* dedup_memory = nullptr;  // null: without a bound
};

// Input offsets [first, next); unset: as far as it reaches.
struct ReplayRange {
  std::optional<Offset> first;
  std::optional<Offset> next;
  // Instead of a range: nothing is shown, and at the end the shadow has the state of the last
  // commit. Begins with the newest snapshot that can be used.
  bool is_state_only = false;
};

struct ReplayBounds {
  Offset restored_at;    // where the shadow task begins
  std::string snapshot;  // the object it is restored from; empty: from the journal's beginning
  Offset first;          // the outputs of [first, next) are shown
  Offset next;
  bool has_last_decisions = false;  // and those of decisions at `next`
  Offset committed;                 // the running task's position when the replay was opened
  // What the task's output partitions held, at least, when `committed` was read: every output of an
  // offset below it is in front of this.
  std::map<TopicPartition, Offset> output_ends;

  // Every output of the range was appended at or after this.
  WallTime outputs_since;

  // Whether an output caused at this offset (header millrace-source) is one of the range.
  [[nodiscard]] bool contains(Offset source) const {
    return source >= first && (source < next || (source == next && has_last_decisions));
  }
  [[nodiscard]] bool is_empty() const {
    return first > next || (first == next && !has_last_decisions);
  }
};

// A shadow of a running task: restored from a snapshot at or below the range, fed the input and the
// journal's decisions as the task was, with outputs suppressed until the range begins. Reads what
// is durable and committed, shares nothing with the running task, and holds input and the snapshot
// it began with, runs of ids included, against retention while it lives. Memory: that of one task,
// one fetch, and the journal's decisions. One thread.
//
// The beginning of what can be replayed is that of the oldest snapshot the journal names, or of the
// journal itself; the more are kept, the further back it reaches. Of another pipeline version's
// input nothing is replayed. Decisions at the very offset of a snapshot may have been taken before
// it: where the journal no longer tells, that one offset is left out.
class TaskReplay {
 public:
  // `out_of_range`, naming the earliest possible `first`, when nothing reaches back that far;
  // `invalid` for a range that is empty or beyond what is committed. Without `first` and with
  // nothing behind the oldest snapshot the bounds are empty.
  static Result<std::unique_ptr<TaskReplay>> open(const ReplaySubject& subject,
                                                  const ReplayRange& range);
  ~TaskReplay();
  TaskReplay(const TaskReplay&) = delete;
  TaskReplay& operator=(const TaskReplay&) = delete;

  [[nodiscard]] const ReplayBounds& bounds() const { return bounds_; }

  // Applies the next stored batch, or the decisions that are due. False at the end. What left is in
  // outputs(), to be taken before the next step: all that bounds().contains, and around it, as
  // batches are applied whole, a little more.
  Result<bool> step();
  [[nodiscard]] task::Outputs& outputs() { return outputs_; }
  // Next input offset of the shadow.
  [[nodiscard]] Offset position() const { return std::max(task_->next_offset(), start_offset_); }
  [[nodiscard]] const task::Task& task() const { return *task_; }

 private:
  // From where a shadow may start.
  struct Base {
    std::optional<task::SnapshotEntry> snapshot;
    Offset at;
    std::uint64_t journal_sequence = 0;  // of the last decision in it
    Offset shown_from;                   // first offset whose outputs are all behind it
  };

  explicit TaskReplay(const ReplaySubject& subject);

  Status open_once(const ReplayRange& range);
  Status read_state(bool is_state_only);
  // Of the journal's entry with the pipeline version in force; 0 when it is gone.
  [[nodiscard]] std::uint64_t version_sequence() const;
  [[nodiscard]] bool had_other_version() const;
  [[nodiscard]] std::vector<Base> find_bases() const;
  [[nodiscard]] Offset shown_from(const task::SnapshotEntry& snapshot) const;
  Status check_range(const ReplayRange& range) const;
  Status restore(const ReplayRange& range);
  Status find_outputs_since();
  Status use(const Base& base);
  Status hold(const task::SnapshotEntry& snapshot);
  [[nodiscard]] Status unreachable(Offset wanted, const std::vector<Base>& bases,
                                   const std::string& why) const;
  Result<bool> apply_decisions();
  Status apply_batch();

  const ReplaySubject subject_;
  const std::string holder_;  // of the pin
  JournalSummary journal_;
  ReplayBounds bounds_;
  std::unique_ptr<SnapshotCatalog::Hold> snapshot_hold_;
  std::unique_ptr<task::Task> task_;
  std::optional<DedupMemory::Claim> claim_;
  task::Outputs outputs_;
  Offset start_offset_;
  std::size_t next_decision_ = 0;
  std::vector<log::FetchedBatch> batches_;
  std::size_t next_batch_ = 0;
};

}  // namespace millrace::runtime
