#include "ops/api.h"

#include <array>
#include <atomic>
#include <exception>
#include <nlohmann/json.hpp>

#include "codec/foreign_batch.h"
#include "http/error_response.h"
#include "log/durable_answers.h"
#include "millrace_ops_embedded.h"
#include "ops/audit_routes.h"
#include "ops/batches_body.h"
#include "ops/job_thread.h"
#include "ops/long_polls.h"
#include "ops/metrics.h"
#include "ops/record_routes.h"
#include "ops/responses.h"
#include "ops/status_report.h"
#include "ops/trace_routes.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kFetchBytesMax = 16 << 20;
constexpr std::int64_t kFetchBytesDefault = 1 << 20;
constexpr std::int64_t kPollWaitMsMax = 60'000;
constexpr std::size_t kAskingThreads = 4;
// The batches of one request are checked on the server's thread, others wait meanwhile.
constexpr std::size_t kRequestPlainBytesMax = 64 << 20;

std::string web_file(const std::string& name) {
  return std::string(millrace_ops_embedded_file("web/" + name).value_or(""));
}

}  // namespace

class Api::Impl {
 public:
  explicit Impl(ApiContext context)
      : context_(std::move(context)),
        log_(*context_.log),
        started_(context_.clock->monotonic_now()),
        answers_(log_),
        polls_(log_, *context_.clock) {
    add_pages();
    add_topics();
    add_batches();
    records_.add_routes(router_);
    add_control();
    audits_.add_routes(router_);
    traces_.add_routes(router_);
    if (is_shared()) add_missing();
    for (auto* extension : context_.extensions) extension->add_routes(router_);
  }
  ~Impl() { is_ready_.store(false); }  // ends a running audit

  // A request that is repeated may come to another process, which knows nothing of the first.
  Status load() { return is_shared() ? ok_status() : records_.load(); }
  http::Handler handler();
  void set_ready(bool is_ready) { is_ready_.store(is_ready); }

 private:
  void add_pages();
  void add_topics();
  void add_batches();
  void add_control();
  void add_missing();
  [[nodiscard]] bool is_shared() const { return context_.shared != nullptr; }
  Result<Json> drain();
  void get_batches(const http::Request& request, const http::Responder& respond);
  void post_batches(const http::Request& request, const http::Responder& respond);
  Result<log::Commit> commit_of(const http::Request& request,
                                std::vector<std::int32_t>& partitions);
  Result<Json> create_topic(const std::string& body);
  Json status() const {
    return status_report(context_, context_.clock->monotonic_now() - started_, is_ready_.load());
  }

  ApiContext context_;
  log::Log& log_;
  MonotonicTime started_;
  std::atomic<bool> is_ready_{false};
  http::Router router_;
  log::DurableAnswers answers_;
  LongPolls polls_;
  RecordRoutes records_{log_, answers_, polls_, *context_.clock, !is_shared()};
  JobThread jobs_;
  // On a shared log: those who ask brokers for an answer.
  std::array<JobThread, kAskingThreads> asking_;
  std::atomic<std::size_t> next_asking_{0};
  AuditRoutes audits_{context_, is_ready_};
  TraceRoutes traces_{context_, is_ready_};
};

http::Handler Api::Impl::handler() {
  if (!is_shared()) return router_.handler();
  // What is asked of brokers takes a network's time, so it leaves the server's thread.
  return [this](http::Request& request, http::Responder respond) {
    if (request.path == "/healthz" || request.path == "/readyz") {
      return router_.handle(request, std::move(respond));
    }
    // The responder keeps the request alive; one that goes without an answer is a 500.
    asking_[next_asking_.fetch_add(1) % kAskingThreads].run(
        [this, &request, respond = std::move(respond)] {
          try {
            router_.handle(request, respond);
          } catch (const std::exception&) {
            return;
          }
        });
  };
}

void Api::Impl::add_pages() {
  router_.add("GET /healthz?*", [](http::Request&, const http::Responder& respond) {
    respond({200, "text/plain", {}, "ok\n"});
  });
  router_.add("GET /readyz?*", [this](http::Request&, const http::Responder& respond) {
    if (is_ready_.load()) return respond({200, "text/plain", {}, "ready\n"});
    respond({503, "text/plain", {}, "pipelines are being restored\n"});
  });
  router_.add("GET /metrics?*", [this](http::Request&, const http::Responder& respond) {
    std::string text = metrics_text(context_, is_ready_.load());
    for (const auto* extension : context_.extensions) extension->append_metrics(text);
    respond({200, "text/plain; version=0.0.4; charset=utf-8", {}, std::move(text)});
  });
  router_.add("GET /?*", [](http::Request&, const http::Responder& respond) {
    respond({200, "text/html; charset=utf-8", {}, web_file("index.html")});
  });
  router_.add("GET /app.js?*", [](http::Request&, const http::Responder& respond) {
    respond({200, "text/javascript; charset=utf-8", {}, web_file("app.js")});
  });
  router_.add("GET /style.css?*", [](http::Request&, const http::Responder& respond) {
    respond({200, "text/css; charset=utf-8", {}, web_file("style.css")});
  });
  router_.add("GET /api/v1/openapi.json", [](http::Request&, const http::Responder& respond) {
    respond({200, "application/json", {}, web_file("openapi.json")});
  });
  router_.add("GET /api/v1/status", [this](http::Request&, const http::Responder& respond) {
    respond(json_response(status()));
  });
}

