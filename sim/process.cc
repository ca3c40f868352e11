#include "sim/process.h"

#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "objects/directory_store.h"

namespace millrace::sim {
namespace {

constexpr const char* kFolder = "/data";

}  // namespace

Process::Process(ProcessWorld world, std::uint64_t life,
                 std::function<void(const Status&)> on_failure)
    : world_(world), life_(life), on_failure_(std::move(on_failure)) {
  // A store without a backend, until the disk can be asked for one.
  store_ = std::make_unique<SimStore>(*world_.scheduler, *world_.census, *world_.objects, nullptr,
                                      world_.profile->seed * 1000 + life_);
}

Process::~Process() {
  lake_.reset();
  features_.reset();
  runtime_.reset();
  log_.reset();
}

Status Process::start(const PipelineVersions& versions,
                      const std::function<Status(log::Log&)>& recovered) {
  MR_RETURN_IF_ERROR(open_storage());
  MR_RETURN_IF_ERROR(recovered(*log_));
  runtime::RuntimeOptions options;
  options.parallelism = world_.profile->parallelism;
  options.checkpoint_interval_ms = world_.profile->checkpoint_interval_ms;
  options.dedup_open_ids_max = world_.profile->dedup_open_ids_max;
  options.dedup_memory_bytes_max = world_.profile->dedup_memory_bytes_max;
  options.owner = "life-" + std::to_string(life_);
  options.on_failure = on_failure_;
  runtime_ = std::make_unique<runtime::Runtime>(*log_, *store_, *world_.clock, std::move(options));
  pipeline::PartitionCounts existing;
  for (const auto& topic : log_->topics()) existing[topic.name] = topic.config.partition_count;
  auto built = build_pipelines(*world_.profile, versions, existing);
  MR_RETURN_IF_ERROR(create_topics(built));
  std::vector<std::unique_ptr<pipeline::Pipeline>> pipelines;
  pipelines.push_back(std::move(built.ticks));
  pipelines.push_back(std::move(built.orders));
  MR_RETURN_IF_ERROR(runtime_->start(std::move(pipelines)));
  count_recovery();
  MR_RETURN_IF_ERROR(start_features());
  MR_RETURN_IF_ERROR(start_lake());
  log_->begin_retention();
  return ok_status();
}

Status Process::open_storage() {
  const auto& profile = *world_.profile;
  const std::string folder = kFolder;
  auto& files = *world_.disk;
  MR_RETURN_IF_ERROR(files.make_folders(folder));
  log::EmbeddedLogOptions options;
  options.folder = folder + "/log";
  options.wal_file_bytes = profile.wal_file_bytes;
  options.unsynced_bytes_max = profile.unsynced_bytes_max;
  options.tail_cache_bytes = profile.tail_cache_bytes;
  options.maintenance_interval_ms = profile.maintenance_interval_ms;
  options.on_failure = on_failure_;
  options.waits_with_retention = true;
  MR_RETURN_IF_ERROR(files.make_folders(options.folder));
  MR_ASSIGN_OR_RETURN(log_, log::EmbeddedLog::open(options, files, *world_.clock));
  const auto& recovery = log_->recovery();
  if (recovery.torn_tail_bytes > 0) world_.census->count("log.torn_tail_cut");
  world_.census->count(recovery.groups_replayed > 0 ? "log.replayed" : "log.nothing_to_replay");
  if (!profile.has_directory_store) return ok_status();
  MR_ASSIGN_OR_RETURN(auto backend, objects::open_directory_store(files, folder + "/objects"));
  store_ = std::make_unique<SimStore>(*world_.scheduler, *world_.census, *world_.objects,
                                      std::move(backend), profile.seed * 1000 + life_);
  return ok_status();
}

Status Process::create_topics(const BuiltPipelines& pipelines) {
  for (const auto* pipeline : {pipelines.ticks.get(), pipelines.orders.get()}) {
    for (const auto& need : pipeline->topics) {
      if (need.is_internal || log_->topic(need.name).is_ok()) continue;
      log::TopicConfig config;
      config.partition_count = need.partition_count;
      config.is_compacted = need.is_compacted;
      config.segment_bytes = world_.profile->segment_bytes;
      config.retention_ms = world_.profile->retention_ms;
      if (need.name == pipeline->source.source_topic) {
        config.batch_bytes_max = log::kInputBatchBytesMax;
      }
      MR_RETURN_IF_ERROR(log_->create_topic(need.name, config).status());
    }
  }
  return ok_status();
}

void Process::count_recovery() {
  auto& census = *world_.census;
  for (const auto& pipeline : runtime_->pipelines()) {
    for (const auto& stage : pipeline->stages()) {
      for (const auto& runner : stage.tasks) {
        const auto report = runner->report();
        census.count(report.restored_offset.value >= 0 ? "task.restored_from_snapshot"
                                                       : "task.began_at_the_start");
        if (report.replayed_records > 0) census.count("task.replayed");
        if (report.refused_snapshots == 0) continue;
        census.count(report.restored_offset.value >= 0 ? "task.fell_back_to_older_snapshot"
                                                       : "task.fell_back_to_the_start");
      }
    }
  }
}

Status Process::start_features() {
  features::FeatureServiceOptions options;
  for (const auto& runner : runtime_->pipelines()) {
    for (const auto& sink : runner->plan().features) {
      options.groups.push_back({sink.group, sink.topic, sink.event_time});
    }
  }
  options.catch_up_ms = 20;
  options.on_failure = [this](const std::string&, const Status& status) {
    world_.census->count("features.failed");
    on_failure_(status);
  };
  auto store = make_sim_online_store(*world_.online, *world_.scheduler, is_cut_off_);
  MR_ASSIGN_OR_RETURN(features_,
                      features::FeatureService::start(*log_, std::move(store), std::move(options)));
  for (const auto& group : features_->groups()) {
    if (group.counters.rebuilds > 0) world_.census->count("features.rebuilt");
  }
  return ok_status();
}

Status Process::start_lake() {
  lake::LakeOptions options;
  options.poll_interval_ms = 30;
  options.retry_interval_max_ms = 500;
  options.on_failure = [this](const lake::DeliveryReport&, const Status& status) {
    world_.census->count("lake.attempt_failed");
    world_.scheduler->note("lake: " + status.to_string());
  };
  std::vector<const pipeline::Pipeline*> plans;
  for (const auto& runner : runtime_->pipelines()) plans.push_back(&runner->plan());
  lake_ = std::make_unique<lake::LakeService>(*log_, *store_, *world_.clock, std::move(options));
  return lake_->start(plans);
}

Status Process::stop() {
  MR_RETURN_IF_ERROR(runtime_->stop());
  lake_->stop();
  features_.reset();
  return log_->close();
}

void Process::cut_off() {
  *is_cut_off_ = true;
  store_->die();
}

void Process::abandon() {
  cut_off();
  if (lake_) lake_->stop();
  // Cancels drains; that nothing can be committed any more is why it was called. What is dead waits
  // for nothing.
  if (runtime_) std::ignore = runtime_->stop(runtime::DiskPatience{0});
}

}  // namespace millrace::sim
