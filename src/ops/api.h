#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "http/router.h"
#include "log/embedded_log.h"
#include "model/value.h"
#include "objects/object_store.h"
#include "runtime/runtime.h"
#include "runtime/shared_runtime.h"

namespace millrace::ops {

// One thing that an audit looked at.
struct AuditCheck {
  std::string check;     // what must hold: "rows", "conservation", ...
  std::string pipeline;  // empty: of no single one
  bool is_ok = false;
  std::string detail;  // what was counted; or what is wrong, and where
};

// What left for a topic because of a traced event, for extensions to say what became of it.
struct TracedOutput {
  const pipeline::Pipeline* plan = nullptr;
  TopicPartition at;
  Offset offset;
  std::span<const Value> row;  // of an enriched event, over the plan's layout
  std::string_view key;        // of a window's result
  std::string_view json;       // of a window's result
};

// A part of the process that adds its own routes, metrics and checks (lake, features): so that ops
// need not know them all.
class ApiExtension {
 public:
  virtual ~ApiExtension() = default;
  virtual void add_routes(http::Router& router) = 0;
  virtual void append_metrics(std::string& text) const = 0;
  // After the pipelines were drained: returns once the part has taken in what they made durable.
  virtual Status after_drain() { return ok_status(); }
  // Whether what the part has made durable is exact. On the audits' thread, while everything runs:
  // it must not block writers.
  virtual void append_audit(std::vector<AuditCheck>& checks) { (void)checks; }
  // Adds to the array `effects` what the part holds of the output. On the traces' thread.
  virtual void append_trace(const TracedOutput& output, nlohmann::ordered_json& effects) {
    (void)output;
    (void)effects;
  }
};

// What the API shows; everything outlives it.
struct ApiContext {
  log::Log* log = nullptr;
  const log::EmbeddedLog* embedded = nullptr;  // `log`, if it is in this process alone
  objects::ObjectStore* objects = nullptr;
  // One of the two: on a log that several processes share there is the second.
  runtime::Runtime* runtime = nullptr;
  runtime::SharedRuntime* shared = nullptr;
  std::string process;  // this one's name among them
  const Clock* clock = nullptr;
  std::string version;
  std::string data_folder;
  std::string project;
  std::string environment;
  std::int64_t pid = 0;
  std::uint16_t kafka_port = 0;
  std::string secret_topic;  // whose records nobody may read
  std::vector<ApiExtension*> extensions;
};

// The HTTP API of docs/http_api.md, the status page and /metrics. Thread-safe; runs on the HTTP
// server's threads and four of its own.
class Api {
 public:
  explicit Api(ApiContext context);
  ~Api();

  // What it keeps in the log. Before handler() is used.
  Status load();
  // Answers 503 until set_ready(true).
  void set_ready(bool is_ready);
  [[nodiscard]] http::Handler handler();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::ops
