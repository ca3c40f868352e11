#include "broker/dispatch_table.h"

#include "broker/produce_old_versions.h"

namespace millrace::broker {

using kafka_wire::ApiInfo;
using kafka_wire::ApiKey;
using kafka_wire::ErrorCode;

namespace {

bool comes_before_log_in(ApiKey key) {
  return key == ApiKey::api_versions || key == ApiKey::sasl_handshake ||
         key == ApiKey::sasl_authenticate;
}

}  // namespace

void DispatchTable::dispatch(std::shared_ptr<const codec::ByteBuffer> frame,
                             const std::shared_ptr<Session>& session,
                             std::shared_ptr<Exchange> exchange) const {
  if (session->sends_tokens()) return take_token_(frame->view(), session, std::move(exchange));
  const auto request = kafka_wire::parse_request(frame->view());
  if (!request.is_ok() || request->api == nullptr) return close_unreadable(*exchange);
  const auto entry = entries_.find(request->api->key);
  if (entry == entries_.end()) return close_unreadable(*exchange);
  if (!session->may_ask() && !comes_before_log_in(request->api->key)) {
    return close_unreadable(*exchange);
  }
  entry->second.counters->requests.fetch_add(1, std::memory_order_relaxed);
  const Call call{
      .api_version = request->header.api_version,
      .correlation_id = request->header.correlation_id,
      .client = {request->header.client_id.value_or(""), session->host, session->principal},
      .session = session,
      .frame = std::move(frame),
      .body = request->body,
      .exchange = std::move(exchange)};
  const auto range = kafka_wire::advertised_versions(*request->api, enabled_);
  if (!request->has_known_version || !range.contains(call.api_version)) {
    return refuse_version(*request, call);
  }
  if (!entry->second.run(call)) close_unreadable(*call.exchange);
}

void DispatchTable::refuse_version(const kafka_wire::RequestFrame& request,
                                   const Call& call) const {
  auto& errors = entries_.at(request.api->key).counters->errors;
  Reply reply;
  if (request.api->key == ApiKey::api_versions) {
    kafka_wire::ApiVersionsResponse response;
    response.error_code = ErrorCode::unsupported_version;
    response.api_keys = advertised();
    kafka_wire::append_response(response, 0, call.correlation_id, reply.bytes);
  } else if (request.api->key == ApiKey::produce &&
             kafka_wire::advertised_versions(*request.api, enabled_).contains(call.api_version)) {
    auto bytes = refuse_old_produce(request.header, call.frame->view());
    if (!bytes) return close_unreadable(*call.exchange);
    reply.bytes = std::move(*bytes);
  } else {
    return close_unreadable(*call.exchange);
  }
  ++errors;
  call.exchange->send(std::move(reply));
}

void DispatchTable::drop_unguarded() {
  std::erase_if(entries_, [this](const auto& entry) { return !guarded_.contains(entry.first); });
}

void DispatchTable::close_unreadable(Exchange& exchange) const {
  unreadable_.fetch_add(1, std::memory_order_relaxed);
  exchange.close_connection();
}

std::vector<kafka_wire::ApiVersionsResponse::Api> DispatchTable::advertised() const {
  auto apis = kafka_wire::advertised_apis(enabled_);
  std::erase_if(apis, [this](const auto& api) {
    return !entries_.contains(static_cast<ApiKey>(api.api_key));
  });
  return apis;
}

void DispatchTable::for_each_counter(
    const std::function<void(const ApiInfo&, const ApiCounters&)>& each) const {
  for (const auto& [key, entry] : entries_) {
    each(*kafka_wire::find_api(static_cast<std::int16_t>(key)), *entry.counters);
  }
}

}  // namespace millrace::broker
