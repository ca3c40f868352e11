#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "expr/ast.h"
#include "expr/functions.h"
#include "expr/operations.h"
#include "expr/program.h"
#include "expr/types.h"

namespace millrace::expr {

// Fills `program` (nodes, root, what it reads) from the syntax tree. `invalid` with position for
// unknown names, wrong argument counts, and types that can never fit.
Status compile_into(CompiledProgram& program, const Ast& ast, const Environment& environment);

// Used by compile_into alone; the methods are in compiler.cc, compiler_calls.cc and fold.cc.
class Compiler {
 public:
  Compiler(CompiledProgram& program, const Environment& environment)
      : program_(program), environment_(environment) {}

  struct Typed {
    Node* node = nullptr;
    Type type = Type::dyn;
    bool is_lenient = false;  // a table's row or a part of it: null has any field, null
    const Shape* shape = nullptr;
  };
  Result<Typed> compile(const Ast& ast);

 private:
  struct Local {
    std::string_view name;
    std::uint32_t slot;
    Type type;
    bool is_lenient;
    const Shape* shape;
  };

  // Names and members.
  Result<Typed> compile_literal(const Ast& ast);
  Result<Typed> compile_name(const Ast& ast);
  Result<Typed> compile_select(const Ast& ast);
  Result<Typed> compile_index(const Ast& ast);
  Result<Typed> compile_container(const Ast& ast);
  Result<Typed> unknown_name(const Ast& ast);
  // The shape of `from`'s member; refuses one that cannot be there. `at` has the position.
  Result<const Shape*> member_shape(const Ast& at, const Ast& object, const Typed& from,
                                    std::string_view member) const;
  Typed field_node(const Ast& ast, std::size_t slot);
  [[nodiscard]] std::optional<std::size_t> visible_field(std::string_view name) const;
  [[nodiscard]] std::optional<std::size_t> table_of(const Ast& ast) const;
  [[nodiscard]] const Local* local_of(std::string_view name) const;
  std::optional<Typed> resolve(const Ast& ast, std::string_view name);
  std::optional<Typed> resolve_dotted(const Ast& ast);

  // Operators.
  Result<Typed> compile_operation(const Ast& ast);
  Result<Typed> compile_binary(const Ast& ast);
  Result<Typed> compile_logic(const Ast& ast);
  Result<Typed> compile_choice(const Ast& ast);
  Result<Typed> compile_in(const Ast& ast, const Typed& needle);
  Node* field_comparison(const Ast& ast, const Typed& left, const Typed& right);

  // Calls and macros.
  Result<Typed> compile_call(const Ast& ast);
  Result<Typed> compile_receiver_call(const Ast& ast);
  Result<Typed> compile_function(const Ast& ast, const Function& function,
                                 std::span<const std::unique_ptr<Ast>> arguments);
  Result<Typed> unknown_function(const Ast& ast, std::string_view name, bool is_receiver);
  Status prepare_pattern(const Ast& ast, Node& node);
  Result<Typed> compile_has(const Ast& ast);
  Result<Typed> compile_bind(const Ast& ast);
  Result<Typed> compile_macro(const Ast& ast, Macro macro, int variable_count);
  Result<std::string_view> variable_name(const Ast& ast) const;
  std::uint32_t declare(std::string_view name, Type type, bool is_lenient, const Shape* shape);

  // An error of names: of the compilation when checked, else of the evaluation.
  Result<Typed> refuse(const Ast& ast, std::string_view message);
  // An error of types: of the compilation when checked, else left to the evaluation.
  Status refuse_types(const Ast& ast, std::initializer_list<std::string_view> message) const;
  Node* make(Run run, const Ast& ast, std::string_view name,
             std::initializer_list<const Node*> children = {});
  void adopt(Node& node, std::span<const Node* const> children);
  // The node, or a constant in its place when it reads nothing and evaluates without an error.
  Node* folded(Node* node);
  std::optional<Value> copied(const Value& value, std::size_t depth);

  CompiledProgram& program_;
  const Environment& environment_;
  std::vector<Local> locals_;  // innermost last
  Arena scratch_;
  std::int64_t fold_steps_left_ = 100'000;  // of the whole compilation
  std::int64_t copy_bytes_left_ = 0;        // of one constant
};

}  // namespace millrace::expr
