#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/nearest_name.h"
#include "expr/compiler.h"
#include "expr/pattern.h"
#include "expr/text.h"

// Calls of functions and macros.

namespace millrace::expr {
namespace {

struct MacroForm {
  std::string_view name;
  Macro macro;
  std::size_t argument_count;  // without the range
  int variable_count;
};
constexpr std::array<MacroForm, 15> kMacros{{
    {"all", Macro::all, 2, 1},
    {"all", Macro::all, 3, 2},
    {"exists", Macro::exists, 2, 1},
    {"exists", Macro::exists, 3, 2},
    {"exists_one", Macro::exists_one, 2, 1},
    {"existsOne", Macro::exists_one, 2, 1},
    {"existsOne", Macro::exists_one, 3, 2},
    {"exists_one", Macro::exists_one, 3, 2},
    {"filter", Macro::filter, 2, 1},
    {"map", Macro::map, 2, 1},
    {"map", Macro::map, 3, 1},
    {"transformList", Macro::map, 3, 2},
    {"transformList", Macro::map, 4, 2},
    {"transformMap", Macro::transform_map, 3, 2},
    {"transformMap", Macro::transform_map, 4, 2},
}};

const MacroForm* macro_of(std::string_view name, std::size_t argument_count) {
  for (const auto& form : kMacros) {
    if (form.name == name && form.argument_count == argument_count) return &form;
  }
  return nullptr;
}

std::string_view letter_label(char letter) {
  switch (letter) {
    case 's':
      return "string";
    case 'b':
      return "bytes";
    case 'c':
      return "string or bytes";
    case 'i':
      return "int";
    case 'n':
      return "number";
    case 'l':
      return "list";
    case 't':
      return "timestamp";
    case 'T':
      return "timestamp or duration";
    case 'z':
      return "string, bytes, list or map";
    default:
      return "any";
  }
}

// "round(number, int)", "string.indexOf(string[, int])".
std::string usage_of(const Function& function) {
  std::string out;
  std::string_view letters = function.signature;
  if (function.is_receiver) {
    out = joined({letter_label(letters[0]), "."});
    letters.remove_prefix(1);
  }
  out += joined({function.name, "("});
  bool is_first = true;
  bool is_optional = false;
  for (const char letter : letters) {
    if (letter == '+') {
      out += ", ...";
    } else if (letter == '?') {
      is_optional = true;
    } else {
      out += joined({is_optional ? "[" : "", is_first ? "" : ", ", letter_label(letter),
                     is_optional ? "]" : ""});
      is_first = false;
    }
  }
  return out + ")";
}

}  // namespace

Result<Compiler::Typed> Compiler::compile_call(const Ast& ast) {
  if (ast.text == "has" && !ast.is_absolute) return compile_has(ast);
  const Function* function = find_function(ast.text, false, ast.children.size());
  if (function == nullptr) return unknown_function(ast, ast.text, false);
  return compile_function(ast, *function, ast.children);
}

Result<Compiler::Typed> Compiler::compile_receiver_call(const Ast& ast) {
  const Ast& receiver = *ast.children[0];
  if (const auto* form = macro_of(ast.text, ast.children.size() - 1)) {
    return compile_macro(ast, form->macro, form->variable_count);
  }
  const bool is_plain_name = receiver.kind == AstKind::name && !receiver.is_quoted;
  if (is_plain_name && local_of(receiver.text) == nullptr && !visible_field(receiver.text)) {
    const std::string qualified = joined({receiver.text, ".", ast.text});
    if (qualified == "cel.bind" && ast.children.size() == 4) return compile_bind(ast);
    const std::span<const std::unique_ptr<Ast>> arguments(ast.children);
    const Function* function = find_function(qualified, false, arguments.size() - 1);
    if (function != nullptr) return compile_function(ast, *function, arguments.subspan(1));
  }
  const Function* function = find_function(ast.text, true, ast.children.size());
  if (function == nullptr) return unknown_function(ast, ast.text, true);
  return compile_function(ast, *function, ast.children);
}

Result<Compiler::Typed> Compiler::unknown_function(const Ast& ast, std::string_view name,
                                                   bool is_receiver) {
  const Function* other = nullptr;
  for (std::size_t count = 1; count <= 4 && other == nullptr; ++count) {
    other = find_function(name, !is_receiver, count);
  }
  if (other != nullptr) {
    return refuse(ast, joined({"'", name, "' is called as ", usage_of(*other)}));
  }
  for (const auto& form : kMacros) {
    if (form.name != name) continue;
    return refuse(ast, joined({"the macro '", name, "' is called as range.", name,
                               "(variable, ...) with other arguments"}));
  }
  const auto nearest = nearest_function(name);
  return refuse(ast,
                joined({"unknown function '", name, "'", nearest.empty() ? "" : "; did you mean '",
                        nearest, nearest.empty() ? "" : "'?"}));
}

Result<Compiler::Typed> Compiler::compile_function(
    const Ast& ast, const Function& function, std::span<const std::unique_ptr<Ast>> arguments) {
  if (arguments.size() < function.argument_count_min() ||
      arguments.size() > function.argument_count_max()) {
    return refuse(ast, joined({"wrong number of arguments; it is ", usage_of(function)}));
  }
  std::vector<const Node*> children;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    MR_ASSIGN_OR_RETURN(const auto argument, compile(*arguments[i]));
    if (!function.accepts(i, argument.type)) {
      MR_RETURN_IF_ERROR(refuse_types(
          *arguments[i], {type_label(argument.type), " does not fit ", usage_of(function)}));
    }
    children.push_back(argument.node);
  }
  Node* node = make(run_call, ast, function.name);
  adopt(*node, children);
  node->builtin = function.run;
  if (function.run == run_matches) {
    const Node& pattern = *node->children[1];
    const bool is_known =
        pattern.run == run_constant && pattern.constant.kind() == ValueKind::string;
    if (is_known) MR_RETURN_IF_ERROR(prepare_pattern(*arguments[1], *node));
  }
  return Typed{folded(node), function.result};
}

