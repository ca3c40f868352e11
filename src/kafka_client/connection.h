#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "kafka_client/kafka_log.h"
#include "kafka_wire/api_versions.h"
#include "kafka_wire/header.h"
#include "sys/byte_stream.h"
#include "sys/tcp_stream.h"

namespace millrace::kafka_client {

// Opens the way to a broker: TCP, with TLS where it is asked for.
using Dial = std::function<Result<std::unique_ptr<sys::ByteStream>>(const sys::TcpAddress& to,
                                                                    MonotonicTime deadline)>;

// One connection to one broker, logged in. Requests may be sent before earlier ones are answered;
// the answers are read in that order. After any error of `send` and `receive` it is broken: what
// was sent and not answered may or may not have been done. One thread at a time, but for
// `shut_down`.
class Connection {
 public:
  // Asks for the broker's versions and logs in. `invalid` when the log-in is refused.
  static Result<std::unique_ptr<Connection>> open(std::unique_ptr<sys::ByteStream> stream,
                                                  const KafkaLogOptions& options,
                                                  const Clock& clock, MonotonicTime deadline);

  // The highest version up to `max` that both sides know; `unsupported` when there is none from
  // `min` on.
  [[nodiscard]] Result<std::int16_t> version(kafka_wire::ApiKey api, std::int16_t max,
                                             std::int16_t min = 0) const;
  // The level at which the cluster has a feature (KIP-584); 0: it has not.
  [[nodiscard]] std::int16_t feature_level(std::string_view name) const;

  template <kafka_wire::Message Request>
  Status send(const Request& request, std::int16_t version, MonotonicTime deadline) {
    out_.clear();
    kafka_wire::append_request(request, version, next_id_, client_id_, out_);
    return send_frame(static_cast<kafka_wire::ApiKey>(Request::kInfo.api_key), version, deadline);
  }
  // The answer to the oldest request that has none; Records in it are views into frame().
  template <kafka_wire::Message Response>
  Status receive(Response& response, MonotonicTime deadline) {
    MR_ASSIGN_OR_RETURN(const auto body, receive_frame(Response::kInfo.api_key, deadline));
    return keep(kafka_wire::decode(body.bytes, body.version, response));
  }
  // Both, for whoever waits for one answer alone.
  template <kafka_wire::Message Request, kafka_wire::Message Response>
  Status call(const Request& request, std::int16_t version_max, Response& response,
              MonotonicTime deadline) {
    MR_ASSIGN_OR_RETURN(
        const auto one,
        version(static_cast<kafka_wire::ApiKey>(Request::kInfo.api_key), version_max));
    MR_RETURN_IF_ERROR(send(request, one, deadline));
    return receive(response, deadline);
  }
  // What the last answer was read from.
  [[nodiscard]] const std::shared_ptr<const std::string>& frame() const { return frame_; }

  // Whether it may be kept for later: nothing is under way, the log-in is still good, and the
  // broker has not gone away as far as can be seen.
  [[nodiscard]] bool is_reusable();
  [[nodiscard]] bool is_broken() const { return is_broken_; }
  void shut_down() { stream_->shut_down(); }

 private:
  struct Body {
    std::string_view bytes;
    std::int16_t version;
  };
  struct Asked {
    kafka_wire::ApiKey api;
    std::int16_t version;
    std::int32_t id;
  };

  Connection(std::unique_ptr<sys::ByteStream> stream, const KafkaLogOptions& options,
             const Clock& clock)
      : stream_(std::move(stream)), client_id_(options.client_id), clock_(clock) {}
  Status ask_versions(MonotonicTime deadline);
  Status log_in(const KafkaSecurity& security, MonotonicTime deadline);
  Result<std::string> authenticate(std::string token, MonotonicTime deadline);
  Status log_in_with_token(const KafkaToken& token, MonotonicTime deadline);
  Status log_in_with_scram(const KafkaSecurity& security, MonotonicTime deadline);
  Status send_frame(kafka_wire::ApiKey api, std::int16_t version, MonotonicTime deadline);
  Result<Body> receive_frame(std::int16_t api_key, MonotonicTime deadline);
  Result<std::string> read_frame(MonotonicTime deadline);
  Status read_all(char* to, std::size_t bytes, MonotonicTime deadline);
  // Notes that it is broken, if it is.
  Status keep(Status status) {
    is_broken_ = is_broken_ || !status.is_ok();
    return status;
  }

  const std::unique_ptr<sys::ByteStream> stream_;
  const std::string client_id_;
  const Clock& clock_;
  std::map<kafka_wire::ApiKey, kafka_wire::ApiVersionsResponse::Api> apis_;
  std::vector<kafka_wire::ApiVersionsResponse::FinalizedFeature> features_;
  bool is_broken_ = false;
  std::int32_t next_id_ = 0;
  std::deque<Asked> asked_;
  kafka_wire::WireBytes out_;
  std::vector<std::string_view> pieces_;
  std::shared_ptr<const std::string> frame_;
  MonotonicTime expires_at_{INT64_MAX};  // of the log-in
};

}  // namespace millrace::kafka_client
