#include "ops/snapshot_routes.h"

#include <nlohmann/json.hpp>

#include "base/time_text.h"
#include "http/error_response.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;
using runtime::NamedSnapshot;

http::Response response_of(const Result<std::string>& body) {
  if (!body.is_ok()) return http::error_response(body.status());
  return {200, "application/json", {}, *body + "\n"};
}

Json snapshot_json(const NamedSnapshot& snapshot) {
  Json tasks = Json::array();
  std::uint64_t bytes = 0;
  for (const auto& part : snapshot.parts) {
    tasks.push_back({{"stage", part.stage},
                     {"partition", part.partition},
                     {"next_offset", part.snapshot.next_offset.value},
                     {"bytes", part.snapshot.content_bytes},
                     {"object", part.snapshot.object_key}});
    bytes += part.snapshot.content_bytes;
  }
  return {{"pipeline", snapshot.pipeline},
          {"name", snapshot.name},
          {"version", snapshot.version},
          {"created", format_event_time(EventTime(snapshot.created.value * kMicrosPerMilli))},
          {"bytes", bytes},
          {"tasks", std::move(tasks)}};
}

// Records of the sources that the snapshot keeps from retention; null for a pipeline that does not
// run.
Json held_records(const log::Log& log, const runtime::Runtime& runtime,
                  const NamedSnapshot& snapshot) {
  for (const auto& runner : runtime.pipelines()) {
    if (runner->plan().name != snapshot.pipeline) continue;
    std::int64_t held = 0;
    for (const auto& part : snapshot.parts) {
      for (const auto& stage : runner->stages()) {
        if (stage.name != part.stage) continue;
        const auto offsets = log.offsets({stage.source_topic, part.partition});
        if (offsets.is_ok()) held += offsets->high_watermark - part.snapshot.next_offset;
      }
    }
    return held;
  }
  return {};
}

Result<runtime::PipelineRunner*> find_pipeline(const runtime::Runtime& runtime,
                                               const std::string& name) {
  std::string known;
  for (const auto& runner : runtime.pipelines()) {
    if (runner->plan().name == name) return runner.get();
    known += (known.empty() ? "" : ", ") + runner->plan().name;
  }
  return not_found_error("no pipeline " + name + " runs here; there is " +
                         (known.empty() ? "none" : known));
}

}  // namespace

Result<runtime::Runtime*> SnapshotRoutes::ready_runtime() const {
  auto* runtime = runtime_.load();
  if (runtime == nullptr) return cancelled_error("pipelines are being restored");
  return runtime;
}

void SnapshotRoutes::add_routes(http::Router& router) {
  router.add("GET /api/v1/snapshots", [this](http::Request&, const http::Responder& respond) {
    respond(response_of(list()));
  });
  router.add("POST /api/v1/snapshots", [this](http::Request& request, http::Responder respond) {
    jobs_.run([this, body = request.body, respond = std::move(respond)] {
      respond(response_of(create(body)));
    });
  });
  router.add("POST /api/v1/snapshots/{pipeline}/{name}/restore", [this](http::Request& request,
                                                                        http::Responder respond) {
    jobs_.run([this, pipeline = request.parameter("pipeline"), name = request.parameter("name"),
               respond = std::move(respond)] { respond(response_of(restore(pipeline, name))); });
  });
  router.add("DELETE /api/v1/snapshots/{pipeline}/{name}", [this](http::Request& request,
                                                                  http::Responder respond) {
    jobs_.run([this, pipeline = request.parameter("pipeline"), name = request.parameter("name"),
               respond = std::move(respond)] { respond(response_of(remove(pipeline, name))); });
  });
}

Result<std::string> SnapshotRoutes::list() const {
  MR_ASSIGN_OR_RETURN(const auto* runtime, ready_runtime());
  Json snapshots = Json::array();
  for (const auto& snapshot : runtime->catalog().list()) {
    auto json = snapshot_json(snapshot);
    json["held_records"] = held_records(log_, *runtime, snapshot);
    snapshots.push_back(std::move(json));
  }
  return Json{{"snapshots", snapshots}}.dump();
}

Result<std::string> SnapshotRoutes::create(const std::string& body) const {
  MR_ASSIGN_OR_RETURN(auto* runtime, ready_runtime());
  const auto json = Json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string() ||
      (json.contains("pipeline") && !json["pipeline"].is_string())) {
    return invalid_error(R"(the body must be like {"name":"before-deploy","pipeline":"ticks"})");
  }
  const auto name = json["name"].get<std::string>();
  std::vector<runtime::PipelineRunner*> pipelines;
  if (json.contains("pipeline")) {
    MR_ASSIGN_OR_RETURN(auto* one, find_pipeline(*runtime, json["pipeline"].get<std::string>()));
    pipelines.push_back(one);
  } else {
    for (const auto& runner : runtime->pipelines()) pipelines.push_back(runner.get());
  }
  // All or none: a name that one of them has already makes nothing of the others.
  for (const auto* pipeline : pipelines) {
    if (!runtime->catalog().find(pipeline->plan().name, name).is_ok()) continue;
    return exists_error("pipeline " + pipeline->plan().name + " has a snapshot " + name +
                        " already; delete it first or take another name");
  }
  Json created = Json::array();
  for (auto* pipeline : pipelines) {
    MR_ASSIGN_OR_RETURN(const auto snapshot, runtime->create_snapshot(*pipeline, name));
    created.push_back(snapshot_json(snapshot));
  }
  return Json{{"snapshots", created}}.dump();
}

Result<std::string> SnapshotRoutes::restore(const std::string& pipeline,
                                            const std::string& name) const {
  MR_ASSIGN_OR_RETURN(auto* runtime, ready_runtime());
  MR_ASSIGN_OR_RETURN(auto* runner, find_pipeline(*runtime, pipeline));
  MR_ASSIGN_OR_RETURN(const auto restored, runtime->restore_snapshot(*runner, name));
  Json tasks = Json::array();
  for (const auto& task : restored) {
    tasks.push_back({{"pipeline", pipeline},
                     {"stage", task.stage},
                     {"partition", task.partition},
                     {"from_offset", task.range.from.value},
                     {"to_offset", task.range.to.value}});
  }
  return Json{{"tasks", tasks}}.dump();
}

Result<std::string> SnapshotRoutes::remove(const std::string& pipeline,
                                           const std::string& name) const {
  MR_ASSIGN_OR_RETURN(auto* runtime, ready_runtime());
  MR_RETURN_IF_ERROR(runtime->delete_snapshot(pipeline, name));
  return Json{{"deleted", {{"pipeline", pipeline}, {"name", name}}}}.dump();
}

void SnapshotRoutes::append_metrics(std::string& text) const {
  const auto* runtime = runtime_.load();
  if (runtime == nullptr) return;
  text +=
      "# HELP millrace_named_snapshots Snapshots with a name.\n"
      "# TYPE millrace_named_snapshots gauge\n";
  text += "millrace_named_snapshots " + std::to_string(runtime->catalog().list().size()) + "\n";
}

}  // namespace millrace::ops
