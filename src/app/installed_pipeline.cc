#include "app/installed_pipeline.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "app/topic_reader.h"
#include "base/bytes.h"
#include "base/check.h"
#include "log/embedded_log.h"
#include "objects/directory_store.h"
#include "runtime/pipeline_runner.h"
#include "runtime/snapshot_writer.h"
#include "sys/file_system.h"
#include "sys/real_clock.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

Result<Installation> ask_instance(ServerOptions server, const std::string& pipeline_name) {
  ApiClient client(std::move(server));
  MR_ASSIGN_OR_RETURN(const auto topics, client.get("/api/v1/topics"));
  Installation found;
  for (const auto& topic : topics.value("topics", Json::array())) {
    found.partition_counts[topic.value("topic", "")] = topic.value("partitions", 0);
  }
  const std::string registry(pipeline::kRegistryTopic);
  if (!found.partition_counts.contains(registry)) return found;
  MR_ASSIGN_OR_RETURN(const auto partitions, find_partitions(client, registry));
  for (const auto& range : partitions) {
    PartitionReader reader(client, registry, range.partition, range.start);
    Status status;
    bool has_more = true;
    while (has_more && reader.position() < range.high_watermark) {
      MR_ASSIGN_OR_RETURN(has_more, reader.read(0, [&](const RecordView& record) {
        if (!record.key || *record.key != pipeline_name || !record.value) return true;
        auto decoded = runtime::decode_registered(pipeline_name, *record.value);
        if (!decoded.is_ok()) {
          status = std::move(decoded).take_status();
          return false;
        }
        found.pipeline = std::move(decoded).value();
        return true;
      }));
    }
    MR_RETURN_IF_ERROR(status);
  }
  return found;
}

struct OpenFolder {
  sys::RealClock clock;
  std::unique_ptr<log::EmbeddedLog> log;
};

Result<std::unique_ptr<OpenFolder>> open_log(sys::FileSystem& files, const std::string& folder) {
  auto open = std::make_unique<OpenFolder>();
  log::EmbeddedLogOptions options;
  options.folder = folder + "/log";
  // Nobody has said here what must be retained, so nothing may be cleared away.
  constexpr std::int64_t kNeverMs = 86'400'000;
  options.maintenance_interval_ms = kNeverMs;
  MR_ASSIGN_OR_RETURN(open->log, log::EmbeddedLog::open(options, files, open->clock));
  return open;
}

Result<Installation> read_folder(sys::FileSystem& files, const std::string& folder,
                                 const std::string& pipeline_name) {
  MR_ASSIGN_OR_RETURN(const auto open, open_log(files, folder));
  Installation found;
  for (const auto& topic : open->log->topics()) {
    found.partition_counts[topic.name] = topic.config.partition_count;
  }
  MR_ASSIGN_OR_RETURN(found.pipeline, runtime::find_registered(*open->log, pipeline_name));
  const auto secret = files.read_file(folder + "/secret");
  if (secret.is_ok() && secret->size() == sizeof found.hash_secret) {
    found.hash_secret = load_little<std::uint64_t>(secret->data());
  }
  return found;
}

Result<ForeseenTakeover> try_in_folder(sys::FileSystem& files, const std::string& folder,
                                       const pipeline::Pipeline& plan) {
  MR_ASSIGN_OR_RETURN(const auto open, open_log(files, folder));
  MR_ASSIGN_OR_RETURN(const auto objects,
                      objects::open_directory_store(files, folder + "/objects"));
  runtime::SnapshotWriter snapshots(*objects);
  runtime::PipelineRunner runner(
      {open->log.get(), objects.get(), &open->clock, &snapshots, nullptr, nullptr}, plan, {});
  const auto status = runner.check();
  ForeseenTakeover foreseen;
  if (runner.takeover()) foreseen.takeover = *runner.takeover();
  if (!status.is_ok()) foreseen.fault = status.message();
  return foreseen;
}

runtime::StageState stage_state(const Json& stage) {
  runtime::StageState out;
  out.stage = stage.value("stage", "");
  for (const auto& task : stage.value("tasks", Json::array())) {
    const auto state = task.value("state", Json::object());
    const auto hex = [](const Json& of) {
      return std::strtoull(of.value("definition", "0").c_str(), nullptr, 16);
    };
    for (const auto& window : state.value("windows", Json::array())) {
      out.windows.push_back({window.value("window", ""), hex(window),
                             window.value("open_panes", std::uint64_t{0}),
                             window.value("open_keys", std::uint64_t{0})});
    }
    const auto dedup = state.value("deduplication", Json());
    if (!dedup.is_object()) continue;
    out.dedup_definition = hex(dedup);
    out.live_ids += dedup.value("ids", std::uint64_t{0});
  }
  return out;
}

Result<ForeseenTakeover> ask_about_takeover(ServerOptions server, const pipeline::Pipeline& plan,
                                            std::int32_t from_version) {
  ApiClient client(std::move(server));
  MR_ASSIGN_OR_RETURN(const auto status, client.get("/api/v1/status"));
  std::vector<runtime::StageState> stages;
  for (const auto& pipeline : status.value("pipelines", Json::array())) {
    if (pipeline.value("pipeline", "") != plan.name) continue;
    for (const auto& stage : pipeline.value("stages", Json::array())) {
      stages.push_back(stage_state(stage));
    }
  }
  ForeseenTakeover foreseen;
  foreseen.is_running = true;
  foreseen.takeover = runtime::foresee(plan, from_version, stages);
  if (!foreseen.takeover.lost.empty()) {
    foreseen.fault = runtime::refusal_of(plan, foreseen.takeover);
  }
  return foreseen;
}

// Calls one of them: a running instance is asked, the folder of a stopped one opened under its
// lock.
template <typename Outcome, typename Ask, typename Open>
Result<Outcome> ask_or_open(sys::FileSystem& files, const std::string& where, Ask&& ask,
                            Open&& open) {
  ServerOptions server;
  MR_ASSIGN_OR_RETURN(const bool is_folder, files.is_folder(where));
  if (!is_folder) {
    if (where.find(':') == std::string::npos) {
      return not_found_error(where + " is neither a data folder nor HOST:PORT");
    }
    server.server = where;
    return ask(std::move(server));
  }
  MR_ASSIGN_OR_RETURN(const bool has_log, files.is_folder(where + "/log"));
  if (!has_log) return not_found_error(where + " is no data folder: it has no log in it");
  // Whoever holds the lock runs.
  const auto lock = files.lock_folder(where);
  if (lock.is_ok()) return open(where);
  if (lock.status().code() != StatusCode::exists) return lock.status();
  server.data_folder = where;
  return ask(std::move(server));
}

}  // namespace

Result<Installation> read_installation(const std::string& where, const std::string& pipeline_name) {
  sys::PosixFileSystem files;
  return ask_or_open<Installation>(
      files, where,
      [&](ServerOptions server) { return ask_instance(std::move(server), pipeline_name); },
      [&](const std::string& folder) { return read_folder(files, folder, pipeline_name); });
}

Result<ForeseenTakeover> foresee_takeover(const std::string& where, const pipeline::Pipeline& plan,
                                          const Installation& installation) {
  MR_CHECK(installation.pipeline.has_value());
  sys::PosixFileSystem files;
  return ask_or_open<ForeseenTakeover>(
      files, where,
      [&](ServerOptions server) {
        return ask_about_takeover(std::move(server), plan, installation.pipeline->version);
      },
      [&](const std::string& folder) { return try_in_folder(files, folder, plan); });
}

}  // namespace millrace::app
