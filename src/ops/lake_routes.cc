#include "ops/lake_routes.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "http/error_response.h"
#include "lake/partition_path.h"
#include "ops/responses.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;
using lake::DeliveryReport;

std::string sink_of(const http::Request& request) {
  return std::string(request.query.find("sink").value_or(""));
}

Json file_json(const lake::LakeFile& file) {
  return {{"sink", file.sink},
          {"partition", file.partition},
          {"path", file.path},
          {"first_offset", file.first_offset.value},
          {"next_offset", file.next_offset.value},
          {"rows", file.rows},
          {"bytes", file.bytes},
          {"state", std::string(to_string(file.state))}};
}

// "/year=2012/month=06/", or "/" without partition_by and where the row has no folder.
std::string folder_of(const pipeline::Pipeline& plan, const pipeline::LakeSink& sink,
                      std::span<const Value> row) {
  lake::WriterConfig config;
  config.partition_by = sink.partition_by;
  config.event_time_slot = sink.event_time_slot;
  config.layout = plan.source.layout;
  lake::PartitionPath path(config);
  const auto folder = path.folder_of(row);
  return folder.is_ok() && !folder->empty() ? "/" + std::string(*folder) + "/" : "/";
}

void append_family(std::string& text, const std::vector<DeliveryReport>& reports,
                   const std::string& name, const std::string& type, const std::string& help,
                   const std::function<std::int64_t(const DeliveryReport&)>& value) {
  text += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  for (const auto& report : reports) {
    text += name + "{sink=\"" + report.sink + "\",partition=\"" +
            std::to_string(report.source.partition) + "\"} " + std::to_string(value(report)) + "\n";
  }
}

}  // namespace

void LakeRoutes::add_routes(http::Router& router) {
  router.add(
      "GET /api/v1/lake?sink",
      [this](http::Request& request, const http::Responder& respond) { list(request, respond); });
  router.add("GET /api/v1/lake/verify?sink",
             [this](http::Request& request, http::Responder respond) {
               jobs_.run([this, &request, respond = std::move(respond)] {
                 verify(request, respond);  // the request lives as long as the responder
               });
             });
}

void LakeRoutes::list(const http::Request& request, const http::Responder& respond) const {
  const auto* service = service_.load();
  if (service == nullptr) return respond(not_ready_response());
  const auto files = service->list(sink_of(request));
  if (!files.is_ok()) return respond(http::error_response(files.status()));
  Json listed = Json::array();
  for (const auto& file : *files) listed.push_back(file_json(file));
  respond(json_response({{"files", listed}}));
}

void LakeRoutes::verify(const http::Request& request, const http::Responder& respond) const {
  const auto* service = service_.load();
  if (service == nullptr) return respond(not_ready_response());
  Json checks = Json::array();
  bool is_exact = true;
  for (const auto& check : service->verify(sink_of(request))) {
    is_exact &= check.is_ok;
    checks.push_back({{"check", check.name},
                      {"sink", check.sink},
                      {"partition", check.partition},
                      {"ok", check.is_ok},
                      {"detail", check.detail}});
  }
  respond(json_response({{"exact", is_exact}, {"checks", checks}}));
}

void LakeRoutes::append_metrics(std::string& text) const {
  const auto* service = service_.load();
  if (service == nullptr) return;
  const auto reports = service->report();
  const auto count = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  append_family(text, reports, "millrace_lake_files_total", "counter", "Files delivered.",
                [&](const DeliveryReport& report) { return count(report.files); });
  append_family(text, reports, "millrace_lake_rows_total", "counter", "Rows delivered.",
                [&](const DeliveryReport& report) { return count(report.rows); });
  append_family(text, reports, "millrace_lake_bytes_total", "counter", "Bytes of delivered files.",
                [&](const DeliveryReport& report) { return count(report.file_bytes); });
  append_family(text, reports, "millrace_lake_failures_total", "counter",
                "Failed attempts; each is followed by another.",
                [&](const DeliveryReport& report) { return count(report.failures); });
  append_family(text, reports, "millrace_lake_waiting", "gauge",
                "1 while a delivery waits for what its partition's last owner has open.",
                [](const DeliveryReport& report) { return report.waiting_for.empty() ? 0 : 1; });
  append_family(text, reports, "millrace_lake_delivered_offset", "gauge",
                "First offset that is in no delivered file.",
                [](const DeliveryReport& report) { return report.delivered_offset.value; });
}

Status LakeRoutes::after_drain() {
  auto* service = service_.load();
  return service == nullptr ? ok_status() : service->flush();
}

void LakeRoutes::append_audit(std::vector<AuditCheck>& checks) {
  const auto* service = service_.load();
  if (service == nullptr) return;
  for (const auto& check : service->verify()) {
    checks.push_back(
        {"lake " + check.name + " of " + check.sink + "/" + std::to_string(check.partition), "",
         check.is_ok, check.detail});
  }
}

void LakeRoutes::append_trace(const TracedOutput& output, Json& effects) {
  const auto* service = service_.load();
  if (service == nullptr || output.row.empty()) return;
  for (const auto& sink : output.plan->lakes) {
    if (sink.topic != output.at.topic) continue;
    Json effect{{"kind", "lake"}, {"sink", sink.name}, {"state", "waiting"}};
    const auto files = service->list(sink.name);
    if (!files.is_ok()) {
      effect["state"] = std::string(files.status().message());
      effects.push_back(std::move(effect));
      continue;
    }
    const auto folder = folder_of(*output.plan, sink, output.row);
    Json candidates = Json::array();
    for (const auto& file : *files) {
      const bool is_in_range = file.partition == output.at.partition &&
                               file.first_offset <= output.offset &&
                               output.offset < file.next_offset;
      if (!is_in_range || file.path.find(folder) == std::string::npos) continue;
      effect["state"] = std::string(to_string(file.state));
      candidates.push_back(file_json(file));
    }
    // More than one only where a range had so many rows of one folder that they were split.
    effect["files"] = candidates;
    effects.push_back(std::move(effect));
  }
}

}  // namespace millrace::ops
