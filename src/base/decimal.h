#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

// An exact decimal: unscaled / 10^scale, |unscaled| < 10^38, 0 <= scale <= 38. Money is never
// anything else. Two decimals are equal when their numbers are (1.50 == 1.5); the scale only says
// how many digits are printed. Arithmetic that would leave the range gives nullopt, never a wrong
// number. A sum has the larger scale and a product the sum of the scales; where 38 digits do not
// hold that, zeros at the end are given up (and only zeros), so that equal operands give equal
// results. parse does the same. A scale outside 0 to 38 asked of divide or round_half_even gives
// nullopt.
class Decimal {
 public:
  static constexpr int kDigitsMax = 38;

  constexpr Decimal() = default;
  constexpr Decimal(__int128 unscaled, int scale) : unscaled_(unscaled), scale_(scale) {}
  static constexpr Decimal from_int(std::int64_t value) { return {value, 0}; }

  // Parses JSON's number grammar plus a leading '+' and leading zeros:
  // [+-]digits[.digits][e[+-]digits]. "223.82" -> (22382, 2); an exponent moves the point ("1e3" ->
  // (1000, 0)). nullopt when it is not a number or does not fit in 38 digits.
  static std::optional<Decimal> parse(std::string_view text);

  [[nodiscard]] __int128 unscaled() const { return unscaled_; }
  [[nodiscard]] int scale() const { return scale_; }

  // Plain notation with exactly scale() digits after the point: (-5, 2) -> "-0.05".
  [[nodiscard]] std::string to_string() const;
  void append_to(std::string& out) const;

  [[nodiscard]] std::optional<Decimal> add(const Decimal& other) const;
  [[nodiscard]] std::optional<Decimal> subtract(const Decimal& other) const;
  [[nodiscard]] std::optional<Decimal> multiply(const Decimal& other) const;
  // Rounded half-even to `scale` digits. nullopt on division by zero or overflow.
  [[nodiscard]] std::optional<Decimal> divide(const Decimal& other, int scale) const;
  // Exactly `scale` digits after the point, rounded half to even. nullopt on overflow.
  [[nodiscard]] std::optional<Decimal> round_half_even(int scale) const;
  [[nodiscard]] Decimal negated() const { return {-unscaled_, scale_}; }
  // The same number with the fewest digits after the point: 1.50 -> 1.5, 100 -> 100.
  [[nodiscard]] Decimal normalized() const;
  [[nodiscard]] bool is_negative() const { return unscaled_ < 0; }
  [[nodiscard]] bool is_zero() const { return unscaled_ == 0; }
  // The number as an int64 if it is whole and fits.
  [[nodiscard]] std::optional<std::int64_t> to_int() const;

  std::strong_ordering operator<=>(const Decimal& other) const;
  bool operator==(const Decimal& other) const { return (*this <=> other) == 0; }

 private:
  __int128 unscaled_ = 0;
  int scale_ = 0;
};

// 10^exponent. 0 <= exponent <= 38.
__int128 power_of_ten(int exponent);

}  // namespace millrace
