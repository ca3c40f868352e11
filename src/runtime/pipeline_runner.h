#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "pipeline/pipeline.h"
#include "runtime/idle_watermarks.h"
#include "runtime/pipeline_registry.h"
#include "runtime/pipeline_upgrade.h"
#include "runtime/table_registry.h"
#include "runtime/task_runner.h"

namespace millrace::runtime {

// One stage of a running pipeline: its tasks, by partition.
struct Stage {
  std::string name;
  std::string source_topic;
  std::vector<std::unique_ptr<TaskRunner>> tasks;
};

struct PipelineRunnerOptions {
  std::string owner;  // of this process
  std::int64_t checkpoint_interval_ms = 10'000;
  std::int64_t retention_ms = -1;  // of topics that users see, where they are made
  // "ticks@2": this version may begin without what it cannot take over of the one before. Says
  // nothing about any other version.
  std::set<std::string> accepted_losses;
  std::function<void(const std::string&)> on_notice;          // sentences for the program's log
  std::size_t dedup_open_ids_max = task::Dedup::kOpenIdsMax;  // see task::Dedup
  int parallelism = 2;  // tasks that are recovered at once, each on a thread
};

// A pipeline with all its tasks: creates what topics it needs, recovers every task, hands them to
// workers, and makes the decisions that tasks cannot make: idle watermarks, table versions, drains.
// Except where said otherwise methods belong to the runtime's control thread.
class PipelineRunner {
 public:
  PipelineRunner(RunnerServices services, const pipeline::Pipeline& plan,
                 PipelineRunnerOptions options);
  ~PipelineRunner();

  // Whether this version may run after what ran before: `invalid` when it may not, saying why.
  // Writes nothing. For another version than the last one takeover() says what it means for the
  // state, also when that is why it may not.
  Status check();
  [[nodiscard]] const std::optional<Takeover>& takeover() const { return takeover_; }
  // check(), if it was not called, then topics, tables, tasks; recovers them.
  Status start();
  // Every task, for the workers.
  [[nodiscard]] std::vector<TaskRunner*> runners();

  // Looks for idle partitions (R13). To be called every second or so.
  void tick();

  // Waits until everything in the source topic is consumed, then fires every open window (R15) and
  // waits until the results are durable. `is_cancelled` ends it early. Any one thread at a time.
  struct Drained {
    std::uint64_t windows_fired = 0;  // results that left, of every key and revision
  };
  Result<Drained> drain(const std::function<bool()>& is_cancelled);

  // One snapshot of every task, under a name (R6). Any one thread at a time; tasks go on meanwhile,
  // each is taken at its own committed position. `exists` when the name is taken.
  Result<NamedSnapshot> create_snapshot(const std::string& name,
                                        const std::function<bool()>& is_cancelled);
  // Makes every task's state again from the named snapshot and everything since (R22). The first
  // error; tasks whose snapshot does not work go on from their newest.
  struct RestoredTask {
    std::string stage;
    std::int32_t partition = 0;
    RestoredRange range;
  };
  Result<std::vector<RestoredTask>> restore_snapshot(const std::string& name,
                                                     const std::function<bool()>& is_cancelled);
  Status delete_snapshot(const std::string& name);

  // After the workers stopped: commits and snapshots every task. Goes on behind one that fails and
  // returns the first error.
  Status finish(DiskPatience& patience);

  // Any thread.
  [[nodiscard]] const pipeline::Pipeline& plan() const { return plan_; }
  [[nodiscard]] const std::vector<Stage>& stages() const { return stages_; }
  // Finds the table versions that tasks see. The runner outlives it.
  [[nodiscard]] task::TableProvider table_provider() { return tables_.provider(); }

 private:
  Status check_takeover();
  Status prepare_switch(const Stage& stage, TaskRunner& runner);
  [[nodiscard]] std::vector<std::string> dropped_stages() const;
  Status add_dropped_stages();
  Status remove_dropped_stages();
  void make_stages();
  Status recover_tasks(const std::vector<task::TableVersionEntry>& tables);
  Status recover_stage(Stage& stage, const std::vector<task::JournalEvent>& first_events);
  Status switch_version();
  void post_tables(const std::vector<task::TableVersionEntry>& tables);
  [[nodiscard]] RegisteredPipeline registration() const;
  void notice(const std::string& text) const;
  [[nodiscard]] bool has_caught_up(const Stage& stage) const;
  [[nodiscard]] bool has_open_panes() const;

  RunnerServices services_;
  const pipeline::Pipeline& plan_;
  PipelineRunnerOptions options_;
  TableRegistry tables_;
  std::vector<Stage> stages_;         // the source stage first
  std::optional<Takeover> takeover_;  // none: no other version ran before
  IdleWatermarks idle_;
};

}  // namespace millrace::runtime
