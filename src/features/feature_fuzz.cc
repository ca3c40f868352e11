// The first byte chooses what the rest is: a record of a feature group's topic, a stored record, or
// a stored position.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "features/feature_record.h"
#include "features/store_format.h"

namespace millrace::features {
namespace {

void decode_topic_record(std::string_view value) {
  FeatureDecoder decoder("t");
  RecordView record;
  record.key = "id";
  record.value = value;
  const auto decoded = decoder.decode(record);
  if (!decoded.is_ok()) return;
  const auto bytes = encode_record(decoded->event_time, decoded->revision, decoded->json);
  const auto again = decode_record("id", bytes);
  MR_CHECK(again.is_ok());
  MR_CHECK(again->event_time == decoded->event_time && again->revision == decoded->revision);
}

void decode_stored(std::string_view bytes) {
  const auto record = decode_record("id", bytes);
  if (!record.is_ok()) return;
  const auto again = encode_record(record->event_time, record->revision, record->json);
  const auto twice = decode_record("id", again);
  MR_CHECK(twice.is_ok() && *twice == *record);
}

void decode_stored_position(std::string_view bytes) {
  const auto position = decode_position(bytes);
  if (!position.is_ok()) return;
  const auto again = decode_position(encode_position(*position));
  MR_CHECK(again.is_ok() && *again == *position);
}

}  // namespace
}  // namespace millrace::features

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      millrace::features::decode_topic_record(rest);
      break;
    case 1:
      millrace::features::decode_stored(rest);
      break;
    default:
      millrace::features::decode_stored_position(rest);
  }
  return 0;
}
