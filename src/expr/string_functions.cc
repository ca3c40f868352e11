#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "expr/functions.h"
#include "expr/pattern.h"
#include "expr/text.h"

// CEL's string functions and its strings extension, and pad_left(). Positions count code points.

namespace millrace::expr {
namespace {

using Arguments = std::span<const Value>;

constexpr std::int64_t kPadWidthMax = 1024;
constexpr std::uint64_t kPatternSteps = 1000;  // what compiling a pattern during evaluation costs

bool are_strings(Arguments arguments) {
  return std::ranges::all_of(arguments,
                             [](const Value& v) { return v.kind() == ValueKind::string; });
}

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

// The byte where code point `index` starts, text.size() right behind the last, npos beyond.
std::size_t byte_of(std::string_view text, std::int64_t index) {
  if (index < 0) return std::string_view::npos;
  std::size_t at = 0;
  for (; index > 0; --index) {
    if (at >= text.size()) return std::string_view::npos;
    do ++at;
    while (at < text.size() && is_continuation(text[at]));
  }
  return at;
}

std::int64_t index_of_byte(std::string_view text, std::size_t byte) {
  return static_cast<std::int64_t>(count_code_points(text.substr(0, byte)));
}

Value index_error(const Node& node, Frame& frame, std::int64_t index) {
  ShortText text;
  text.append("index out of range: ");
  text.append_int(index);
  return fail(node, frame, text.view());
}

bool charge_bytes(Frame& frame, Arguments arguments) {
  std::uint64_t size = 0;
  for (const auto& argument : arguments) {
    if (argument.kind() == ValueKind::string) size += argument.as_string().size();
  }
  return frame.charge(size / kBytesPerStep);
}

using Test = bool (*)(std::string_view, std::string_view);
Value run_test(const Node& node, Frame& frame, Arguments arguments, Test test) {
  if (!are_strings(arguments)) return no_overload(node, frame, arguments);
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  return Value::boolean(test(arguments[0].as_string(), arguments[1].as_string()));
}

Value run_contains(const Node& node, Frame& frame, Arguments arguments) {
  return run_test(node, frame, arguments, [](std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}
Value run_starts_with(const Node& node, Frame& frame, Arguments arguments) {
  return run_test(node, frame, arguments, [](std::string_view text, std::string_view part) {
    return text.starts_with(part);
  });
}
Value run_ends_with(const Node& node, Frame& frame, Arguments arguments) {
  return run_test(node, frame, arguments, [](std::string_view text, std::string_view part) {
    return text.ends_with(part);
  });
}

Value run_char_at(const Node& node, Frame& frame, Arguments arguments) {
  if (arguments[0].kind() != ValueKind::string || arguments[1].kind() != ValueKind::int64) {
    return no_overload(node, frame, arguments);
  }
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  const auto text = arguments[0].as_string();
  const std::size_t start = byte_of(text, arguments[1].as_int64());
  if (start == std::string_view::npos) return index_error(node, frame, arguments[1].as_int64());
  const std::size_t end = start == text.size() ? start : start + byte_of(text.substr(start), 1);
  return Value::string(text.substr(start, end - start));
}

bool is_search(Arguments arguments) {
  return are_strings(arguments.first(2)) &&
         (arguments.size() == 2 || arguments[2].kind() == ValueKind::int64);
}

Value run_index_of(const Node& node, Frame& frame, Arguments arguments) {
  if (!is_search(arguments)) return no_overload(node, frame, arguments);
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  const auto text = arguments[0].as_string();
  const std::int64_t index = arguments.size() == 3 ? arguments[2].as_int64() : 0;
  const std::size_t start = byte_of(text, index);
  if (start == std::string_view::npos) return index_error(node, frame, index);
  const std::size_t at = text.find(arguments[1].as_string(), start);
  return Value::int64(at == std::string_view::npos ? -1 : index_of_byte(text, at));
}

Value run_last_index_of(const Node& node, Frame& frame, Arguments arguments) {
  if (!is_search(arguments)) return no_overload(node, frame, arguments);
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  const auto text = arguments[0].as_string();
  std::size_t start = text.size();
  if (arguments.size() == 3) {
    start = byte_of(text, arguments[2].as_int64());
    if (start == std::string_view::npos) return index_error(node, frame, arguments[2].as_int64());
  }
  const std::size_t at = text.rfind(arguments[1].as_string(), start);
  return Value::int64(at == std::string_view::npos ? -1 : index_of_byte(text, at));
}

Value run_substring(const Node& node, Frame& frame, Arguments arguments) {
  for (const auto& index : arguments.subspan(1)) {
    if (index.kind() != ValueKind::int64) return no_overload(node, frame, arguments);
  }
  if (arguments[0].kind() != ValueKind::string) return no_overload(node, frame, arguments);
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  const auto text = arguments[0].as_string();
  const std::size_t start = byte_of(text, arguments[1].as_int64());
  if (start == std::string_view::npos) return index_error(node, frame, arguments[1].as_int64());
  if (arguments.size() == 2) return Value::string(text.substr(start));
  const std::size_t end = byte_of(text, arguments[2].as_int64());
  if (end == std::string_view::npos) return index_error(node, frame, arguments[2].as_int64());
  if (end < start) return fail(node, frame, "a substring cannot end before it starts");
  return Value::string(text.substr(start, end - start));
}

// Unicode's White_Space property.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

Value run_trim(const Node& node, Frame& frame, Arguments arguments) {
  if (!are_strings(arguments)) return no_overload(node, frame, arguments);
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  std::string_view text = arguments[0].as_string();
  for (std::string_view rest = text; !rest.empty(); text = rest) {
    const auto code_point = take_code_point(rest);
    if (!code_point || !is_space(*code_point)) break;
  }
  while (!text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && is_continuation(text[start])) --start;
    std::string_view last = text.substr(start);
    const auto code_point = take_code_point(last);
    if (!code_point || !is_space(*code_point)) break;
    text = text.substr(0, start);
  }
  return Value::string(text);
}

Value with_case(const Node& node, Frame& frame, Arguments arguments, char first, char change) {
  if (!are_strings(arguments)) return no_overload(node, frame, arguments);
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  const auto text = arguments[0].as_string();
  const auto out = frame.arena->array<char>(text.size());
  std::ranges::transform(text, out.begin(), [&](char c) {
    return c >= first && c <= first + 25 ? static_cast<char>(c + change) : c;
  });
  return Value::string({out.data(), out.size()});
}

Value run_lower_ascii(const Node& node, Frame& frame, Arguments arguments) {
  return with_case(node, frame, arguments, 'A', 'a' - 'A');
}
Value run_upper_ascii(const Node& node, Frame& frame, Arguments arguments) {
  return with_case(node, frame, arguments, 'a', 'A' - 'a');
}

Value run_reverse(const Node& node, Frame& frame, Arguments arguments) {
  if (!are_strings(arguments)) return no_overload(node, frame, arguments);
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  const auto text = arguments[0].as_string();
  const auto out = frame.arena->array<char>(text.size());
  std::size_t to = out.size();
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    while (end < text.size() && is_continuation(text[end])) ++end;
    to -= end - at;
    std::copy(text.begin() + static_cast<std::ptrdiff_t>(at),
              text.begin() + static_cast<std::ptrdiff_t>(end),
              out.begin() + static_cast<std::ptrdiff_t>(to));
    at = end;
  }
  return Value::string({out.data(), out.size()});
}

Value run_join(const Node& node, Frame& frame, Arguments arguments) {
  if (arguments[0].kind() != ValueKind::list || !are_strings(arguments.subspan(1))) {
    return no_overload(node, frame, arguments);
  }
  const auto parts = arguments[0].as_list();
  const auto separator = arguments.size() == 2 ? arguments[1].as_string() : std::string_view();
  if (!are_strings(parts)) return fail(node, frame, "no such overload: join wants strings only");
  std::uint64_t size = parts.empty() ? 0 : separator.size() * (parts.size() - 1);
  for (const auto& part : parts) size += part.as_string().size();
  if (!frame.charge(parts.size() + size / kBytesPerStep)) return steps_exceeded(node, frame);
  ArenaText out(*frame.arena);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out.append(separator);
    out.append(parts[i].as_string());
  }
  return Value::string(out.view());
}

// At most `limit` replacements; all when negative. An empty `from` stands before every code point
// and at the end.
Value run_replace(const Node& node, Frame& frame, Arguments arguments) {
  const bool has_limit = arguments.size() == 4;
  if (!are_strings(arguments.first(3)) || (has_limit && arguments[3].kind() != ValueKind::int64)) {
    return no_overload(node, frame, arguments);
  }
  const auto text = arguments[0].as_string();
  const auto from = arguments[1].as_string();
  const auto to = arguments[2].as_string();
  std::int64_t limit = has_limit ? arguments[3].as_int64() : -1;
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  ArenaText out(*frame.arena);
  std::size_t at = 0;
  for (; limit != 0; --limit) {
    const std::size_t found = text.find(from, at);
    if (found == std::string_view::npos) break;
    if (!frame.charge(1 + to.size() / kBytesPerStep)) return steps_exceeded(node, frame);
    out.append(text.substr(at, found - at));
    out.append(to);
    at = found + from.size();
    if (!from.empty()) continue;
    if (at == text.size()) break;
    const std::size_t next = at + byte_of(text.substr(at), 1);
    out.append(text.substr(at, next - at));
    at = next;
  }
  out.append(text.substr(at));
  return Value::string(out.view());
}

// At most `limit` parts, the last one holding the rest; all when negative. An empty separator
// stands between any two code points.
Value run_split(const Node& node, Frame& frame, Arguments arguments) {
  const bool has_limit = arguments.size() == 3;
  if (!are_strings(arguments.first(2)) || (has_limit && arguments[2].kind() != ValueKind::int64)) {
    return no_overload(node, frame, arguments);
  }
  const auto text = arguments[0].as_string();
  const auto separator = arguments[1].as_string();
  const std::int64_t limit = has_limit ? arguments[2].as_int64() : -1;
  if (limit == 0) return Value::list({});
  const auto count_max = limit < 0 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(limit);
  std::uint64_t count = 1;
  if (separator.empty()) {
    count = count_code_points(text);
  } else {
    for (std::size_t at = text.find(separator); at != std::string_view::npos;
         at = text.find(separator, at + separator.size())) {
      ++count;
    }
  }
  count = std::min(count, count_max);
  if (!frame.charge(count + text.size() / kBytesPerStep)) return steps_exceeded(node, frame);
  const auto out = frame.arena->array<Value>(count);
  std::string_view rest = text;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t end = rest.size();
    if (i + 1 < count) end = separator.empty() ? byte_of(rest, 1) : rest.find(separator);
    out[i] = Value::string(rest.substr(0, end));
    rest = i + 1 < count ? rest.substr(end + separator.size()) : std::string_view();
  }
  return Value::list(out);
}

