#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "kafka_wire/api_keys.h"
#include "kafka_wire/message.h"

// Frames. On a connection, requests and responses follow each other as {int32 byte count, header,
// body}; the byte count does not count itself. Request headers are version 2 (with tagged fields)
// when the body is flexible, otherwise 1; response headers 1 or 0, except that ApiVersions always
// has 0: its reader does not know yet what the broker speaks.

namespace millrace::kafka_wire {

inline constexpr std::size_t kFrameSizeBytes = 4;
// Kafka's default for socket.request.max.bytes.
inline constexpr std::size_t kFrameBytesMax = 100u << 20;

struct RequestHeader {
  std::int16_t api_key = 0;
  std::int16_t api_version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id;

  bool operator==(const RequestHeader&) const = default;
};

struct RequestFrame {
  RequestHeader header;
  const ApiInfo* api = nullptr;  // nullptr when the key is none of ours
  // Whether `decode` knows the version. If not, there is an answer only for ApiVersions (version 0
  // with unsupported_version) and for the versions of Produce that are advertised but not known.
  bool has_known_version = false;
  std::string_view body;  // empty unless the version is known
};

// Takes a frame without its byte count apart; the body is a view into it. `invalid` when it is too
// short for its header. With an unknown key or version, the header's client_id may be missing.
Result<RequestFrame> parse_request(std::string_view frame);

struct ResponseFrame {
  std::int32_t correlation_id = 0;
  std::string_view body;
};
// `version` is that of the request with this correlation id; the codec must have it. Responses come
// in the order of the requests, so the caller knows which one it is before it has been parsed.
Result<ResponseFrame> parse_response(ApiKey key, std::int16_t version, std::string_view frame);

// For one frame: `begin_*` appends room for the byte count and the header, `end_frame` fills it in.
struct FrameMark {
  std::size_t own_byte_count;
  std::size_t foreign_byte_count;
};
FrameMark begin_request(const RequestHeader& header, WireBytes& out);
FrameMark begin_response(ApiKey key, std::int16_t version, std::int32_t correlation_id,
                         WireBytes& out);
void end_frame(const FrameMark& mark, WireBytes& out);

// Appends a whole frame.
template <Message M>
void append_request(const M& request, std::int16_t version, std::int32_t correlation_id,
                    std::optional<std::string> client_id, WireBytes& out) {
  const FrameMark mark =
      begin_request({M::kInfo.api_key, version, correlation_id, std::move(client_id)}, out);
  encode(request, version, out);
  end_frame(mark, out);
}
template <Message M>
void append_response(const M& response, std::int16_t version, std::int32_t correlation_id,
                     WireBytes& out) {
  const FrameMark mark =
      begin_response(static_cast<ApiKey>(M::kInfo.api_key), version, correlation_id, out);
  encode(response, version, out);
  end_frame(mark, out);
}

}  // namespace millrace::kafka_wire