Result<Json> Api::Impl::create_topic(const std::string& body) {
  const auto json = Json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("topic") || !json["topic"].is_string()) {
    return invalid_error(R"(the body must be like {"topic":"name","partitions":4,"config":{}})");
  }
  for (const auto& [name, value] : json.items()) {
    if (name == "topic" || name == "partitions" || (name == "config" && value.is_object()))
      continue;
    return invalid_error("\"" + name +
                         "\" is not known; there are topic, partitions and config, an object");
  }
  log::TopicConfig config;
  config.batch_bytes_max = log::kInputBatchBytesMax;
  const auto partitions = json.value("partitions", Json(1));
  if (!partitions.is_number_integer() || partitions < 1 || partitions > 10'000) {
    return invalid_error("partitions must be a number from 1 to 10000");
  }
  config.partition_count = partitions.get<std::int32_t>();
  const auto settings = json.value("config", Json::object());
  for (const auto& [name, value] : settings.items()) {
    if (name == "retention.ms" && value.is_number_integer()) {
      config.retention_ms = value.get<std::int64_t>();
    } else if (name == "retention.bytes" && value.is_number_integer()) {
      config.retention_bytes = value.get<std::int64_t>();
    } else if (name == "cleanup.policy" &&
               (value == "compact" || value == "delete" || value == "compact,delete")) {
      config.is_compacted = value != "delete";
      config.is_retention_on = value != "compact";
    } else {
      return invalid_error("config " + name +
                           " is not known; there are retention.ms, retention.bytes and "
                           "cleanup.policy (compact, delete or compact,delete)");
    }
  }
  MR_ASSIGN_OR_RETURN(const auto topic,
                      log_.create_topic(json["topic"].get<std::string>(), config));
  return topic_report(log_, topic);
}

void Api::Impl::add_topics() {
  router_.add("GET /api/v1/topics", [this](http::Request&, const http::Responder& respond) {
    Json topics = Json::array();
    for (const auto& topic : log_.topics()) topics.push_back(topic_report(log_, topic));
    respond(json_response({{"topics", topics}}));
  });
  router_.add("POST /api/v1/topics", [this](http::Request& request, http::Responder respond) {
    jobs_.run([this, body = request.body, respond = std::move(respond)] {
      const auto created = create_topic(body);
      respond(created.is_ok() ? json_response(*created) : http::error_response(created.status()));
    });
  });
  router_.add("GET /api/v1/groups", [this](http::Request&, const http::Responder& respond) {
    respond(json_response(groups_report(log_)));
  });
}

void Api::Impl::add_batches() {
  router_.add("POST /api/v1/producers", [this](http::Request&, http::Responder respond) {
    // The brokers know producers of their own only; repeats are not recognized then.
    if (is_shared()) {
      return respond(json_response({{"producer_id", -1}, {"producer_epoch", -1}}));
    }
    jobs_.run([this, respond = std::move(respond)] {
      const auto producer = log_.new_producer();
      if (!producer.is_ok()) return respond(http::error_response(producer.status()));
      respond(json_response(
          {{"producer_id", producer->id.value}, {"producer_epoch", producer->epoch.value}}));
    });
  });
  router_.add("GET /api/v1/topics/{topic}/batches?partition&offset&max_bytes&wait_ms",
              [this](http::Request& request, const http::Responder& respond) {
                get_batches(request, respond);
              });
  router_.add("POST /api/v1/topics/{topic}/batches",
              [this](http::Request& request, const http::Responder& respond) {
                post_batches(request, respond);
              });
}

void Api::Impl::get_batches(const http::Request& request, const http::Responder& respond) {
  const auto partition = request.query.number_or("partition", 0, 0, 1'000'000);
  const auto offset = request.query.number_or("offset", 0, 0, INT64_MAX);
  const auto bytes_max =
      request.query.number_or("max_bytes", kFetchBytesDefault, 1, kFetchBytesMax);
  const auto wait_ms = request.query.number_or("wait_ms", 0, 0, kPollWaitMsMax);
  for (const auto* number : {&partition, &offset, &bytes_max, &wait_ms}) {
    if (!number->is_ok()) return respond(http::error_response(number->status()));
  }
  const TopicPartition source{request.parameter("topic"), static_cast<std::int32_t>(*partition)};
  if (source.topic == context_.secret_topic) {
    return respond(http::error_response(
        invalid_error("topic " + source.topic + " holds credentials and is read by nobody")));
  }
  polls_.fetch({source, Offset(*offset), static_cast<std::size_t>(*bytes_max), *wait_ms,
                [respond, p = source.partition](const Result<log::FetchResult>& fetched) {
                  if (!fetched.is_ok()) return respond(http::error_response(fetched.status()));
                  http::Response response{200, std::string(kBatchesContentType), {}, {}};
                  for (const auto& batch : fetched->batches) {
                    if (batch.kind != log::BatchKind::records) continue;
                    append_body_batch(response.body, {p, batch.append_time, batch.bytes.view()});
                  }
                  // Behind what was left out, too.
                  if (!fetched->batches.empty()) {
                    response.headers.add("millrace-next-offset",
                                         std::to_string(fetched->batches.back().next_offset.value));
                  }
                  response.headers.add("millrace-high-watermark",
                                       std::to_string(fetched->offsets.high_watermark.value));
                  response.headers.add("millrace-start",
                                       std::to_string(fetched->offsets.start.value));
                  respond(std::move(response));
                }});
}

