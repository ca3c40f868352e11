#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "log/shared_log.h"
#include "pipeline/pipeline.h"
#include "runtime/dedup_memory.h"
#include "runtime/exclusive_append.h"
#include "runtime/idle_watermarks.h"
#include "runtime/pipeline_setup.h"
#include "runtime/shared_progress.h"
#include "runtime/shared_stage.h"
#include "runtime/table_registry.h"

namespace millrace::runtime {

struct SharedPipelineOptions {
  // Stable, unique among the processes of the log, without '/' (R5).
  std::string process;
  bool is_static_member = true;  // SharedStageOptions::is_static_member
  int slots = 1;                 // per stage, at most one for each partition
  // Of what all processes must have in common and only they know: the store of their objects and
  // the secret of their hashes.
  std::uint64_t installation = 0;
  std::int64_t checkpoint_interval_ms = 10'000;
  std::int64_t retention_ms = -1;                             // of topics that users see
  std::size_t dedup_open_ids_max = task::Dedup::kOpenIdsMax;  // see task::Dedup
  // For the process, with all its pipelines: see DedupMemory.
  std::size_t dedup_memory_bytes_max = kDedupMemoryBytesMax;
  std::function<void(const std::string&)> on_memory_short;
  // Tasks of other processes are kept ready here, and ours there: see Standby.
  bool has_standby = false;
  std::int64_t log_wait_ms_max = 60'000;  // start() waits for the log so long
  Notice on_notice;
  std::function<bool()> is_cancelled;  // any thread: whether to give up what takes long
};

// A pipeline that several processes run together on one log: each has one of these, with the same
// plan, and the group of every stage deals out its partitions. What PipelineRunner is for a log of
// one process.
//
// What the processes must agree on is decided once, by whoever comes first: the pipeline's version
// and file (R22), partition counts (R9), the order of table versions (R23). What a process has to
// know of the others' tasks comes from SharedProgress.
class SharedPipeline {
 public:
  // `services.log` is `log`; all and the plan outlive it.
  SharedPipeline(log::SharedLog& log, RunnerServices services, const pipeline::Pipeline& plan,
                 SharedPipelineOptions options);
  ~SharedPipeline();  // as stop(false), if not stopped yet

  // Topics, version, tables; then joins the groups. Waits for a log that is away. `invalid` when
  // the plan is not what the others run, saying what would be right. Once.
  Status start();
  // To be called every fifth of a second or so, on one thread: tells the others how far our tasks
  // are, hears it of theirs, and decides for ours: tables, idle partitions (R13), drains.
  void tick();

  // As PipelineRunner::drain, over all processes. Any thread, one at a time; needs tick() to be
  // called in every process meanwhile.
  struct Drained {
    std::uint64_t windows_fired = 0;
  };
  Result<Drained> drain();

  // Leaves the groups; in order, or as if killed. Nobody calls tick() any more.
  void stop(bool is_orderly);

  // --- any thread ---
  [[nodiscard]] const pipeline::Pipeline& plan() const { return plan_; }
  struct StageReport {
    std::string name;
    std::string source_topic;
    std::int32_t partition_count = 1;
    std::map<std::int32_t, SharedStage::TaskStatus> tasks;  // ours
    std::map<std::int32_t, TaskProgress> elsewhere;         // others', as they last said
    std::map<std::int32_t, Standby::Follower> followers;    // here, of others' tasks
    std::map<std::int32_t, std::string> followed_by;        // processes, by what they said
    std::vector<SlotReport> slots;
    StageCounters counters;
  };
  // Empty before start() is through.
  [[nodiscard]] std::vector<StageReport> report() const;
  // Every task, whoever runs it: what a replay beside it needs. Empty before start() is through.
  struct StageTasks {
    std::string name;
    std::string source_topic;
    std::vector<RunnerOptions> tasks;  // by partition
    std::function<std::unique_ptr<task::Task>(std::int32_t partition)> make_task;
  };
  [[nodiscard]] std::vector<StageTasks> stage_tasks() const;
  [[nodiscard]] DedupMemory* dedup_memory() const { return services_.dedup_memory; }
  // The pipeline outlives the provider.
  [[nodiscard]] task::TableProvider table_provider() { return tables_.provider(true); }
  [[nodiscard]] std::vector<task::TableVersionEntry> newest_tables() const {
    return tables_.newest();
  }
  // Why this process has given all its tasks up for good, if it has: the source's partitions are
  // not those that the pipeline was made for any more (R9).
  [[nodiscard]] std::optional<std::string> halted() const;
  // A decision from outside for a source task; false if it does not run here.
  bool post(std::int32_t partition, const task::JournalEvent& event);

 private:
  struct Stage {
    StagePlan plan;
    std::unique_ptr<SharedStage> tasks;
  };
  using Places = std::map<SharedProgress::Place, TaskProgress>;

  Status make_topics();
  Status agree_on_version();
  Status publish_tables();
  void join();
  [[nodiscard]] Perseverance perseverance() const;
  [[nodiscard]] bool is_cancelled() const {
    return options_.is_cancelled && options_.is_cancelled();
  }
  [[nodiscard]] std::vector<TaskProgress> own_progress(
      std::size_t stage, const std::map<std::int32_t, SharedStage::TaskStatus>& tasks) const;
  void exchange();
  void check_partitions();
  void post_tables(SharedStage& source);
  void move_watermarks(SharedStage& source);
  void follow_others();
  void note_refusals(const Stage& stage);
  [[nodiscard]] Places places() const;
  [[nodiscard]] bool is_all_done(const Places& places) const;

  log::SharedLog& log_;
  RunnerServices services_;
  const pipeline::Pipeline& plan_;
  const SharedPipelineOptions options_;
  TableRegistry tables_;
  std::vector<Stage> stages_;  // the source stage first; complete once has_joined_
  std::atomic<bool> has_joined_{false};
  // tick()'s own
  std::map<SharedProgress::Place, std::string> refusals_;  // that were told
  MonotonicTime looked_at_;                                // when what changes seldom was looked at
  mutable Mutex mutex_;                                    // guards what follows
  SharedProgress progress_;
  IdleWatermarks idle_;
  std::optional<std::string> halted_;
};

}  // namespace millrace::runtime
