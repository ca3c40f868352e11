#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/histogram.h"
#include "base/status.h"
#include "base/thread.h"
#include "base/time.h"
#include "codec/record_batch.h"
#include "log/log.h"
#include "runtime/answer.h"
#include "runtime/journal_reader.h"
#include "runtime/runner_options.h"
#include "runtime/snapshot_catalog.h"
#include "runtime/snapshot_store.h"
#include "runtime/task_objects.h"
#include "task/dedup.h"
#include "task/task.h"

namespace millrace::runtime {

class IdStore;

// Drives one task: recover, then step after step fetch, apply, commit, snapshot. All methods except
// post(), report() and options() belong to one thread.
//
// The log is the truth: a commit holds the outputs, the journal entries and the position (R1); the
// group's offset is a copy that must agree. Commits are pipelined: while one waits for the disk,
// the next is collected.
class TaskRunner {
 public:
  using TaskMaker = std::function<std::unique_ptr<task::Task>()>;

  TaskRunner(RunnerServices services, RunnerOptions options, TaskMaker make_task);
  ~TaskRunner();

  // Restores the newest usable snapshot and replays up to the committed position, outputs
  // suppressed. A task without a journal starts at the beginning of its source, with `first_events`
  // journalled.
  // On a shared log `by_group` is what the group has, fetched with require_stable before (R3).
  // `overloaded` while the journal does not show that commit yet: begin again, with a new runner.
  Status recover(const std::vector<task::JournalEvent>& first_events,
                 const std::optional<log::GroupOffset>& by_group = std::nullopt);

  // Of a runner with RunnerOptions::is_follower, before recover(): brings the state towards what
  // the owner has committed, never beyond (R8), as a recovery does and piece by piece; true when it
  // did anything. Commits and stores nothing: deduplication goes over to the runs of the owner's
  // snapshots. After an error the next call goes on, unless is_of_no_use(). recover() then ends it
  // and applies what came since, or restores as ever if the state is in doubt; it may be called
  // again while is_following() still.
  Result<bool> follow();
  [[nodiscard]] bool is_following() const { return is_following_; }
  [[nodiscard]] bool is_of_no_use() const { return !failure_.is_ok(); }
  [[nodiscard]] bool has_taken_over() const { return has_taken_over_; }  // and kept the state
  struct Followed {
    Offset position;   // next input offset
    Offset committed;  // the owner's, as last seen
  };
  [[nodiscard]] Followed followed() const;
  void commit_through(log::CommitPort& commits) { services_.commits = &commits; }

  // Instead of recover(), to go over to another version of the pipeline, together with all its
  // other tasks in one commit. prepare_switch() restores what the new plan can use of the state and
  // leaves no trace; it takes the state of a clean stop only, since replaying the earlier version's
  // input with other operators would give other results than those committed. Otherwise `invalid`,
  // saying why and what to do. add_switch() writes a snapshot and adds to the commit; what is in
  // `into` must then be committed, and finish_switch() told once it is durable.
  Result<task::TakenOver> prepare_switch();
  Status add_switch(const task::PipelineEntry& version, EventTime merged_from, log::Commit& into);
  void finish_switch(log::CommitSequence sequence);
  [[nodiscard]] bool is_switching() const { return is_switching_; }

  // Does one bounded piece of work. True when it did anything. After an error the state is half of
  // something: nothing more is committed.
  Result<bool> step();

  // Commits, waits until everything is durable, and takes a last snapshot, so that the next start
  // replays nothing. Tries again while the disk is full and the patience lasts; an error after that
  // has lost nothing, the next start replays from the last commit. Writes nothing when recover()
  // has not succeeded, and returns the error when a step() has failed.
  Status finish(DiskPatience& patience);

  // Nothing more is applied, and one commit more, carrying kReleasedMark, is made by the next
  // steps.
  void release() { is_releasing_ = true; }
  // Whether that commit is durable.
  [[nodiscard]] bool has_released() const {
    return has_release_commit_ && !stalled_ && in_flight_.empty();
  }

  // Any thread: a decision from outside, journalled and applied at one of the next steps.
  void post(task::JournalEvent event);
  [[nodiscard]] RunnerReport report() const;
  // From a batch's append to the durability of what the task made of it, per batch since the start.
  [[nodiscard]] Histogram processing_duration() const;
  // Whether everything posted so far was applied and is durable.
  [[nodiscard]] bool has_settled() const { return posted_count_.load() == settled_count_.load(); }
  [[nodiscard]] const RunnerOptions& options() const { return options_; }
  // Makes a task as the runner's own, for replays beside it. Any thread.
  [[nodiscard]] const TaskMaker& task_maker() const { return make_task_; }

