#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "log/shared_log.h"
#include "runtime/slot_committer.h"
#include "runtime/standby.h"
#include "runtime/task_runner.h"

namespace millrace::runtime {

struct SharedStageOptions {
  std::string pipeline;  // name
  std::string stage;
  std::string source_topic;
  std::int32_t source_partition_count = 1;
  std::string journal_topic;
  std::string group;
  // Stable per process, unique in the cluster, without '/': transactional ids are made of it.
  std::string process;
  bool is_static_member = true;  // keeps its partitions over a quick restart
  int slots = 1;
  std::vector<task::OutputTopic> outputs;
  std::int64_t checkpoint_interval_ms = 10'000;
  std::size_t dedup_open_ids_max = task::Dedup::kOpenIdsMax;  // see task::Dedup
  std::vector<task::JournalEvent> first_events;
  bool has_standby = false;  // follows tasks of others, see follow()
  // How long `revoked` may take; well below the session time-out.
  std::int64_t release_ms_max = 3'000;
  // How long an open transaction of whoever had a partition before is waited for until its id is
  // taken away.
  std::int64_t fence_after_ms = 1'000;
};

// What happened so far; sums since the start.
struct StageCounters {
  std::uint64_t recovered = 0;
  std::uint64_t revoked_committed = 0;
  std::uint64_t revoked_aborted = 0;
  std::uint64_t lost = 0;
  std::uint64_t unstable_waits = 0;
  std::uint64_t journal_waits = 0;
  std::uint64_t owners_fenced = 0;
  std::uint64_t offsets_restored = 0;       // missing ones, from the journal
  std::uint64_t refused = 0;                // journal and group's offset differ
  std::uint64_t restarts = 0;               // of tasks that were dropped and are still ours
  std::uint64_t takeovers_by_standby = 0;   // of `recovered`: from a follower, nothing was restored
  std::uint64_t followers_begun = 0;        // that came to have a state
  std::uint64_t followers_thrown_away = 0;  // for an error, or with a state that was in doubt
  SlotCounters slots;
};

// One stage of a pipeline in one of several processes that share a log: a member of the stage's
// group, whose partitions' tasks it recovers, runs on its slots, and gives up again (rules R1 to
// R5).
//
// Threads: one answers the group and decides who owns what; one recovers, partition after
// partition, never waiting for one while another could go on; each slot has one that steps its
// tasks and one that commits.
class SharedStage final : private log::AssignmentHandler {
 public:
  using TaskMaker = std::function<std::unique_ptr<task::Task>(std::int32_t partition)>;

  // `services.log` is `log`; all outlive the stage. Joins at once.
  SharedStage(log::SharedLog& log, RunnerServices services, SharedStageOptions options,
              TaskMaker make_task);
  ~SharedStage() override;  // as stop(false), if not stopped yet
  SharedStage(const SharedStage&) = delete;
  SharedStage& operator=(const SharedStage&) = delete;

  // Ends all threads. `is_orderly`: tasks are released first, for at most release_ms_max.
  void stop(bool is_orderly);

  enum class TaskState : std::uint8_t {
    recovering,
    refused,
    running,
    releasing,
    released,
    dropped
  };
  struct TaskStatus {
    TaskState state = TaskState::recovering;
    std::string why;  // it is not running
    // Of a running one.
    std::optional<RunnerReport> report;
    bool has_settled = false;  // whether all decisions posted to it are durable and in the report
    Histogram processing_duration;
  };
  // Any thread. By partition.
  [[nodiscard]] std::map<std::int32_t, TaskStatus> tasks() const;
  [[nodiscard]] StageCounters counters() const;
  [[nodiscard]] std::vector<SlotReport> slots() const;
  // Any thread: a decision from outside for a partition's task; false if it does not run here. It
  // dies with the task.
  bool post(std::int32_t partition, const task::JournalEvent& event);
  // Any thread: the tasks to be kept ready here as long as others own them; see Standby.
  void follow(const std::set<std::int32_t>& partitions);
  [[nodiscard]] std::map<std::int32_t, Standby::Follower> followers() const;
  // Any thread: what a runner of the partition's task is given here, whoever runs it.
  [[nodiscard]] RunnerOptions runner_options(std::int32_t partition) const;

 private:
  struct Slot;
  struct OwnedTask;
  using OwnedTasks = std::vector<std::shared_ptr<OwnedTask>>;

  void assigned(const std::vector<TopicPartition>& partitions) override;
  void revoked(const std::vector<TopicPartition>& partitions) override;
  void lost(const std::vector<TopicPartition>& partitions) override;

  void run_member();
  void run_recovery();
  void run_slot(Slot& slot);
  void release(const OwnedTasks& tasks);
  [[nodiscard]] OwnedTasks owned(const std::vector<TopicPartition>& partitions) const;
  void drop(OwnedTask& task);
  void restart(OwnedTask& task, std::string why);
  bool step(OwnedTask& task);
  void recover_when_due(OwnedTask& task);
  Status try_recover(OwnedTask& task);
  Status settle_last_owner(OwnedTask& task, const std::optional<log::GroupOffset>& committed,
                           bool& has_fenced);
  Status fence(OwnedTask& task, const std::string& owner, bool& has_fenced);
  [[nodiscard]] std::string journalled_owner(const OwnedTask& task) const;
  // From the follower, or a new one; `overloaded` while the follower is at work.
  Status find_runner(OwnedTask& task);
  [[nodiscard]] std::unique_ptr<TaskRunner> make_runner(std::int32_t partition,
                                                        bool is_follower) const;
  [[nodiscard]] Slot& slot_of(std::int32_t partition) const;

  log::SharedLog& log_;
  RunnerServices services_;
  const SharedStageOptions options_;
  TaskMaker make_task_;
  std::unique_ptr<log::GroupMember> member_;
  std::vector<std::unique_ptr<Slot>> slots_;
  mutable Mutex mutex_;  // guards what follows
  mutable Condition changed_;
  std::map<TopicPartition, std::shared_ptr<OwnedTask>> tasks_;
  StageCounters counters_;
  bool is_stopping_ = false;
  bool has_stopped_ = false;
  Thread member_thread_;
  Thread recovery_thread_;
  std::unique_ptr<Standby> standby_;  // null: without
};

}  // namespace millrace::runtime
