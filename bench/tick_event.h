#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <simdjson.h>

// Decoding and checking of one tick, written out by hand for exactly this event.

namespace millrace::bench {

// Views point into the JSON or into the parser's string buffer.
struct TickEvent {
  std::string_view event_id;
  std::string_view ticker;
  std::int64_t time_ms = 0;
  std::int64_t price = 0;  // in 1/10000
  std::int64_t volume = 0;
};

enum class TickVerdict : std::uint8_t { good, schema_invalid, rule_violation };

class TickParser {
 public:
  // `readable_bytes` counts from json.data() on: json.size() + at least SIMDJSON_PADDING.
  TickVerdict parse(std::string_view json, std::size_t readable_bytes, TickEvent& event);

 private:
  simdjson::ondemand::parser parser_;
};

// Up to four digits after the point, in 1/10000; false for anything else.
[[nodiscard]] bool parse_price(std::string_view text, std::int64_t& price);
// "2026-01-13T09:00:00.017Z" and nothing else.
[[nodiscard]] bool parse_time_ms(std::string_view text, std::int64_t& time_ms);
// Appends 1/10000ths as a decimal with four digits.
void append_decimal(std::string& out, std::int64_t ten_thousandths);
// Appends "2026-01-13T09:00:00Z".
void append_time(std::string& out, std::int64_t time_ms);

}  // namespace millrace::bench
