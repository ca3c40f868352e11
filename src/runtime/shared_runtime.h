#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "log/shared_log.h"
#include "objects/object_store.h"
#include "pipeline/pipeline.h"
#include "runtime/dedup_memory.h"
#include "runtime/shared_pipeline.h"
#include "runtime/snapshot_writer.h"

namespace millrace::runtime {

// All pipelines that this process runs together with others on one log: what Runtime is for a log
// of one process. Tasks that fail begin again, and what keeps them from it is in the reports;
// nothing here ends the process.
class SharedRuntime {
 public:
  // `log`, `objects` and `clock` outlive it. `objects` is the same store for all processes.
  SharedRuntime(log::SharedLog& log, objects::ObjectStore& objects, const Clock& clock,
                SharedPipelineOptions options);
  ~SharedRuntime();  // as stop(false), if not stopped yet

  // Takes the pipelines and starts them one after the other; SharedPipeline::start() has the
  // errors. Once; no other thread asks for pipelines() before it returns.
  Status start(std::vector<std::unique_ptr<pipeline::Pipeline>> pipelines);
  // start() and drain() end soon, with `cancelled`. Any thread.
  void cancel();
  // In order: every task commits and is released, so that others take over at once.
  void stop(bool is_orderly);

  // Any thread, after start().
  [[nodiscard]] const std::vector<std::unique_ptr<SharedPipeline>>& pipelines() const {
    return pipelines_;
  }
  // One at a time; a second caller waits.
  Result<SharedPipeline::Drained> drain(SharedPipeline& pipeline);

 private:
  void control_loop();

  log::SharedLog& log_;
  objects::ObjectStore& objects_;
  const Clock& clock_;
  SharedPipelineOptions options_;
  SnapshotWriter snapshots_;
  DedupMemory dedup_memory_;
  std::vector<std::unique_ptr<pipeline::Pipeline>> plans_;
  std::vector<std::unique_ptr<SharedPipeline>> pipelines_;
  Mutex drain_mutex_;
  Mutex stop_mutex_;
  Condition stop_changed_;
  std::atomic<bool> is_stopping_{false};
  Thread control_;
};

}  // namespace millrace::runtime