Status Compiler::prepare_pattern(const Ast& ast, Node& node) {
  auto matcher = Matcher::compile(node.children[1]->constant.as_string());
  if (!matcher.is_ok()) return error_at(ast.position, matcher.status().message());
  program_.prepared.push_back(std::move(matcher).value());
  node.prepared = program_.prepared.back().get();
  node.run = run_constant_match;
  return ok_status();
}

// has(map.field); and of ours, has(field): whether the event has it.
Result<Compiler::Typed> Compiler::compile_has(const Ast& ast) {
  if (ast.children.size() == 1 && ast.children[0]->kind == AstKind::name) {
    const Ast& name = *ast.children[0];
    const auto slot = local_of(name.text) == nullptr ? visible_field(name.text) : std::nullopt;
    if (slot) {
      Node* node = field_node(name, *slot).node;
      node->run = run_field_is_present;
      return Typed{node, Type::boolean};
    }
    if (local_of(name.text) == nullptr) return unknown_name(name);
  }
  if (ast.children.size() != 1 || ast.children[0]->kind != AstKind::select) {
    return error_at(ast.position, "has() takes a field: has(price) or has(order.price)");
  }
  const Ast& select = *ast.children[0];
  MR_ASSIGN_OR_RETURN(const auto from, compile(*select.children[0]));
  if (from.type != Type::dyn && from.type != Type::map) {
    MR_RETURN_IF_ERROR(refuse_types(
        select, {"a value of type ", type_label(from.type), " has no field '", select.text, "'"}));
  }
  MR_RETURN_IF_ERROR(member_shape(select, *select.children[0], from, select.text).status());
  Node* node = make(from.is_lenient ? run_lenient_has : run_has, select, select.text, {from.node});
  return Typed{folded(node), Type::boolean};
}

std::uint32_t Compiler::declare(std::string_view name, Type type, bool is_lenient,
                                const Shape* shape) {
  const auto slot = static_cast<std::uint32_t>(locals_.size());
  locals_.push_back({name, slot, type, is_lenient, shape});
  program_.local_count = std::max(program_.local_count, slot + 1);
  return slot;
}

