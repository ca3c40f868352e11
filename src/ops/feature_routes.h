#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "features/feature_service.h"
#include "ops/api.h"

namespace millrace::ops {

// The feature store's part of the HTTP API and of /metrics:
//
//   GET /api/v1/features                 the groups
//   GET /api/v1/features/{group}?id=ID   the newest record of an id
//
// Answers 503 until it is given the service, as the API is up before the pipelines are.
class FeatureRoutes final : public ApiExtension {
 public:
  // nullptr before the service goes away, once no request can come any more.
  void set_service(features::FeatureService* service) { service_.store(service); }

  void add_routes(http::Router& router) override;
  void append_metrics(std::string& text) const override;
  Status after_drain() override;
  void append_audit(std::vector<AuditCheck>& checks) override;
  // Whether the store holds a window's result, or a newer record of its id.
  void append_trace(const TracedOutput& output, nlohmann::ordered_json& effects) override;

 private:
  void list(const http::Responder& respond) const;
  void get(const http::Request& request, const http::Responder& respond) const;

  std::atomic<features::FeatureService*> service_{nullptr};
};

}  // namespace millrace::ops
