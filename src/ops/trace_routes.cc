#include "ops/trace_routes.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/time_text.h"
#include "http/error_response.h"
#include "ops/responses.h"
#include "ops/trace.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kWaitingMax = 16;
constexpr std::int64_t kPartitionMax = 1'000'000;

Result<TraceRequest> trace_request(const http::Query& query) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  TraceRequest request;
  request.event_id = query.find("id").value_or("");
  request.pipeline = query.find("pipeline").value_or("");
  MR_ASSIGN_OR_RETURN(const auto offset, query.number_or("offset", -1, 0, kMax));
  MR_ASSIGN_OR_RETURN(const auto partition, query.number_or("partition", 0, 0, kPartitionMax));
  if (offset >= 0) {
    const auto topic = query.find("topic");
    if (!topic) return invalid_error("an offset needs its topic and partition");
    request.place = TopicPartition{std::string(*topic), static_cast<std::int32_t>(partition)};
    request.offset = Offset(offset);
  }
  MR_ASSIGN_OR_RETURN(request.bounds.records_max,
                      query.number_or("max_scan", request.bounds.records_max, 1, kMax));
  if (const auto since = query.find("since")) {
    const auto time = parse_instant(*since);
    if (!time) {
      return invalid_error("since must be a time like 2024-05-01T12:00:00Z, not " +
                           std::string(*since));
    }
    request.bounds.since = WallTime(time->seconds * 1000 + time->nanos / 1'000'000);
  }
  return request;
}

}  // namespace

void TraceRoutes::add_routes(http::Router& router) {
  router.add(
      "GET /api/v1/trace?id&pipeline&offset&partition&topic&max_scan&since",
      [this](http::Request& request, const http::Responder& respond) { trace(request, respond); });
  router.add("GET /api/v1/trace/progress", [this](http::Request&, const http::Responder& respond) {
    respond(json_response(progress_json(progress_.now())));
  });
}

void TraceRoutes::trace(const http::Request& request, const http::Responder& respond) {
  if (!is_ready_.load()) {
    return respond(not_ready_response());
  }
  const auto wanted = trace_request(request.query);
  if (!wanted.is_ok()) return respond(http::error_response(wanted.status()));
  if (waiting_.fetch_add(1) >= kWaitingMax) {
    --waiting_;
    return respond(http::error_response(overloaded_error("many traces wait already")));
  }
  jobs_.run([this, respond, wanted = *wanted] {
    const auto traced =
        trace_event(context_, wanted, [this] { return !is_ready_.load(); }, progress_);
    progress_.end();
    --waiting_;
    respond(traced.is_ok() ? json_response(*traced) : http::error_response(traced.status()));
  });
}

}  // namespace millrace::ops