  // Any thread: asks for a snapshot of what is committed soon after, answered when it is journalled
  // and durable.
  std::shared_ptr<Answer<TakenSnapshot>> request_snapshot();
  // Any thread: asks for the state to be made again from a journalled snapshot: restores it and
  // applies everything since, outputs suppressed up to the committed position (R22). Should it not
  // work, the newest usable snapshot is taken, as at a start.
  std::shared_ptr<Answer<RestoredRange>> request_restore(task::SnapshotEntry from);
  // Any thread: names were deleted, so snapshots may go.
  void request_retirement() { has_requests_.store(true); }

 private:
  struct SnapshotRequest {
    std::shared_ptr<Answer<TakenSnapshot>> answer;
    bool is_running = false;  // the snapshot being written is for it
  };
  struct TakenRequest {
    std::shared_ptr<Answer<TakenSnapshot>> answer;
    TakenSnapshot taken;
  };
  struct RestoreRequest {
    task::SnapshotEntry from;
    std::shared_ptr<Answer<RestoredRange>> answer;
  };
  struct InFlight {
    log::CommitSequence sequence;
    Offset next_offset;
    std::uint64_t settled_count;
    std::vector<WallTime> append_times;        // of the input batches
    std::vector<std::string> retired_objects;  // to be deleted once durable
    std::optional<std::uint64_t> trim_journal_to;
    std::vector<TakenRequest> taken;  // to be answered once durable
  };

  Result<bool> step_once();
  Result<JournalState> open_journal();
  Status start_new(const std::vector<task::JournalEvent>& first_events);
  [[nodiscard]] Status check_source(const std::string& topic, std::uint64_t incarnation) const;
  Status check_group_offset(Offset committed);
  Status check_shared_offset(const JournalState& journal,
                             const std::optional<log::GroupOffset>& committed);
  Result<bool> step_release();
  Status restore_snapshot(const JournalState& journal, Offset committed,
                          std::uint64_t& applied_sequence);
  Status use_snapshot(const Snapshot& snapshot);
  Status check_clean_stop(const JournalState& journal, Offset committed,
                          std::uint64_t applied_sequence) const;
  Status skip_source(Offset committed);
  void start_fresh();
  // The objects below the task's prefix, where they had to be listed.
  using Listing = std::optional<std::vector<objects::ObjectInfo>>;
  Result<Listing> attach_ids(const Snapshot& snapshot);
  void sweep_objects(const JournalState& journal);
  Status store_ids_of_replay();
  Status replay(const JournalState& journal, std::uint64_t applied_sequence, Offset committed);
  Result<bool> replay_piece(const JournalState& journal, Offset committed);
  Status apply_replayed(const JournalState& journal, const log::FetchedBatch& batch);
  Status apply_due(const JournalState& journal);
  Status apply_journal_entry(const task::JournalEntry& entry);
  Result<bool> begin_to_follow();
  Status learn_snapshots();
  Status go_over_to(const Snapshot& snapshot);
  [[nodiscard]] bool may_keep(const JournalState& journal) const;
  void end_following(const JournalState& journal);

  // Next input offset; a new task on a topic whose start is gone begins above 0.
  [[nodiscard]] Offset position() const { return std::max(task_->next_offset(), start_offset_); }
  void retire_durable();
  void note_durations(const std::vector<WallTime>& append_times);
  bool take_posted();
  Result<bool> apply_input();
  [[nodiscard]] bool is_commit_due() const;
  bool pump_ids();
  [[nodiscard]] bool may_apply() const;
  Status commit();
  void stage_commit();
  Status hand_over();
  Status commit_and_wait(DiskPatience& patience);
  Status finish_commits(DiskPatience& patience);
  Status finish_snapshot(DiskPatience& patience);
  // The log has taken the stalled commit.
  void note_handed_over(log::CommitSequence sequence);
  void add_entry(task::JournalEvent event, WallTime wall_time);
  void maybe_snapshot();
  void collect_snapshot();
  [[nodiscard]] bool is_named(const task::SnapshotEntry& entry) const;
  [[nodiscard]] bool may_retire(const task::SnapshotEntry& entry);
  void retire_snapshots(WallTime now);
  Status take_requests();
  void answer_with_newest();
  void note_taken(const SnapshotRequest& request, const task::SnapshotEntry& entry);
  void serve_running(const Result<task::SnapshotEntry>& result);
  Status restore_again(RestoreRequest request);
  Result<RestoredRange> restore_from(const Snapshot& snapshot, const JournalState& journal);
  [[nodiscard]] SnapshotIdentity snapshot_identity() const;
  Result<task::SnapshotEntry> write_snapshot();
  [[nodiscard]] std::string encode_state(std::vector<std::string>& names);
  void collect_garbage();
  void publish_report(bool is_idle);
  void pin();

