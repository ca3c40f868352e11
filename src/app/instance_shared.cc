#include <algorithm>
#include <utility>

#include "app/installation.h"
#include "app/instance.h"
#include "base/hash.h"
#include "objects/directory_store.h"

// An instance whose log it shares with others.

namespace millrace::app {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;

}  // namespace

Status Instance::open_shared_storage() {
  auto& shared = *options_.shared;
  const auto& folder = options_.data_folder;
  MR_RETURN_IF_ERROR(files_.make_folders(folder));
  MR_ASSIGN_OR_RETURN(lock_, files_.lock_folder(folder));
  MR_ASSIGN_OR_RETURN(const bool has_log, files_.is_folder(folder + "/log"));
  if (has_log) {
    return invalid_error(folder +
                         " has a log of its own, which log.kafka would leave behind; take "
                         "another data folder");
  }
  if (shared.process.empty()) {
    MR_ASSIGN_OR_RETURN(shared.process, load_process_name(files_, folder));
  }
  MR_ASSIGN_OR_RETURN(objects_, objects::open_directory_store(files_, shared.objects_folder));
  MR_ASSIGN_OR_RETURN(secret_, load_shared_secret(*objects_));
  MR_ASSIGN_OR_RETURN(shared_log_, open_shared_log(shared, clock_, logger_));
  return ok_status();
}

Status Instance::start_shared() {
  const auto begun = clock_.monotonic_now();
  MR_RETURN_IF_ERROR(open_shared_storage());
  runtime::SharedPipelineOptions options;
  options.process = options_.shared->process;
  options.slots = options_.parallelism;
  constexpr std::uint64_t kInstallationSeed = 0x696e7374;
  options.installation = hash128(std::to_string(secret_), kInstallationSeed).low;
  options.checkpoint_interval_ms = options_.checkpoint_interval_ms;
  options.retention_ms = options_.retention_ms;
  options.dedup_open_ids_max = static_cast<std::size_t>(options_.dedup_open_ids_max);
  options.dedup_memory_bytes_max = static_cast<std::size_t>(options_.dedup_memory_bytes_max);
  options.has_standby = options_.has_standby;
  options.on_memory_short = [this](const std::string& text) { logger_.warn(text); };
  options.on_notice = [this](const std::string& text) { logger_.info(text); };
  shared_runtime_ =
      std::make_unique<runtime::SharedRuntime>(*shared_log_, *objects_, clock_, std::move(options));
  std::vector<std::unique_ptr<pipeline::Pipeline>> pipelines;
  MR_RETURN_IF_ERROR(build_pipelines(pipelines));
  MR_RETURN_IF_ERROR(check_accepted(pipelines));
  MR_RETURN_IF_ERROR(serve());
  MR_RETURN_IF_ERROR(shared_runtime_->start(std::move(pipelines)));
  MR_RETURN_IF_ERROR(start_features());
  MR_RETURN_IF_ERROR(start_lake());
  api_->set_ready(true);
  logger_.info("ready", {{"start_ms", (clock_.monotonic_now() - begun) / kNanosPerMilli},
                         {"process", options_.shared->process}});
  return write_instance_file();
}

// Every task is released, so that the other processes take over at once.
Status Instance::stop_shared() {
  if (server_) server_->stop();
  if (api_) api_->set_ready(false);
  if (shared_runtime_) shared_runtime_->stop(true);
  api_.reset();
  lake_routes_.set_service(nullptr);
  lake_.reset();
  feature_routes_.set_service(nullptr);
  features_.reset();
  shared_runtime_.reset();
  shared_log_.reset();
  Status first;
  for (const auto* name : {"/instance.json", "/millrace.pid"}) {
    auto status = files_.remove(options_.data_folder + name);
    if (first.is_ok()) first = std::move(status);
  }
  return first;
}

}  // namespace millrace::app
