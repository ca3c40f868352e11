#include "kafka_client/connection.h"

#include <algorithm>

#include "base/bytes.h"

namespace millrace::kafka_client {

using kafka_wire::ApiKey;

namespace {

// Known to brokers since 2.4; later ones say no more that is of use here.
constexpr std::int16_t kApiVersionsVersion = 3;
constexpr std::size_t kErrorCodeBytes = 2;

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(std::unique_ptr<sys::ByteStream> stream,
                                                     const KafkaLogOptions& options,
                                                     const Clock& clock, MonotonicTime deadline) {
  std::unique_ptr<Connection> connection(new Connection(std::move(stream), options, clock));
  MR_RETURN_IF_ERROR(connection->ask_versions(deadline));
  MR_RETURN_IF_ERROR(connection->log_in(options.security, deadline));
  return connection;
}

Status Connection::ask_versions(MonotonicTime deadline) {
  kafka_wire::ApiVersionsRequest request;
  request.client_software_name = "millrace";
  request.client_software_version = "1";
  MR_RETURN_IF_ERROR(send(request, kApiVersionsVersion, deadline));
  MR_ASSIGN_OR_RETURN(const auto body,
                      receive_frame(static_cast<std::int16_t>(ApiKey::api_versions), deadline));
  // A broker that does not know the version answers in version 0; both begin with the error.
  if (body.bytes.size() >= kErrorCodeBytes && load_big<std::int16_t>(body.bytes.data()) != 0) {
    return keep(unsupported_error("brokers before Kafka 2.4"));
  }
  kafka_wire::ApiVersionsResponse response;
  MR_RETURN_IF_ERROR(keep(kafka_wire::decode(body.bytes, body.version, response)));
  for (const auto& api : response.api_keys) apis_[static_cast<ApiKey>(api.api_key)] = api;
  features_ = std::move(response.finalized_features);
  return ok_status();
}

Result<std::int16_t> Connection::version(ApiKey api, std::int16_t max, std::int16_t min) const {
  const auto* known = kafka_wire::find_api(static_cast<std::int16_t>(api));
  MR_CHECK(known != nullptr);
  const auto found = apis_.find(api);
  if (found != apis_.end()) {
    const auto highest = std::min({max, known->max_known, found->second.max_version});
    if (highest >= std::max({min, known->min_known, found->second.min_version})) return highest;
  }
  return unsupported_error("the broker has no " + std::string(known->name) + " in versions " +
                           std::to_string(std::max(min, known->min_known)) + " to " +
                           std::to_string(max));
}

std::int16_t Connection::feature_level(std::string_view name) const {
  const auto found =
      std::ranges::find(features_, name, &kafka_wire::ApiVersionsResponse::FinalizedFeature::name);
  return found == features_.end() ? std::int16_t{0} : found->max_version_level;
}

Status Connection::send_frame(ApiKey api, std::int16_t version, MonotonicTime deadline) {
  if (is_broken_) return disconnected_error("the connection has failed before");
  pieces_.clear();
  out_.for_each_piece([&](std::string_view piece) { pieces_.push_back(piece); });
  MR_RETURN_IF_ERROR(keep(stream_->write(pieces_, deadline)));
  asked_.push_back({api, version, next_id_});
  next_id_ = next_id_ == INT32_MAX ? 0 : next_id_ + 1;
  return ok_status();
}

Status Connection::read_all(char* to, std::size_t bytes, MonotonicTime deadline) {
  while (bytes > 0) {
    MR_ASSIGN_OR_RETURN(const auto got, stream_->read_some(to, bytes, deadline));
    to += got;
    bytes -= got;
  }
  return ok_status();
}

Result<std::string> Connection::read_frame(MonotonicTime deadline) {
  char count[kafka_wire::kFrameSizeBytes];
  MR_RETURN_IF_ERROR(read_all(count, sizeof count, deadline));
  const auto bytes = load_big<std::int32_t>(count);
  if (bytes < 0 || static_cast<std::size_t>(bytes) > kafka_wire::kFrameBytesMax) {
    return corrupt_error("a broker's answer of " + std::to_string(bytes) + " bytes");
  }
  std::string frame(static_cast<std::size_t>(bytes), '\0');
  MR_RETURN_IF_ERROR(read_all(frame.data(), frame.size(), deadline));
  return frame;
}

Result<Connection::Body> Connection::receive_frame(std::int16_t api_key, MonotonicTime deadline) {
  if (is_broken_) return disconnected_error("the connection has failed before");
  MR_CHECK(!asked_.empty());
  const auto asked = asked_.front();
  MR_CHECK(static_cast<std::int16_t>(asked.api) == api_key);
  auto bytes = read_frame(deadline);
  if (!bytes.is_ok()) return keep(std::move(bytes).take_status());
  asked_.pop_front();
  frame_ = std::make_shared<const std::string>(std::move(bytes).value());
  auto parsed = kafka_wire::parse_response(asked.api, asked.version, *frame_);
  if (!parsed.is_ok()) return keep(std::move(parsed).take_status());
  if (parsed->correlation_id != asked.id) {
    return keep(corrupt_error("the answer to request " + std::to_string(parsed->correlation_id) +
                              " instead of " + std::to_string(asked.id)));
  }
  return Body{parsed->body, asked.version};
}

bool Connection::is_reusable() {
  return !is_broken_ && asked_.empty() && clock_.monotonic_now() < expires_at_ &&
         stream_->is_quiet();
}

}  // namespace millrace::kafka_client
