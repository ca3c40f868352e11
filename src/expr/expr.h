#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "model/row.h"
#include "model/shape.h"
#include "model/value.h"

// Expressions are CEL (https://github.com/google/cel-spec), a documented subset with exact decimals
// added: docs/expressions.md says what is in it and what differs.

namespace millrace::expr {

// A table an expression may look into as `name[key]`; the result is a map of its columns (or one
// field, `name[key].column`), null where the key is not there, and any field of null is null.
class LookupTable {
 public:
  virtual ~LookupTable() = default;
  // The row under `key` as a map Value whose views live as long as the table version, or null.
  [[nodiscard]] virtual Value find(const Value& key) const = 0;
};

// What names mean in an expression. Field i of `layout` is slot i of the row passed to `evaluate`.
struct Environment {
  const RowLayout* layout = nullptr;
  std::size_t field_count = 0;           // only the first field_count fields are visible
  std::vector<std::string> table_names;  // table i is `tables[i]` at evaluation
  std::vector<std::string>
      variable_names;  // variable i is `variables[i]` (tests, `consume --filter`)
  // What is known of field i and of the rows of table i. Null, or a list that ends before: nothing.
  // A member that cannot be there is an error of the compilation; the program is the same
  // otherwise. Read during `compile` alone.
  std::vector<const Shape*> field_shapes;
  std::vector<const Shape*> table_shapes;
  // False: unknown names and types that can never fit are no errors of the compilation but of the
  // evaluation, as CEL has it for expressions that skip its checker (the conformance data).
  bool is_checked = true;
};

struct EvaluateInput {
  std::span<const Value> row;
  std::span<const LookupTable* const> tables;
  std::span<const Value> variables;
};

// Bounds of one evaluation, so that no expression in a pipeline file can run away.
inline constexpr std::uint32_t kEvaluationStepsMax = 1'000'000;
inline constexpr std::size_t kExpressionDepthMax = 128;
inline constexpr std::size_t kExpressionBytesMax = 64 * 1024;

// A compiled expression. Immutable: any number of threads may evaluate it at once. Deterministic:
// no clock, no randomness, integer and decimal arithmetic, RE2 only (rule R23).
class Program {
 public:
  // `invalid` with 1-based line and column, what was found and what would be right; unknown names
  // come with the nearest known one. Constant sub-expressions are folded, regular expressions
  // compiled.
  static Result<Program> compile(std::string_view text, const Environment& environment);

  Program(Program&&) noexcept;
  Program& operator=(Program&&) noexcept;
  ~Program();

  // The result; `error` kind when evaluation failed (division by zero, overflow, no such key or
  // field, no such overload, step bound). Views in the result live in `arena`, the row, or this
  // program.
  Value evaluate(const EvaluateInput& input, Arena& arena) const {
    // An expression that is nothing but a field needs no evaluation, where the field is there.
    if (field_slot_ < input.row.size()) {
      const Value& value = input.row[field_slot_];
      if (!value.is_absent() && (!is_decimal_ || value.kind() != ValueKind::int64)) return value;
    }
    return evaluate_tree(input, arena);
  }

  // The type of the result as far as it is known before evaluation.
  [[nodiscard]] FieldType result_type() const;
  // Slots of the row that the expression reads.
  [[nodiscard]] const std::vector<std::size_t>& fields_read() const;
  [[nodiscard]] const std::string& text() const;

 private:
  struct Impl;
  static constexpr std::size_t kNoSlot = ~std::size_t{0};

  explicit Program(std::unique_ptr<Impl> impl);
  Value evaluate_tree(const EvaluateInput& input, Arena& arena) const;

  std::unique_ptr<Impl> impl_;
  std::size_t field_slot_ = kNoSlot;  // of an expression that is nothing but a field
  bool is_decimal_ = false;           // whose whole numbers become decimals
};

// CEL's equality and its order on values of comparable kinds, numbers across kinds exactly. Used by
// aggregates and table keys, too.
bool values_equal(const Value& a, const Value& b);

}  // namespace millrace::expr
