#include "kafka_wire/consumer_protocol.h"

#include <algorithm>

#include "base/bytes.h"
#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(ConsumerProtocolSubscription);
MR_KAFKA_CODEC(ConsumerProtocolAssignment);

namespace {

template <class M>
Result<M> decode_versioned(std::string_view bytes) {
  MessageReader prefix(bytes, 0, false);
  const auto version = prefix.fixed<std::int16_t>();
  if (!prefix.has_failed() && version < 0) {
    prefix.fail("version " + std::to_string(version) + "; 0 is the first");
  }
  const std::string_view body = prefix.rest();
  if (prefix.has_failed()) return prefix.finish(M::kInfo);

  MessageReader in(body, std::min(version, M::kInfo.max_version), false);
  M message;
  read_struct(in, message);
  if (version > M::kInfo.max_version) (void)in.raw(in.remaining_bytes());
  MR_RETURN_IF_ERROR(in.finish(M::kInfo));
  return message;
}

template <class M>
std::string encode_versioned(const M& message, std::int16_t version) {
  WireBytes out;
  MessageWriter(out, version, false).fixed(version);
  encode(message, version, out);
  return out.joined();
}

}  // namespace

Result<ConsumerProtocolSubscription> decode_subscription(std::string_view bytes) {
  return decode_versioned<ConsumerProtocolSubscription>(bytes);
}

Result<ConsumerProtocolAssignment> decode_assignment(std::string_view bytes) {
  return decode_versioned<ConsumerProtocolAssignment>(bytes);
}

std::string encode_subscription(const ConsumerProtocolSubscription& subscription,
                                std::int16_t version) {
  return encode_versioned(subscription, version);
}

std::string encode_assignment(const ConsumerProtocolAssignment& assignment, std::int16_t version) {
  return encode_versioned(assignment, version);
}

}  // namespace millrace::kafka_wire
