#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "ops/api.h"
#include "ops/job_thread.h"
#include "runtime/runtime.h"

namespace millrace::ops {

// Named snapshots in the HTTP API:
//
//   GET    /api/v1/snapshots                             {"snapshots":[..]}
//   POST   /api/v1/snapshots                             body {"name":"..","pipeline":".."};
//   without
//                                                        pipeline: of every running one
//   POST   /api/v1/snapshots/{pipeline}/{name}/restore   {"tasks":[{stage,partition,from,to}]}
//   DELETE /api/v1/snapshots/{pipeline}/{name}
//
// Answers 503 until it is given the runtime. One request at a time does something; others wait.
class SnapshotRoutes final : public ApiExtension {
 public:
  // `log` outlives the routes.
  explicit SnapshotRoutes(const log::Log& log) : log_(log) {}
  // nullptr before the runtime goes away, once no request can come any more.
  void set_runtime(runtime::Runtime* runtime) { runtime_.store(runtime); }

  void add_routes(http::Router& router) override;
  void append_metrics(std::string& text) const override;

 private:
  [[nodiscard]] Result<std::string> list() const;
  [[nodiscard]] Result<std::string> create(const std::string& body) const;
  [[nodiscard]] Result<std::string> restore(const std::string& pipeline,
                                            const std::string& name) const;
  [[nodiscard]] Result<std::string> remove(const std::string& pipeline,
                                           const std::string& name) const;
  [[nodiscard]] Result<runtime::Runtime*> ready_runtime() const;

  const log::Log& log_;
  std::atomic<runtime::Runtime*> runtime_{nullptr};
  JobThread jobs_;  // each waits for the tasks
};

}  // namespace millrace::ops