Result<std::string_view> Compiler::variable_name(const Ast& ast) const {
  if (ast.kind == AstKind::name && !ast.is_quoted && !ast.is_absolute) {
    return std::string_view(ast.text);
  }
  return error_at(ast.position, "the variable of a macro is a plain name");
}

// cel.bind(name, value, body).
Result<Compiler::Typed> Compiler::compile_bind(const Ast& ast) {
  MR_ASSIGN_OR_RETURN(const auto name, variable_name(*ast.children[1]));
  MR_ASSIGN_OR_RETURN(const auto value, compile(*ast.children[2]));
  const auto slot = declare(name, value.type, value.is_lenient, value.shape);
  const auto body = compile(*ast.children[3]);
  locals_.pop_back();
  if (!body.is_ok()) return body.status();
  Node* node = make(run_bind, ast, "cel.bind", {value.node, body->node});
  node->slot = slot;
  node->lowest_local = value.node->lowest_local;
  if (body->node->lowest_local < slot) {
    node->lowest_local = std::min(node->lowest_local, body->node->lowest_local);
  }
  return Typed{folded(node), body->type, body->is_lenient, body->shape};
}

Result<Compiler::Typed> Compiler::compile_macro(const Ast& ast, Macro macro, int variable_count) {
  MR_ASSIGN_OR_RETURN(const auto range, compile(*ast.children[0]));
  if (range.type != Type::dyn && range.type != Type::list && range.type != Type::map) {
    MR_RETURN_IF_ERROR(refuse_types(
        ast, {"'", ast.text, "' goes over a list or a map, not over ", type_label(range.type)}));
  }
  const auto slot = static_cast<std::uint32_t>(locals_.size());
  const auto first_body = static_cast<std::size_t>(1 + variable_count);
  std::array<std::string_view, 2> names;
  for (std::size_t i = 0; i < static_cast<std::size_t>(variable_count); ++i) {
    MR_ASSIGN_OR_RETURN(names[i], variable_name(*ast.children[1 + i]));
  }
  if (variable_count == 2 && names[0] == names[1]) {
    return error_at(ast.children[2]->position, "the two variables of a macro need two names");
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(variable_count); ++i) {
    // The last variable is the element, where the range is a list for certain.
    const bool is_element = i + 1 == static_cast<std::size_t>(variable_count);
    const Shape* shape = is_element && range.shape != nullptr ? range.shape->element : nullptr;
    declare(names[i], Type::dyn, false, shape);
  }

  const std::size_t nodes_before = program_.nodes.size();
  std::vector<const Node*> children{range.node};
  std::uint32_t lowest_local = range.node->lowest_local;
  Status status;
  for (std::size_t i = first_body; i < ast.children.size() && status.is_ok(); ++i) {
    auto body = compile(*ast.children[i]);
    if (!body.is_ok()) {
      status = body.status();
      break;
    }
    children.push_back(body->node);
    // Its own locals are none of its surroundings' business.
    if (body->node->lowest_local < slot) {
      lowest_local = std::min(lowest_local, body->node->lowest_local);
    }
  }
  locals_.resize(slot);
  MR_RETURN_IF_ERROR(std::move(status));

  const bool is_collecting = macro == Macro::map || macro == Macro::transform_map;
  const Run run = run_of_macro(macro, variable_count, is_collecting && children.size() == 3);
  MR_CHECK(run != nullptr);
  Node* node = make(run, ast, ast.text);
  adopt(*node, children);
  node->slot = slot;
  node->steps = static_cast<std::uint32_t>(program_.nodes.size() - nodes_before);
  node->lowest_local = lowest_local;
  const bool is_list = macro == Macro::map || macro == Macro::filter;
  const Type result = macro == Macro::transform_map ? Type::map
                      : is_list                     ? Type::list
                                                    : Type::boolean;
  return Typed{folded(node), result};
}

}  // namespace millrace::expr
