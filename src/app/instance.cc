#include "app/instance.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "app/installation.h"
#include "base/bytes.h"
#include "features/rocks_store.h"
#include "objects/directory_store.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kSecretBytes = 8;
constexpr std::size_t kClusterIdBytes = 16;  // a UUID's, as Kafka's are
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr int kSharedFeatureIntervalMs = 50;
// As long again as the runtime waits for a full disk before it.
constexpr std::int64_t kCloseWaitMs = runtime::DiskPatience().wait_ms_left;

// RFC 4648 without padding.
std::string base64url(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t bits = 0;
  int bit_count = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
    for (bit_count += 8; bit_count >= 6; bit_count -= 6) {
      out += kDigits[bits >> (bit_count - 6) & 63];
    }
  }
  if (bit_count > 0) out += kDigits[bits << (6 - bit_count) & 63];
  return out;
}

}  // namespace

Instance::Instance(InstanceOptions options, const Clock& clock, const Logger& logger)
    : options_(std::move(options)), clock_(clock), logger_(logger) {}

Instance::~Instance() {
  if (kafka_) kafka_->stop();
  if (server_) server_->stop();
  server_.reset();
  api_.reset();
  lake_routes_.set_service(nullptr);
  lake_.reset();
  feature_routes_.set_service(nullptr);
  features_.reset();
  snapshot_routes_.reset();
  runtime_.reset();
  shared_runtime_.reset();
}

log::Log& Instance::log() {
  if (shared_log_ != nullptr) return *shared_log_;
  return *log_;
}

std::vector<const pipeline::Pipeline*> Instance::plans() const {
  std::vector<const pipeline::Pipeline*> all;
  if (runtime_ != nullptr) {
    for (const auto& runner : runtime_->pipelines()) all.push_back(&runner->plan());
  }
  if (shared_runtime_ != nullptr) {
    for (const auto& shared : shared_runtime_->pipelines()) all.push_back(&shared->plan());
  }
  return all;
}

std::uint16_t Instance::http_port() const {
  return server_ ? server_->port() : 0;
}

std::uint16_t Instance::kafka_port() const {
  return kafka_ ? kafka_->port() : 0;
}

Status Instance::start() {
  if (options_.shared) return start_shared();
  const auto begun = clock_.monotonic_now();
  auto lap = begun;
  const auto lap_ms = [&] {
    const auto before = std::exchange(lap, clock_.monotonic_now());
    return (lap - before) / kNanosPerMilli;
  };
  MR_RETURN_IF_ERROR(open_storage());
  const auto log_ms = lap_ms();
  MR_RETURN_IF_ERROR(open_kafka());
  runtime::RuntimeOptions options;
  options.parallelism = options_.parallelism;
  options.checkpoint_interval_ms = options_.checkpoint_interval_ms;
  options.dedup_open_ids_max = static_cast<std::size_t>(options_.dedup_open_ids_max);
  options.dedup_memory_bytes_max = static_cast<std::size_t>(options_.dedup_memory_bytes_max);
  options.on_memory_short = [this](const std::string& text) { logger_.warn(text); };
  MR_ASSIGN_OR_RETURN(const auto owner, random_bytes(kSecretBytes));
  options.owner =
      std::to_string(::getpid()) + "-" + std::to_string(load_little<std::uint32_t>(owner.data()));
  options.on_failure = options_.on_failure;
  options.retention_ms = options_.retention_ms;
  options.accepted_losses = options_.accepted_losses;
  options.on_notice = [this](const std::string& text) { logger_.info(text); };
  runtime_ = std::make_unique<runtime::Runtime>(*log_, *objects_, clock_, std::move(options));
  std::vector<std::unique_ptr<pipeline::Pipeline>> pipelines;
  MR_RETURN_IF_ERROR(build_pipelines(pipelines));
  MR_RETURN_IF_ERROR(check_accepted(pipelines));
  MR_RETURN_IF_ERROR(serve());
  const auto opening_ms = lap_ms();
  MR_RETURN_IF_ERROR(runtime_->start(std::move(pipelines)));
  const auto tasks_ms = lap_ms();
  snapshot_routes_->set_runtime(runtime_.get());
  MR_RETURN_IF_ERROR(start_features());
  const auto features_ms = lap_ms();
  MR_RETURN_IF_ERROR(start_lake());
  log_->begin_retention();
  MR_RETURN_IF_ERROR(kafka_->start(*runtime_));
  api_->set_ready(true);
  const auto lake_ms = lap_ms();
  logger_.info("ready", {{"start_ms", (lap - begun) / kNanosPerMilli},
                         {"log_ms", log_ms},
                         {"opening_ms", opening_ms},
                         {"tasks_ms", tasks_ms},
                         {"features_ms", features_ms},
                         {"lake_ms", lake_ms}});
  return write_instance_file();
}

