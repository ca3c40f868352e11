#include "base/decimal.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace millrace {
namespace {

// The slow twin: schoolbook arithmetic on digit strings without leading zeros ("" is zero).
using Digits = std::string;

Digits trimmed(Digits digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

Digits times_ten_to(Digits digits, int zeros) {
  return digits.empty() ? digits : digits + std::string(static_cast<std::size_t>(zeros), '0');
}

int compare(const Digits& a, const Digits& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b) < 0 ? -1 : (a == b ? 0 : 1);
}

Digits sum_of(const Digits& a, const Digits& b) {
  Digits out;
  int carry = 0;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()) || carry != 0; ++i) {
    if (i < a.size()) carry += a[a.size() - 1 - i] - '0';
    if (i < b.size()) carry += b[b.size() - 1 - i] - '0';
    out.push_back(static_cast<char>('0' + carry % 10));
    carry /= 10;
  }
  std::reverse(out.begin(), out.end());
  return trimmed(out);
}

Digits difference_of(const Digits& a, const Digits& b) {  // a >= b
  Digits out;
  int borrow = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    int digit = a[a.size() - 1 - i] - '0' - borrow;
    if (i < b.size()) digit -= b[b.size() - 1 - i] - '0';
    borrow = digit < 0 ? 1 : 0;
    out.push_back(static_cast<char>('0' + digit + 10 * borrow));
  }
  std::reverse(out.begin(), out.end());
  return trimmed(out);
}

Digits product_of(const Digits& a, const Digits& b) {
  Digits out;
  for (const char digit : b) {
    out = times_ten_to(out, 1);
    for (int i = '0'; i < digit; ++i) out = sum_of(out, a);
  }
  return out;
}

struct QuotientTwin {
  Digits quotient;
  Digits remainder;
};

QuotientTwin divide_twin(const Digits& a, const Digits& b) {
  QuotientTwin out;
  for (const char digit : a) {
    out.remainder = trimmed(out.remainder + digit);
    char count = '0';
    for (; compare(out.remainder, b) >= 0; ++count) {
      out.remainder = difference_of(out.remainder, b);
    }
    out.quotient.push_back(count);
  }
  out.quotient = trimmed(out.quotient);
  return out;
}

Digits rounded_quotient_twin(const Digits& a, const Digits& b) {
  auto [quotient, remainder] = divide_twin(a, b);
  const int side = compare(sum_of(remainder, remainder), b);
  const bool is_odd = !quotient.empty() && (quotient.back() - '0') % 2 == 1;
  return side > 0 || (side == 0 && is_odd) ? sum_of(quotient, "1") : quotient;
}

struct Twin {
  bool is_negative = false;
  Digits digits;
  int scale = 0;
};

