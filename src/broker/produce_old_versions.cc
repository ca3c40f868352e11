#include "broker/produce_old_versions.h"

#include <string>

#include "base/bytes.h"

namespace millrace::broker {

using kafka_wire::ProduceRequest;
using kafka_wire::WireBytes;

namespace {

constexpr std::size_t kFixedHeaderBytes = 10;  // key, version, correlation id, length of client id
constexpr std::int16_t kOldestKnownVersion = 3;

template <typename Int>
void append_big(Int value, WireBytes& out) {
  store_big(out.extend(sizeof value), value);
}

}  // namespace

std::optional<WireBytes> refuse_old_produce(const kafka_wire::RequestHeader& header,
                                            std::string_view frame) {
  const std::size_t client_id_bytes = header.client_id ? header.client_id->size() : 0;
  if (frame.size() < kFixedHeaderBytes + client_id_bytes) return std::nullopt;
  // Version 3 put the transactional id in front, here a null, and changed nothing else.
  std::string body(2, '\xff');
  body += frame.substr(kFixedHeaderBytes + client_id_bytes);
  ProduceRequest request;
  if (!kafka_wire::decode(body, kOldestKnownVersion, request).is_ok()) return std::nullopt;

  WireBytes out;
  out.extend(kafka_wire::kFrameSizeBytes);
  append_big(header.correlation_id, out);
  append_big(static_cast<std::uint32_t>(request.topic_data.size()), out);
  for (const auto& topic : request.topic_data) {
    append_big(static_cast<std::uint16_t>(topic.name.size()), out);
    out.append(topic.name);
    append_big(static_cast<std::uint32_t>(topic.partition_data.size()), out);
    for (const auto& partition : topic.partition_data) {
      append_big(partition.index, out);
      append_big(static_cast<std::int16_t>(kafka_wire::ErrorCode::unsupported_version), out);
      append_big(std::int64_t{-1}, out);                               // base offset
      if (header.api_version >= 2) append_big(std::int64_t{-1}, out);  // append time
    }
  }
  if (header.api_version >= 1) append_big(std::int32_t{0}, out);  // throttle time
  out.store_u32(0, static_cast<std::uint32_t>(out.byte_count() - kafka_wire::kFrameSizeBytes));
  return out;
}

}  // namespace millrace::broker
