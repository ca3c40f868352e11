#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "expr/expr.h"
#include "expr/text.h"

// For tests only: a row, tables and variables by name, and values as text.

namespace millrace::expr {

// "int 3", "decimal 1.50", "string 'a'", "error 1:2: ...".
inline std::string describe(const Value& value) {
  ShortText text;
  switch (value.kind()) {
    case ValueKind::absent:
      return "absent";
    case ValueKind::null:
      return "null";
    case ValueKind::boolean:
      return value.as_boolean() ? "true" : "false";
    case ValueKind::int64:
      text.append_int(value.as_int64());
      return joined({"int ", text.view()});
    case ValueKind::uint64:
      text.append_uint(value.as_uint64());
      return joined({"uint ", text.view()});
    case ValueKind::float64:
      text.append_double(value.as_float64());
      return joined({"double ", text.view()});
    case ValueKind::decimal:
      return joined({"decimal ", value.as_decimal().to_string()});
    case ValueKind::string:
      return joined({"string '", value.as_string(), "'"});
    case ValueKind::bytes:
      return joined({"bytes '", value.as_string(), "'"});
    case ValueKind::timestamp:
      text.append_timestamp(value.seconds(), value.nanos());
      return joined({"timestamp ", text.view()});
    case ValueKind::duration:
      text.append_duration(value.seconds(), value.nanos());
      return joined({"duration ", text.view()});
    case ValueKind::type:
      return joined({"type ", value.as_string()});
    case ValueKind::error:
      return joined({"error ", value.as_string()});
    case ValueKind::list: {
      std::string out = "[";
      for (const auto& element : value.as_list()) {
        out += joined({out.size() > 1 ? ", " : "", describe(element)});
      }
      return out + "]";
    }
    case ValueKind::map:
      break;
  }
  std::string out = "{";
  for (const auto& entry : value.as_map()) {
    out += joined({out.size() > 1 ? ", " : "", describe(entry.key), ": ", describe(entry.value)});
  }
  return out + "}";
}

class Evaluator {
 public:
  Evaluator& field(std::string name, FieldType type, Value value) {
    layout_.fields.push_back({.name = std::move(name), .type = type});
    row_.push_back(value);
    environment_.field_count = layout_.fields.size();
    return *this;
  }
  // A field that expressions do not see, since it is computed after them.
  Evaluator& later_field(std::string name) {
    layout_.fields.push_back({.name = std::move(name)});
    row_.emplace_back();
    return *this;
  }
  Evaluator& table(std::string name, const LookupTable& table) {
    environment_.table_names.push_back(std::move(name));
    tables_.push_back(&table);
    return *this;
  }
  Evaluator& variable(std::string name, Value value) {
    environment_.variable_names.push_back(std::move(name));
    variables_.push_back(value);
    return *this;
  }
  Evaluator& unchecked() {
    environment_.is_checked = false;
    return *this;
  }

  Result<Program> compile(std::string_view text) {
    environment_.layout = &layout_;
    return Program::compile(text, environment_);
  }
  // The value as text, or "refused LINE:COLUMN: message". Views die with this object.
  std::string operator()(std::string_view text) {
    auto program = compile(text);
    if (!program.is_ok()) return joined({"refused ", program.status().message()});
    programs_.push_back(std::move(program).value());
    return describe(programs_.back().evaluate(input(), arena_));
  }
  [[nodiscard]] EvaluateInput input() const { return {row_, tables_, variables_}; }
  Value& at(std::size_t slot) { return row_[slot]; }
  Arena& arena() { return arena_; }

 private:
  RowLayout layout_;
  Environment environment_;
  std::vector<Value> row_;
  std::vector<const LookupTable*> tables_;
  std::vector<Value> variables_;
  std::vector<Program> programs_;
  Arena arena_;
};

}  // namespace millrace::expr
