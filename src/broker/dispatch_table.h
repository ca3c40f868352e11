#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "broker/call.h"
#include "broker/error_count.h"
#include "kafka_wire/api_versions.h"
#include "kafka_wire/header.h"
#include "kafka_wire/message.h"

namespace millrace::broker {

// What was asked and answered, per API. Thread-safe.
struct ApiCounters {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> errors{0};  // error codes in answers
};

// Where one request's answer goes: at once or later, from any thread, once over all copies.
template <kafka_wire::Message Response>
class Responder {
 public:
  Responder(const Call& call, ApiCounters& counters)
      : exchange_(call.exchange),
        counters_(&counters),
        api_version_(call.api_version),
        correlation_id_(call.correlation_id) {}

  // What is done to the answer before it is sent, on whatever thread that is. Once, by a guard.
  void set_amendment(std::function<void(Response&)> amend) {
    amend_ = std::make_shared<const std::function<void(Response&)>>(std::move(amend));
  }

  void operator()(const Response& response) const { send(response, {}); }
  void send(const Response& response, std::vector<SharedBytes> owners) const {
    if (amend_ == nullptr) return send_as_is(response, std::move(owners));
    Response amended = response;
    (*amend_)(amended);
    send_as_is(amended, std::move(owners));
  }
  void send_nothing() const { exchange_->send_nothing(); }

 private:
  void send_as_is(const Response& response, std::vector<SharedBytes> owners) const {
    if (const auto errors = count_errors(response); errors > 0) counters_->errors += errors;
    Reply reply;
    kafka_wire::append_response(response, api_version_, correlation_id_, reply.bytes);
    reply.owners = std::move(owners);
    exchange_->send(std::move(reply));
  }

  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<const std::function<void(Response&)>> amend_;
  ApiCounters* counters_;
  std::int16_t api_version_;
  std::int32_t correlation_id_;
};

// Stands before a handler: answers in its place and returns false, or lets the request through,
// changed or not, and may set an amendment to the answer.
template <kafka_wire::Message Request, kafka_wire::Message Response>
using Guard = std::function<bool(const Call&, Request&, Responder<Response>&)>;

// Who answers what. Filled before the first request and unchanged afterwards; an API without a
// handler is not advertised. Handlers run on the connection's thread and must not block: what waits
// keeps the responder and returns.
class DispatchTable {
 public:
  // `enabled`: which versions are advertised of the APIs that have a handler.
  explicit DispatchTable(kafka_wire::ApiFeature enabled) : enabled_(enabled) {}

  template <kafka_wire::Message Request, kafka_wire::Message Response>
  void add(std::function<void(const Call&, Request&, Responder<Response>)> handler) {
    auto& entry = entries_[static_cast<kafka_wire::ApiKey>(Request::kInfo.api_key)];
    entry.counters = std::make_unique<ApiCounters>();
    auto guard = std::make_shared<Guard<Request, Response>>();
    entry.guard = guard;
    entry.run = [handler = std::move(handler), counters = entry.counters.get(),
                 guard = std::move(guard)](const Call& call) {
      Request request;
      if (!kafka_wire::decode(call.body, call.api_version, request).is_ok()) return false;
      Responder<Response> respond(call, *counters);
      if (*guard && !(*guard)(call, request, respond)) return true;
      handler(call, request, respond);
      return true;
    };
  }

  // Of an API that has a handler; without one nothing happens. A later guard replaces an earlier.
  template <kafka_wire::Message Request, kafka_wire::Message Response>
  void set_guard(Guard<Request, Response> guard) {
    const auto key = static_cast<kafka_wire::ApiKey>(Request::kInfo.api_key);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    *std::static_pointer_cast<Guard<Request, Response>>(found->second.guard) = std::move(guard);
    guarded_.insert(key);
  }
  // Whoever asks it, the API may be served without a guard.
  void needs_no_guard(kafka_wire::ApiKey key) { guarded_.insert(key); }
  // APIs that nobody has set a guard for are not served.
  void drop_unguarded();

  // Where frames go of a session that has agreed to send bare SASL tokens.
  using TakeToken = std::function<void(std::string_view token, const std::shared_ptr<Session>&,
                                       std::shared_ptr<Exchange>)>;
  void set_token_handler(TakeToken take) { take_token_ = std::move(take); }

  // `frame` is one without its byte count. Closes the connection when nothing can be answered, or
  // when the session may not ask that yet, as Kafka does.
  void dispatch(std::shared_ptr<const codec::ByteBuffer> frame,
                const std::shared_ptr<Session>& session, std::shared_ptr<Exchange> exchange) const;

  [[nodiscard]] std::vector<kafka_wire::ApiVersionsResponse::Api> advertised() const;
  [[nodiscard]] kafka_wire::ApiFeature enabled() const { return enabled_; }
  // By key.
  void for_each_counter(
      const std::function<void(const kafka_wire::ApiInfo&, const ApiCounters&)>& each) const;
  [[nodiscard]] std::uint64_t unreadable_requests() const { return unreadable_.load(); }

 private:
  struct Entry {
    std::function<bool(const Call&)> run;  // false: the body is not such a request
    std::unique_ptr<ApiCounters> counters;
    std::shared_ptr<void> guard;  // a Guard of the API's messages
  };
  void close_unreadable(Exchange& exchange) const;
  void refuse_version(const kafka_wire::RequestFrame& request, const Call& call) const;

  kafka_wire::ApiFeature enabled_;
  std::map<kafka_wire::ApiKey, Entry> entries_;
  std::set<kafka_wire::ApiKey> guarded_;
  TakeToken take_token_;
  mutable std::atomic<std::uint64_t> unreadable_{0};
};

}  // namespace millrace::broker
