#include "base/check.h"
#include "expr/compare.h"
#include "expr/compiler.h"
#include "expr/text.h"

// Operators.

namespace millrace::expr {
namespace {

std::string_view mirrored(std::string_view symbol) {
  if (symbol == "<") return ">";
  if (symbol == "<=") return ">=";
  if (symbol == ">") return "<";
  if (symbol == ">=") return "<=";
  return symbol;
}

}  // namespace

Result<Compiler::Typed> Compiler::compile_operation(const Ast& ast) {
  if (ast.text == "?:") return compile_choice(ast);
  if (ast.text == "&&" || ast.text == "||") return compile_logic(ast);
  if (ast.children.size() == 2) return compile_binary(ast);
  MR_ASSIGN_OR_RETURN(const auto operand, compile(*ast.children[0]));
  const auto type = type_of_unary(ast.text, operand.type);
  if (!type) {
    MR_RETURN_IF_ERROR(
        refuse_types(ast, {"'", ast.text, "' does not take ", type_label(operand.type)}));
  }
  return Typed{folded(make(ast.text == "!" ? run_not : run_negate, ast, ast.text, {operand.node})),
               type.value_or(Type::dyn)};
}

Result<Compiler::Typed> Compiler::compile_logic(const Ast& ast) {
  std::vector<const Node*> children;
  for (const auto& child : ast.children) {
    MR_ASSIGN_OR_RETURN(const auto operand, compile(*child));
    if (operand.type != Type::dyn && operand.type != Type::boolean) {
      MR_RETURN_IF_ERROR(
          refuse_types(*child, {"'", ast.text, "' takes bools, not ", type_label(operand.type)}));
    }
    children.push_back(operand.node);
  }
  Node* node = make(ast.text == "&&" ? run_and : run_or, ast, ast.text);
  adopt(*node, children);
  return Typed{folded(node), Type::boolean};
}

Result<Compiler::Typed> Compiler::compile_choice(const Ast& ast) {
  MR_ASSIGN_OR_RETURN(const auto condition, compile(*ast.children[0]));
  if (condition.type != Type::dyn && condition.type != Type::boolean) {
    MR_RETURN_IF_ERROR(refuse_types(
        ast, {"the condition before '?' is ", type_label(condition.type), ", not bool"}));
  }
  MR_ASSIGN_OR_RETURN(const auto when_true, compile(*ast.children[1]));
  MR_ASSIGN_OR_RETURN(const auto when_false, compile(*ast.children[2]));
  const Type type = when_true.type == when_false.type ? when_true.type : Type::dyn;
  const bool is_lenient = when_true.is_lenient || when_false.is_lenient;
  const Value& known = condition.node->constant;
  if (condition.node->run == run_constant && known.kind() == ValueKind::boolean) {
    return Typed{known.as_boolean() ? when_true.node : when_false.node, type, is_lenient};
  }
  Node* node = make(run_choice, ast, ast.text, {condition.node, when_true.node, when_false.node});
  return Typed{folded(node), type, is_lenient};
}

Result<Compiler::Typed> Compiler::compile_in(const Ast& ast, const Typed& needle) {
  if (const auto table = table_of(*ast.children[1])) {
    Node* node = make(run_table_has_key, ast, ast.text, {needle.node});
    node->slot = static_cast<std::uint32_t>(*table);
    node->reads_inputs = true;
    program_.table_count = std::max(program_.table_count, *table + 1);
    return Typed{node, Type::boolean};
  }
  MR_ASSIGN_OR_RETURN(const auto container, compile(*ast.children[1]));
  if (!type_of_binary(ast.text, needle.type, container.type)) {
    MR_RETURN_IF_ERROR(refuse_types(
        ast, {"'in' looks into a list, a map or a table, not into ", type_label(container.type)}));
  }
  Node* node = make(run_in, ast, ast.text, {needle.node, container.node});
  const Value& known = container.node->constant;
  const bool is_constant = container.node->run == run_constant;
  const bool is_large_list = is_constant && known.kind() == ValueKind::list &&
                             known.as_list().size() >= ConstantIndex::kKeysMin;
  const bool is_large_map = is_constant && known.kind() == ValueKind::map &&
                            known.as_map().size() >= ConstantIndex::kKeysMin;
  if (is_large_list || is_large_map) {
    program_.prepared.push_back(std::make_unique<ConstantIndex>(known));
    node->prepared = program_.prepared.back().get();
    node->constant = known;
    node->run = run_indexed_in;
  }
  return Typed{folded(node), Type::boolean};
}

Result<Compiler::Typed> Compiler::compile_binary(const Ast& ast) {
  MR_ASSIGN_OR_RETURN(const auto left, compile(*ast.children[0]));
  if (ast.text == "in") return compile_in(ast, left);
  MR_ASSIGN_OR_RETURN(const auto right, compile(*ast.children[1]));
  const auto type = type_of_binary(ast.text, left.type, right.type);
  if (!type) {
    const bool has_string = left.type == Type::string || right.type == Type::string;
    MR_RETURN_IF_ERROR(refuse_types(
        ast,
        {"'", ast.text, "' does not take ", type_label(left.type), " and ", type_label(right.type),
         ast.text == "+" && has_string ? "; convert with string()" : ""}));
  }
  const Type known_type = type.value_or(Type::dyn);
  if (Node* node = field_comparison(ast, left, right)) return Typed{node, known_type};
  const Run run = run_of_binary(ast.text);
  MR_CHECK(run != nullptr);
  return Typed{folded(make(run, ast, ast.text, {left.node, right.node})), known_type};
}

// A comparison of a field with a constant, either way round; nullptr when it is anything else.
Node* Compiler::field_comparison(const Ast& ast, const Typed& left, const Typed& right) {
  const auto is_field = [](const Typed& side) {
    return side.node->run == run_field || side.node->run == run_decimal_field;
  };
  const bool is_straight = is_field(left) && right.node->run == run_constant;
  const bool is_mirrored = is_field(right) && left.node->run == run_constant;
  if (!is_straight && !is_mirrored) return nullptr;
  const Run run = run_of_field_comparison(is_straight ? ast.text : mirrored(ast.text));
  if (run == nullptr) return nullptr;
  const Node* field = is_straight ? left.node : right.node;
  const Node* constant = is_straight ? right.node : left.node;
  Node* node = make(run, ast, ast.text, {field});
  node->slot = field->slot;
  node->constant = constant->constant;
  if (field->run == run_decimal_field && is_number(node->constant.kind())) {
    if (const auto exact = to_decimal(node->constant)) node->constant = Value::decimal(*exact);
  }
  return node;
}

}  // namespace millrace::expr
