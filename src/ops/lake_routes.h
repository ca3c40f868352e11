#pragma once

#include <atomic>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "lake/lake_service.h"
#include "ops/api.h"
#include "ops/job_thread.h"

namespace millrace::ops {

// The lake's part of the HTTP API, of /metrics, of a drain and of an audit:
//
//   GET /api/v1/lake[?sink=NAME]          files, delivered and frozen
//   GET /api/v1/lake/verify[?sink=NAME]   {"exact":..,"checks":[..]}; reads every file
//
// Answers 503 until it is given the service, as the API is up before the pipelines are.
class LakeRoutes final : public ApiExtension {
 public:
  // nullptr before the service goes away, once no request can come any more.
  void set_service(lake::LakeService* service) { service_.store(service); }

  void add_routes(http::Router& router) override;
  void append_metrics(std::string& text) const override;
  Status after_drain() override;
  void append_audit(std::vector<AuditCheck>& checks) override;
  // The file with an enriched event, or that it waits to be delivered.
  void append_trace(const TracedOutput& output, nlohmann::ordered_json& effects) override;

 private:
  void list(const http::Request& request, const http::Responder& respond) const;
  void verify(const http::Request& request, const http::Responder& respond) const;

  std::atomic<lake::LakeService*> service_{nullptr};
  JobThread jobs_;  // verifying reads files
};

}  // namespace millrace::ops
