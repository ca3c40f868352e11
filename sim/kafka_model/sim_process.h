#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lake/lake_service.h"
#include "pipeline/pipeline.h"
#include "runtime/shared_runtime.h"
#include "sim/kafka_model/model_log.h"
#include "sim/kafka_model/process_objects.h"
#include "sim/kafka_model/run.h"
#include "sim/kafka_model/workload.h"

namespace millrace::kafka_model {

struct SimProcessOptions {
  std::string name;
  int slots = 1;
  std::int64_t checkpoint_interval_ms = 1'000;
  bool is_static_member = true;
  std::uint64_t installation = 1;
  bool has_standby = false;
  std::size_t dedup_open_ids_max = task::Dedup::kOpenIdsMax;
};

// One life of one process: a client of the cluster and the whole pipeline, which comes up on a
// thread of its own.
class SimProcess {
 public:
  SimProcess(Cluster& cluster, objects::ObjectStore& objects, const Clock& clock,
             std::unique_ptr<pipeline::Pipeline> plan, const SimProcessOptions& options);
  ~SimProcess();

  [[nodiscard]] Process& process() { return process_; }
  [[nodiscard]] log::SharedLog& log() { return log_; }
  [[nodiscard]] runtime::SharedRuntime& runtime() { return *runtime_; }  // once it has started
  // Orderly, or as after kill(): nothing reaches the cluster any more. Adds to the census.
  void stop(bool is_orderly, Census& census);
  // To any task of the source stage that runs here.
  bool post(std::int32_t partition, const task::JournalEvent& event);
  // Fires all open windows and has the lake delivered, of all processes, on a thread of its own;
  // false while it has not started or another drain is under way.
  bool begin_drain();
  [[nodiscard]] bool has_drained() const { return has_drained_.load(); }  // the last one
  [[nodiscard]] bool has_started() const { return has_started_.load(); }
  // Why it does not run, once it has started; empty: it does.
  [[nodiscard]] std::string refusal() const { return has_started_.load() ? refusal_ : ""; }
  // Why it has given its tasks up; empty: it has not.
  [[nodiscard]] std::string halted() const;
  // Where every task stands, for a run that got stuck.
  [[nodiscard]] std::string describe() const;

 private:
  [[nodiscard]] runtime::SharedPipeline* pipeline() const;

  Process process_;
  ModelLog log_;
  ProcessObjects lake_objects_;
  std::unique_ptr<runtime::SharedRuntime> runtime_;
  lake::LakeService lake_;
  std::string refusal_;  // guarded by has_started_
  std::atomic<bool> has_started_{false};
  std::atomic<bool> is_draining_{false};
  std::atomic<bool> has_drained_{false};
  Thread starter_;
  Thread drainer_;
};

}  // namespace millrace::kafka_model
