// Three bytes choose what the rest is: a message and its version (as a body), a frame with its
// header, or the consumer protocol. What is accepted must come back the same after encoding.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kafka_wire/all_messages.h"
#include "kafka_wire/header.h"

namespace millrace::kafka_wire {
namespace {

template <Message M>
void check_body(std::string_view body, std::int16_t version) {
  M first;
  if (!decode(body, version, first).is_ok()) return;
  const std::string bytes = encoded(first, version);
  M second;
  if (!decode(bytes, version, second).is_ok()) std::abort();
  if (encoded(second, version) != bytes) std::abort();
}

void check_message(std::uint8_t which, std::uint8_t version_byte, std::string_view body) {
  int index = 0;
  for_each_message(AllMessages(), [&]<class M>(MessageType<M>) {
    if (index++ != which) return;
    constexpr int kVersions = M::kInfo.max_version - M::kInfo.min_version + 1;
    const int version = M::kInfo.min_version + version_byte % kVersions;
    check_body<M>(body, static_cast<std::int16_t>(version));
  });
}

void check_request(std::string_view frame) {
  const auto request = parse_request(frame);
  if (!request.is_ok() || !request->has_known_version) return;
  for_each_message(AllMessages(), [&]<class M>(MessageType<M>) {
    if (M::kInfo.kind == "request" && M::kInfo.api_key == request->header.api_key) {
      check_body<M>(request->body, request->header.api_version);
    }
  });
}

void check_input(const std::uint8_t* data, std::size_t byte_count) {
  if (byte_count < 3) return;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 3, byte_count - 3);
  if (data[0] % 4 == 0) {
    check_request(rest);
  } else if (data[0] % 16 == 1) {
    (void)decode_subscription(rest);
    (void)decode_assignment(rest);
  } else {
    check_message(data[1], data[2], rest);
  }
}

}  // namespace
}  // namespace millrace::kafka_wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  millrace::kafka_wire::check_input(data, size);
  return 0;
}