Status Instance::open_storage() {
  const auto& folder = options_.data_folder;
  MR_RETURN_IF_ERROR(files_.make_folders(folder));
  MR_ASSIGN_OR_RETURN(lock_, files_.lock_folder(folder));
  MR_ASSIGN_OR_RETURN(secret_, load_secret(files_, folder));
  log::EmbeddedLogOptions log_options;
  log_options.folder = folder + "/log";
  MR_RETURN_IF_ERROR(files_.make_folders(log_options.folder));
  log_options.close_wait_ms = kCloseWaitMs;
  log_options.on_failure = options_.on_failure;
  log_options.waits_with_retention = true;
  MR_ASSIGN_OR_RETURN(log_, log::EmbeddedLog::open(log_options, files_, clock_));
  for (const auto& note : log_->recovery().notes) logger_.warn(note);
  MR_ASSIGN_OR_RETURN(objects_, objects::open_directory_store(files_, folder + "/objects"));
  return ok_status();
}

// Takes the port before anything is restored, so that a port in use shows at once.
Status Instance::open_kafka() {
  const auto path = options_.data_folder + "/cluster_id";
  MR_ASSIGN_OR_RETURN(const bool exists, files_.exists(path));
  if (!exists) {
    MR_ASSIGN_OR_RETURN(const auto bytes, random_bytes(kClusterIdBytes));
    MR_RETURN_IF_ERROR(files_.write_file_atomically(path, base64url(bytes)));
  }
  MR_ASSIGN_OR_RETURN(options_.kafka.cluster_id, files_.read_file(path));
  MR_ASSIGN_OR_RETURN(const auto seed, random_bytes(kSecretBytes));
  options_.kafka.member_id_seed = load_little<std::uint64_t>(seed.data());
  options_.kafka.random = random_bytes;
  options_.kafka.retention_ms = options_.retention_ms;
  options_.kafka.log_folder = options_.data_folder + "/log";
  MR_ASSIGN_OR_RETURN(kafka_, KafkaService::open(options_.kafka, *log_, clock_, logger_));
  // The broker has these.
  options_.kafka.access.security.users.clear();
  options_.kafka.access.tls.reset();
  return ok_status();
}

// A version in force may have met a table that lost a column since it was checked: it goes on, as
// it would have without a restart.
Result<pipeline::BuildOutcome> Instance::build_pipeline(const std::string& file,
                                                        const PipelineFileContext& context) {
  auto outcome = build_pipeline_file(files_, file, context);
  if (outcome.pipeline != nullptr) return outcome;
  auto lenient = context;
  lenient.are_unknown_members_faults = false;
  auto accepted = build_pipeline_file(files_, file, lenient);
  if (accepted.pipeline == nullptr) return outcome;
  MR_ASSIGN_OR_RETURN(const auto in_force,
                      runtime::find_registered(log(), accepted.pipeline->name));
  const bool is_in_force = in_force && in_force->version == accepted.pipeline->version &&
                           in_force->file == accepted.pipeline->file;
  return is_in_force ? std::move(accepted) : std::move(outcome);
}

Status Instance::build_pipelines(std::vector<std::unique_ptr<pipeline::Pipeline>>& pipelines) {
  PipelineFileContext context;
  context.configured = options_.topic_partitions;
  context.hash_secret = secret_;
  context.lake = options_.lake;
  for (const auto& topic : log().topics()) {
    context.existing[topic.name] = topic.config.partition_count;
  }
  std::string faults;
  for (const auto& file : options_.pipeline_files) {
    MR_ASSIGN_OR_RETURN(auto outcome, build_pipeline(file, context));
    for (const auto& error : outcome.errors) faults += "\n  " + pipeline::to_string(error);
    if (outcome.pipeline == nullptr) continue;
    for (const auto& warning : outcome.pipeline->warnings) logger_.warn(warning);
    for (const auto& need : outcome.pipeline->topics) {
      context.existing.emplace(need.name, need.partition_count);
    }
    pipelines.push_back(std::move(outcome.pipeline));
  }
  if (!faults.empty()) return invalid_error("the pipeline files have faults:" + faults);
  return ok_status();
}

// A loss is accepted for one version; a flag left over from another start is a mistake.
Status Instance::check_accepted(
    const std::vector<std::unique_ptr<pipeline::Pipeline>>& pipelines) const {
  for (const auto& accepted : options_.accepted_losses) {
    std::string known;
    bool is_known = false;
    for (const auto& pipeline : pipelines) {
      const auto& name = pipeline->source.pipeline;
      known += (known.empty() ? "" : ", ") + name;
      is_known |= name == accepted;
    }
    if (is_known) continue;
    return invalid_error("--accept-state-loss " + accepted + " is not what starts here: " + known);
  }
  return ok_status();
}