Value run_pad_left(const Node& node, Frame& frame, Arguments arguments) {
  const bool has_types = arguments[0].kind() == ValueKind::string &&
                         arguments[1].kind() == ValueKind::int64 &&
                         arguments[2].kind() == ValueKind::string;
  if (!has_types) return no_overload(node, frame, arguments);
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  const auto text = arguments[0].as_string();
  const auto fill = arguments[2].as_string();
  const std::int64_t width = arguments[1].as_int64();
  if (width > kPadWidthMax) return fail(node, frame, "pad_left pads to at most 1024");
  if (count_code_points(fill) != 1) return fail(node, frame, "pad_left fills with one character");
  const auto size = static_cast<std::int64_t>(count_code_points(text));
  if (size >= width) return arguments[0];
  ArenaText out(*frame.arena);
  for (std::int64_t i = size; i < width; ++i) out.append(fill);
  out.append(text);
  return Value::string(out.view());
}

constexpr std::array<Function, 19> kFunctions{{
    {"contains", true, "ss", Type::boolean, run_contains},
    {"startsWith", true, "ss", Type::boolean, run_starts_with},
    {"endsWith", true, "ss", Type::boolean, run_ends_with},
    {"matches", true, "ss", Type::boolean, run_matches},
    {"matches", false, "ss", Type::boolean, run_matches},
    {"charAt", true, "si", Type::string, run_char_at},
    {"indexOf", true, "ss?i", Type::int64, run_index_of},
    {"lastIndexOf", true, "ss?i", Type::int64, run_last_index_of},
    {"substring", true, "si?i", Type::string, run_substring},
    {"trim", true, "s", Type::string, run_trim},
    {"lowerAscii", true, "s", Type::string, run_lower_ascii},
    {"upperAscii", true, "s", Type::string, run_upper_ascii},
    {"reverse", true, "s", Type::string, run_reverse},
    {"join", true, "l?s", Type::string, run_join},
    {"replace", true, "sss?i", Type::string, run_replace},
    {"split", true, "ss?i", Type::list, run_split},
    {"pad_left", false, "sis", Type::string, run_pad_left},
    {"strings.quote", false, "s", Type::string, run_quote},
    {"format", true, "sl", Type::string, run_format},
}};

}  // namespace

// Of a pattern that is only known here; a constant one is compiled with the expression.
Value run_matches(const Node& node, Frame& frame, std::span<const Value> arguments) {
  if (!are_strings(arguments)) return no_overload(node, frame, arguments);
  if (!charge_bytes(frame, arguments)) return steps_exceeded(node, frame);
  if (!frame.charge(kPatternSteps)) return steps_exceeded(node, frame);
  const auto matcher = Matcher::compile(arguments[1].as_string());
  if (!matcher.is_ok()) {
    return fail(node, frame, frame.arena->copy(matcher.status().message()));
  }
  return Value::boolean((*matcher)->matches(arguments[0].as_string()));
}

Value run_constant_match(const Node& node, Frame& frame) {
  const Value text = evaluate(node.children[0], frame);
  if (text.kind() == ValueKind::string) [[likely]] {
    if (!frame.charge(text.as_string().size() / kBytesPerStep)) return steps_exceeded(node, frame);
    return Value::boolean(static_cast<const Matcher*>(node.prepared)->matches(text.as_string()));
  }
  return text.is_error() ? text : no_overload(node, frame, std::array{text});
}

std::span<const Function> string_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
