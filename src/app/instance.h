#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/kafka_service.h"
#include "app/pipeline_files.h"
#include "app/shared_log.h"
#include "base/log_line.h"
#include "base/status.h"
#include "base/time.h"
#include "features/feature_service.h"
#include "http/server.h"
#include "lake/lake_service.h"
#include "log/embedded_log.h"
#include "objects/object_store.h"
#include "ops/api.h"
#include "ops/feature_routes.h"
#include "ops/lake_routes.h"
#include "ops/snapshot_routes.h"
#include "runtime/runtime.h"
#include "runtime/shared_runtime.h"
#include "sys/file_system.h"

namespace millrace::app {

struct InstanceOptions {
  std::string data_folder = "./millrace-data";
  std::vector<std::string> pipeline_files;
  KafkaOptions kafka;
  std::optional<SharedLogOptions> shared;  // instead of a log, and a Kafka port, of its own
  std::uint16_t http_port = 8080;          // 0: any
  int parallelism = 2;
  std::int64_t checkpoint_interval_ms = 10'000;
  std::int64_t dedup_open_ids_max = 131'072;
  std::int64_t dedup_memory_bytes_max = std::int64_t{1} << 30;
  bool has_standby = false;  // of a shared log: each task is followed by another process
  // Of topics that are made for the pipelines.
  std::int64_t retention_ms = -1;
  std::map<std::string, std::int32_t> topic_partitions;
  pipeline::LakeDefaults lake;
  std::string project;
  std::string environment;
  std::set<std::string> accepted_losses;  // "ticks@2": PipelineRunnerOptions::accepted_losses
  std::string version;
  // Called once, on any thread, when the instance cannot go on.
  std::function<void(const Status&)> on_failure;
};

// Everything `up` runs, built in order and torn down in reverse: the only place where the parts of
// the process meet. One thread.
class Instance {
 public:
  Instance(InstanceOptions options, const Clock& clock, const Logger& logger);
  ~Instance();

  // Locks the folder, recovers the log, restores the pipelines, serves. The message of a failure
  // says what to do about it.
  Status start();
  // Commits, snapshots, closes the log.
  Status stop();

  [[nodiscard]] std::uint16_t http_port() const;
  [[nodiscard]] std::uint16_t kafka_port() const;  // 0 on a shared log
  [[nodiscard]] const InstanceOptions& options() const { return options_; }

 private:
  Status start_shared();
  Status stop_shared();
  Status open_storage();
  Status open_shared_storage();
  [[nodiscard]] log::Log& log();
  [[nodiscard]] std::vector<const pipeline::Pipeline*> plans() const;  // that run
  Status open_kafka();
  Result<pipeline::BuildOutcome> build_pipeline(const std::string& file,
                                                const PipelineFileContext& context);
  Status build_pipelines(std::vector<std::unique_ptr<pipeline::Pipeline>>& pipelines);
  Status check_accepted(const std::vector<std::unique_ptr<pipeline::Pipeline>>& pipelines) const;
  Status serve();
  Status start_features();
  Status start_lake();
  Status write_instance_file();

  InstanceOptions options_;
  const Clock& clock_;
  Logger logger_;
  sys::PosixFileSystem files_;
  std::unique_ptr<sys::FolderLock> lock_;
  std::uint64_t secret_ = 0;
  std::unique_ptr<log::EmbeddedLog> log_;  // one of the two
  std::unique_ptr<log::SharedLog> shared_log_;
  std::unique_ptr<objects::ObjectStore> objects_;
  std::unique_ptr<KafkaService> kafka_;
  std::unique_ptr<runtime::Runtime> runtime_;  // one of the two
  std::unique_ptr<runtime::SharedRuntime> shared_runtime_;
  std::unique_ptr<features::FeatureService> features_;
  ops::FeatureRoutes feature_routes_;
  std::unique_ptr<lake::LakeService> lake_;
  ops::LakeRoutes lake_routes_;
  std::unique_ptr<ops::SnapshotRoutes> snapshot_routes_;
  std::unique_ptr<ops::Api> api_;
  std::unique_ptr<http::Server> server_;
};

// Where a running instance answers, as written to DIR/instance.json.
struct InstanceAddress {
  std::int64_t pid = 0;
  std::string host = "127.0.0.1";
  std::uint16_t http_port = 0;
  std::uint16_t kafka_port = 0;
};
Result<InstanceAddress> find_instance(sys::FileSystem& files, const std::string& data_folder);

}  // namespace millrace::app