Status Instance::serve() {
  ops::ApiContext context;
  context.log = &log();
  context.embedded = log_.get();
  context.objects = objects_.get();
  context.runtime = runtime_.get();
  context.shared = shared_runtime_.get();
  if (options_.shared) context.process = options_.shared->process;
  context.clock = &clock_;
  context.version = options_.version;
  context.data_folder = options_.data_folder;
  context.project = options_.project;
  context.environment = options_.environment;
  context.pid = ::getpid();
  context.kafka_port = kafka_port();
  context.secret_topic = broker::kSecurityTopic;
  context.extensions.push_back(&feature_routes_);
  context.extensions.push_back(&lake_routes_);
  if (!options_.shared) {
    context.extensions.push_back(kafka_.get());
    snapshot_routes_ = std::make_unique<ops::SnapshotRoutes>(*log_);
    context.extensions.push_back(snapshot_routes_.get());
  }
  api_ = std::make_unique<ops::Api>(std::move(context));
  MR_RETURN_IF_ERROR(api_->load());
  http::ServerOptions server;
  server.port = options_.http_port;
  server.body_bytes_max = 64 << 20;
  MR_ASSIGN_OR_RETURN(server_, http::Server::start(server, api_->handler()));
  return ok_status();
}

Status Instance::start_features() {
  features::FeatureServiceOptions options;
  for (const auto* plan : plans()) {
    for (const auto& sink : plan->features) {
      options.groups.push_back({sink.group, sink.topic, sink.event_time});
    }
  }
  if (options_.shared) options.step_interval_ms = kSharedFeatureIntervalMs;
  options.on_failure = [this](const std::string& group, const Status& status) {
    logger_.error("feature group " + group + " goes no further: " + status.to_string());
  };
  auto store = features::make_memory_store();  // enough for no groups
  if (!options.groups.empty()) {
    MR_ASSIGN_OR_RETURN(auto opened,
                        features::open_rocks_store(options_.data_folder + "/features"));
    if (!opened.note.empty()) logger_.warn(opened.note);
    store = std::move(opened.store);
  }
  MR_ASSIGN_OR_RETURN(features_,
                      features::FeatureService::start(log(), std::move(store), std::move(options)));
  feature_routes_.set_service(features_.get());
  return ok_status();
}

Status Instance::start_lake() {
  lake::LakeOptions options;
  options.on_failure = [this](const lake::DeliveryReport& delivery, const Status& status) {
    logger_.warn("lake " + delivery.sink + "/" + std::to_string(delivery.source.partition) +
                 " will try again: " + status.to_string());
  };
  if (options_.shared) {
    options.sharing = lake::LakeSharing{shared_log_.get(), options_.shared->process};
  }
  lake_ = std::make_unique<lake::LakeService>(log(), *objects_, clock_, std::move(options));
  MR_RETURN_IF_ERROR(lake_->start(plans()));
  lake_routes_.set_service(lake_.get());
  return ok_status();
}

Status Instance::write_instance_file() {
  const Json instance{{"pid", ::getpid()},
                      {"host", "127.0.0.1"},
                      {"http_port", http_port()},
                      {"kafka_port", kafka_port()}};
  const auto& folder = options_.data_folder;
  MR_RETURN_IF_ERROR(
      files_.write_file_atomically(folder + "/instance.json", instance.dump() + "\n"));
  return files_.write_file_atomically(folder + "/millrace.pid", std::to_string(::getpid()) + "\n");
}

Status Instance::stop() {
  if (options_.shared) return stop_shared();
  kafka_->stop();
  if (server_) server_->stop();
  api_->set_ready(false);           // ends a running audit
  Status first = runtime_->stop();  // ends a running restore
  if (lake_) lake_->stop();         // ends a running verification
  api_.reset();
  lake_routes_.set_service(nullptr);
  lake_.reset();
  feature_routes_.set_service(nullptr);
  features_.reset();
  snapshot_routes_.reset();
  const auto& folder = options_.data_folder;
  for (auto status : {log_->close(), files_.remove(folder + "/instance.json"),
                      files_.remove(folder + "/millrace.pid")}) {
    if (first.is_ok()) first = std::move(status);
  }
  if (first.is_ok()) return first;
  return std::move(first).with_context(
      "stopped, but not cleanly (nothing acknowledged is lost, the next start replays)");
}

Result<InstanceAddress> find_instance(sys::FileSystem& files, const std::string& data_folder) {
  auto text = files.read_file(data_folder + "/instance.json");
  if (!text.is_ok()) {
    return not_found_error("no instance runs in " + data_folder +
                           "; start one with `millrace up`, or name one with --server HOST:PORT");
  }
  const auto json = Json::parse(*text, nullptr, false);
  if (!json.is_object() || !json.contains("http_port")) {
    return corrupt_error(data_folder + "/instance.json is not readable");
  }
  InstanceAddress address;
  address.pid = json.value("pid", std::int64_t{0});
  address.host = json.value("host", address.host);
  address.kafka_port = json.value("kafka_port", std::uint16_t{0});
  address.http_port = json.value("http_port", std::uint16_t{0});
  return address;
}

}  // namespace millrace::app
