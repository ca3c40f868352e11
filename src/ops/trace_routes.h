#pragma once

#include <atomic>

#include "http/router.h"
#include "ops/api.h"
#include "ops/job_progress.h"
#include "ops/job_thread.h"

namespace millrace::ops {

// What happened to an event, on a thread of its own:
//
//   GET /api/v1/trace            ?id=ID | topic=T&partition=P&offset=N, pipeline, since, max_scan
//   GET /api/v1/trace/progress
//
// `context` and `is_ready` outlive it; a search ends early once `is_ready` is false.
class TraceRoutes {
 public:
  TraceRoutes(const ApiContext& context, const std::atomic<bool>& is_ready)
      : context_(context), is_ready_(is_ready) {}

  void add_routes(http::Router& router);

 private:
  void trace(const http::Request& request, const http::Responder& respond);

  const ApiContext& context_;
  const std::atomic<bool>& is_ready_;
  JobProgress progress_;
  std::atomic<int> waiting_{0};
  JobThread jobs_;
};

}  // namespace millrace::ops
