#include "app/installed_pipeline.h"

#include <nlohmann/json.hpp>

#include "app/topic_reader.h"
#include "log/embedded_log.h"
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

Result<Installation> open_folder(sys::FileSystem& files, const std::string& folder,
                                 const std::string& pipeline_name) {
  const sys::RealClock clock;
  log::EmbeddedLogOptions options;
  options.folder = folder + "/log";
  // Nobody has said here what must be retained, so nothing may be cleared away.
  constexpr std::int64_t kNeverMs = 86'400'000;
  options.maintenance_interval_ms = kNeverMs;
  MR_ASSIGN_OR_RETURN(const auto log, log::EmbeddedLog::open(options, files, clock));
  Installation found;
  for (const auto& topic : log->topics()) {
    found.partition_counts[topic.name] = topic.config.partition_count;
  }
  if (found.partition_counts.contains(std::string(pipeline::kRegistryTopic))) {
    MR_ASSIGN_OR_RETURN(found.pipeline, runtime::find_registered(*log, pipeline_name));
  }
  return found;
}

}  // namespace

Result<Installation> read_installation(const std::string& where, const std::string& pipeline_name) {
  sys::PosixFileSystem files;
  ServerOptions server;
  MR_ASSIGN_OR_RETURN(const bool is_folder, files.is_folder(where));
  if (!is_folder) {
    if (where.find(':') == std::string::npos) {
      return not_found_error(where + " is neither a data folder nor HOST:PORT");
    }
    server.server = where;
    return ask_instance(std::move(server), pipeline_name);
  }
  MR_ASSIGN_OR_RETURN(const bool has_log, files.is_folder(where + "/log"));
  if (!has_log) return not_found_error(where + " is no data folder: it has no log in it");
  // Whoever holds the lock runs.
  const auto lock = files.lock_folder(where);
  if (lock.is_ok()) return open_folder(files, where, pipeline_name);
  if (lock.status().code() != StatusCode::exists) return lock.status();
  server.data_folder = where;
  return ask_instance(std::move(server), pipeline_name);
}

}  // namespace millrace::app
