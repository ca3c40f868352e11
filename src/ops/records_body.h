#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace millrace::ops {

// A record as somebody sends it in JSON.
struct SentRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::optional<std::int32_t> partition;
  std::optional<WallTime> timestamp;

  bool operator==(const SentRecord&) const = default;
};

inline constexpr std::size_t kRecordsPerRequestMax = 10'000;

// The body of POST /api/v1/topics/T/records: {"records":[RECORD, ...]}, or one RECORD alone:
//
//   {"value":{"price":"1.50"},"key":"AMZN","headers":{"source":"web"},"partition":0,
//    "timestamp":"2012-06-21T13:30:00Z"}
//
// Everything but `value` may be left out. A value that is a JSON string is stored as its text, null
// as no value, anything else as its JSON text with the numbers as they are written; `key_base64`
// and `value_base64` take bytes. `invalid` names the record and what would be right.
Result<std::vector<SentRecord>> parse_records_body(std::string_view body);

}  // namespace millrace::ops
