#include <array>
#include <cmath>

#include "base/utf8.h"
#include "expr/arithmetic.h"
#include "expr/compare.h"
#include "expr/functions.h"
#include "expr/text.h"

// round() abs() min() max() sum() size() code_points().

namespace millrace::expr {
namespace {

using Arguments = std::span<const Value>;

Value run_round(const Node& node, Frame& frame, Arguments arguments) {
  const Value& number = arguments[0];
  const Value& digits = arguments[1];
  if (!is_number(number.kind()) || digits.kind() != ValueKind::int64) {
    return no_overload(node, frame, arguments);
  }
  if (digits.as_int64() < 0 || digits.as_int64() > Decimal::kDigitsMax) {
    return fail(node, frame, "round wants 0 to 38 digits");
  }
  SmallDecimal small;
  const int shift = read_small(number, small) ? static_cast<int>(digits.as_int64()) - small.scale
                                              : kSmallShiftMax + 1;
  if (shift >= 0 && shift <= kSmallShiftMax) {
    const auto power = kSmallPowersOfTen[static_cast<std::size_t>(shift)];
    return Value::decimal({__int128{small.unscaled} * power, static_cast<int>(digits.as_int64())});
  }
  const auto exact = number.kind() == ValueKind::decimal ? number.as_decimal() : to_decimal(number);
  if (!exact) return fail(node, frame, "round wants a finite number of at most 38 digits");
  const auto rounded = exact->round_half_even(static_cast<int>(digits.as_int64()));
  if (!rounded) return fail(node, frame, "overflow: the rounded number has over 38 digits");
  return Value::decimal(*rounded);
}

Value run_abs(const Node& node, Frame& frame, Arguments arguments) {
  const Value& number = arguments[0];
  switch (number.kind()) {
    case ValueKind::int64:
      return number.as_int64() < 0 ? negate(node, frame, number) : number;
    case ValueKind::uint64:
      return number;
    case ValueKind::float64:
      return std::signbit(number.as_float64()) ? negate(node, frame, number) : number;
    case ValueKind::decimal:
      return number.as_decimal().is_negative() ? negate(node, frame, number) : number;
    default:
      return no_overload(node, frame, arguments);
  }
}

// The first of the values that none is further than in the direction `wanted`; NaN wins over all.
Value extreme(const Node& node, Frame& frame, Arguments arguments, Order wanted) {
  Arguments values = arguments;
  if (arguments.size() == 1) {
    if (arguments[0].kind() != ValueKind::list) return no_overload(node, frame, arguments);
    values = arguments[0].as_list();
    if (values.empty()) return fail(node, frame, "an empty list has no extreme");
    if (!frame.charge(values.size())) return steps_exceeded(node, frame);
  }
  Value best = values[0];
  for (const auto& value : values) {
    const Order order = compare(value, best);
    const bool is_nan = order == Order::unordered && value.kind() == ValueKind::float64 &&
                        std::isnan(value.as_float64());
    if (order == Order::incomparable) return no_overload(node, frame, std::array{best, value});
    if (order == wanted || is_nan) best = value;
  }
  return best;
}

Value run_min(const Node& node, Frame& frame, Arguments arguments) {
  return extreme(node, frame, arguments, Order::less);
}
Value run_max(const Node& node, Frame& frame, Arguments arguments) {
  return extreme(node, frame, arguments, Order::greater);
}

Value run_sum(const Node& node, Frame& frame, Arguments arguments) {
  if (arguments[0].kind() != ValueKind::list) return no_overload(node, frame, arguments);
  const auto values = arguments[0].as_list();
  if (!frame.charge(values.size())) return steps_exceeded(node, frame);
  if (values.empty()) return Value::int64(0);
  // Ints first, by themselves; from the first other number or overflow on as `+` does it.
  std::int64_t whole = 0;
  std::size_t i = 0;
  for (; i < values.size() && values[i].kind() == ValueKind::int64; ++i) {
    std::int64_t next = 0;
    if (__builtin_add_overflow(whole, values[i].as_int64(), &next)) break;
    whole = next;
  }
  if (i == values.size()) return Value::int64(whole);
  Value total = i == 0 ? values[i++] : Value::int64(whole);
  if (!is_number(total.kind())) return no_overload(node, frame, std::array{total});
  for (const auto& value : values.subspan(i)) {
    if (!is_number(value.kind())) return no_overload(node, frame, std::array{value});
    total = add(node, frame, total, value);
    if (total.is_error()) break;
  }
  return total;
}

Value run_size(const Node& node, Frame& frame, Arguments arguments) {
  const Value& value = arguments[0];
  std::size_t size = 0;
  switch (value.kind()) {
    case ValueKind::string:
      if (!frame.charge(value.as_string().size() / kBytesPerStep)) {
        return steps_exceeded(node, frame);
      }
      size = count_code_points(value.as_string());
      break;
    case ValueKind::bytes:
      size = value.as_string().size();
      break;
    case ValueKind::list:
      size = value.as_list().size();
      break;
    case ValueKind::map:
      size = value.as_map().size();
      break;
    default:
      return no_overload(node, frame, arguments);
  }
  return Value::int64(static_cast<std::int64_t>(size));
}

Value run_code_points(const Node& node, Frame& frame, Arguments arguments) {
  if (arguments[0].kind() != ValueKind::string) return no_overload(node, frame, arguments);
  std::string_view text = arguments[0].as_string();
  if (!frame.charge(text.size())) return steps_exceeded(node, frame);
  const auto out = frame.arena->array<Value>(count_code_points(text));
  std::size_t count = 0;
  while (count < out.size()) {
    if (static_cast<unsigned char>(text[0]) < 0x80) {
      out[count++] = Value::int64(text[0]);
      text.remove_prefix(1);
      continue;
    }
    const auto code_point = take_code_point(text);
    if (!code_point) return fail(node, frame, "the string is invalid UTF-8");
    out[count++] = Value::int64(static_cast<std::int64_t>(*code_point));
  }
  return Value::list(out);
}

constexpr std::array<Function, 8> kFunctions{{
    {"round", false, "ni", Type::decimal, run_round},
    {"abs", false, "n", Type::dyn, run_abs},
    {"min", false, "*+", Type::dyn, run_min},
    {"max", false, "*+", Type::dyn, run_max},
    {"sum", false, "l", Type::dyn, run_sum},
    {"size", false, "z", Type::int64, run_size},
    {"size", true, "z", Type::int64, run_size},
    {"code_points", false, "s", Type::list, run_code_points},
}};

}  // namespace

std::span<const Function> number_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
