#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "expr/expr.h"
#include "expr/position.h"
#include "model/value.h"

namespace millrace::expr {

struct Node;

// What one evaluation works on. `locals` are the variables of macros.
struct Frame {
  static inline const EvaluateInput kNoInput;

  // References, because copying spans that were stored a moment ago stalls.
  const std::span<const Value>& row = kNoInput.row;
  const std::span<const LookupTable* const>& tables = kNoInput.tables;
  const std::span<const Value>& variables = kNoInput.variables;
  Value* locals = nullptr;
  Arena* arena = nullptr;
  std::int64_t steps_left = kEvaluationStepsMax;

  // Work whose amount depends on data; false once the bound is passed.
  bool charge(std::uint64_t steps) {
    steps_left -= static_cast<std::int64_t>(steps);
    return steps_left >= 0;
  }
};

using Run = Value (*)(const Node&, Frame&);
using Builtin = Value (*)(const Node&, Frame&, std::span<const Value>);

// Whatever an operation prepares at compile time (a regular expression, an index of constant keys).
struct Prepared {
  virtual ~Prepared() = default;
};

// One operation of a compiled expression. Nodes never change after compilation.
struct Node {
  Run run = nullptr;
  std::span<const Node* const> children;
  Value constant;             // of constants and of comparisons with one
  std::uint32_t slot = 0;     // field, table, variable or (first) local
  std::uint32_t steps = 0;    // macros: nodes of the body, charged for each element
  Builtin builtin = nullptr;  // of calls
  const Prepared* prepared = nullptr;
  std::string_view name;  // for messages: the field, the operator, the function
  Position position;

  bool reads_inputs = false;              // fields, tables or variables
  std::uint32_t lowest_local = kNoLocal;  // the lowest local it reads from outside itself
  static constexpr std::uint32_t kNoLocal = ~std::uint32_t{0};
};

inline Value evaluate(const Node* node, Frame& frame) {
  return node->run(*node, frame);
}

// An error value "line:column: message" in the frame's arena.
Value fail(const Node& node, Frame& frame, std::string_view message);
// "no such overload: string + int".
Value no_overload(const Node& node, Frame& frame, std::span<const Value> operands);
Value steps_exceeded(const Node& node, Frame& frame);

// The name of a value's type as CEL's type() gives it: "int", "google.protobuf.Timestamp", ...
std::string_view type_name(const Value& value);

Value run_constant(const Node& node, Frame& frame);

}  // namespace millrace::expr
