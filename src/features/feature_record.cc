#include "features/feature_record.h"

#include "base/time_text.h"
#include "base/utf8.h"

namespace millrace::features {
namespace {

constexpr std::string_view kRevision = "revision";
constexpr std::int32_t kNanosPerMicro = 1000;

}  // namespace

Result<DecodedFeature> FeatureDecoder::decode(const RecordView& record) {
  if (!record.key || record.key->size() > kRecordIdBytesMax || !is_valid_utf8(*record.key)) {
    return invalid_error("the key must be the record id: UTF-8, at most " +
                         std::to_string(kRecordIdBytesMax) + " bytes");
  }
  if (!record.value) return invalid_error("the value must be a JSON object, but there is none");
  arena_.reset();
  MR_ASSIGN_OR_RETURN(const auto value, parser_.parse(*record.value, arena_));
  if (value.kind() != ValueKind::map) return invalid_error("the value must be a JSON object");

  DecodedFeature feature{*record.key, {}, 0, *record.value, value.as_map()};
  bool has_event_time = false;
  for (const auto& [key, member] : feature.members) {
    if (key.as_string() == event_time_) {
      const auto instant =
          member.kind() == ValueKind::string ? parse_instant(member.as_string()) : std::nullopt;
      if (!instant) return invalid_error(event_time_ + " must be an RFC 3339 date-time");
      feature.event_time =
          EventTime(instant->seconds * kMicrosPerSecond + instant->nanos / kNanosPerMicro);
      has_event_time = true;
    } else if (key.as_string() == kRevision) {
      if (member.kind() != ValueKind::int64)
        return invalid_error("revision must be a whole number");
      feature.revision = member.as_int64();
    }
  }
  if (!has_event_time) return invalid_error("the object has no member " + event_time_);
  return feature;
}

}  // namespace millrace::features
