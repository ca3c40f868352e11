#include "codec/json.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/bytes.h"
#include "base/check.h"
#include "base/json_text.h"
#include "base/time_text.h"
#include "codec/json_reader.h"

namespace millrace::codec {
namespace {

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

constexpr std::array<signed char, 256> make_base64_values() {
  std::array<signed char, 256> values{};
  for (auto& value : values) value = -1;
  for (std::size_t i = 0; i < kBase64Digits.size(); ++i) {
    values[static_cast<unsigned char>(kBase64Digits[i])] = static_cast<signed char>(i);
  }
  return values;
}
constexpr auto kBase64Values = make_base64_values();

template <typename Number>
void append_number(std::string& out, Number value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  MR_CHECK(end.ec == std::errc());
  out.append(buffer, end.ptr);
}

void append_float(std::string& out, double value) {
  if (std::isfinite(value)) return append_number(out, value);
  out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

// "-1.5s": seconds and nanoseconds carry the same sign.
void append_duration(std::string& out, std::int64_t seconds, std::int32_t nanos) {
  out += '"';
  if (nanos < 0 && seconds == 0) out += '-';
  append_number(out, seconds);
  if (nanos != 0) {
    std::string digits = std::to_string(kNanosPerSecond + std::abs(std::int64_t{nanos}));
    digits[0] = '.';
    digits.erase(digits.find_last_not_of('0') + 1);
    out += digits;
  }
  out += "s\"";
}

void append_key(std::string& out, const Value& key) {
  if (key.kind() == ValueKind::string) return append_json_string(out, key.as_string());
  MR_CHECK(key.kind() == ValueKind::boolean || key.kind() == ValueKind::int64 ||
           key.kind() == ValueKind::uint64);
  out += '"';
  append_json(out, key);
  out += '"';
}

void append_map(std::string& out, std::span<const MapEntry> entries, bool decimals_as_strings) {
  char separator = '{';
  for (const auto& entry : entries) {
    out += separator;
    append_key(out, entry.key);
    out += ':';
    append_json(out, entry.value, decimals_as_strings);
    separator = ',';
  }
  if (entries.empty()) out += '{';
  out += '}';
}

void append_list(std::string& out, std::span<const Value> elements, bool decimals_as_strings) {
  char separator = '[';
  for (const auto& element : elements) {
    out += separator;
    append_json(out, element, decimals_as_strings);
    separator = ',';
  }
  if (elements.empty()) out += '[';
  out += ']';
}

void append_decimal(std::string& out, const Decimal& decimal, bool as_string) {
  if (as_string) out += '"';
  decimal.append_to(out);
  if (as_string) out += '"';
}

}  // namespace

JsonParser::JsonParser() : reader_(std::make_unique<JsonReader>()) {}
JsonParser::~JsonParser() = default;
JsonParser::JsonParser(JsonParser&&) noexcept = default;
JsonParser& JsonParser::operator=(JsonParser&&) noexcept = default;

Result<Value> JsonParser::parse(std::string_view text, Arena& arena) {
  Value value;
  if (!reader_->open(text, arena) || !reader_->read_value(value, 0) || !reader_->read_end()) {
    return reader_->status();
  }
  return value;
}

Result<Value> parse_json(std::string_view text, Arena& arena) {
  return JsonParser().parse(arena.copy(text), arena);
}

void append_json(std::string& out, const Value& value, bool decimals_as_strings) {
  switch (value.kind()) {
    case ValueKind::absent:
    case ValueKind::null:
      out += "null";
      return;
    case ValueKind::boolean:
      out += value.as_boolean() ? "true" : "false";
      return;
    case ValueKind::int64:
      append_number(out, value.as_int64());
      return;
    case ValueKind::uint64:
      append_number(out, value.as_uint64());
      return;
    case ValueKind::float64:
      append_float(out, value.as_float64());
      return;
    case ValueKind::decimal:
      append_decimal(out, value.as_decimal(), decimals_as_strings);
      return;
    case ValueKind::string:
    case ValueKind::type:
    case ValueKind::error:
      append_json_string(out, value.as_string());
      return;
    case ValueKind::bytes:
      out += '"';
      out += base64_encode(value.as_string());
      out += '"';
      return;
    case ValueKind::timestamp:
      out += '"';
      out += format_instant(value.seconds(), value.nanos());
      out += '"';
      return;
    case ValueKind::duration:
      append_duration(out, value.seconds(), value.nanos());
      return;
    case ValueKind::list:
      append_list(out, value.as_list(), decimals_as_strings);
      return;
    case ValueKind::map:
      append_map(out, value.as_map(), decimals_as_strings);
      return;
  }
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = (group << 8) | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= count ? kBase64Digits[(group >> (18 - 6 * j)) & 63] : '=';
    }
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return invalid_error("base64: the length must be a multiple of 4, is " +
                         std::to_string(text.size()));
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_padding = i >= text.size() - padding;
    const int value = is_padding ? 0 : kBase64Values[static_cast<unsigned char>(text[i])];
    if (value < 0) {
      return invalid_error("base64: byte " + std::to_string(i) + " is not a base64 digit");
    }
    group = (group << 6) | static_cast<std::uint32_t>(value);
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(group >> shift);
    group = 0;
  }
  for (std::size_t i = 0; i < padding; ++i) {
    if (out.back() != '\0') return invalid_error("base64: bits are set behind the last byte");
    out.pop_back();
  }
  return out;
}

}  // namespace millrace::codec
