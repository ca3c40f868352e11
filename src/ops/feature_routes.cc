#include "ops/feature_routes.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "base/time_text.h"
#include "codec/json.h"
#include "http/error_response.h"
#include "ops/responses.h"

namespace millrace::ops {
namespace {

using features::FeatureGroupReport;

std::string list_body(const std::vector<FeatureGroupReport>& groups) {
  std::string body = "{\"groups\":[";
  for (const auto& report : groups) {
    if (body.back() == '}') body += ',';
    body += "{\"feature_group\":";
    append_json_string(body, report.group.name);
    body += ",\"records\":" + std::to_string(report.record_count) + ",\"features\":[";
    for (const auto& name : report.feature_names) {
      if (body.back() != '[') body += ',';
      append_json_string(body, name);
    }
    body += "]}";
  }
  return body + "]}\n";
}

std::string record_body(const std::string& group, const features::FeatureRecord& record) {
  std::string body = "{\"feature_group\":";
  append_json_string(body, group);
  body += ",\"record_id\":";
  append_json_string(body, record.record_id);
  body += ",\"event_time\":\"" + format_event_time(record.event_time) + "\",\"record\":";
  // It was parsed when it was applied, so it is one JSON object.
  body += record.json;
  return body + "}\n";
}

// Whether results of that topic also go to the group.
bool is_fed_by(const pipeline::Pipeline& plan, const pipeline::FeatureSink& sink,
               const std::string& results_topic) {
  const auto feeds = [&](const task::Window& window,
                         const std::vector<task::OutputTopic>& outputs) {
    return window.local && window.local->feature_output &&
           outputs[window.local->results_output].topic == results_topic &&
           outputs[*window.local->feature_output].topic == sink.topic;
  };
  for (const auto& window : plan.source.windows) {
    if (feeds(window, plan.source.outputs)) return true;
  }
  return std::any_of(plan.merges.begin(), plan.merges.end(),
                     [&](const auto& merge) { return feeds(merge.window, merge.outputs); });
}

void append_family(std::string& text, const std::vector<FeatureGroupReport>& groups,
                   const std::string& name, const std::string& type, const std::string& help,
                   const std::function<std::int64_t(const FeatureGroupReport&)>& value) {
  text += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  for (const auto& report : groups) {
    text += name + "{feature_group=\"" + report.group.name + "\"} " +
            std::to_string(value(report)) + "\n";
  }
}

}  // namespace

void FeatureRoutes::add_routes(http::Router& router) {
  router.add("GET /api/v1/features",
             [this](http::Request&, const http::Responder& respond) { list(respond); });
  router.add(
      "GET /api/v1/features/{group}?id",
      [this](http::Request& request, const http::Responder& respond) { get(request, respond); });
}

void FeatureRoutes::list(const http::Responder& respond) const {
  const auto* service = service_.load();
  if (service == nullptr) return respond(not_ready_response());
  respond({200, "application/json", {}, list_body(service->groups())});
}

void FeatureRoutes::get(const http::Request& request, const http::Responder& respond) const {
  const auto* service = service_.load();
  if (service == nullptr) return respond(not_ready_response());
  const auto& group = request.parameter("group");
  const auto id = request.query.find("id");
  if (!id) {
    return respond(http::error_response(
        invalid_error("the record id is missing: /api/v1/features/" + group + "?id=ID")));
  }
  const auto record = service->get(group, *id);
  if (!record.is_ok()) return respond(http::error_response(record.status()));
  if (!*record) {
    return respond(http::error_response(
        not_found_error("feature group " + group + " has no record " + std::string(*id))));
  }
  respond({200, "application/json", {}, record_body(group, **record)});
}

void FeatureRoutes::append_metrics(std::string& text) const {
  const auto* service = service_.load();
  if (service == nullptr) return;
  const auto groups = service->groups();
  if (groups.empty()) return;
  append_family(text, groups, "millrace_feature_records", "gauge", "Record ids in the store.",
                [](const auto& group) { return static_cast<std::int64_t>(group.record_count); });
  append_family(text, groups, "millrace_feature_lag_records", "gauge",
                "Records durable in the group's topic and not yet in the store.",
                [](const auto& group) { return group.lag_records; });
  append_family(text, groups, "millrace_feature_applied_total", "counter",
                "Records read from the group's topic.", [](const auto& group) {
                  return static_cast<std::int64_t>(group.counters.applied);
                });
  append_family(text, groups, "millrace_feature_historic_total", "counter",
                "Records that were not newer than the one the store had.", [](const auto& group) {
                  return static_cast<std::int64_t>(group.counters.historic);
                });
  append_family(text, groups, "millrace_feature_unreadable_total", "counter",
                "Records of the topic that are no feature records.", [](const auto& group) {
                  return static_cast<std::int64_t>(group.counters.unreadable);
                });
  append_family(text, groups, "millrace_feature_failed", "gauge",
                "1 when the group can go no further and answers reads with an error.",
                [](const auto& group) { return group.failure.is_ok() ? 0 : 1; });
}

Status FeatureRoutes::after_drain() {
  auto* service = service_.load();
  return service == nullptr ? ok_status() : service->wait_until_all_applied();
}

void FeatureRoutes::append_trace(const TracedOutput& output, nlohmann::ordered_json& effects) {
  const auto* service = service_.load();
  if (service == nullptr || output.json.empty()) return;
  const auto result = nlohmann::ordered_json::parse(output.json, nullptr, false);
  for (const auto& sink : output.plan->features) {
    if (!result.is_object() || !is_fed_by(*output.plan, sink, output.at.topic)) continue;
    const auto id = result.value(sink.record_id, nlohmann::ordered_json());
    nlohmann::ordered_json effect{
        {"kind", "feature"}, {"feature_group", sink.group}, {"record_id", id}};
    if (!id.is_string()) continue;
    const auto record = service->get(sink.group, id.get<std::string>());
    if (!record.is_ok()) {
      effect["state"] = std::string(record.status().message());
    } else if (!*record) {
      effect["state"] = "waiting";
    } else {
      effect["state"] = (*record)->json == output.json ? "current" : "superseded";
      effect["event_time"] = format_event_time((*record)->event_time);
      effect["revision"] = (*record)->revision;
    }
    effects.push_back(std::move(effect));
  }
}

void FeatureRoutes::append_audit(std::vector<AuditCheck>& checks) {
  const auto* service = service_.load();
  if (service == nullptr) return;
  for (auto& check : service->audit()) {
    checks.push_back({std::move(check.check), {}, check.ok, std::move(check.detail)});
  }
}

}  // namespace millrace::ops
