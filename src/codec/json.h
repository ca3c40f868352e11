#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/status.h"
#include "model/value.h"

namespace millrace::codec {

inline constexpr int kJsonDepthMax = 64;
inline constexpr std::size_t kJsonBytesMax = 128u << 20;

// Parses one whole JSON document (RFC 8259, UTF-8 checked, nothing after it). Whole numbers become
// int64, or decimal where they do not fit; numbers with a fraction or exponent become decimal,
// exactly. Objects become maps in text order. Duplicate keys, depth over kJsonDepthMax and numbers
// over 38 digits are `invalid` with the byte position. Strings are copied into `arena`.
Result<Value> parse_json(std::string_view text, Arena& arena);

class JsonReader;

// The same for a steady load: keeps its memory between texts, and strings without escapes are views
// into the text. Single-threaded.
class JsonParser {
 public:
  JsonParser();
  ~JsonParser();
  JsonParser(JsonParser&&) noexcept;
  JsonParser& operator=(JsonParser&&) noexcept;

  Result<Value> parse(std::string_view text, Arena& arena);

 private:
  std::unique_ptr<JsonReader> reader_;
};

// Appends any value: decimals as strings when `decimals_as_strings`, else as numbers; timestamps as
// RFC 3339 strings; bytes as base64; durations as "1.5s"; a float64 that is no number, a type and
// an error as strings. Absent is null. A map's keys that are not strings become strings.
void append_json(std::string& out, const Value& value, bool decimals_as_strings = true);

// RFC 4648 section 4, with padding. Decoding takes nothing else: no line breaks, no missing
// padding, no bits set behind the last byte.
std::string base64_encode(std::string_view bytes);
Result<std::string> base64_decode(std::string_view text);

}  // namespace millrace::codec
