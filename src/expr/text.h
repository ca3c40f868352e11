#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/decimal.h"

namespace millrace::expr {

// The pieces behind each other; for messages.
std::string joined(std::initializer_list<std::string_view> pieces);

// The pieces behind each other in `arena`.
std::string_view joined_in(Arena& arena, std::initializer_list<std::string_view> pieces);

// Numbers and times as text in a buffer of fixed size, so that evaluation stays off the heap.
class ShortText {
 public:
  [[nodiscard]] std::string_view view() const { return {buffer_, size_bytes_}; }

  void append(std::string_view text);
  void append(char c) { append(std::string_view(&c, 1)); }
  void append_int(std::int64_t value);
  void append_uint(std::uint64_t value, int base = 10);
  // With leading zeros, at least `width` digits.
  void append_padded(std::int64_t value, int width);
  // The shortest text that reads back as `value`; NaN, Infinity and -Infinity by name.
  void append_double(double value);
  // Plain notation with exactly scale() digits after the point.
  void append_decimal(const Decimal& value);
  // RFC 3339 in UTC with as many fraction digits as needed.
  void append_timestamp(std::int64_t seconds, std::int32_t nanos);
  // "1.5s".
  void append_duration(std::int64_t seconds, std::int32_t nanos);

 private:
  void append_fraction(std::int32_t nanos);

  static constexpr std::size_t kBytesMax = 96;
  char buffer_[kBytesMax];
  std::size_t size_bytes_ = 0;
};

// CEL's double('...'): decimal notation, inf, infinity and nan in any case; nullopt when it is not
// a number or too large; too small is zero.
std::optional<double> parse_double(std::string_view text);

// "1h30m", "-1.5s", "10ms", "3us", "7ns": within int64 nanoseconds, otherwise nullopt.
struct DurationParts {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
};
std::optional<DurationParts> parse_duration(std::string_view text);
// nullopt beyond int64 nanoseconds (about 292 years), CEL's range.
std::optional<DurationParts> duration_from_nanos(__int128 nanos);

// The civil date of a day counted from 1970-01-01, and what CEL asks about it.
struct CivilDate {
  std::int64_t year = 1970;
  int month = 1;
  int day = 1;
  int day_of_year = 0;  // 0-based
  int day_of_week = 4;  // Sunday is 0
};
CivilDate civil_date(std::int64_t days);

}  // namespace millrace::expr
