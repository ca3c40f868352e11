#include "base/decimal.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/uint256.h"

namespace millrace {
namespace {

using Int128 = __int128;
using Uint128 = unsigned __int128;

constexpr auto kPowersOfTen = [] {
  std::array<Uint128, Decimal::kDigitsMax + 1> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();
constexpr Uint128 kLimit = kPowersOfTen[Decimal::kDigitsMax];

// An int64 times 10^18 stays below 10^38, so such operands need no overflow check.
constexpr int kSmallShiftMax = 18;

constexpr bool fits_int64(Int128 value) {
  return static_cast<std::int64_t>(value) == value;
}
constexpr Uint128 magnitude_of(Int128 value) {
  return value < 0 ? -static_cast<Uint128>(value) : static_cast<Uint128>(value);
}
constexpr Int128 with_sign(Uint128 magnitude, bool is_negative) {
  return static_cast<Int128>(is_negative ? -magnitude : magnitude);
}
constexpr bool is_scale(int scale) {
  return scale >= 0 && scale <= Decimal::kDigitsMax;
}

int count_digits(Uint128 value) {
  const auto* end = std::upper_bound(kPowersOfTen.begin(), kPowersOfTen.end(), value);
  return static_cast<int>(end - kPowersOfTen.begin());
}

// The number at `scale`, or at the largest smaller scale where it fits: digits are given up only
// while they are zero. nullopt when no scale holds it exactly.
std::optional<Decimal> fit(Uint256 magnitude, bool is_negative, int scale) {
  constexpr Uint256 kTen{0, 10};
  while (scale > Decimal::kDigitsMax || magnitude >= Uint256{0, kLimit}) {
    if (scale == 0) return std::nullopt;
    const auto [quotient, remainder] = divide(magnitude, kTen);
    if (remainder != Uint256{}) return std::nullopt;
    magnitude = quotient;
    --scale;
  }
  return Decimal(with_sign(magnitude.low, is_negative), scale);
}

// Of a division with this remainder: whether the quotient is rounded up, half to even.
template <typename Unsigned>
bool rounds_up(const Unsigned& remainder, const Unsigned& rest_to_divisor, bool is_odd) {
  return remainder > rest_to_divisor || (remainder == rest_to_divisor && is_odd);
}

Uint128 divide_half_even(Uint128 value, Uint128 divisor) {
  const Uint128 quotient = value / divisor;
  const Uint128 remainder = value % divisor;
  const bool is_odd = (quotient & 1) != 0;
  return quotient + (rounds_up(remainder, divisor - remainder, is_odd) ? 1 : 0);
}

// nullopt when the quotient has more than 38 digits.
std::optional<Uint128> divide_half_even(const Uint256& value, const Uint256& divisor) {
  auto [quotient, remainder] = divide(value, divisor);
  const bool is_odd = (quotient.low & 1) != 0;
  if (rounds_up(remainder, subtract(divisor, remainder), is_odd)) {
    quotient = add(quotient, Uint256{0, 1});
  }
  if (quotient >= Uint256{0, kLimit}) return std::nullopt;
  return quotient.low;
}

std::optional<Decimal> add_wide(const Decimal& a, const Decimal& b) {
  const int scale = std::max(a.scale(), b.scale());
  const auto left = multiply(magnitude_of(a.unscaled()), kPowersOfTen[scale - a.scale()]);
  const auto right = multiply(magnitude_of(b.unscaled()), kPowersOfTen[scale - b.scale()]);
  if (a.is_negative() == b.is_negative()) return fit(add(left, right), a.is_negative(), scale);
  if (left >= right) return fit(subtract(left, right), a.is_negative(), scale);
  return fit(subtract(right, left), b.is_negative(), scale);
}

// Any length, any exponent. Zeros are held back until a digit follows them, so that trailing zeros
// beyond 38 digits can be given up without losing anything.
std::optional<Decimal> parse_any(std::string_view text) {
  std::size_t i = 0;
  const bool is_negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) ++i;

  Uint128 value = 0;        // significant digits so far, without `zeros`
  std::int64_t digits = 0;  // of value
  std::int64_t zeros = 0;   // held back
  std::int64_t scale = 0;
  const auto take_digits = [&](bool is_fraction) {
    const std::size_t start = i;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      if (is_fraction) ++scale;
      if (digits > Decimal::kDigitsMax) continue;  // too long already; only the grammar matters
      if (text[i] == '0') {
        if (digits > 0) ++zeros;
        continue;
      }
      digits += zeros + 1;
      if (digits > Decimal::kDigitsMax) continue;
      value = value * kPowersOfTen[zeros + 1] + static_cast<Uint128>(text[i] - '0');
      zeros = 0;
    }
    return i > start;
  };
  if (!take_digits(false)) return std::nullopt;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (!take_digits(true)) return std::nullopt;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    const bool is_down = i < text.size() && text[i] == '-';
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    constexpr std::int64_t kExponentMax = std::int64_t{1} << 48;  // beyond any text's length
    std::int64_t exponent = 0;
    const std::size_t start = i;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      exponent = std::min(exponent * 10 + (text[i] - '0'), kExponentMax);
    }
    if (i == start) return std::nullopt;
    scale += is_down ? exponent : -exponent;
  }
  if (i != text.size() || digits > Decimal::kDigitsMax) return std::nullopt;

  if (value == 0) {
    return Decimal(0, static_cast<int>(std::clamp<std::int64_t>(scale, 0, Decimal::kDigitsMax)));
  }
  if (scale < 0) {
    zeros -= scale;
    scale = 0;
  }
  const auto surplus =
      std::max({digits + zeros, scale, std::int64_t{Decimal::kDigitsMax}}) - Decimal::kDigitsMax;
  if (surplus > zeros || surplus > scale) return std::nullopt;
  zeros -= surplus;
  scale -= surplus;
  return Decimal(with_sign(value * kPowersOfTen[zeros], is_negative), static_cast<int>(scale));
}

