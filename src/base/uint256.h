#pragma once

#include <compare>
#include <cstdint>

namespace millrace {

// The little of 256-bit unsigned arithmetic that exact decimals need when 128 bits do not hold an
// intermediate product. Results that would not fit in 256 bits are the caller's mistake: operands
// below 10^76 are safe everywhere here.
struct Uint256 {
  unsigned __int128 high = 0;
  unsigned __int128 low = 0;

  auto operator<=>(const Uint256&) const = default;

  [[nodiscard]] bool is_small() const { return high == 0; }
  [[nodiscard]] bool bit(int i) const {
    return ((i < 128 ? low >> i : high >> (i - 128)) & 1) != 0;
  }
};

inline Uint256 add(const Uint256& a, const Uint256& b) {
  Uint256 sum;
  sum.low = a.low + b.low;
  sum.high = a.high + b.high + (sum.low < a.low ? 1 : 0);
  return sum;
}

// a - b for a >= b.
inline Uint256 subtract(const Uint256& a, const Uint256& b) {
  return {a.high - b.high - (a.low < b.low ? 1 : 0), a.low - b.low};
}

// The full product.
inline Uint256 multiply(unsigned __int128 a, unsigned __int128 b) {
  constexpr unsigned __int128 kLow64 = ~std::uint64_t{0};
  const unsigned __int128 a0 = a & kLow64, a1 = a >> 64;
  const unsigned __int128 b0 = b & kLow64, b1 = b >> 64;
  const unsigned __int128 p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
  // Three summands below 2^64 each: no overflow.
  const unsigned __int128 middle = (p00 >> 64) + (p01 & kLow64) + (p10 & kLow64);
  return {p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64), (middle << 64) | (p00 & kLow64)};
}

inline Uint256 multiply(const Uint256& a, unsigned __int128 b) {
  Uint256 product = multiply(a.low, b);
  product.high += a.high * b;
  return product;
}

struct Uint256Quotient {
  Uint256 quotient;
  Uint256 remainder;
};

// Schoolbook binary long division. `by` is not zero and below 2^255.
inline Uint256Quotient divide(const Uint256& value, const Uint256& by) {
  if (value.is_small() && by.is_small()) {
    return {{0, value.low / by.low}, {0, value.low % by.low}};
  }
  Uint256Quotient out;
  for (int i = 255; i >= 0; --i) {
    out.remainder = add(out.remainder, out.remainder);
    if (value.bit(i)) out.remainder.low |= 1;
    out.quotient = add(out.quotient, out.quotient);
    if (out.remainder >= by) {
      out.remainder = subtract(out.remainder, by);
      out.quotient.low |= 1;
    }
  }
  return out;
}

}  // namespace millrace
