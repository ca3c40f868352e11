#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "http/router.h"
#include "log/durable_answers.h"
#include "log/log.h"
#include "ops/long_polls.h"
#include "ops/records_body.h"
#include "ops/request_keys.h"

namespace millrace::ops {

// /api/v1/topics/T/records: records in JSON, in and out.
class RecordRoutes {
 public:
  // Everything outlives it. Without `takes_keys` requests with an Idempotency-Key are refused.
  RecordRoutes(log::Log& log, log::DurableAnswers& answers, LongPolls& polls, const Clock& clock,
               bool takes_keys = true);

  // Reads which requests were served. Before the routes are used.
  Status load() { return keys_.load(); }
  void add_routes(http::Router& router);

 private:
  struct Prepared {
    log::Commit commit;
    std::vector<RecordPlace> places;     // by record; the offset counts from its batch's base
    std::vector<std::size_t> append_of;  // by record: its batch in the commit
  };

  void post(const http::Request& request, const http::Responder& respond);
  void get(const http::Request& request, const http::Responder& respond);
  Result<Prepared> prepare(const http::Request& request);
  Result<Prepared> batches_of(const log::TopicInfo& topic, const std::vector<SentRecord>& records);
  Result<RequestKeys::Served> append(Prepared prepared, std::string_view topic,
                                     std::optional<std::string_view> key);

  log::Log& log_;
  log::DurableAnswers& answers_;
  LongPolls& polls_;
  const Clock& clock_;
  RequestKeys keys_;
  const bool takes_keys_;
  std::atomic<std::uint32_t> next_partition_{0};  // of records without a key
};

}  // namespace millrace::ops
