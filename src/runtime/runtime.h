#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "log/log.h"
#include "objects/object_store.h"
#include "pipeline/pipeline.h"
#include "runtime/dedup_memory.h"
#include "runtime/pipeline_runner.h"
#include "runtime/snapshot_writer.h"
#include "runtime/worker.h"

namespace millrace::runtime {

struct RuntimeOptions {
  int parallelism = 2;  // worker threads; tasks of all pipelines are dealt out to them
  std::int64_t checkpoint_interval_ms = 10'000;
  std::size_t dedup_open_ids_max = task::Dedup::kOpenIdsMax;  // see task::Dedup
  std::size_t dedup_memory_bytes_max = kDedupMemoryBytesMax;  // of all tasks' fingerprints
  std::string owner;                                          // unique per process start
  // As in PipelineRunnerOptions.
  std::int64_t retention_ms = -1;
  std::set<std::string> accepted_losses;
  std::function<void(const std::string&)> on_notice;
  // Called once on some thread, with a sentence, when that bound comes into force.
  std::function<void(const std::string&)> on_memory_short;
  // Called once on some thread when a task failed; the runtime has stopped applying.
  std::function<void(const Status&)> on_failure;
};

// All pipelines of this process. `log`, `objects` and `clock` outlive it.
class Runtime {
 public:
  Runtime(log::Log& log, objects::ObjectStore& objects, const Clock& clock, RuntimeOptions options);
  ~Runtime();

  // Takes the pipelines, checks that every one may run, makes their topics, recovers their tasks,
  // starts the workers. Once. A pipeline that is refused leaves nothing behind.
  Status start(std::vector<std::unique_ptr<pipeline::Pipeline>> pipelines);
  // Commits everything, snapshots every task, stops. The next start replays nothing.
  Status stop(DiskPatience patience = {});

  // Any thread, after start().
  [[nodiscard]] const std::vector<std::unique_ptr<PipelineRunner>>& pipelines() const {
    return runners_;
  }
  // One at a time; a second caller waits.
  Result<PipelineRunner::Drained> drain(PipelineRunner& pipeline);
  // Named snapshots, as PipelineRunner has them; drains wait meanwhile.
  Result<NamedSnapshot> create_snapshot(PipelineRunner& pipeline, const std::string& name);
  Result<std::vector<PipelineRunner::RestoredTask>> restore_snapshot(PipelineRunner& pipeline,
                                                                     const std::string& name);
  // Of a pipeline that does not run any more, too.
  Status delete_snapshot(const std::string& pipeline, const std::string& name);
  [[nodiscard]] const SnapshotCatalog& catalog() const { return catalog_; }
  [[nodiscard]] SnapshotCatalog& catalog() { return catalog_; }
  [[nodiscard]] DedupMemory& dedup_memory() { return dedup_memory_; }

 private:
  void control_loop();

  log::Log& log_;
  const Clock& clock_;
  RuntimeOptions options_;
  SnapshotWriter snapshots_;
  SnapshotCatalog catalog_;
  DedupMemory dedup_memory_;
  objects::ObjectStore& objects_;
  std::vector<std::unique_ptr<pipeline::Pipeline>> plans_;
  std::vector<std::unique_ptr<PipelineRunner>> runners_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Mutex drain_mutex_;
  Mutex control_mutex_;  // tick and drain exclude each other
  Mutex stop_mutex_;
  Condition stop_changed_;
  std::atomic<bool> is_stopping_{false};
  Thread control_;
};

}  // namespace millrace::runtime
