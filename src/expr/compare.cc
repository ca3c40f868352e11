#include "expr/compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/check.h"
#include "expr/arithmetic.h"
#include "expr/expr.h"
#include "expr/text.h"

namespace millrace::expr {
namespace {

constexpr std::uint64_t kBytesPerStep = 64;

template <typename T>
Order order_of(const T& a, const T& b) {
  if (a < b) return Order::less;
  return b < a ? Order::greater : Order::equal;
}

Order reversed(Order order) {
  if (order == Order::less) return Order::greater;
  return order == Order::greater ? Order::less : order;
}

Order order_of_doubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return Order::unordered;
  return order_of(a, b);
}

Order order_of_text(std::string_view a, std::string_view b) {
  return order_of(a.compare(b), 0);
}

Order order_of_times(const Value& a, const Value& b) {
  if (a.seconds() != b.seconds()) return order_of(a.seconds(), b.seconds());
  return order_of(a.nanos(), b.nanos());
}

bool is_small(const Decimal& value) {
  return static_cast<std::int64_t>(value.unscaled()) == value.unscaled();
}

Order order_of_decimal_and_double(const Decimal& a, const Value& b) {
  if (const auto exact = to_decimal(b)) return order_of_decimals(a, *exact);
  // NaN, infinite, or with digits beyond 38: no decimal is equal to it, and the nearest double of
  // one lies on the right side of it.
  ShortText text;
  text.append_decimal(a);
  const auto nearest = parse_double(text.view());
  MR_CHECK(nearest.has_value());
  return order_of_doubles(*nearest, b.as_float64());
}

Order order_of_int_and_uint(std::int64_t a, std::uint64_t b) {
  return a < 0 ? Order::less : order_of(static_cast<std::uint64_t>(a), b);
}

// `a` is of the lower kind in the order int64 < uint64 < float64 < decimal.
Order order_of_mixed(const Value& a, const Value& b) {
  if (b.kind() == ValueKind::decimal) {
    if (a.kind() == ValueKind::float64) {
      return reversed(order_of_decimal_and_double(b.as_decimal(), a));
    }
    const Decimal whole =
        a.kind() == ValueKind::int64 ? Decimal::from_int(a.as_int64()) : Decimal(a.as_uint64(), 0);
    return order_of_decimals(whole, b.as_decimal());
  }
  if (b.kind() == ValueKind::float64) {
    const double as_double = a.kind() == ValueKind::int64 ? static_cast<double>(a.as_int64())
                                                          : static_cast<double>(a.as_uint64());
    return order_of_doubles(as_double, b.as_float64());
  }
  return order_of_int_and_uint(a.as_int64(), b.as_uint64());
}

Order order_of_numbers(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) {
    static_assert(ValueKind::int64 < ValueKind::uint64 && ValueKind::uint64 < ValueKind::float64 &&
                  ValueKind::float64 < ValueKind::decimal);
    return a.kind() < b.kind() ? order_of_mixed(a, b) : reversed(order_of_mixed(b, a));
  }
  switch (a.kind()) {
    case ValueKind::int64:
      return order_of(a.as_int64(), b.as_int64());
    case ValueKind::uint64:
      return order_of(a.as_uint64(), b.as_uint64());
    case ValueKind::float64:
      return order_of_doubles(a.as_float64(), b.as_float64());
    default:
      return order_of_decimals(a.as_decimal(), b.as_decimal());
  }
}

bool lists_equal(std::span<const Value> a, std::span<const Value> b, std::int64_t& steps) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equal(a[i], b[i], steps) || steps < 0) return false;
  }
  return true;
}

bool maps_equal(std::span<const MapEntry> a, std::span<const MapEntry> b, std::int64_t& steps) {
  if (a.size() != b.size()) return false;
  for (const auto& entry : a) {
    steps -= 1 + static_cast<std::int64_t>(b.size() / 8);
    const Value* other = find_entry(b, entry.key);
    if (other == nullptr || !equal(entry.value, *other, steps) || steps < 0) return false;
  }
  return true;
}

}  // namespace

