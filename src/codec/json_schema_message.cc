#include "codec/json_schema_message.h"

#include <array>
#include <vector>

#include "base/json_text.h"
#include "codec/json.h"

namespace millrace::codec {
namespace {

struct TypeWord {
  TypeSet bits;
  std::string_view word;
};
constexpr std::array<TypeWord, 6> kTypeWords{{{type_bit::boolean, "true or false"},
                                              {type_bit::number, "a number"},
                                              {type_bit::string, "a string"},
                                              {type_bit::array, "a list"},
                                              {type_bit::object, "an object"},
                                              {type_bit::null, "null"}}};

}  // namespace

std::string describe_types(TypeSet types) {
  std::vector<std::string_view> words;
  for (const TypeWord& known : kTypeWords) {
    if ((types & known.bits) == 0) continue;
    const bool is_only_integer =
        known.bits == type_bit::number && (types & type_bit::number) == type_bit::integer;
    words.push_back(is_only_integer ? "an integer" : known.word);
  }
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

std::string describe_expected(const SchemaNode& node) {
  return node.expected.empty() ? describe_types(node.types) : node.expected;
}

std::string_view cut_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

std::string describe_value(const Value& value) {
  if (value.kind() == ValueKind::list) return "a list";
  if (value.kind() == ValueKind::map) return "an object";
  // Digits as a row keeps them, which knows no zeros at the end.
  if (is_number(value)) return number_of(value).normalized().to_string();
  std::string out;
  if (value.kind() != ValueKind::string) {
    append_json(out, value, false);
    return out;
  }
  const std::string_view text = value.as_string();
  const std::string_view shown = cut_text(text, kQuotedBytesMax);
  append_json_string(out, shown);
  if (shown.size() < text.size()) out += "...";
  return out;
}

std::string describe_count(std::uint64_t count, std::string_view noun) {
  std::string out = std::to_string(count) + " ";
  out += noun;
  if (count == 1) return out;
  if (out.ends_with('y')) {
    out.back() = 'i';
    return out + "es";
  }
  return out + "s";
}

std::string describe_decimal(const SchemaNode& node) {
  return "a decimal number with at most " +
         describe_count(static_cast<std::uint64_t>(node.decimal_precision - node.decimal_scale),
                        "digit") +
         " before and " + std::to_string(node.decimal_scale) + " after the point";
}

std::string describe_format(const SchemaNode& node) {
  if (node.format == TextFormat::decimal) return describe_decimal(node);
  return std::string(describe(node.format));
}

}  // namespace millrace::codec
