#include <array>
#include <charconv>
#include <cmath>

#include "base/time_text.h"
#include "base/utf8.h"
#include "expr/compare.h"
#include "expr/functions.h"
#include "expr/text.h"

// int() uint() double() decimal() string() bytes() bool() timestamp() duration() dyn() type().

namespace millrace::expr {
namespace {

using Arguments = std::span<const Value>;

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

Value range_error(const Node& node, Frame& frame, const Value& from) {
  return fail(
      node, frame,
      joined_in(*frame.arena, {"range: the ", type_name(from), " does not fit ", node.name}));
}

Value text_error(const Node& node, Frame& frame, std::string_view text, std::string_view wanted) {
  constexpr std::size_t kShownBytesMax = 64;
  std::size_t size = std::min(text.size(), kShownBytesMax);
  while (size > 0 && size < text.size() && (text[size] & 0xc0) == 0x80) --size;
  return fail(node, frame,
              joined_in(*frame.arena, {"'", text.substr(0, size), "' is not ", wanted}));
}

template <typename Int>
std::optional<Int> parse_whole(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Without its fraction.
__int128 truncated(const Decimal& value) {
  return value.unscaled() / power_of_ten(value.scale());
}

Value run_int(const Node& node, Frame& frame, Arguments arguments) {
  const Value& from = arguments[0];
  switch (from.kind()) {
    case ValueKind::int64:
      return from;
    case ValueKind::uint64:
      if (from.as_uint64() > INT64_MAX) return range_error(node, frame, from);
      return Value::int64(static_cast<std::int64_t>(from.as_uint64()));
    case ValueKind::float64:
      // Both ends are excluded: near them a double no longer tells one int from the next.
      if (!(from.as_float64() > -kTwoTo63 && from.as_float64() < kTwoTo63)) {
        return range_error(node, frame, from);
      }
      return Value::int64(static_cast<std::int64_t>(from.as_float64()));
    case ValueKind::decimal: {
      const auto whole = truncated(from.as_decimal());
      if (whole < INT64_MIN || whole > INT64_MAX) return range_error(node, frame, from);
      return Value::int64(static_cast<std::int64_t>(whole));
    }
    case ValueKind::string: {
      const auto whole = parse_whole<std::int64_t>(from.as_string());
      return whole ? Value::int64(*whole) : text_error(node, frame, from.as_string(), "an int");
    }
    case ValueKind::timestamp:
      return Value::int64(from.seconds());
    default:
      return no_overload(node, frame, arguments);
  }
}

Value run_uint(const Node& node, Frame& frame, Arguments arguments) {
  const Value& from = arguments[0];
  switch (from.kind()) {
    case ValueKind::uint64:
      return from;
    case ValueKind::int64:
      if (from.as_int64() < 0) return range_error(node, frame, from);
      return Value::uint64(static_cast<std::uint64_t>(from.as_int64()));
    case ValueKind::float64:
      if (!(from.as_float64() >= 0 && from.as_float64() < kTwoTo64)) {
        return range_error(node, frame, from);
      }
      return Value::uint64(static_cast<std::uint64_t>(from.as_float64()));
    case ValueKind::decimal: {
      const auto whole = truncated(from.as_decimal());
      if (from.as_decimal().is_negative() || whole > UINT64_MAX) {
        return range_error(node, frame, from);
      }
      return Value::uint64(static_cast<std::uint64_t>(whole));
    }
    case ValueKind::string: {
      const auto whole = parse_whole<std::uint64_t>(from.as_string());
      return whole ? Value::uint64(*whole) : text_error(node, frame, from.as_string(), "a uint");
    }
    default:
      return no_overload(node, frame, arguments);
  }
}

Value run_double(const Node& node, Frame& frame, Arguments arguments) {
  const Value& from = arguments[0];
  switch (from.kind()) {
    case ValueKind::float64:
      return Value::float64(from.as_float64());
    case ValueKind::int64:
      return Value::float64(static_cast<double>(from.as_int64()));
    case ValueKind::uint64:
      return Value::float64(static_cast<double>(from.as_uint64()));
    case ValueKind::decimal: {
      ShortText text;
      text.append_decimal(from.as_decimal());
      return Value::float64(parse_double(text.view()).value_or(NAN));
    }
    case ValueKind::string: {
      const auto number = parse_double(from.as_string());
      return number ? Value::float64(*number)
                    : text_error(node, frame, from.as_string(), "a double");
    }
    default:
      return no_overload(node, frame, arguments);
  }
}

Value run_decimal(const Node& node, Frame& frame, Arguments arguments) {
  const Value& from = arguments[0];
  if (from.kind() == ValueKind::string) {
    const auto number = Decimal::parse(from.as_string());
    return number ? Value::decimal(*number)
                  : text_error(node, frame, from.as_string(), "a decimal of at most 38 digits");
  }
  if (!is_number(from.kind())) return no_overload(node, frame, arguments);
  const auto number = to_decimal(from);
  return number ? Value::decimal(*number) : range_error(node, frame, from);
}

Value run_string(const Node& node, Frame& frame, Arguments arguments) {
  const Value& from = arguments[0];
  ShortText text;
  switch (from.kind()) {
    case ValueKind::string:
      return from;
    case ValueKind::bytes:
      if (!frame.charge(from.as_string().size() / kBytesPerStep)) {
        return steps_exceeded(node, frame);
      }
      if (!is_valid_utf8(from.as_string())) return fail(node, frame, "the bytes are invalid UTF-8");
      return Value::string(from.as_string());
    case ValueKind::boolean:
      return Value::string(from.as_boolean() ? "true" : "false");
    case ValueKind::int64:
      text.append_int(from.as_int64());
      break;
    case ValueKind::uint64:
      text.append_uint(from.as_uint64());
      break;
    case ValueKind::float64:
      text.append_double(from.as_float64());
      break;
    case ValueKind::decimal:
      text.append_decimal(from.as_decimal());
      break;
    case ValueKind::timestamp:
      text.append_timestamp(from.seconds(), from.nanos());
      break;
    case ValueKind::duration:
      text.append_duration(from.seconds(), from.nanos());
      break;
    default:
      return no_overload(node, frame, arguments);
  }
  return Value::string(frame.arena->copy(text.view()));
}

Value run_bytes(const Node& node, Frame& frame, Arguments arguments) {
  if (arguments[0].kind() == ValueKind::bytes) return arguments[0];
  if (arguments[0].kind() == ValueKind::string) return Value::bytes(arguments[0].as_string());
  return no_overload(node, frame, arguments);
}

Value run_bool(const Node& node, Frame& frame, Arguments arguments) {
  if (arguments[0].kind() == ValueKind::boolean) return arguments[0];
  if (arguments[0].kind() != ValueKind::string) return no_overload(node, frame, arguments);
  const auto text = arguments[0].as_string();
  for (const std::string_view word : {"1", "t", "true", "TRUE", "True"}) {
    if (text == word) return Value::boolean(true);
  }
  for (const std::string_view word : {"0", "f", "false", "FALSE", "False"}) {
    if (text == word) return Value::boolean(false);
  }
  return text_error(node, frame, text, "a bool");
}

Value run_timestamp(const Node& node, Frame& frame, Arguments arguments) {
  constexpr std::int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z
  constexpr std::int64_t kLastSecond = 253'402'300'799;   // 9999-12-31T23:59:59Z
  const Value& from = arguments[0];
  switch (from.kind()) {
    case ValueKind::timestamp:
      return from;
    case ValueKind::int64:
      if (from.as_int64() < kFirstSecond || from.as_int64() > kLastSecond) {
        return fail(node, frame, "range: a timestamp lies within the years 1 to 9999");
      }
      return Value::timestamp(from.as_int64(), 0);
    case ValueKind::string: {
      const auto instant = parse_instant(from.as_string());
      return instant ? Value::timestamp(instant->seconds, instant->nanos)
                     : text_error(node, frame, from.as_string(),
                                  "an RFC 3339 date-time of the years 1 to 9999");
    }
    default:
      return no_overload(node, frame, arguments);
  }
}

Value run_duration(const Node& node, Frame& frame, Arguments arguments) {
  const Value& from = arguments[0];
  if (from.kind() == ValueKind::duration) return from;
  if (from.kind() != ValueKind::string) return no_overload(node, frame, arguments);
  const auto parts = parse_duration(from.as_string());
  return parts ? Value::duration(parts->seconds, parts->nanos)
               : text_error(node, frame, from.as_string(),
                            "a duration such as '1h30m' or '1.5s', in the range of 292 years");
}

Value run_dyn(const Node&, Frame&, Arguments arguments) {
  return arguments[0];
}

Value run_type(const Node&, Frame&, Arguments arguments) {
  return Value::type(type_name(arguments[0]));
}

constexpr std::array<Function, 11> kFunctions{{
    {"int", false, "*", Type::int64, run_int},
    {"uint", false, "*", Type::uint64, run_uint},
    {"double", false, "*", Type::float64, run_double},
    {"decimal", false, "*", Type::decimal, run_decimal},
    {"string", false, "*", Type::string, run_string},
    {"bytes", false, "*", Type::bytes, run_bytes},
    {"bool", false, "*", Type::boolean, run_bool},
    {"timestamp", false, "*", Type::timestamp, run_timestamp},
    {"duration", false, "*", Type::duration, run_duration},
    {"dyn", false, "*", Type::dyn, run_dyn},
    {"type", false, "*", Type::type, run_type},
}};

}  // namespace

std::span<const Function> conversion_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