  RunnerServices services_;
  RunnerOptions options_;
  TaskMaker make_task_;
  TaskObjects objects_;
  std::unique_ptr<task::Task> task_;
  std::unique_ptr<IdStore> ids_;  // null where the task has no deduplication
  task::Outputs outputs_;
  codec::RecordBatchBuilder journal_batch_;
  std::uint64_t source_incarnation_ = 0;

  // Of a replay, and of a follower all the time.
  std::uint64_t applied_sequence_ = 0;  // of the last journal entry whose effect is in the state
  std::vector<log::FetchedBatch> batches_;  // read, and applied up to next_batch_
  std::size_t next_batch_ = 0;
  bool is_following_ = false;
  bool has_taken_over_ = false;
  std::optional<JournalState> followed_;    // entries from the first that is not applied
  std::uint64_t followed_incarnation_ = 0;  // of the source

  bool has_recovered_ = false;
  Status failure_;  // of a step, or of applying input again
  bool is_releasing_ = false;
  bool has_release_commit_ = false;
  bool must_claim_ = false;  // a commit is due though there may be nothing new
  Offset consumed_offset_;

  std::uint64_t commit_sequence_ = 0;
  std::uint64_t journal_sequence_ = 0;  // of the last entry
  std::uint64_t version_sequence_ = 0;  // of the entry that put the pipeline's version in force
  bool has_pending_entries_ = false;
  Offset committed_offset_;  // of the last commit handed to the log
  Offset durable_offset_;
  Offset start_offset_;
  Offset last_batch_offset_{-1};
  std::uint32_t last_batch_crc_ = 0;
  std::deque<InFlight> in_flight_;
  struct Stalled {
    log::Commit commit;
    InFlight ready;
  };
  std::optional<Stalled> stalled_;  // a commit that the log has not taken yet
  std::string stalled_reason_;
  std::vector<std::string> retired_objects_;
  std::optional<std::uint64_t> trim_journal_to_;

  std::vector<task::SnapshotEntry> kept_snapshots_;  // journalled, oldest first
  std::string restored_key_;                         // of the snapshot that the last recovery used
  Listing listed_;                                   // by that recovery, until the sweep
  // Where the task began, as long as its journal has all entries from there on and so can replace
  // every snapshot; the input must then stay, too.
  std::optional<Offset> journal_start_;
  bool is_switching_ = false;
  bool is_new_ = false;  // while switching: the stage has no journal yet
  task::TakenOver taken_over_;
  bool is_snapshot_running_ = false;
  std::vector<std::string> running_names_;  // what the running snapshot names
  Offset snapshot_offset_{-1};              // of the newest one
  std::uint64_t snapshot_events_ = 0;
  MonotonicTime last_snapshot_time_;
  std::int64_t apply_ns_since_snapshot_ = 0;
  std::int64_t last_snapshot_cost_ns_ = 0;
  std::uint64_t event_count_ = 0;  // task inputs from outside, ever

  std::uint64_t commits_ = 0;
  std::uint64_t snapshots_ = 0;
  std::uint64_t replayed_records_ = 0;
  std::string refused_snapshots_;       // by the last recovery, and why
  std::vector<WallTime> append_times_;  // of batches applied and not yet in a commit
  std::uint64_t refused_snapshot_count_ = 0;
  bool is_store_away_ = false;  // at least one of them may only not have been readable then
  Offset restored_offset_{-1};
  std::uint64_t stalled_commits_ = 0;
  WallTime last_input_time_;
  MonotonicTime last_report_time_;

  std::atomic<std::uint64_t> posted_count_{0};
  std::uint64_t taken_count_ = 0;
  std::uint64_t durable_settled_count_ = 0;
  std::atomic<std::uint64_t> settled_count_{0};
  std::vector<SnapshotRequest> snapshot_requests_;
  std::vector<TakenRequest> taken_requests_;  // to go with the next commit
  std::atomic<bool> has_requests_{false};
  mutable Mutex mutex_;  // guards what follows
  std::vector<task::JournalEvent> posted_;
  std::vector<SnapshotRequest> asked_snapshots_;
  std::vector<RestoreRequest> asked_restores_;
  RunnerReport report_;
  Histogram processing_duration_;
};

}  // namespace millrace::runtime
