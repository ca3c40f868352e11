#include "pipeline/yaml_scalar.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/decimal.h"

namespace millrace::pipeline {
namespace {

constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

bool is_any_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view without_sign(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

std::size_t digit_count(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  return count;
}

bool is_decimal_integer(std::string_view text) {
  text = without_sign(text);
  return !text.empty() && digit_count(text) == text.size();
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_float(std::string_view text) {
  text = without_sign(text);
  const std::size_t before = digit_count(text);
  text.remove_prefix(before);
  std::size_t after = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    after = digit_count(text);
    text.remove_prefix(after);
  }
  if (before == 0 && after == 0) return false;
  if (text.empty()) return true;
  if (text[0] != 'e' && text[0] != 'E') return false;
  text.remove_prefix(1);
  return is_decimal_integer(text);
}

// 0o17 and 0x1f; nullopt for everything else.
std::optional<Value> read_based_integer(std::string_view text) {
  if (text.size() < 3 || text[0] != '0' || (text[1] != 'o' && text[1] != 'x')) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + 2, end, number, text[1] == 'o' ? 8 : 16);
  if (error != std::errc() || stop != end || text[2] == '-') return std::nullopt;
  return Value::int64(number);
}

Result<Value> read_number(std::string_view text) {
  // JSON's grammar, which Decimal reads, wants digits on both sides of the point.
  std::string digits(text);
  if (const auto point = digits.find('.'); point != std::string::npos) {
    if (point + 1 == digits.size() || !is_digit(digits[point + 1])) digits.insert(point + 1, "0");
    if (point == 0 || !is_digit(digits[point - 1])) digits.insert(point, "0");
  }
  const auto number = Decimal::parse(digits);
  if (!number) {
    return invalid_error("the number " + std::string(text) + " has more than 38 digits");
  }
  const auto whole = is_decimal_integer(text) ? number->to_int() : std::nullopt;
  return whole ? Value::int64(*whole) : Value::decimal(*number);
}

Result<Value> read_plain(std::string_view text, Arena& arena) {
  if (is_any_of(text, {"", "null", "Null", "NULL", "~"})) return Value::null();
  if (is_any_of(text, {"true", "True", "TRUE"})) return Value::boolean(true);
  if (is_any_of(text, {"false", "False", "FALSE"})) return Value::boolean(false);
  if (is_any_of(without_sign(text), {".inf", ".Inf", ".INF"}) ||
      is_any_of(text, {".nan", ".NaN", ".NAN"})) {
    return invalid_error(std::string(text) + " is no number that can be computed with exactly");
  }
  if (const auto based = read_based_integer(text)) return *based;
  if (is_float(text)) return read_number(text);
  return Value::string(arena.copy(text));
}

}  // namespace

Result<Value> read_scalar(std::string_view text, ScalarStyle style, std::string_view tag,
                          Arena& arena) {
  if (tag.empty()) {
    if (style == ScalarStyle::quoted) return Value::string(arena.copy(text));
    return read_plain(text, arena);
  }
  const std::string_view name = tag.substr(std::min(kCoreTag.size(), tag.size()));
  if (tag.starts_with(kCoreTag) && name == "str") return Value::string(arena.copy(text));
  if (tag.starts_with(kCoreTag) && is_any_of(name, {"null", "bool", "int", "float"})) {
    auto value = read_plain(text, arena);
    if (!value.is_ok()) return value;
    const ValueKind kind = value->kind();
    const bool is_right =
        (name == "null" && kind == ValueKind::null) ||
        (name == "bool" && kind == ValueKind::boolean) ||
        (name == "int" && kind == ValueKind::int64) ||
        (name == "float" && (kind == ValueKind::int64 || kind == ValueKind::decimal));
    if (is_right) return value;
    return invalid_error(std::string(text) + " is not what its tag !!" + std::string(name) +
                         " says");
  }
  return invalid_error("the tag " + std::string(tag) + " is not supported; leave it out");
}

}  // namespace millrace::pipeline
