#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/value.h"

namespace millrace {

// What a field holds when it is present and not null.
enum class FieldType : std::uint8_t { boolean, int64, decimal, string, timestamp, list, map, any };

std::string_view to_string(FieldType type);
// "an integer", "a string": of a name that to_string gives.
std::string with_article(std::string_view type_name);

struct Field {
  std::string name;
  FieldType type = FieldType::any;
  bool is_required = false;
  bool is_nullable = false;
  // Only for decimal: digits in all and after the point, as the lake's column has them.
  int decimal_precision = 38;
  int decimal_scale = 4;
  // Only for decimal: which JSON forms may hold it, a string ("223.82") or a number (223.82).
  bool is_text_allowed = true;
  bool is_number_allowed = true;
};

// The fields of a row in slot order: those of the schema first, then the computed ones. A row is a
// `std::span<Value>` of `fields.size()` slots; slot i holds field i, absent where the event has
// none.
struct RowLayout {
  std::vector<Field> fields;

  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].name == name) return i;
    }
    return std::nullopt;
  }
};

}  // namespace millrace
