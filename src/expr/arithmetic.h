#pragma once

#include <array>
#include <cstdint>

#include "expr/node.h"

namespace millrace::expr {

// CEL's operators on values. Ints and uints give an error on overflow and division by zero; doubles
// follow IEEE 754. Any number meeting a decimal, and an int meeting a double that knows how it was
// written, become decimals. Division of decimals is exact where the quotient has at most 38 digits,
// otherwise rounded half-even to kQuotientScale digits.
inline constexpr int kQuotientScale = 18;

// An int, a decimal whose digits fit a word, or a double that knows how it was written: what nearly
// every price, count and rate is. The operators treat it apart, because Decimal's own ones must be
// ready for 38 digits.
struct SmallDecimal {
  std::int64_t unscaled = 0;
  int scale = 0;
};
inline bool read_small(const Value& value, SmallDecimal& out) {
  if (value.kind() == ValueKind::int64) {
    out = {value.as_int64(), 0};
    return true;
  }
  if (value.kind() == ValueKind::float64 && value.has_written_decimal()) {
    const Decimal written = value.written_decimal();
    out = {static_cast<std::int64_t>(written.unscaled()), written.scale()};
    return true;
  }
  if (value.kind() != ValueKind::decimal) return false;
  const Decimal decimal = value.as_decimal();
  out = {static_cast<std::int64_t>(decimal.unscaled()), decimal.scale()};
  return out.unscaled == decimal.unscaled();
}

// 10^0 to 10^18: an int64 times any of them fits 127 bits.
inline constexpr int kSmallShiftMax = 18;
inline constexpr auto kSmallPowersOfTen = [] {
  std::array<std::int64_t, kSmallShiftMax + 1> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

Value add(const Node& node, Frame& frame, const Value& a, const Value& b);
Value subtract(const Node& node, Frame& frame, const Value& a, const Value& b);
Value multiply(const Node& node, Frame& frame, const Value& a, const Value& b);
Value divide(const Node& node, Frame& frame, const Value& a, const Value& b);
Value modulo(const Node& node, Frame& frame, const Value& a, const Value& b);
Value negate(const Node& node, Frame& frame, const Value& a);

}  // namespace millrace::expr
