#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "model/record.h"

namespace millrace::task {

enum class ErrorType : std::uint8_t {
  schema_invalid,           // also unreadable JSON
  business_rule_violation,  // also a rule or computed field whose evaluation fails
  duplicate,
  future_event,
  late_event,
  sink_error,
  timeout,
};
inline constexpr std::size_t kErrorTypeCount = 7;

// "SCHEMA_INVALID", ...
std::string_view to_string(ErrorType type);

struct DeadLetter {
  ErrorType type = ErrorType::schema_invalid;
  std::string_view message;
  std::string_view
      stage;  // "decode", "schema", "rules", "time", "dedup", "enrich", "window <name>"
  std::string_view pipeline;  // "ticks@1"
  WallTime time;              // processing time
  std::string_view source_topic;
  std::int32_t source_partition = 0;
  // The deduplication id as far as it could be read; null in the letter when empty.
  std::string_view attempted_id;
  std::string_view attempted_id_alias;  // a second name for attempted_id, or empty
};

// Appends the letter's JSON. Nothing of the original is lost: value and key and header values go in
// as text where they are valid UTF-8, else as base64 under "<name>_base64".
void append_dead_letter(std::string& out, const DeadLetter& letter, const RecordView& original);

}  // namespace millrace::task
