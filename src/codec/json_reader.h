#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "model/value.h"

namespace millrace::codec {

// The grammar of JSON, once for parse_json and RowDecoder.
//
// simdjson's first stage checks UTF-8 and control characters and gives the position of every token:
// brackets, colons, commas, the opening quotes of strings, the first character of everything else.
//
//   {"a":"x y", "b":-12 }
//   ^^  ^^    ^ ^  ^^   ^          tokens; between two tokens' contents there is only white space
//
// So a string's closing quote and a number's last digit are found backwards from the next token,
// and nothing is read beyond the text. What lies between is walked here rather than by simdjson's
// second stage, which turns numbers into doubles, and rather than by its on-demand interface, which
// does not check what it is not asked for.
//
// Reading functions give false after an error, which `status()` then describes; nothing may be read
// after that but a newly opened text. Single-threaded; reusable, keeps its memory.
class JsonReader {
 public:
  JsonReader();
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // Finds the tokens of `text`. Values read are views into it, or into `arena` where a string has
  // an escape or a value has parts.
  bool open(std::string_view text, Arena& arena);

  // The first character of the current token; '\0' at the end.
  [[nodiscard]] char token() const { return next_ < last_ ? text_[*next_] : '\0'; }
  // To the next token. Only after a token that is not the end.
  void advance() { ++next_; }

  // The current token must begin a string; its content without quotes and escapes.
  bool read_string(std::string_view& out);
  // Any value. `depth` counts the containers around it, at most kJsonDepthMax.
  bool read_value(Value& out, int depth);
  // The end of the text must have been reached.
  bool read_end();

  // Makes `status()` "byte N: what" with the current token's position. Always false.
  bool fail(std::string_view what);
  bool fail_at(const char* at, std::string_view what);
  // The same for a key seen before; `object` is where the object begins.
  bool fail_duplicate(const char* object, std::string_view key);
  [[nodiscard]] const char* position() const { return text_ + *next_; }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  struct Scanner;

  // One past the last character of the current token that is not white space.
  [[nodiscard]] const char* token_end() const;
  bool unescape(const char* from, const char* end, std::string_view& out);
  bool read_number(Value& out);
  bool read_literal(Value& out);
  bool read_list(Value& out, int depth);
  bool read_map(Value& out, int depth);
  bool fail_scan(int error);

  std::unique_ptr<Scanner> scanner_;
  Arena* arena_ = nullptr;
  const char* text_ = nullptr;
  const char* text_end_ = nullptr;
  const std::uint32_t* next_ = nullptr;  // token positions; *last_ is the text's size
  const std::uint32_t* last_ = nullptr;
  bool has_backslash_ = false;  // anywhere in the text
  std::vector<Value> values_;   // of the lists that are still open, innermost last
  std::vector<MapEntry> entries_;
  std::vector<std::string_view> keys_;
  Status status_;
};

// The first key that is there twice, exactly; nullptr if none is. May reorder `keys`.
const std::string_view* find_duplicate(std::vector<std::string_view>& keys);

}  // namespace millrace::codec
