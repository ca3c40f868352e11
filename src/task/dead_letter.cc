#include "task/dead_letter.h"

#include <optional>
#include <span>

#include "base/json_text.h"
#include "base/time_text.h"
#include "base/utf8.h"
#include "codec/json.h"

namespace millrace::task {
namespace {

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, text);
}

void append_number(std::string& out, std::string_view name, std::int64_t number) {
  out += ",\"";
  out += name;
  out += "\":";
  out += std::to_string(number);
}

// "name":"text", "name_base64":"...", or "name":null.
void append_bytes(std::string& out, std::string_view name,
                  const std::optional<std::string_view>& bytes) {
  out += '"';
  out += name;
  if (!bytes) {
    out += "\":null";
  } else if (is_valid_utf8(*bytes)) {
    out += "\":";
    append_json_string(out, *bytes);
  } else {
    out += "_base64\":\"";
    out += codec::base64_encode(*bytes);
    out += '"';
  }
}

void append_headers(std::string& out, std::span<const HeaderView> headers) {
  out += ",\"original_headers\":[";
  bool is_first = true;
  for (const auto& header : headers) {
    if (!is_first) out += ',';
    is_first = false;
    out += '{';
    append_bytes(out, "key", header.key);
    out += ',';
    append_bytes(out, "value", header.value);
    out += '}';
  }
  out += ']';
}

}  // namespace

std::string_view to_string(ErrorType type) {
  switch (type) {
    case ErrorType::schema_invalid:
      return "SCHEMA_INVALID";
    case ErrorType::business_rule_violation:
      return "BUSINESS_RULE_VIOLATION";
    case ErrorType::duplicate:
      return "DUPLICATE";
    case ErrorType::future_event:
      return "FUTURE_EVENT";
    case ErrorType::late_event:
      return "LATE_EVENT";
    case ErrorType::sink_error:
      return "SINK_ERROR";
    case ErrorType::timeout:
      return "TIMEOUT";
  }
  return "UNKNOWN";
}

void append_dead_letter(std::string& out, const DeadLetter& letter, const RecordView& original) {
  out += '{';
  append_bytes(out, "original_message", original.value);
  append_member(out, "error_type", to_string(letter.type));
  append_member(out, "error_message", letter.message);
  append_member(out, "error_timestamp", format_wall_time(letter.time));
  append_member(out, "stage", letter.stage);
  append_member(out, "pipeline", letter.pipeline);
  for (const auto name : {std::string_view("attempted_id"), letter.attempted_id_alias}) {
    if (name.empty()) continue;
    if (letter.attempted_id.empty()) {
      out += ",\"" + std::string(name) + "\":null";
    } else {
      append_member(out, name, letter.attempted_id);
    }
  }
  append_member(out, "original_topic", letter.source_topic);
  append_number(out, "original_partition", letter.source_partition);
  append_number(out, "original_offset", original.offset.value);
  append_member(out, "original_timestamp", format_wall_time(original.timestamp));
  out += ',';
  append_bytes(out, "original_key", original.key);
  append_headers(out, original.headers);
  out += '}';
}

}  // namespace millrace::task
