#include <nlohmann/json.hpp>
#include <set>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/printing.h"
#include "app/verbs.h"
#include "http/url.h"

// Snapshots with a name.

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

// A restore applies again what came since the snapshot.
constexpr int kAnswerMs = 3'600'000;

int print_rows(const SnapshotOptions& options, const Json& answer, const std::string& member,
               const std::vector<std::string>& columns) {
  if (options.server.output == OutputFormat::json) {
    print_json(answer);
  } else {
    Json rows = answer.value(member, Json::array());
    for (auto& row : rows) {
      if (row.contains("tasks")) row["tasks"] = row["tasks"].size();
    }
    print_text(format_table(columns, rows));
  }
  return kExitOk;
}

std::string path_of(const std::string& pipeline, const std::string& name) {
  return "/api/v1/snapshots/" + http::percent_encode(pipeline) + "/" + http::percent_encode(name);
}

// The pipelines that have a snapshot of that name, or the one that was asked for.
Result<std::vector<std::string>> pipelines_with(ApiClient& client, const SnapshotOptions& options) {
  if (!options.pipeline.empty()) return std::vector{options.pipeline};
  MR_ASSIGN_OR_RETURN(const auto answer, client.get("/api/v1/snapshots"));
  std::vector<std::string> pipelines;
  std::set<std::string> known;
  for (const auto& snapshot : answer.value("snapshots", Json::array())) {
    const auto name = snapshot.value("name", "");
    if (name == options.name) pipelines.push_back(snapshot.value("pipeline", ""));
    known.insert(name);
  }
  if (!pipelines.empty()) return pipelines;
  std::string names;
  for (const auto& name : known) names += (names.empty() ? "" : ", ") + name;
  return not_found_error("no pipeline has a snapshot " + options.name + "; there is " +
                         (names.empty() ? "none" : names));
}

// One request per pipeline; the answers' `member`s behind each other.
int for_each_pipeline(const SnapshotOptions& options, const std::string& method,
                      const std::string& suffix, const std::string& member,
                      const std::vector<std::string>& columns) {
  ApiClient client(options.server);
  client.set_answer_ms(kAnswerMs);
  const auto pipelines = pipelines_with(client, options);
  if (!pipelines.is_ok()) return report_failure(pipelines.status());
  Json rows = Json::array();
  for (const auto& pipeline : *pipelines) {
    const auto answer = client.call(method, path_of(pipeline, options.name) + suffix);
    if (!answer.is_ok()) return report_failure(answer.status());
    const auto part = answer->value(member, Json());
    if (part.is_array()) {
      rows.insert(rows.end(), part.begin(), part.end());
    } else {
      rows.push_back(part);
    }
  }
  return print_rows(options, Json{{member, rows}}, member, columns);
}

}  // namespace

int run_snapshot_create(const SnapshotOptions& options) {
  ApiClient client(options.server);
  client.set_answer_ms(kAnswerMs);
  Json body{{"name", options.name}};
  if (!options.pipeline.empty()) body["pipeline"] = options.pipeline;
  const auto answer = client.post("/api/v1/snapshots", body.dump());
  if (!answer.is_ok()) return report_failure(answer.status());
  return print_rows(options, *answer, "snapshots",
                    {"pipeline", "name", "version", "created", "tasks", "bytes"});
}

int run_snapshot_list(const SnapshotOptions& options) {
  const auto answer = ApiClient(options.server).get("/api/v1/snapshots");
  if (!answer.is_ok()) return report_failure(answer.status());
  return print_rows(options, *answer, "snapshots",
                    {"pipeline", "name", "version", "created", "tasks", "bytes", "held_records"});
}

int run_snapshot_delete(const SnapshotOptions& options) {
  return for_each_pipeline(options, "DELETE", "", "deleted", {"pipeline", "name"});
}

int run_snapshot_restore(const SnapshotOptions& options) {
  return for_each_pipeline(options, "POST", "/restore", "tasks",
                           {"pipeline", "stage", "partition", "from_offset", "to_offset"});
}

}  // namespace millrace::app