// "00".."99" behind each other.
constexpr auto kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

// Writes the digits of `value` so that they end before `end`; returns their first.
char* write_digits(std::uint64_t value, char* end) {
  while (value >= 100) {
    end -= 2;
    std::memcpy(end, &kDigitPairs[2 * (value % 100)], 2);
    value /= 100;
  }
  if (value >= 10) {
    end -= 2;
    std::memcpy(end, &kDigitPairs[2 * value], 2);
    return end;
  }
  *--end = static_cast<char>('0' + value);
  return end;
}

}  // namespace

Int128 power_of_ten(int exponent) {
  MR_CHECK(is_scale(exponent));
  return static_cast<Int128>(kPowersOfTen[static_cast<std::size_t>(exponent)]);
}

std::optional<Decimal> Decimal::parse(std::string_view text) {
  // Up to 19 digits and no exponent fit a word; everything else takes the long way.
  constexpr std::size_t kShortMax = 19;
  if (text.empty() || text.size() > kShortMax) return parse_any(text);
  const bool is_negative = text[0] == '-';
  const char* at = text.data() + (is_negative ? 1 : 0);
  const char* end = text.data() + text.size();
  const char* first = at;
  std::uint64_t value = 0;
  unsigned digit = 0;
  for (; at != end && (digit = static_cast<unsigned>(*at) - '0') < 10; ++at) {
    value = value * 10 + digit;
  }
  if (at == first) return parse_any(text);
  int scale = 0;
  if (at != end && *at == '.') {
    const char* point = at++;
    for (; at != end && (digit = static_cast<unsigned>(*at) - '0') < 10; ++at) {
      value = value * 10 + digit;
    }
    scale = static_cast<int>(at - point) - 1;
    if (scale == 0) return std::nullopt;
  }
  if (at != end) return parse_any(text);
  return Decimal(is_negative ? -static_cast<Int128>(value) : static_cast<Int128>(value), scale);
}

void Decimal::append_to(std::string& out) const {
  MR_CHECK(is_scale(scale_));
  constexpr std::uint64_t kTenTo19 = 10'000'000'000'000'000'000ULL;
  // 39 digits of an unscaled value outside the range, a zero before the point, the point, the sign.
  std::array<char, 48> buffer;
  char* const end = buffer.data() + buffer.size();
  Uint128 magnitude = magnitude_of(unscaled_);
  char* lowest = end;
  while (magnitude > ~std::uint64_t{0}) {  // 19 digits at a time, zeros included
    char* const piece = lowest - 19;
    char* const written = write_digits(static_cast<std::uint64_t>(magnitude % kTenTo19), lowest);
    std::fill(piece, written, '0');
    lowest = piece;
    magnitude /= kTenTo19;
  }
  char* first = write_digits(static_cast<std::uint64_t>(magnitude), lowest);
  if (scale_ > 0) {
    char* const least = end - scale_ - 1;  // at least one digit stands before the point
    while (first > least) *--first = '0';
    const auto whole_digits = static_cast<std::size_t>(end - scale_ - first);
    std::memmove(first - 1, first, whole_digits);
    --first;
    first[whole_digits] = '.';
  }
  if (unscaled_ < 0) *--first = '-';
  out.append(first, static_cast<std::size_t>(end - first));
}

std::string Decimal::to_string() const {
  std::string out;
  append_to(out);
  return out;
}

std::optional<Decimal> Decimal::add(const Decimal& other) const {
  if (scale_ == other.scale_) {
    Int128 sum = 0;
    if (!__builtin_add_overflow(unscaled_, other.unscaled_, &sum) && magnitude_of(sum) < kLimit) {
      return Decimal(sum, scale_);
    }
  } else if (fits_int64(unscaled_) && fits_int64(other.unscaled_)) {
    const int shift = scale_ - other.scale_;
    if (shift > 0 && shift <= kSmallShiftMax) {
      return Decimal(unscaled_ + other.unscaled_ * power_of_ten(shift), scale_);
    }
    if (shift < 0 && shift >= -kSmallShiftMax) {
      return Decimal(unscaled_ * power_of_ten(-shift) + other.unscaled_, other.scale_);
    }
  }
  return add_wide(*this, other);
}

