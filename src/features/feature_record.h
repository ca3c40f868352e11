#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "base/time.h"
#include "codec/json.h"
#include "model/record.h"
#include "model/value.h"

namespace millrace::features {

// A feature group: the records of one log topic, newest per record id.
struct FeatureGroup {
  std::string name;        // letters, digits, '.', '_', '-', as it is part of the topic's name
  std::string topic;       // never compacted, kept for ever: the store can be made from it again
  std::string event_time;  // the member of a record that says when it holds

  bool operator==(const FeatureGroup&) const = default;
};

// The newest of a record id.
struct FeatureRecord {
  std::string record_id;
  EventTime event_time;
  std::int64_t revision = 0;  // of the window's result; 0 when the record has none
  std::string json;           // one object, as it is in the topic

  bool operator==(const FeatureRecord&) const = default;
};

// Which of two records of one id counts: the larger (event time, revision). Of equal ones the
// first (R20), so that reading a range of the topic twice changes nothing.
inline bool is_newer(EventTime event_time, std::int64_t revision, const FeatureRecord& than) {
  if (event_time != than.event_time) return event_time > than.event_time;
  return revision > than.revision;
}

inline constexpr std::size_t kRecordIdBytesMax = 8192;

// A record of a group's topic, read. Views: into the record, and until the next decode.
struct DecodedFeature {
  std::string_view record_id;
  EventTime event_time;
  std::int64_t revision = 0;
  std::string_view json;
  std::span<const MapEntry> members;  // of the object, in its order
};

// Reads the records of a group's topic. One thread.
class FeatureDecoder {
 public:
  explicit FeatureDecoder(std::string event_time) : event_time_(std::move(event_time)) {}

  // `invalid`, saying what would be right, for a record without a key in UTF-8, or whose value is
  // no JSON object with the event time's member as RFC 3339 text and a whole "revision", if any.
  Result<DecodedFeature> decode(const RecordView& record);

 private:
  const std::string event_time_;
  codec::JsonParser parser_;
  Arena arena_;
};

}  // namespace millrace::features
