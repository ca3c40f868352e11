#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/time.h"
#include "features/feature_service.h"
#include "lake/lake_service.h"
#include "log/embedded_log.h"
#include "objects/object_store.h"
#include "runtime/runtime.h"
#include "sim/profile.h"
#include "sim/sim_disk.h"
#include "sim/sim_online_store.h"
#include "sim/sim_pipelines.h"
#include "sim/sim_store.h"

namespace millrace::sim {

// What a process finds around it; all outlive it.
struct ProcessWorld {
  Scheduler* scheduler = nullptr;
  SimDisk* disk = nullptr;
  ObjectWorld* objects = nullptr;
  OnlineStoreWorld* online = nullptr;
  const Clock* clock = nullptr;
  Census* census = nullptr;
  const Profile* profile = nullptr;
};

// One life of the program: the parts that app/instance.cc puts together, in its order, without the
// HTTP API.
class Process {
 public:
  // `on_failure` is called when the process has to end (R17); more than once, on any thread.
  Process(ProcessWorld world, std::uint64_t life, std::function<void(const Status&)> on_failure);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // `recovered` is called between the log and the rest.
  Status start(const PipelineVersions& versions, const std::function<Status(log::Log&)>& recovered);
  // As a stop that was asked for: commits, snapshots, drains the log.
  Status stop();
  // After a failure or the death of its disk: everybody who is in a call gets out of it.
  void abandon();
  // Neither the object store nor the online store listen to this process any more.
  void cut_off();
  void set_store_faults(const StoreFaults& faults) { store_->set_faults(faults); }

  [[nodiscard]] log::EmbeddedLog& log() { return *log_; }
  [[nodiscard]] bool has_log() const { return log_ != nullptr; }
  [[nodiscard]] runtime::Runtime& runtime() { return *runtime_; }
  [[nodiscard]] lake::LakeService& lake() { return *lake_; }
  [[nodiscard]] features::FeatureService& features() { return *features_; }
  [[nodiscard]] SimStore& store() { return *store_; }

 private:
  Status open_storage();
  Status create_topics(const BuiltPipelines& pipelines);
  Status start_features();
  Status start_lake();
  void count_recovery();

  ProcessWorld world_;
  const std::uint64_t life_;
  const std::shared_ptr<bool> is_cut_off_ = std::make_shared<bool>(false);
  std::function<void(const Status&)> on_failure_;
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<SimStore> store_;
  std::unique_ptr<runtime::Runtime> runtime_;
  std::unique_ptr<features::FeatureService> features_;
  std::unique_ptr<lake::LakeService> lake_;
};

}  // namespace millrace::sim