std::optional<Decimal> Decimal::subtract(const Decimal& other) const {
  return add(other.negated());
}

std::optional<Decimal> Decimal::multiply(const Decimal& other) const {
  const int scale = scale_ + other.scale_;
  if (scale <= kDigitsMax && fits_int64(unscaled_) && fits_int64(other.unscaled_)) {
    return Decimal(unscaled_ * other.unscaled_, scale);  // below 2^126 < 10^38
  }
  return fit(millrace::multiply(magnitude_of(unscaled_), magnitude_of(other.unscaled_)),
             is_negative() != other.is_negative(), scale);
}

std::optional<Decimal> Decimal::divide(const Decimal& other, int scale) const {
  if (!is_scale(scale) || other.is_zero()) return std::nullopt;
  if (is_zero()) return Decimal(0, scale);
  // unscaled * 10^shift / other.unscaled is the quotient's unscaled value.
  const int shift = scale - scale_ + other.scale_;
  Uint256 dividend{0, magnitude_of(unscaled_)};
  Uint256 divisor{0, magnitude_of(other.unscaled_)};
  if (shift >= 0) {
    // From 77 digits on the quotient by a divisor below 10^38 has more than 38 digits.
    if (count_digits(dividend.low) + shift > 76) return std::nullopt;
    const int first = std::min(shift, kDigitsMax);
    dividend = millrace::multiply(dividend.low, kPowersOfTen[first]);
    dividend = millrace::multiply(dividend, kPowersOfTen[shift - first]);
  } else {
    divisor = millrace::multiply(divisor.low, kPowersOfTen[-shift]);
  }
  const auto quotient = divide_half_even(dividend, divisor);
  if (!quotient) return std::nullopt;
  return Decimal(with_sign(*quotient, is_negative() != other.is_negative()), scale);
}

std::optional<Decimal> Decimal::round_half_even(int scale) const {
  if (!is_scale(scale)) return std::nullopt;
  const int shift = scale - scale_;
  if (shift == 0) return *this;
  if (shift > 0) {
    if (fits_int64(unscaled_) && shift <= kSmallShiftMax) {
      return Decimal(unscaled_ * power_of_ten(shift), scale);
    }
    const auto product = millrace::multiply(magnitude_of(unscaled_), kPowersOfTen[shift]);
    if (product >= Uint256{0, kLimit}) return std::nullopt;
    return Decimal(with_sign(product.low, is_negative()), scale);
  }
  const Uint128 magnitude = magnitude_of(unscaled_);
  if (fits_int64(unscaled_) && -shift <= kSmallShiftMax) {
    const auto small = static_cast<std::uint64_t>(magnitude);
    const auto divisor = static_cast<std::uint64_t>(kPowersOfTen[-shift]);
    const std::uint64_t quotient = small / divisor;
    const std::uint64_t remainder = small % divisor;
    const bool goes_up = rounds_up(remainder, divisor - remainder, (quotient & 1) != 0);
    return Decimal(with_sign(quotient + (goes_up ? 1 : 0), is_negative()), scale);
  }
  return Decimal(with_sign(divide_half_even(magnitude, kPowersOfTen[-shift]), is_negative()),
                 scale);
}

Decimal Decimal::normalized() const {
  if (is_zero()) return {0, 0};
  Int128 unscaled = unscaled_;
  int scale = scale_;
  for (; scale > 0 && unscaled % 10 == 0; --scale) unscaled /= 10;
  return {unscaled, scale};
}

std::optional<std::int64_t> Decimal::to_int() const {
  const Int128 divisor = power_of_ten(scale_);
  if (unscaled_ % divisor != 0) return std::nullopt;
  const Int128 whole = unscaled_ / divisor;
  if (!fits_int64(whole)) return std::nullopt;
  return static_cast<std::int64_t>(whole);
}

std::strong_ordering Decimal::operator<=>(const Decimal& other) const {
  if (scale_ == other.scale_) return unscaled_ <=> other.unscaled_;
  const int sign = (unscaled_ > 0) - (unscaled_ < 0);
  const int other_sign = (other.unscaled_ > 0) - (other.unscaled_ < 0);
  if (sign != other_sign || sign == 0) return sign <=> other_sign;
  if (scale_ > other.scale_) return 0 <=> (other <=> *this);
  // The finer number's whole part (in units of the coarser scale) decides; then its rest.
  const Int128 unit = power_of_ten(other.scale_ - scale_);
  const Int128 whole = other.unscaled_ / unit;
  if (unscaled_ != whole) return unscaled_ <=> whole;
  return Int128{0} <=> other.unscaled_ % unit;
}

}  // namespace millrace
