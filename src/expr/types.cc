#include "expr/types.h"

#include "expr/node.h"

namespace millrace::expr {
namespace {

bool is_numeric(Type type) {
  return type == Type::int64 || type == Type::uint64 || type == Type::float64 ||
         type == Type::decimal;
}

std::optional<Type> type_of_sum(Type left, Type right, bool is_difference) {
  const auto are = [&](Type a, Type b) { return left == a && right == b; };
  if (is_difference) {
    if (are(Type::timestamp, Type::timestamp)) return Type::duration;
    if (are(Type::timestamp, Type::duration)) return Type::timestamp;
    if (are(Type::duration, Type::duration)) return Type::duration;
    return std::nullopt;
  }
  if (are(Type::timestamp, Type::duration) || are(Type::duration, Type::timestamp)) {
    return Type::timestamp;
  }
  const bool is_joined =
      left == Type::string || left == Type::bytes || left == Type::list || left == Type::duration;
  if (left == right && is_joined) return left;
  return std::nullopt;
}

std::optional<Type> type_of_arithmetic(std::string_view symbol, Type left, Type right) {
  if (symbol == "%") {
    const bool fits = left == right && (left == Type::int64 || left == Type::uint64);
    return fits ? std::optional(left) : std::nullopt;
  }
  if (is_numeric(left) && is_numeric(right)) {
    if (left == right) return left;
    if (left == Type::decimal || right == Type::decimal) return Type::decimal;
    // An int meets a double only when that knows how it was written.
    if (left == Type::float64 || right == Type::float64) return Type::dyn;
    return std::nullopt;
  }
  if (symbol == "+" || symbol == "-") return type_of_sum(left, right, symbol == "-");
  return std::nullopt;
}

bool is_comparison(std::string_view symbol) {
  return symbol == "<" || symbol == "<=" || symbol == ">" || symbol == ">=";
}

bool is_ordered(Type type) {
  return is_numeric(type) || type == Type::boolean || type == Type::string || type == Type::bytes ||
         type == Type::timestamp || type == Type::duration;
}

}  // namespace

std::optional<Type> type_of_binary(std::string_view symbol, Type left, Type right) {
  const bool is_equality = symbol == "==" || symbol == "!=";
  const bool is_known = left != Type::dyn && right != Type::dyn;
  if (symbol == "in") {
    const bool fits = right == Type::dyn || right == Type::list || right == Type::map;
    return fits ? std::optional(Type::boolean) : std::nullopt;
  }
  if (is_equality || is_comparison(symbol)) {
    if (!is_equality && left != Type::dyn && !is_ordered(left)) return std::nullopt;
    if (!is_equality && right != Type::dyn && !is_ordered(right)) return std::nullopt;
    if (!is_known || left == right) return Type::boolean;
    if (is_numeric(left) && is_numeric(right)) return Type::boolean;
    const bool has_null = left == Type::null || right == Type::null;
    return is_equality && has_null ? std::optional(Type::boolean) : std::nullopt;
  }
  if (!is_known) {
    const auto known = left == Type::dyn ? right : left;
    const bool never_fits =
        known == Type::boolean || known == Type::null || known == Type::map || known == Type::type;
    return never_fits ? std::nullopt : std::optional(Type::dyn);
  }
  return type_of_arithmetic(symbol, left, right);
}

std::optional<Type> type_of_unary(std::string_view symbol, Type operand) {
  if (operand == Type::dyn) return symbol == "!" ? Type::boolean : Type::dyn;
  if (symbol == "!") {
    return operand == Type::boolean ? std::optional(Type::boolean) : std::nullopt;
  }
  const bool fits = operand == Type::int64 || operand == Type::float64 || operand == Type::decimal;
  return fits ? std::optional(operand) : std::nullopt;
}

Type type_of(const Value& value) {
  switch (value.kind()) {
    case ValueKind::null:
      return Type::null;
    case ValueKind::boolean:
      return Type::boolean;
    case ValueKind::int64:
      return Type::int64;
    case ValueKind::uint64:
      return Type::uint64;
    case ValueKind::float64:
      return Type::float64;
    case ValueKind::decimal:
      return Type::decimal;
    case ValueKind::string:
      return Type::string;
    case ValueKind::bytes:
      return Type::bytes;
    case ValueKind::timestamp:
      return Type::timestamp;
    case ValueKind::duration:
      return Type::duration;
    case ValueKind::list:
      return Type::list;
    case ValueKind::map:
      return Type::map;
    case ValueKind::type:
      return Type::type;
    case ValueKind::absent:
    case ValueKind::error:
      break;
  }
  return Type::dyn;
}

Type type_of(FieldType type) {
  switch (type) {
    case FieldType::boolean:
      return Type::boolean;
    case FieldType::int64:
      return Type::int64;
    case FieldType::decimal:
      return Type::decimal;
    case FieldType::string:
      return Type::string;
    case FieldType::timestamp:
      return Type::timestamp;
    case FieldType::list:
      return Type::list;
    case FieldType::map:
      return Type::map;
    case FieldType::any:
      break;
  }
  return Type::dyn;
}

FieldType to_field_type(Type type) {
  switch (type) {
    case Type::boolean:
      return FieldType::boolean;
    case Type::int64:
      return FieldType::int64;
    case Type::decimal:
      return FieldType::decimal;
    case Type::string:
      return FieldType::string;
    case Type::timestamp:
      return FieldType::timestamp;
    case Type::list:
      return FieldType::list;
    case Type::map:
      return FieldType::map;
    default:
      return FieldType::any;
  }
}

std::string_view type_label(Type type) {
  switch (type) {
    case Type::dyn:
      return "dyn";
    case Type::null:
      return "null_type";
    case Type::boolean:
      return "bool";
    case Type::int64:
      return "int";
    case Type::uint64:
      return "uint";
    case Type::float64:
      return "double";
    case Type::decimal:
      return "decimal";
    case Type::string:
      return "string";
    case Type::bytes:
      return "bytes";
    case Type::timestamp:
      return "google.protobuf.Timestamp";
    case Type::duration:
      return "google.protobuf.Duration";
    case Type::list:
      return "list";
    case Type::map:
      return "map";
    case Type::type:
      return "type";
  }
  return "dyn";
}

std::string_view type_name(const Value& value) {
  return type_label(type_of(value));
}

}  // namespace millrace::expr
