#include "expr/compiler.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/nearest_name.h"
#include "expr/text.h"

namespace millrace::expr {
namespace {

constexpr std::array<Type, 14> kNamedTypes{
    Type::null,    Type::boolean, Type::int64, Type::uint64,    Type::float64,
    Type::decimal, Type::string,  Type::bytes, Type::timestamp, Type::duration,
    Type::list,    Type::map,     Type::type};

std::optional<Type> type_named(std::string_view name) {
  for (const Type type : kNamedTypes) {
    if (type != Type::dyn && type_label(type) == name) return type;
  }
  return std::nullopt;
}

// "a.b.c" of a name or a chain of selects, empty when it is anything else.
std::string dotted_name(const Ast& ast) {
  if (ast.is_quoted) return {};
  if (ast.kind == AstKind::name) return ast.text;
  if (ast.kind != AstKind::select) return {};
  const std::string prefix = dotted_name(*ast.children[0]);
  return prefix.empty() ? prefix : joined({prefix, ".", ast.text});
}

std::optional<std::size_t> position_of(std::span<const std::string> names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

const Shape* shape_at(std::span<const Shape* const> shapes, std::size_t i) {
  return i < shapes.size() ? shapes[i] : nullptr;
}

// What is right instead: the nearest member, else some of them.
std::string members_named(const Shape& shape, std::string_view wanted) {
  constexpr std::size_t kShownMax = 10;
  NearestName nearest(wanted);
  for (const auto& member : shape.members) nearest.offer(member.name);
  if (!nearest.best().empty()) return nearest.suggestion();
  std::string known;
  for (std::size_t i = 0; i < shape.members.size() && i < kShownMax; ++i) {
    known += joined({i == 0 ? "; there are " : ", ", shape.members[i].name});
  }
  return shape.members.size() > kShownMax ? known + ", ..." : known;
}

}  // namespace

Status compile_into(CompiledProgram& program, const Ast& ast, const Environment& environment) {
  MR_CHECK(environment.layout == nullptr ||
           environment.field_count <= environment.layout->fields.size());
  Compiler compiler(program, environment);
  MR_ASSIGN_OR_RETURN(const auto root, compiler.compile(ast));
  program.root = root.node;
  program.result_type = to_field_type(root.type);
  auto& fields = program.fields_read;
  std::ranges::sort(fields);
  fields.erase(std::unique(fields.begin(), fields.end()), fields.end());
  return ok_status();
}

Node* Compiler::make(Run run, const Ast& ast, std::string_view name,
                     std::initializer_list<const Node*> children) {
  Node& node = program_.nodes.emplace_back();
  node.run = run;
  node.position = ast.position;
  node.name = program_.arena.copy(name);
  adopt(node, std::span(children.begin(), children.size()));
  return &node;
}

void Compiler::adopt(Node& node, std::span<const Node* const> children) {
  node.children = program_.children.emplace_back(children.begin(), children.end());
  for (const Node* child : children) {
    node.reads_inputs = node.reads_inputs || child->reads_inputs;
    node.lowest_local = std::min(node.lowest_local, child->lowest_local);
  }
}

Result<Compiler::Typed> Compiler::refuse(const Ast& ast, std::string_view message) {
  if (environment_.is_checked) return error_at(ast.position, message);
  return Typed{make(run_error, ast, message)};
}

Status Compiler::refuse_types(const Ast& ast,
                              std::initializer_list<std::string_view> message) const {
  if (!environment_.is_checked) return ok_status();
  return error_at(ast.position, joined(message));
}

Result<Compiler::Typed> Compiler::compile(const Ast& ast) {
  switch (ast.kind) {
    case AstKind::literal:
      return compile_literal(ast);
    case AstKind::name:
      return compile_name(ast);
    case AstKind::select:
      return compile_select(ast);
    case AstKind::index:
      return compile_index(ast);
    case AstKind::call:
      return compile_call(ast);
    case AstKind::receiver_call:
      return compile_receiver_call(ast);
    case AstKind::operation:
      return compile_operation(ast);
    case AstKind::list:
    case AstKind::map:
      break;
  }
  return compile_container(ast);
}

Result<Compiler::Typed> Compiler::compile_literal(const Ast& ast) {
  Node* node = make(run_constant, ast, {});
  node->constant = ast.literal;
  if (ast.literal.kind() == ValueKind::string) {
    node->constant = Value::string(program_.arena.copy(ast.text));
  } else if (ast.literal.kind() == ValueKind::bytes) {
    node->constant = Value::bytes(program_.arena.copy(ast.text));
  }
  return Typed{node, type_of(node->constant)};
}

Result<Compiler::Typed> Compiler::compile_container(const Ast& ast) {
  const bool is_list = ast.kind == AstKind::list;
  std::vector<const Node*> children;
  for (const auto& child : ast.children) {
    MR_ASSIGN_OR_RETURN(const auto element, compile(*child));
    children.push_back(element.node);
  }
  Node* node = make(is_list ? run_list : run_map, ast, is_list ? "[]" : "{}");
  adopt(*node, children);
  return Typed{folded(node), is_list ? Type::list : Type::map};
}

const Compiler::Local* Compiler::local_of(std::string_view name) const {
  for (auto local = locals_.rbegin(); local != locals_.rend(); ++local) {
    if (local->name == name) return &*local;
  }
  return nullptr;
}

std::optional<std::size_t> Compiler::visible_field(std::string_view name) const {
  if (environment_.layout == nullptr) return std::nullopt;
  const auto slot = environment_.layout->find(name);
  return slot && *slot < environment_.field_count ? slot : std::nullopt;
}

// The table a plain name stands for, unless a field or variable hides it.
std::optional<std::size_t> Compiler::table_of(const Ast& ast) const {
  if (ast.kind != AstKind::name || local_of(ast.text) != nullptr || visible_field(ast.text) ||
      position_of(environment_.variable_names, ast.text)) {
    return std::nullopt;
  }
  return position_of(environment_.table_names, ast.text);
}

Compiler::Typed Compiler::field_node(const Ast& ast, std::size_t slot) {
  const Field& field = environment_.layout->fields[slot];
  const bool is_decimal = field.type == FieldType::decimal;
  Node* node = make(is_decimal ? run_decimal_field : run_field, ast,
                    joined({"no such field: '", field.name, "'"}));
  node->slot = static_cast<std::uint32_t>(slot);
  node->reads_inputs = true;
  program_.fields_read.push_back(slot);
  program_.row_size_min = std::max(program_.row_size_min, slot + 1);
  return {node, type_of(field.type), false, shape_at(environment_.field_shapes, slot)};
}

// What `name` means, if it is known: a macro's variable, a field, a variable or a type.
std::optional<Compiler::Typed> Compiler::resolve(const Ast& ast, std::string_view name) {
  if (const Local* local = ast.is_absolute ? nullptr : local_of(name)) {
    Node* node = make(run_local, ast, name);
    node->slot = local->slot;
    node->lowest_local = local->slot;
    return Typed{node, local->type, local->is_lenient, local->shape};
  }
  if (const auto slot = visible_field(name)) return field_node(ast, *slot);
  if (const auto variable = position_of(environment_.variable_names, name)) {
    Node* node = make(run_variable, ast, joined({"no such variable: '", name, "'"}));
    node->slot = static_cast<std::uint32_t>(*variable);
    node->reads_inputs = true;
    program_.variable_count = std::max(program_.variable_count, *variable + 1);
    return Typed{node};
  }
  if (const auto type = type_named(name)) {
    Node* node = make(run_constant, ast, name);
    node->constant = Value::type(type_label(*type));
    return Typed{node, Type::type};
  }
  return std::nullopt;
}

// `a.b.c` as one name: a variable's or a type's.
std::optional<Compiler::Typed> Compiler::resolve_dotted(const Ast& ast) {
  const std::string name = dotted_name(ast);
  if (name.empty()) return std::nullopt;
  if (local_of(std::string_view(name).substr(0, name.find('.'))) != nullptr) return std::nullopt;
  const bool is_known =
      position_of(environment_.variable_names, name).has_value() || type_named(name).has_value();
  return is_known ? resolve(ast, name) : std::nullopt;
}

Result<Compiler::Typed> Compiler::compile_name(const Ast& ast) {
  if (auto typed = resolve(ast, ast.text)) return *typed;
  if (table_of(ast)) {
    return refuse(ast,
                  joined({"'", ast.text, "' is a table; look into it with ", ast.text, "[key]"}));
  }
  return unknown_name(ast);
}

Result<Compiler::Typed> Compiler::unknown_name(const Ast& ast) {
  const bool is_field_later =
      environment_.layout != nullptr && environment_.layout->find(ast.text).has_value();
  if (is_field_later) {
    return refuse(ast, joined({"the field '", ast.text,
                               "' is computed later; only fields above this one are known"}));
  }
  NearestName nearest(ast.text);
  for (std::size_t i = 0; i < environment_.field_count; ++i) {
    nearest.offer(environment_.layout->fields[i].name);
  }
  for (const auto& local : locals_) nearest.offer(local.name);
  for (const auto& name : environment_.variable_names) nearest.offer(name);
  for (const auto& name : environment_.table_names) nearest.offer(name);
  return refuse(ast, joined({"unknown name '", ast.text, "'", nearest.suggestion()}));
}

Result<const Shape*> Compiler::member_shape(const Ast& at, const Ast& object, const Typed& from,
                                            std::string_view member) const {
  if (from.shape == nullptr) return nullptr;
  if (const auto* found = from.shape->find(member)) return found->shape;
  if (!from.shape->is_closed) return nullptr;
  const auto& table = from.shape->table;
  const auto name = dotted_name(object);
  const auto owner = !table.empty() ? joined({"table '", table, "' has no column '"})
                     : name.empty() ? std::string("what the schema says of it has no field '")
                                    : joined({"'", name, "' has no field '"});
  MR_RETURN_IF_ERROR(refuse_types(at, {owner, member, "'", members_named(*from.shape, member)}));
  return nullptr;
}

Result<Compiler::Typed> Compiler::compile_select(const Ast& ast) {
  if (const auto typed = resolve_dotted(ast)) return *typed;
  MR_ASSIGN_OR_RETURN(const auto from, compile(*ast.children[0]));
  if (from.type != Type::dyn && from.type != Type::map) {
    MR_RETURN_IF_ERROR(refuse_types(
        ast, {"a value of type ", type_label(from.type), " has no field '", ast.text, "'"}));
  }
  MR_ASSIGN_OR_RETURN(const Shape* shape, member_shape(ast, *ast.children[0], from, ast.text));
  Node* node = make(from.is_lenient ? run_lenient_select : run_select, ast, ast.text, {from.node});
  return Typed{folded(node), Type::dyn, from.is_lenient, shape};
}

Result<Compiler::Typed> Compiler::compile_index(const Ast& ast) {
  if (const auto table = table_of(*ast.children[0])) {
    MR_ASSIGN_OR_RETURN(const auto table_key, compile(*ast.children[1]));
    Node* node = make(run_table, ast, ast.children[0]->text, {table_key.node});
    node->slot = static_cast<std::uint32_t>(*table);
    node->reads_inputs = true;
    program_.table_count = std::max(program_.table_count, *table + 1);
    return Typed{node, Type::dyn, true, shape_at(environment_.table_shapes, *table)};
  }
  MR_ASSIGN_OR_RETURN(const auto from, compile(*ast.children[0]));
  MR_ASSIGN_OR_RETURN(const auto key, compile(*ast.children[1]));
  const bool is_list = from.type == Type::list;
  const bool is_numeric_key = key.type == Type::dyn || key.type == Type::int64 ||
                              key.type == Type::uint64 || key.type == Type::float64 ||
                              key.type == Type::decimal;
  if ((from.type != Type::dyn && !is_list && from.type != Type::map) ||
      (is_list && !is_numeric_key)) {
    MR_RETURN_IF_ERROR(refuse_types(ast, {"a value of type ", type_label(from.type),
                                          " is not indexed by ", type_label(key.type)}));
  }
  const Ast& key_ast = *ast.children[1];
  const bool is_name = key_ast.kind == AstKind::literal && key.type == Type::string;
  const Shape* shape = from.shape == nullptr ? nullptr : from.shape->element;
  if (is_name) {
    MR_ASSIGN_OR_RETURN(shape, member_shape(key_ast, *ast.children[0], from, key_ast.text));
  }
  Node* node =
      make(from.is_lenient ? run_lenient_index : run_index, ast, "[]", {from.node, key.node});
  const bool is_large_map = from.node->run == run_constant &&
                            from.node->constant.kind() == ValueKind::map &&
                            from.node->constant.as_map().size() >= ConstantIndex::kKeysMin;
  if (is_large_map) {
    program_.prepared.push_back(std::make_unique<ConstantIndex>(from.node->constant));
    node->prepared = program_.prepared.back().get();
    node->constant = from.node->constant;
    node->run = run_indexed_index;
  }
  return Typed{folded(node), Type::dyn, from.is_lenient, shape};
}

}  // namespace millrace::expr
