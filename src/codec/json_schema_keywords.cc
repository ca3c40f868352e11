#include <algorithm>

#include "base/check.h"
#include "codec/json.h"
#include "codec/json_schema_compiler.h"

namespace millrace::codec {
namespace {

struct TypeName {
  std::string_view name;
  TypeSet bits;
};
constexpr std::array<TypeName, 7> kTypeNames{{{"null", type_bit::null},
                                              {"boolean", type_bit::boolean},
                                              {"integer", type_bit::integer},
                                              {"number", type_bit::number},
                                              {"string", type_bit::string},
                                              {"array", type_bit::array},
                                              {"object", type_bit::object}}};

}  // namespace

using C = SchemaCompiler;
using N = SchemaNode;
const std::array<C::Keyword, 36> C::kKeywords{{
    {"$schema", &C::on_schema},
    {"x-expected", &C::on_expected},
    {"type", &C::on_type},
    {"enum", &C::on_enum},
    {"const", &C::on_const},
    {"minimum", &C::on_number<&N::minimum>},
    {"maximum", &C::on_number<&N::maximum>},
    {"exclusiveMinimum", &C::on_number<&N::exclusive_minimum>},
    {"exclusiveMaximum", &C::on_number<&N::exclusive_maximum>},
    {"multipleOf", &C::on_multiple_of},
    {"minLength", &C::on_count<&N::length_min, &N::has_text_checks>},
    {"maxLength", &C::on_count<&N::length_max, &N::has_text_checks>},
    {"pattern", &C::on_pattern},
    {"format", &C::on_format},
    {"x-precision", &C::on_precision},
    {"x-scale", &C::on_scale},
    {"items", &C::on_items},
    {"contains", &C::on_child<&N::contains, &N::has_array_checks>},
    {"minItems", &C::on_count<&N::items_min, &N::has_array_checks>},
    {"maxItems", &C::on_count<&N::items_max, &N::has_array_checks>},
    {"uniqueItems", &C::on_unique_items},
    {"properties", &C::on_properties},
    {"patternProperties", &C::on_pattern_properties},
    {"additionalProperties", &C::on_child<&N::additional_properties, &N::has_object_checks>},
    {"propertyNames", &C::on_child<&N::property_names, &N::has_object_checks>},
    {"required", &C::on_required},
    {"dependencies", &C::on_dependencies},
    {"minProperties", &C::on_count<&N::properties_min, &N::has_object_checks>},
    {"maxProperties", &C::on_count<&N::properties_max, &N::has_object_checks>},
    {"allOf", &C::on_children<&N::all_of>},
    {"anyOf", &C::on_children<&N::any_of>},
    {"oneOf", &C::on_children<&N::one_of>},
    {"not", &C::on_child<&N::negated, &N::has_logic>},
    {"if", &C::on_child<&N::condition, &N::has_logic>},
    {"then", &C::on_child<&N::then_schema, &N::has_logic>},
    {"else", &C::on_child<&N::else_schema, &N::has_logic>},
}};

Status SchemaCompiler::read_number(const SchemaNode& node, const Value& value,
                                   std::optional<Decimal>& out) const {
  if (!is_number(value)) return wrong(node, "must be a number");
  out = number_of(value);
  return ok_status();
}

Status SchemaCompiler::read_count(const SchemaNode& node, const Value& value,
                                  std::optional<std::uint64_t>& out) const {
  const auto count = is_number(value) ? number_of(value).to_int() : std::nullopt;
  if (!count || *count < 0) return wrong(node, "must be a whole number from 0 on");
  out = static_cast<std::uint64_t>(*count);
  return ok_status();
}

Status SchemaCompiler::read_names(const SchemaNode& node, const Value& value,
                                  std::vector<std::string>& out) const {
  if (value.kind() != ValueKind::list) return wrong(node, "must be a list of property names");
  for (const Value& name : value.as_list()) {
    if (name.kind() != ValueKind::string) return wrong(node, "must be a list of property names");
    if (std::ranges::find(out, name.as_string()) == out.end()) out.emplace_back(name.as_string());
  }
  return ok_status();
}

Result<TextPattern> SchemaCompiler::read_pattern(const std::string& location,
                                                 std::string_view text) {
  auto pattern = TextPattern::compile(text);
  if (pattern.is_ok()) return pattern;
  return Status(pattern.status().code(),
                location + ": the regular expression " + std::string(text) +
                    " cannot be used: " + std::string(pattern.status().message()));
}

Status SchemaCompiler::read_schemas(const Value& value, std::vector<const SchemaNode*>& out) {
  for (const Value& schema : value.as_list()) {
    MR_ASSIGN_OR_RETURN(const SchemaNode* child, node_of(schema));
    out.push_back(child);
  }
  return ok_status();
}

Status SchemaCompiler::on_type(SchemaNode& node, const Value& value) {
  node.types = 0;
  const auto names = value.kind() == ValueKind::list ? value.as_list() : std::span(&value, 1);
  for (const Value& name : names) {
    const auto* known = kTypeNames.end();
    if (name.kind() == ValueKind::string) {
      known = std::ranges::find(kTypeNames, name.as_string(), &TypeName::name);
    }
    if (known == kTypeNames.end()) {
      return wrong(node,
                   "must be one of null, boolean, integer, number, string, array, object, or "
                   "a list of them");
    }
    node.types |= known->bits;
  }
  if (node.types == 0) return wrong(node, "must name at least one type");
  return ok_status();
}

Status SchemaCompiler::on_enum(SchemaNode& node, const Value& value) {
  if (value.kind() != ValueKind::list) return wrong(node, "must be a list of values");
  node.enumeration.emplace(value.as_list().begin(), value.as_list().end());
  return ok_status();
}

Status SchemaCompiler::on_const(SchemaNode& node, const Value& value) {
  node.constant = value;
  return ok_status();
}

Status SchemaCompiler::on_multiple_of(SchemaNode& node, const Value& value) {
  node.has_number_checks = true;
  MR_RETURN_IF_ERROR(read_number(node, value, node.multiple_of));
  if (*node.multiple_of <= Decimal()) return wrong(node, "must be greater than 0");
  return ok_status();
}

Status SchemaCompiler::on_pattern(SchemaNode& node, const Value& value) {
  node.has_text_checks = true;
  if (value.kind() != ValueKind::string) return wrong(node, "must be a regular expression");
  MR_ASSIGN_OR_RETURN(node.pattern, read_pattern(node.location + "/pattern", value.as_string()));
  return ok_status();
}

Status SchemaCompiler::on_format(SchemaNode& node, const Value& value) {
  if (value.kind() != ValueKind::string) return wrong(node, "must be a string");
  node.format = text_format(value.as_string());
  if (node.format != TextFormat::none) node.has_text_checks = true;
  return ok_status();
}

Status SchemaCompiler::on_precision(SchemaNode& node, const Value& value) {
  std::optional<std::uint64_t> digits;
  MR_RETURN_IF_ERROR(read_count(node, value, digits));
  if (*digits < 1 || *digits > Decimal::kDigitsMax) return wrong(node, "must be from 1 to 38");
  node.decimal_precision = static_cast<int>(*digits);
  node.has_decimal_bounds = true;
  node.has_number_checks = true;
  return ok_status();
}

Status SchemaCompiler::on_scale(SchemaNode& node, const Value& value) {
  std::optional<std::uint64_t> digits;
  MR_RETURN_IF_ERROR(read_count(node, value, digits));
  if (*digits > Decimal::kDigitsMax) return wrong(node, "must be from 0 to 38");
  node.decimal_scale = static_cast<int>(*digits);
  node.has_decimal_bounds = true;
  node.has_number_checks = true;
  return ok_status();
}

Status SchemaCompiler::on_items(SchemaNode& node, const Value& value) {
  node.has_array_checks = true;
  if (value.kind() == ValueKind::list) return read_schemas(value, node.tuple);
  MR_ASSIGN_OR_RETURN(node.rest_items, node_of(value));
  return ok_status();
}

Status SchemaCompiler::on_unique_items(SchemaNode& node, const Value& value) {
  if (value.kind() != ValueKind::boolean) return wrong(node, "must be true or false");
  node.has_array_checks = true;
  node.has_unique_items = value.as_boolean();
  return ok_status();
}

Status SchemaCompiler::on_properties(SchemaNode& node, const Value& value) {
  if (value.kind() != ValueKind::map) return wrong(node, "must be an object of schemas");
  node.has_object_checks = true;
  for (const MapEntry& entry : value.as_map()) {
    MR_ASSIGN_OR_RETURN(const SchemaNode* child, node_of(entry.value));
    node.properties.push_back({std::string(entry.key.as_string()), child, false});
  }
  return ok_status();
}

Status SchemaCompiler::on_pattern_properties(SchemaNode& node, const Value& value) {
  if (value.kind() != ValueKind::map) return wrong(node, "must be an object of schemas");
  node.has_object_checks = true;
  for (const MapEntry& entry : value.as_map()) {
    MR_ASSIGN_OR_RETURN(auto pattern,
                        read_pattern(node.location + "/patternProperties", entry.key.as_string()));
    MR_ASSIGN_OR_RETURN(const SchemaNode* child, node_of(entry.value));
    node.pattern_properties.push_back({std::move(pattern), child});
  }
  return ok_status();
}

Status SchemaCompiler::on_required(SchemaNode& node, const Value& value) {
  node.has_object_checks = true;
  return read_names(node, value, required_names_);
}

Status SchemaCompiler::on_dependencies(SchemaNode& node, const Value& value) {
  if (value.kind() != ValueKind::map) return wrong(node, "must be an object");
  node.has_object_checks = true;
  for (const MapEntry& entry : value.as_map()) {
    SchemaNode::Dependency dependency{std::string(entry.key.as_string()), {}, nullptr};
    if (entry.value.kind() == ValueKind::list) {
      MR_RETURN_IF_ERROR(read_names(node, entry.value, dependency.required));
    } else {
      MR_ASSIGN_OR_RETURN(dependency.schema, node_of(entry.value));
    }
    node.dependencies.push_back(std::move(dependency));
  }
  return ok_status();
}

Status SchemaCompiler::on_expected(SchemaNode& node, const Value& value) {
  if (value.kind() != ValueKind::string) return wrong(node, "must be a string");
  node.expected = value.as_string();
  return ok_status();
}

// A schema that says it is of another draft means other things by the same words.
Status SchemaCompiler::on_schema(SchemaNode& node, const Value& value) {
  if (value.kind() != ValueKind::string) return wrong(node, "must be a string");
  std::string_view name = value.as_string();
  if (name.ends_with('#')) name.remove_suffix(1);
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (name.starts_with(scheme)) name.remove_prefix(scheme.size());
  }
  if (name == "json-schema.org/draft-07/schema" || name == "json-schema.org/draft-06/schema" ||
      name == "json-schema.org/schema") {
    return ok_status();
  }
  return unsupported_error(node.location +
                           "/$schema must be http://json-schema.org/draft-07/schema#" +
                           ", but is " + std::string(value.as_string()));
}

}  // namespace millrace::codec
