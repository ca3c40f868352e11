#include "model/row.h"

namespace millrace {

std::string_view to_string(FieldType type) {
  switch (type) {
    case FieldType::boolean:
      return "boolean";
    case FieldType::int64:
      return "integer";
    case FieldType::decimal:
      return "decimal";
    case FieldType::string:
      return "string";
    case FieldType::timestamp:
      return "timestamp";
    case FieldType::list:
      return "list";
    case FieldType::map:
      return "object";
    case FieldType::any:
      return "any";
  }
  return "unknown";
}

std::string with_article(std::string_view type_name) {
  constexpr std::string_view kVowels = "aeio";
  const bool is_vowel =
      !type_name.empty() && kVowels.find(type_name.front()) != std::string_view::npos;
  return (is_vowel ? "an " : "a ") + std::string(type_name);
}

}  // namespace millrace
