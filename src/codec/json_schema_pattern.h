#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace re2 {
class RE2;
}

namespace millrace::codec {

inline constexpr std::size_t kPatternBytesMax = 4096;
inline constexpr std::size_t kClassAtomsMax = 32;
inline constexpr std::uint32_t kClassRepeatMax = 100'000;

// An anchored sequence of ASCII character classes with repeat counts, like ^CUST-[A-Z]{2,4}-\d+$,
// matched by table look-ups in one pass. Only sequences in which a greedy match can never take a
// character that a later atom needs are accepted, so that no backtracking exists.
class ClassSequence {
 public:
  // Whether `pattern` (ECMA 262) is such a sequence; the object is empty otherwise.
  bool parse(std::string_view pattern);
  // Whether all of `text` matches.
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  struct Atom {
    std::array<std::uint64_t, 4> set{};  // bit b of the 256: byte b belongs to the class
    std::uint32_t repeat_min = 1;
    std::uint32_t repeat_max = 1;  // kUnbounded: no limit
    [[nodiscard]] bool has(unsigned char byte) const { return (set[byte >> 6] >> (byte & 63)) & 1; }
  };
  static constexpr std::uint32_t kUnbounded = ~0U;

  static bool parse_class(std::string_view& rest, Atom& atom);
  static bool parse_escape(std::string_view& rest, Atom& atom);
  static bool parse_repeat(std::string_view& rest, Atom& atom);
  [[nodiscard]] bool is_deterministic() const;

  std::vector<Atom> atoms_;
};

// A `pattern` of JSON Schema: an ECMA 262 regular expression that may match anywhere in the text,
// by code points. Look-around and back-references do not exist here (RE2). Immutable; any thread.
class TextPattern {
 public:
  // `unsupported` for what RE2 cannot do, `invalid` for what is no regular expression.
  static Result<TextPattern> compile(std::string_view pattern);
  TextPattern(TextPattern&&) noexcept;
  TextPattern& operator=(TextPattern&&) noexcept;
  ~TextPattern();

  // `text` must be well-formed UTF-8.
  [[nodiscard]] bool matches(std::string_view text) const {
    return is_sequence_ ? sequence_.matches(text) : search(text);
  }
  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] bool is_class_sequence() const { return is_sequence_; }

 private:
  TextPattern();
  [[nodiscard]] bool search(std::string_view text) const;

  std::string source_;
  bool is_sequence_ = false;
  ClassSequence sequence_;
  std::unique_ptr<re2::RE2> regex_;
};

}  // namespace millrace::codec
