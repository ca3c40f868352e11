#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "expr/compare.h"
#include "expr/functions.h"
#include "expr/text.h"

// strings.quote() and format() of CEL's strings extension.

namespace millrace::expr {
namespace {

using Arguments = std::span<const Value>;

constexpr int kPrecisionMax = 100;
constexpr std::size_t kDepthMax = 64;

void append_short(ArenaText& out, const Value& value) {
  ShortText text;
  switch (value.kind()) {
    case ValueKind::int64:
      text.append_int(value.as_int64());
      break;
    case ValueKind::uint64:
      text.append_uint(value.as_uint64());
      break;
    case ValueKind::float64:
      text.append_double(value.as_float64());
      break;
    case ValueKind::decimal:
      text.append_decimal(value.as_decimal());
      break;
    case ValueKind::timestamp:
      text.append_timestamp(value.seconds(), value.nanos());
      break;
    case ValueKind::duration:
      text.append_duration(value.seconds(), value.nanos());
      break;
    default:
      break;
  }
  out.append(text.view());
}

bool append_any(Frame& frame, ArenaText& out, const Value& value, std::size_t depth);

bool append_map(Frame& frame, ArenaText& out, const Value& value, std::size_t depth) {
  // Sorted by the keys' text, so that equal maps give equal text.
  struct Item {
    std::string_view key;
    const Value* value;
  };
  const auto entries = value.as_map();
  const auto items = frame.arena->array<Item>(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    ArenaText key(*frame.arena);
    if (!append_any(frame, key, entries[i].key, depth)) return false;
    items[i] = {key.view(), &entries[i].value};
  }
  std::ranges::sort(items, {}, &Item::key);
  out.append('{');
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.append(", ");
    out.append(items[i].key);
    out.append(": ");
    if (!append_any(frame, out, *items[i].value, depth)) return false;
  }
  out.append('}');
  return true;
}

// %s; false when the step bound or the depth is passed.
bool append_any(Frame& frame, ArenaText& out, const Value& value, std::size_t depth) {
  if (depth > kDepthMax) return false;
  switch (value.kind()) {
    case ValueKind::string:
    case ValueKind::bytes:
    case ValueKind::type:
      if (!frame.charge(1 + value.as_string().size() / kBytesPerStep)) return false;
      out.append(value.as_string());
      return true;
    case ValueKind::null:
      out.append("null");
      break;
    case ValueKind::boolean:
      out.append(value.as_boolean() ? "true" : "false");
      break;
    case ValueKind::list: {
      const auto values = value.as_list();
      out.append('[');
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (i > 0) out.append(", ");
        if (!append_any(frame, out, values[i], depth + 1)) return false;
      }
      out.append(']');
      break;
    }
    case ValueKind::map:
      if (!append_map(frame, out, value, depth + 1)) return false;
      break;
    default:
      append_short(out, value);
  }
  return frame.charge(1);
}

void append_hex_bytes(ArenaText& out, std::string_view bytes, bool is_upper) {
  const std::string_view digits = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.append(digits[byte >> 4]);
    out.append(digits[byte & 15]);
  }
}

// %b %o %x %X of a whole number.
void append_in_base(ArenaText& out, const Value& value, int base, bool is_upper) {
  ShortText text;
  std::uint64_t magnitude = value.as_uint64();
  if (value.kind() == ValueKind::int64 && value.as_int64() < 0) {
    text.append('-');
    magnitude = 0 - magnitude;
  }
  text.append_uint(magnitude, base);
  for (const char c : text.view()) {
    out.append(is_upper && c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c);
  }
}

bool append_floating(ArenaText& out, const Value& value, char clause, int precision) {
  if (value.kind() == ValueKind::decimal && clause == 'f') {  // exactly, half to even
    const auto rounded = value.as_decimal().round_half_even(precision);
    if (!rounded) return false;
    append_short(out, Value::decimal(*rounded));
    return true;
  }
  double number = 0;
  if (value.kind() == ValueKind::float64) {
    number = value.as_float64();
  } else if (value.kind() == ValueKind::int64) {
    number = static_cast<double>(value.as_int64());
  } else if (value.kind() == ValueKind::uint64) {
    number = static_cast<double>(value.as_uint64());
  } else if (value.kind() == ValueKind::decimal) {
    ShortText text;
    text.append_decimal(value.as_decimal());
    number = parse_double(text.view()).value_or(0);
  } else {
    return false;
  }
  if (!std::isfinite(number)) {
    append_short(out, Value::float64(number));
    return true;
  }
  std::array<char, 512> buffer;  // 309 digits before the point, kPrecisionMax behind it
  const auto form = clause == 'e' ? std::chars_format::scientific : std::chars_format::fixed;
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, form, precision);
  if (error != std::errc{}) return false;
  out.append({buffer.data(), static_cast<std::size_t>(end - buffer.data())});
  return true;
}

