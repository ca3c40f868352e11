#pragma once

#include <atomic>

#include "http/router.h"
#include "ops/api.h"
#include "ops/job_progress.h"
#include "ops/job_thread.h"

namespace millrace::ops {

// Routes that look at everything, each on a thread that may take long:
//
//   GET /api/v1/audit            whether what is stored is what the input and the rules say
//   GET /api/v1/audit/replay     ?range=A..B&pipeline=P&stage=S&partition=N
//   GET /api/v1/audit/progress   how far the running one is
//
// `context` and `is_ready` outlive it; a job ends early once `is_ready` is false.
class AuditRoutes {
 public:
  AuditRoutes(const ApiContext& context, const std::atomic<bool>& is_ready)
      : context_(context), is_ready_(is_ready) {}

  void add_routes(http::Router& router);

 private:
  // Queues `job` unless too many wait, or the pipelines are not there yet.
  void run(const http::Responder& respond, std::function<http::Response()> job);
  void replay(const http::Request& request, const http::Responder& respond);

  const ApiContext& context_;
  const std::atomic<bool>& is_ready_;
  JobProgress progress_;
  std::atomic<int> waiting_{0};
  JobThread jobs_;
};

}  // namespace millrace::ops
