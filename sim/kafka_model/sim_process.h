#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"
#include "runtime/shared_stage.h"
#include "runtime/snapshot_writer.h"
#include "sim/kafka_model/model_log.h"
#include "sim/kafka_model/run.h"
#include "sim/kafka_model/workload.h"

namespace millrace::kafka_model {

struct SimProcessOptions {
  std::string name;
  int slots = 1;
  std::int64_t checkpoint_interval_ms = 1'000;
  bool is_static_member = true;
};

// One life of one process: a client of the cluster and all stages of the pipeline.
class SimProcess {
 public:
  SimProcess(Cluster& cluster, objects::ObjectStore& objects, const Clock& clock,
             const pipeline::Pipeline& plan, const SimProcessOptions& options);

  [[nodiscard]] Process& process() { return process_; }
  // Orderly, or as after kill(): nothing reaches the cluster any more. Adds to the census.
  void stop(bool is_orderly, Census& census);
  // To any task of the source stage that runs here.
  bool post(std::int32_t partition, const task::JournalEvent& event);
  // Where every task stands, for a run that got stuck.
  [[nodiscard]] std::string describe() const;

 private:
  Process process_;
  ModelLog log_;
  runtime::SnapshotWriter snapshots_;
  std::vector<std::unique_ptr<runtime::SharedStage>> stages_;
};

}  // namespace millrace::kafka_model