Result<log::Commit> Api::Impl::commit_of(const http::Request& request,
                                         std::vector<std::int32_t>& partitions) {
  const auto& name = request.parameter("topic");
  MR_ASSIGN_OR_RETURN(const auto topic, log_.topic(name));
  if (topic.config.is_internal) {
    return invalid_error("topic " + name + " is internal; only pipelines write to it");
  }
  MR_ASSIGN_OR_RETURN(const auto batches, parse_batches_body(request.body));
  if (batches.empty()) return invalid_error("the body has no batch");
  log::Commit commit;
  const codec::ForeignBatchLimits limits{.needs_keys = topic.config.is_compacted};
  codec::BatchReader reader;
  std::size_t plain_bytes = 0;
  for (const auto& batch : batches) {
    MR_ASSIGN_OR_RETURN(const auto bytes, codec::check_foreign_batch(batch.bytes, limits, reader));
    plain_bytes += bytes;
    if (plain_bytes > kRequestPlainBytesMax) {
      return invalid_error("the batches of one request may hold " +
                           std::to_string(kRequestPlainBytesMax) + " bytes uncompressed");
    }
    commit.appends.push_back({name, batch.partition, std::string(batch.bytes)});
    partitions.push_back(batch.partition);
  }
  return commit;
}

void Api::Impl::post_batches(const http::Request& request, const http::Responder& respond) {
  std::vector<std::int32_t> partitions;
  auto commit = commit_of(request, partitions);
  if (!commit.is_ok()) return respond(http::error_response(commit.status()));
  const auto appended = log_.commit(std::move(commit).value());
  if (!appended.is_ok()) return respond(append_error_response(appended.status()));
  Json offsets = Json::array();
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    offsets.push_back({{"partition", partitions[i]},
                       {"base_offset", appended->batches[i].base_offset.value},
                       {"duplicate", appended->batches[i].is_duplicate}});
  }
  answers_.after(appended->sequence, [respond, offsets](const Status& status) {
    if (!status.is_ok()) return respond(append_error_response(status));
    respond(json_response({{"offsets", offsets}}));
  });
}

Result<Json> Api::Impl::drain() {
  Json pipelines = Json::array();
  const auto drain_all = [&](auto& runtime) -> Status {
    for (const auto& pipeline : runtime.pipelines()) {
      MR_ASSIGN_OR_RETURN(const auto drained, runtime.drain(*pipeline));
      pipelines.push_back(
          {{"pipeline", pipeline->plan().name}, {"windows_fired", drained.windows_fired}});
    }
    return ok_status();
  };
  MR_RETURN_IF_ERROR(is_shared() ? drain_all(*context_.shared) : drain_all(*context_.runtime));
  for (auto* extension : context_.extensions) MR_RETURN_IF_ERROR(extension->after_drain());
  return Json{{"pipelines", pipelines}};
}

void Api::Impl::add_control() {
  router_.add("POST /api/v1/drain", [this](http::Request&, http::Responder respond) {
    if (!is_ready_.load()) {
      return respond(not_ready_response());
    }
    jobs_.run([this, respond = std::move(respond)] {
      const auto drained = drain();
      respond(drained.is_ok() ? json_response(*drained) : http::error_response(drained.status()));
    });
  });
}

// What only a log of one process has.
void Api::Impl::add_missing() {
  const std::pair<const char*, const char*> missing[] = {
      {"GET /api/v1/snapshots", "a named snapshot"},
      {"POST /api/v1/snapshots", "a named snapshot"}};
  for (const auto& [route, what] : missing) {
    router_.add(route, [what](http::Request&, const http::Responder& respond) {
      respond(http::error_response(
          unsupported_error(std::string("there is no such thing as ") + what +
                            " on a log that several processes share (log.kafka) yet")));
    });
  }
}

Api::Api(ApiContext context) : impl_(std::make_unique<Impl>(std::move(context))) {}
Api::~Api() = default;
Status Api::load() {
  return impl_->load();
}
void Api::set_ready(bool is_ready) {
  impl_->set_ready(is_ready);
}
http::Handler Api::handler() {
  return impl_->handler();
}

}  // namespace millrace::ops
