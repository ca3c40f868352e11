#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/row.h"
#include "model/value.h"

namespace millrace::expr {

// What is known of a value before evaluation. `dyn`: nothing.
enum class Type : std::uint8_t {
  dyn,
  null,
  boolean,
  int64,
  uint64,
  float64,
  decimal,
  string,
  bytes,
  timestamp,
  duration,
  list,
  map,
  type,
};

Type type_of(const Value& value);
Type type_of(FieldType type);
FieldType to_field_type(Type type);
// As CEL writes it: "int", "list", "dyn".
std::string_view type_label(Type type);

// The type of `left symbol right`, or nullopt when no values of these types can ever fit.
std::optional<Type> type_of_binary(std::string_view symbol, Type left, Type right);
std::optional<Type> type_of_unary(std::string_view symbol, Type operand);

}  // namespace millrace::expr