Digits digits_of(__int128 value) {
  Digits out;
  for (; value != 0; value /= 10) {
    const int digit = static_cast<int>(value % 10);
    out.push_back(static_cast<char>('0' + (digit < 0 ? -digit : digit)));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Twin twin_of(const Decimal& d) {
  return {d.unscaled() < 0, digits_of(d.unscaled()), d.scale()};
}

__int128 unscaled_of(const Twin& twin) {
  __int128 value = 0;
  for (const char digit : twin.digits) value = value * 10 + (digit - '0');
  return twin.is_negative ? -value : value;
}

// Zeros at the end are given up while 38 digits or the scale do not hold them.
std::optional<Twin> fit_twin(Twin twin) {
  while (twin.digits.size() > 38 || twin.scale > 38) {
    if (twin.scale == 0 || (!twin.digits.empty() && twin.digits.back() != '0')) return std::nullopt;
    if (!twin.digits.empty()) twin.digits.pop_back();
    --twin.scale;
  }
  return twin;
}

std::optional<Twin> add_twin(const Twin& a, const Twin& b) {
  const int scale = std::max(a.scale, b.scale);
  const Digits left = times_ten_to(a.digits, scale - a.scale);
  const Digits right = times_ten_to(b.digits, scale - b.scale);
  if (a.is_negative == b.is_negative) return fit_twin({a.is_negative, sum_of(left, right), scale});
  if (compare(left, right) >= 0) {
    return fit_twin({a.is_negative, difference_of(left, right), scale});
  }
  return fit_twin({b.is_negative, difference_of(right, left), scale});
}

std::optional<Twin> divide_decimal_twin(const Twin& a, const Twin& b, int scale) {
  if (b.digits.empty()) return std::nullopt;
  const int shift = scale - a.scale + b.scale;
  const Digits quotient = rounded_quotient_twin(times_ten_to(a.digits, std::max(shift, 0)),
                                                times_ten_to(b.digits, std::max(-shift, 0)));
  if (quotient.size() > 38) return std::nullopt;
  return Twin{a.is_negative != b.is_negative, quotient, scale};
}

std::string text_of(const Twin& twin) {
  std::string digits = twin.digits;
  const auto scale = static_cast<std::size_t>(twin.scale);
  if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
  if (scale > 0) digits.insert(digits.size() - scale, ".");
  return (twin.is_negative && !twin.digits.empty() ? "-" : "") + digits;
}

void expect_same(const std::optional<Decimal>& actual, const std::optional<Twin>& expected) {
  ASSERT_EQ(actual.has_value(), expected.has_value());
  if (!actual) return;
  EXPECT_EQ(actual->scale(), expected->scale);
  EXPECT_TRUE(actual->unscaled() == unscaled_of(*expected))
      << actual->to_string() << " instead of " << text_of(*expected);
}

// Every length of number, ends of the ranges of int64 and of 38 digits, trailing zeros, halves.
Decimal random_decimal(Random& random) {
  Digits digits;
  const std::uint64_t count = random.below(random.one_in(3) ? 39 : 12);
  for (std::uint64_t i = 0; i < count; ++i) {
    digits.push_back(static_cast<char>('0' + random.below(10)));
  }
  const auto change_tail = [&](char to) {
    const std::uint64_t from = digits.empty() ? 0 : random.below(digits.size());
    for (auto i = from; i < digits.size(); ++i) digits[i] = to;
    if (to == '0' && random.one_in(2) && from < digits.size()) digits[from] = '5';
  };
  switch (random.below(8)) {
    case 0:
      change_tail('0');
      break;
    case 1:
      change_tail('9');
      break;
    case 2:
      digits = "9223372036854775807";
      break;
    case 3:
      digits = "9223372036854775808";
      break;
    case 4:
      digits = std::string(38, '9');
      break;
    default:
      break;
  }
  const int scale = static_cast<int>(random.below(random.one_in(2) ? 39 : 6));
  return {unscaled_of({random.one_in(2), trimmed(digits), 0}), scale};
}

constexpr std::uint64_t kSeed = 20120621;

TEST(Decimal, arithmetic_agrees_with_digit_strings) {
  Random random(kSeed);
  for (int i = 0; i < 2500; ++i) {
    const Decimal a = random_decimal(random);
    Decimal b = random_decimal(random);
    if (random.one_in(8)) {  // 2 at any scale: halves
      const int scale = static_cast<int>(random.below(38));
      b = Decimal(2 * power_of_ten(scale), scale);
    }
    SCOPED_TRACE("seed " + std::to_string(kSeed) + " round " + std::to_string(i) + ": " +
                 text_of(twin_of(a)) + " and " + text_of(twin_of(b)));
    const Twin ta = twin_of(a);
    const Twin tb = twin_of(b);
    expect_same(a.add(b), add_twin(ta, tb));
    expect_same(a.subtract(b), add_twin(ta, {!tb.is_negative, tb.digits, tb.scale}));
    expect_same(a.multiply(b), fit_twin({ta.is_negative != tb.is_negative,
                                         product_of(ta.digits, tb.digits), ta.scale + tb.scale}));
    const int scale = static_cast<int>(random.below(39));
    expect_same(a.divide(b, scale), divide_decimal_twin(ta, tb, scale));
    expect_same(a.round_half_even(scale), divide_decimal_twin(ta, {false, "1", 0}, scale));
    if (HasFailure()) return;
  }
}

TEST(Decimal, comparison_agrees_with_digit_strings_across_scales) {
  Random random(kSeed + 1);
  for (int i = 0; i < 20000; ++i) {
    Decimal a = random_decimal(random);
    Decimal b = random_decimal(random);
    if (random.one_in(3)) b = a.round_half_even(static_cast<int>(random.below(39))).value_or(b);
    const Twin ta = twin_of(a);
    const Twin tb = twin_of(b);
    int expected =
        compare(times_ten_to(ta.digits, 38 - ta.scale), times_ten_to(tb.digits, 38 - tb.scale));
    if (ta.is_negative != tb.is_negative) {
      expected = ta.is_negative ? -1 : 1;
    } else if (ta.is_negative) {
      expected = -expected;
    }
    const auto actual = a <=> b;
    ASSERT_EQ(actual < 0 ? -1 : (actual > 0 ? 1 : 0), expected)
        << "seed " << kSeed + 1 << ": " << text_of(ta) << " and " << text_of(tb);
    ASSERT_EQ(a == b, expected == 0);
  }
}

TEST(Decimal, text_goes_there_and_back) {
  Random random(kSeed + 2);
  for (int i = 0; i < 20000; ++i) {
    const Decimal number = random_decimal(random);
    const std::string text = text_of(twin_of(number));
    ASSERT_EQ(number.to_string(), text) << "seed " << kSeed + 2;
    const auto parsed = Decimal::parse(text);
    ASSERT_TRUE(parsed) << text;
    ASSERT_TRUE(parsed->unscaled() == number.unscaled()) << text;
    ASSERT_EQ(parsed->scale(), number.scale()) << text;
  }
}

TEST(Decimal, parses_any_notation_of_a_number) {
  Random random(kSeed + 3);
  for (int i = 0; i < 20000; ++i) {
    // sign, leading zeros, digits, point, digits, exponent: each perhaps, of any length
    const auto digits_up_to = [&](std::uint64_t bound) {
      Digits digits;
      for (auto left = random.below(bound + 1); left > 0; --left) {
        digits.push_back(random.one_in(3) ? '0' : static_cast<char>('0' + random.below(10)));
      }
      return digits;
    };
    const std::uint64_t bound = random.one_in(2) ? 6 : 42;
    const Digits whole =
        std::string(random.one_in(4) ? random.below(50) : 0, '0') + digits_up_to(bound) + "7";
    const Digits fraction =
        digits_up_to(bound) + std::string(random.one_in(4) ? random.below(50) : 0, '0');
    const int exponent = random.one_in(2) ? 0 : static_cast<int>(random.below(100)) - 50;
    const bool is_negative = random.one_in(2);
    std::string text = is_negative ? "-" : (random.one_in(4) ? "+" : "");
    text += whole;
    if (!fraction.empty()) text += "." + fraction;
    if (exponent != 0 || random.one_in(4)) {
      text += random.one_in(2) ? "e" : "E";
      text += exponent >= 0 && random.one_in(2) ? "+" : "";
      text += std::to_string(exponent);
    }
    Twin twin{is_negative, trimmed(whole + fraction), static_cast<int>(fraction.size()) - exponent};
    if (twin.scale < 0) {
      twin.digits = times_ten_to(twin.digits, -twin.scale);
      twin.scale = 0;
    }
    SCOPED_TRACE("seed " + std::to_string(kSeed + 3) + ": " + text);
    expect_same(Decimal::parse(text), fit_twin(twin));
    if (HasFailure()) return;
  }
}

TEST(Decimal, refuses_what_is_not_a_number) {
  for (const char* text : {"",
                           "-",
                           "+",
                           ".",
                           ".5",
                           "5.",
                           "-.5",
                           "1e",
                           "1e+",
                           "1e-",
                           "e1",
                           "1..2",
                           "1.2.3",
                           "--1",
                           "+-1",
                           "-+1",
                           " 1",
                           "1 ",
                           "1,5",
                           "0x10",
                           "1e5.5",
                           "NaN",
                           "nan",
                           "inf",
                           "Infinity",
                           "1_000",
                           "1/2",
                           "1:2",
                           "12a",
                           "a12",
                           "1.e5",
                           "99999999999999999999999999999999999999999.",
                           "1.00000000000000000000000000000000000000000000x"}) {
    EXPECT_FALSE(Decimal::parse(text)) << text;
  }
  EXPECT_FALSE(Decimal::parse(std::string_view("1\0", 2)));
}

TEST(Decimal, an_exponent_moves_the_point) {
  const auto expect = [](const char* text, std::int64_t unscaled, int scale) {
    const auto parsed = Decimal::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_TRUE(parsed->unscaled() == unscaled) << text << " gave " << parsed->to_string();
    EXPECT_EQ(parsed->scale(), scale) << text;
  };
  expect("223.82", 22382, 2);
  expect("-0.05", -5, 2);
  expect("+007", 7, 0);
  expect("1e3", 1000, 0);
  expect("1.5E1", 15, 0);
  expect("1.50e1", 150, 1);
  expect("25e-1", 25, 1);
  expect("-0", 0, 0);
  expect("0.000", 0, 3);
  expect("0e99999999999999999999", 0, 0);
  expect("0e-99999999999999999999", 0, 38);
  expect("1e-38", 1, 38);
  expect("100e-40", 1, 38);
  EXPECT_FALSE(Decimal::parse("1e-39"));
  EXPECT_FALSE(Decimal::parse("1e38"));
  EXPECT_FALSE(Decimal::parse("1e99999999999999999999"));
  EXPECT_FALSE(Decimal::parse("1e-99999999999999999999"));
  EXPECT_TRUE(Decimal::parse("1e37"));
}

TEST(Decimal, rounds_half_to_even) {
  const auto rounded = [](const char* text, int scale) {
    return Decimal::parse(text).value().round_half_even(scale).value().to_string();
  };
  EXPECT_EQ(rounded("0.5", 0), "0");
  EXPECT_EQ(rounded("1.5", 0), "2");
  EXPECT_EQ(rounded("2.5", 0), "2");
  EXPECT_EQ(rounded("-2.5", 0), "-2");
  EXPECT_EQ(rounded("-3.5", 0), "-4");
  EXPECT_EQ(rounded("2.51", 0), "3");
  EXPECT_EQ(rounded("2.675", 2), "2.68");
  EXPECT_EQ(rounded("1.005", 2), "1.00");
  EXPECT_EQ(rounded("1", 4), "1.0000");
  EXPECT_EQ(rounded("99.995", 2), "100.00");
  EXPECT_EQ(rounded("99999999999999999998.5", 0), "99999999999999999998");
  EXPECT_EQ(rounded("99999999999999999999.5", 0), "100000000000000000000");
  EXPECT_EQ(Decimal(1, 0).divide(Decimal(3, 0), 4)->to_string(), "0.3333");
  EXPECT_EQ(Decimal(2, 0).divide(Decimal(3, 0), 4)->to_string(), "0.6667");
  // A half behind an intermediate product of more than 128 bits.
  const Decimal two(2 * power_of_ten(30), 30);
  EXPECT_EQ(Decimal(10'000'000'001, 0).divide(two, 0)->to_string(), "5000000000");
  EXPECT_EQ(Decimal(10'000'000'003, 0).divide(two, 0)->to_string(), "5000000002");
  EXPECT_EQ(Decimal(1, 0).divide(Decimal(-8, 0), 2)->to_string(), "-0.12");
}

TEST(Decimal, refuses_scales_outside_0_to_38_and_division_by_zero) {
  const Decimal one(1, 0);
  EXPECT_FALSE(one.round_half_even(-1));
  EXPECT_FALSE(one.round_half_even(39));
  EXPECT_FALSE(one.round_half_even(38));  // 39 digits
  EXPECT_FALSE(one.divide(one, -1));
  EXPECT_FALSE(one.divide(one, 39));
  EXPECT_FALSE(one.divide(Decimal(0, 5), 2));
  EXPECT_EQ(Decimal(0, 3).divide(one, 38)->scale(), 38);
}

// The dividend is scaled up to 76 digits, which 256 bits just hold, or refused.
TEST(Decimal, division_neither_refuses_nor_wraps_at_the_end_of_256_bits) {
  const Decimal almost_one = Decimal::parse("0." + std::string(38, '9')).value();
  const Decimal large(power_of_ten(37), 0);
  EXPECT_EQ(large.divide(almost_one, 0)->to_string(), "1" + std::string(37, '0'));
  EXPECT_FALSE(large.divide(almost_one, 38));
  // Modulo 2^256 this one's quotient would look small enough.
  EXPECT_FALSE(Decimal(power_of_ten(37) + 11, 0).divide(almost_one, 38));
}

TEST(Decimal, equal_numbers_are_equal_at_any_scale) {
  EXPECT_EQ(Decimal(150, 2), Decimal(15, 1));
  EXPECT_EQ(Decimal(0, 38), Decimal(0, 0));
  EXPECT_NE(Decimal(150, 2), Decimal(151, 2));
  const Decimal normal = Decimal(1500, 3).normalized();
  EXPECT_TRUE(normal.unscaled() == 15);
  EXPECT_EQ(normal.scale(), 1);
  EXPECT_EQ(Decimal(100, 0).normalized().to_string(), "100");
  EXPECT_EQ(Decimal(0, 9).normalized().to_string(), "0");
}

TEST(Decimal, whole_numbers_become_int64_where_they_fit) {
  EXPECT_EQ(Decimal(4200, 2).to_int(), 42);
  EXPECT_EQ(Decimal(-4200, 2).to_int(), -42);
  EXPECT_FALSE(Decimal(4201, 2).to_int());
  EXPECT_EQ(Decimal::from_int(INT64_MIN).to_int(), INT64_MIN);
  EXPECT_EQ(Decimal::from_int(INT64_MAX).to_int(), INT64_MAX);
  EXPECT_FALSE(Decimal(static_cast<__int128>(INT64_MAX) + 1, 0).to_int());
  EXPECT_EQ(Decimal((static_cast<__int128>(INT64_MAX)) * 10, 1).to_int(), INT64_MAX);
}

TEST(Decimal, results_outside_38_digits_are_refused) {
  const Decimal largest = Decimal::parse(std::string(38, '9')).value();
  EXPECT_FALSE(largest.add(Decimal(1, 0)));
  EXPECT_FALSE(largest.negated().subtract(Decimal(1, 0)));
  EXPECT_FALSE(largest.add(largest));
  EXPECT_FALSE(largest.multiply(largest));
  EXPECT_FALSE(largest.add(Decimal(1, 1)));
  EXPECT_FALSE(largest.divide(Decimal(1, 1), 0));
  EXPECT_FALSE(Decimal(1, 38).multiply(Decimal(1, 1)));
  EXPECT_TRUE(largest.add(Decimal(0, 38)) == largest);
  EXPECT_EQ(Decimal(10, 38).multiply(Decimal(1, 1))->to_string(), Decimal(1, 38).to_string());
}

}  // namespace
}  // namespace millrace