Order order_of_decimals(const Decimal& a, const Decimal& b) {
  const int shift = a.scale() - b.scale();
  if (shift == 0) return order_of(a.unscaled(), b.unscaled());
  // An int64 times 10^18 stays below 2^127.
  if (is_small(a) && is_small(b) && shift <= kSmallShiftMax && shift >= -kSmallShiftMax) {
    if (shift > 0) {
      return order_of(a.unscaled(), b.unscaled() * kSmallPowersOfTen[static_cast<unsigned>(shift)]);
    }
    return order_of(a.unscaled() * kSmallPowersOfTen[static_cast<unsigned>(-shift)], b.unscaled());
  }
  return order_of(a, b);
}

std::optional<Decimal> to_decimal(const Value& number) {
  switch (number.kind()) {
    case ValueKind::int64:
      return Decimal::from_int(number.as_int64());
    case ValueKind::uint64:
      return Decimal(number.as_uint64(), 0);
    case ValueKind::decimal:
      return number.as_decimal();
    case ValueKind::float64:
      break;
    default:
      return std::nullopt;
  }
  if (number.has_written_decimal()) return number.written_decimal();
  if (!std::isfinite(number.as_float64())) return std::nullopt;
  ShortText text;
  text.append_double(number.as_float64());
  return Decimal::parse(text.view());
}

Order compare(const Value& a, const Value& b) {
  if (is_number(a.kind()) && is_number(b.kind())) return order_of_numbers(a, b);
  if (a.kind() != b.kind()) return Order::incomparable;
  switch (a.kind()) {
    case ValueKind::boolean:
      return order_of(a.as_boolean(), b.as_boolean());
    case ValueKind::string:
    case ValueKind::bytes:
      return order_of_text(a.as_string(), b.as_string());
    case ValueKind::timestamp:
    case ValueKind::duration:
      return order_of_times(a, b);
    default:
      return Order::incomparable;
  }
}

bool equal(const Value& a, const Value& b, std::int64_t& steps) {
  --steps;
  if (a.kind() != b.kind()) {
    return is_number(a.kind()) && is_number(b.kind()) && order_of_numbers(a, b) == Order::equal;
  }
  switch (a.kind()) {
    case ValueKind::absent:
    case ValueKind::null:
      return true;
    case ValueKind::string:
    case ValueKind::bytes:
    case ValueKind::type:
    case ValueKind::error:
      if (a.as_string().size() != b.as_string().size()) return false;
      steps -= static_cast<std::int64_t>(a.as_string().size() / kBytesPerStep);
      return a.as_string() == b.as_string();
    case ValueKind::list:
      return lists_equal(a.as_list(), b.as_list(), steps);
    case ValueKind::map:
      return maps_equal(a.as_map(), b.as_map(), steps);
    default:
      return compare(a, b) == Order::equal;
  }
}

const Value* find_entry(std::span<const MapEntry> map, std::string_view key) {
  for (const auto& entry : map) {
    if (entry.key.kind() == ValueKind::string && entry.key.as_string() == key) return &entry.value;
  }
  return nullptr;
}

const Value* find_entry(std::span<const MapEntry> map, const Value& key) {
  if (key.kind() == ValueKind::string) return find_entry(map, key.as_string());
  if (key.kind() != ValueKind::boolean && !is_number(key.kind())) return nullptr;
  for (const auto& entry : map) {
    if (entry.key.kind() != ValueKind::string && compare(entry.key, key) == Order::equal) {
      return &entry.value;
    }
  }
  return nullptr;
}

bool values_equal(const Value& a, const Value& b) {
  std::int64_t steps = std::numeric_limits<std::int64_t>::max();
  return equal(a, b, steps);
}

}  // namespace millrace::expr
