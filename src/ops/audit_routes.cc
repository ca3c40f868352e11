#include "ops/audit_routes.h"

#include <nlohmann/json.hpp>

#include "http/error_response.h"
#include "ops/audit.h"
#include "ops/audit_replay.h"
#include "ops/responses.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kWaitingMax = 4;
constexpr std::int64_t kPartitionMax = 1'000'000;

Result<ReplayRequest> replay_request(const http::Query& query) {
  ReplayRequest request;
  request.pipeline = query.find("pipeline").value_or("");
  request.stage = query.find("stage").value_or("");
  MR_ASSIGN_OR_RETURN(const auto partition, query.number_or("partition", -1, 0, kPartitionMax));
  if (partition >= 0) request.partition = static_cast<std::int32_t>(partition);
  const auto range = query.find("range");
  if (range == "") return invalid_error("range is empty; leave it out, or say A..B");
  MR_ASSIGN_OR_RETURN(request.range, parse_replay_range(range.value_or("")));
  return request;
}

}  // namespace

void AuditRoutes::add_routes(http::Router& router) {
  router.add("GET /api/v1/audit", [this](http::Request&, const http::Responder& respond) {
    run(respond, [this] {
      const auto checks = run_audit(context_, [this] { return !is_ready_.load(); }, progress_);
      return checks.is_ok() ? json_response(audit_json(*checks))
                            : http::error_response(checks.status());
    });
  });
  router.add(
      "GET /api/v1/audit/replay?pipeline&stage&partition&range",
      [this](http::Request& request, const http::Responder& respond) { replay(request, respond); });
  router.add("GET /api/v1/audit/progress", [this](http::Request&, const http::Responder& respond) {
    respond(json_response(progress_json(progress_.now())));
  });
}

void AuditRoutes::run(const http::Responder& respond, std::function<http::Response()> job) {
  if (!is_ready_.load()) {
    return respond(not_ready_response());
  }
  if (waiting_.fetch_add(1) >= kWaitingMax) {
    --waiting_;
    return respond(http::error_response(overloaded_error("several audits run already")));
  }
  jobs_.run([this, respond, job = std::move(job)] {
    auto response = job();
    progress_.end();
    --waiting_;
    respond(std::move(response));
  });
}

void AuditRoutes::replay(const http::Request& request, const http::Responder& respond) {
  const auto wanted = replay_request(request.query);
  if (!wanted.is_ok()) return respond(http::error_response(wanted.status()));
  run(respond, [this, wanted = *wanted] {
    const auto tasks =
        audit_replay(context_, wanted, [this] { return !is_ready_.load(); }, progress_);
    return tasks.is_ok() ? json_response(replay_json(*tasks))
                         : http::error_response(tasks.status());
  });
}

}  // namespace millrace::ops