// False when the clause does not take such a value.
bool append_clause(Frame& frame, ArenaText& out, const Value& value, char clause, int precision) {
  const bool is_whole = value.kind() == ValueKind::int64 || value.kind() == ValueKind::uint64;
  const bool is_text = value.kind() == ValueKind::string || value.kind() == ValueKind::bytes;
  switch (clause) {
    case 's':
      return append_any(frame, out, value, 0);
    case 'd':
      if (!is_number(value.kind())) return false;
      append_short(out, value);
      return true;
    case 'e':
    case 'f':
      return append_floating(out, value, clause, precision);
    case 'b':
      if (value.kind() == ValueKind::boolean) {
        out.append(value.as_boolean() ? '1' : '0');
        return true;
      }
      if (is_whole) append_in_base(out, value, 2, false);
      return is_whole;
    case 'o':
      if (is_whole) append_in_base(out, value, 8, false);
      return is_whole;
    default:  // x X
      if (is_text) append_hex_bytes(out, value.as_string(), clause == 'X');
      if (is_whole) append_in_base(out, value, 16, clause == 'X');
      return is_text || is_whole;
  }
}

}  // namespace

Value run_quote(const Node& node, Frame& frame, std::span<const Value> arguments) {
  if (arguments[0].kind() != ValueKind::string) return no_overload(node, frame, arguments);
  const auto text = arguments[0].as_string();
  if (!frame.charge(text.size() / kBytesPerStep)) return steps_exceeded(node, frame);
  constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\\\"";
  constexpr std::string_view kNames = "abfnrtv\\\"";
  ArenaText out(*frame.arena);
  out.append('"');
  for (const char c : text) {
    const std::size_t special = kSpecial.find(c);
    if (special == std::string_view::npos) {
      out.append(c);
    } else {
      out.append('\\');
      out.append(kNames[special]);
    }
  }
  out.append('"');
  return Value::string(out.view());
}

Value run_format(const Node& node, Frame& frame, std::span<const Value> arguments) {
  if (arguments[0].kind() != ValueKind::string || arguments[1].kind() != ValueKind::list) {
    return no_overload(node, frame, arguments);
  }
  const auto text = arguments[0].as_string();
  const auto values = arguments[1].as_list();
  if (!frame.charge(text.size() / kBytesPerStep)) return steps_exceeded(node, frame);
  ArenaText out(*frame.arena);
  std::size_t next_value = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.append(text[i]);
      continue;
    }
    ++i;
    if (i < text.size() && text[i] == '%') {
      out.append('%');
      continue;
    }
    int precision = 6;
    if (i < text.size() && text[i] == '.') {
      const auto [end, error] =
          std::from_chars(text.data() + i + 1, text.data() + text.size(), precision);
      if (error != std::errc{} || precision < 0 || precision > kPrecisionMax) {
        return fail(node, frame, "format: a precision is a number of 0 to 100 behind '.'");
      }
      i = static_cast<std::size_t>(end - text.data());
    }
    constexpr std::string_view kClauses = "sdefboxX";
    if (i >= text.size() || kClauses.find(text[i]) == std::string_view::npos) {
      return fail(node, frame, "format: a '%' is followed by one of s d e f b o x X or %");
    }
    if (next_value >= values.size()) {
      return fail(node, frame, "format: the list has fewer values than the text has clauses");
    }
    const Value& value = values[next_value++];
    const bool fits = append_clause(frame, out, value, text[i], precision);
    if (frame.steps_left < 0) return steps_exceeded(node, frame);
    if (!fits) {
      return fail(node, frame,
                  joined_in(*frame.arena, {"format: '%", text.substr(i, 1), "' does not take a ",
                                           type_name(value)}));
    }
  }
  return Value::string(out.view());
}

}  // namespace millrace::expr
