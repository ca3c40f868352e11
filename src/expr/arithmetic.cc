#include "expr/arithmetic.h"

#include <algorithm>
#include <array>
#include <optional>

#include "expr/compare.h"
#include "expr/text.h"

namespace millrace::expr {
namespace {

using Int128 = __int128;

constexpr Int128 kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kLastSecond = 253'402'300'799;   // 9999-12-31T23:59:59Z
constexpr std::uint64_t kBytesPerStep = 64;

enum class Operator : std::uint8_t { add, subtract, multiply, divide };

Value overflow(const Node& node, Frame& frame, const Value& a) {
  return fail(node, frame,
              joined_in(*frame.arena, {"overflow: the result of '", node.name, "' does not fit ",
                                       a.kind() == ValueKind::decimal ? "a decimal of 38 digits"
                                                                      : type_name(a)}));
}

Value division_by_zero(const Node& node, Frame& frame) {
  return fail(node, frame, node.name == "%" ? "modulus by zero" : "division by zero");
}

// How many digits x / y has after the point, or -1 when it never ends: with the fraction reduced,
// only the twos and fives of the denominator need digits. y > 0.
template <typename Unsigned>
int fraction_digits(Unsigned x, Unsigned y) {
  Unsigned divisor = y;
  while (x != 0) {  // Euclid; `divisor` ends as the greatest common one
    const Unsigned remainder = divisor % x;
    divisor = x;
    x = remainder;
  }
  y /= divisor;
  int twos = 0;
  int fives = 0;
  for (; y % 2 == 0; y /= 2) ++twos;
  for (; y % 5 == 0; y /= 5) ++fives;
  return y == 1 ? std::max(twos, fives) : -1;
}

// The scale at which a / b ends, if it ever does.
std::optional<int> exact_quotient_scale(const Decimal& a, const Decimal& b) {
  const auto x = static_cast<unsigned __int128>(a.is_negative() ? -a.unscaled() : a.unscaled());
  const auto y = static_cast<unsigned __int128>(b.is_negative() ? -b.unscaled() : b.unscaled());
  const auto small_x = static_cast<std::uint64_t>(x);
  const auto small_y = static_cast<std::uint64_t>(y);
  const bool is_small = small_x == x && small_y == y;
  const int digits = is_small ? fraction_digits(small_x, small_y) : fraction_digits(x, y);
  if (digits < 0) return std::nullopt;
  return std::max(0, digits + a.scale() - b.scale());
}

std::optional<Decimal> quotient(const Decimal& a, const Decimal& b) {
  const auto scale = exact_quotient_scale(a, b);
  if (scale && *scale <= Decimal::kDigitsMax) {
    if (const auto exact = a.divide(b, *scale)) return exact;
  }
  return a.divide(b, kQuotientScale);
}

std::optional<Decimal> apply(Operator op, const Decimal& a, const Decimal& b) {
  switch (op) {
    case Operator::add:
      return a.add(b);
    case Operator::subtract:
      return a.subtract(b);
    case Operator::multiply:
      return a.multiply(b);
    case Operator::divide:
      break;
  }
  return quotient(a, b);
}

double apply(Operator op, double a, double b) {
  switch (op) {
    case Operator::add:
      return a + b;
    case Operator::subtract:
      return a - b;
    case Operator::multiply:
      return a * b;
    case Operator::divide:
      break;
  }
  return a / b;
}

// Doubles compute as doubles; while both know how they were written, so does the result.
Value combine_doubles(Operator op, const Value& a, const Value& b) {
  const double result = apply(op, a.as_float64(), b.as_float64());
  if (!a.has_written_decimal() || !b.has_written_decimal()) return Value::float64(result);
  if (op == Operator::divide) return Value::float64(result);
  const auto written = apply(op, a.written_decimal(), b.written_decimal());
  constexpr Int128 kWrittenMax = 1'000'000'000'000'000'000;
  if (!written || written->unscaled() >= kWrittenMax || written->unscaled() <= -kWrittenMax) {
    return Value::float64(result);
  }
  return Value::float64_written(result, static_cast<std::int64_t>(written->unscaled()),
                                written->scale());
}

Value combine_decimals(const Node& node, Frame& frame, Operator op, const Value& a,
                       const Value& b) {
  const auto left = to_decimal(a);
  const auto right = to_decimal(b);
  if (!left || !right) {
    return fail(node, frame, "a double that is not finite or has over 38 digits meets a decimal");
  }
  if (op == Operator::divide && right->is_zero()) return division_by_zero(node, frame);
  const auto result = apply(op, *left, *right);
  if (!result) return overflow(node, frame, Value::decimal({}));
  return Value::decimal(*result);
}

// Whether the pair of numbers computes as decimals.
bool is_decimal_pair(const Value& a, const Value& b) {
  const auto is_written = [](const Value& v) {
    return v.kind() == ValueKind::float64 && v.has_written_decimal();
  };
  if (!is_number(a.kind()) || !is_number(b.kind())) return false;
  if (a.kind() == ValueKind::decimal || b.kind() == ValueKind::decimal) return true;
  return a.kind() != b.kind() && (is_written(a) || is_written(b));
}

Int128 nanos_of(const Value& time) {
  return time.seconds() * kNanosPerSecond + time.nanos();
}

Value duration_of(const Node& node, Frame& frame, Int128 nanos) {
  const auto parts = duration_from_nanos(nanos);
  if (!parts) return fail(node, frame, "range: a duration has at most 292 years");
  return Value::duration(parts->seconds, parts->nanos);
}

Value timestamp_of(const Node& node, Frame& frame, Int128 nanos) {
  Int128 seconds = nanos / kNanosPerSecond;
  Int128 rest = nanos % kNanosPerSecond;
  if (rest < 0) {
    --seconds;
    rest += kNanosPerSecond;
  }
  if (seconds < kFirstSecond || seconds > kLastSecond) {
    return fail(node, frame, "range: a timestamp lies within the years 1 to 9999");
  }
  return Value::timestamp(static_cast<std::int64_t>(seconds), static_cast<std::int32_t>(rest));
}

Value concatenate(const Node& node, Frame& frame, const Value& a, const Value& b) {
  if (a.kind() == ValueKind::list) {
    const auto left = a.as_list();
    const auto right = b.as_list();
    if (!frame.charge(left.size() + right.size())) return steps_exceeded(node, frame);
    if (left.empty()) return b;
    if (right.empty()) return a;
    const auto out = frame.arena->array<Value>(left.size() + right.size());
    std::copy(right.begin(), right.end(), std::copy(left.begin(), left.end(), out.begin()));
    return Value::list(out);
  }
  if (!frame.charge((a.as_string().size() + b.as_string().size()) / kBytesPerStep)) {
    return steps_exceeded(node, frame);
  }
  const auto text = joined_in(*frame.arena, {a.as_string(), b.as_string()});
  return a.kind() == ValueKind::string ? Value::string(text) : Value::bytes(text);
}

// Everyday prices and counts, without the long way of combine_decimals: products of two words and
// sums at one scale always fit.
bool combine_small(Operator op, const Value& a, const Value& b, Value& out) {
  SmallDecimal left;
  SmallDecimal right;
  if (!read_small(a, left) || !read_small(b, right)) return false;
  if (op == Operator::multiply && left.scale + right.scale <= Decimal::kDigitsMax) {
    out = Value::decimal({Int128{left.unscaled} * right.unscaled, left.scale + right.scale});
    return true;
  }
  if (left.scale != right.scale || op == Operator::divide || op == Operator::multiply) return false;
  const Int128 other = op == Operator::add ? Int128{right.unscaled} : -Int128{right.unscaled};
  out = Value::decimal({left.unscaled + other, left.scale});
  return true;
}

Value number_fallback(const Node& node, Frame& frame, Operator op, const Value& a, const Value& b) {
  if (Value out; combine_small(op, a, b, out)) return out;
  if (is_decimal_pair(a, b)) return combine_decimals(node, frame, op, a, b);
  return no_overload(node, frame, std::array{a, b});
}

}  // namespace

Value add(const Node& node, Frame& frame, const Value& a, const Value& b) {
  if (a.kind() != b.kind()) {
    const bool has_times = (a.kind() == ValueKind::timestamp && b.kind() == ValueKind::duration) ||
                           (a.kind() == ValueKind::duration && b.kind() == ValueKind::timestamp);
    if (has_times) return timestamp_of(node, frame, nanos_of(a) + nanos_of(b));
    return number_fallback(node, frame, Operator::add, a, b);
  }
  switch (a.kind()) {
    case ValueKind::int64: {
      std::int64_t out = 0;
      if (__builtin_add_overflow(a.as_int64(), b.as_int64(), &out)) return overflow(node, frame, a);
      return Value::int64(out);
    }
    case ValueKind::uint64: {
      std::uint64_t out = 0;
      if (__builtin_add_overflow(a.as_uint64(), b.as_uint64(), &out)) {
        return overflow(node, frame, a);
      }
      return Value::uint64(out);
    }
    case ValueKind::float64:
      return combine_doubles(Operator::add, a, b);
    case ValueKind::string:
    case ValueKind::bytes:
    case ValueKind::list:
      return concatenate(node, frame, a, b);
    case ValueKind::duration:
      return duration_of(node, frame, nanos_of(a) + nanos_of(b));
    default:
      return number_fallback(node, frame, Operator::add, a, b);
  }
}

Value subtract(const Node& node, Frame& frame, const Value& a, const Value& b) {
  if (a.kind() != b.kind()) {
    if (a.kind() == ValueKind::timestamp && b.kind() == ValueKind::duration) {
      return timestamp_of(node, frame, nanos_of(a) - nanos_of(b));
    }
    return number_fallback(node, frame, Operator::subtract, a, b);
  }
  switch (a.kind()) {
    case ValueKind::int64: {
      std::int64_t out = 0;
      if (__builtin_sub_overflow(a.as_int64(), b.as_int64(), &out)) return overflow(node, frame, a);
      return Value::int64(out);
    }
    case ValueKind::uint64: {
      std::uint64_t out = 0;
      if (__builtin_sub_overflow(a.as_uint64(), b.as_uint64(), &out)) {
        return overflow(node, frame, a);
      }
      return Value::uint64(out);
    }
    case ValueKind::float64:
      return combine_doubles(Operator::subtract, a, b);
    case ValueKind::timestamp:
    case ValueKind::duration:
      return duration_of(node, frame, nanos_of(a) - nanos_of(b));
    default:
      return number_fallback(node, frame, Operator::subtract, a, b);
  }
}

Value multiply(const Node& node, Frame& frame, const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return number_fallback(node, frame, Operator::multiply, a, b);
  switch (a.kind()) {
    case ValueKind::int64: {
      std::int64_t out = 0;
      if (__builtin_mul_overflow(a.as_int64(), b.as_int64(), &out)) return overflow(node, frame, a);
      return Value::int64(out);
    }
    case ValueKind::uint64: {
      std::uint64_t out = 0;
      if (__builtin_mul_overflow(a.as_uint64(), b.as_uint64(), &out)) {
        return overflow(node, frame, a);
      }
      return Value::uint64(out);
    }
    case ValueKind::float64:
      return combine_doubles(Operator::multiply, a, b);
    default:
      return number_fallback(node, frame, Operator::multiply, a, b);
  }
}

Value divide(const Node& node, Frame& frame, const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return number_fallback(node, frame, Operator::divide, a, b);
  switch (a.kind()) {
    case ValueKind::int64:
      if (b.as_int64() == 0) return division_by_zero(node, frame);
      if (b.as_int64() == -1) return negate(node, frame, a);  // the smallest int overflows
      return Value::int64(a.as_int64() / b.as_int64());
    case ValueKind::uint64:
      if (b.as_uint64() == 0) return division_by_zero(node, frame);
      return Value::uint64(a.as_uint64() / b.as_uint64());
    case ValueKind::float64:
      return combine_doubles(Operator::divide, a, b);
    default:
      return number_fallback(node, frame, Operator::divide, a, b);
  }
}

Value modulo(const Node& node, Frame& frame, const Value& a, const Value& b) {
  if (a.kind() == ValueKind::int64 && b.kind() == ValueKind::int64) {
    if (b.as_int64() == 0) return division_by_zero(node, frame);
    if (b.as_int64() == -1) return Value::int64(0);  // the smallest int would trap
    return Value::int64(a.as_int64() % b.as_int64());
  }
  if (a.kind() == ValueKind::uint64 && b.kind() == ValueKind::uint64) {
    if (b.as_uint64() == 0) return division_by_zero(node, frame);
    return Value::uint64(a.as_uint64() % b.as_uint64());
  }
  return no_overload(node, frame, std::array{a, b});
}

Value negate(const Node& node, Frame& frame, const Value& a) {
  switch (a.kind()) {
    case ValueKind::int64: {
      std::int64_t out = 0;
      if (__builtin_sub_overflow(std::int64_t{0}, a.as_int64(), &out)) {
        return overflow(node, frame, a);
      }
      return Value::int64(out);
    }
    case ValueKind::float64:
      if (!a.has_written_decimal()) return Value::float64(-a.as_float64());
      return Value::float64_written(-a.as_float64(),
                                    static_cast<std::int64_t>(-a.written_decimal().unscaled()),
                                    a.written_decimal().scale());
    case ValueKind::decimal:
      return Value::decimal(a.as_decimal().negated());
    default:
      return no_overload(node, frame, std::array{a});
  }
}

}  // namespace millrace::expr
