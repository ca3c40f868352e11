#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "codec/json_schema_node.h"
#include "codec/json_schema_resources.h"

// Private to json_schema*.cc.

namespace millrace::codec {

// Schemas that apply to the same value, one inside the other or through references.
inline constexpr std::size_t kInPlaceDepthMax = 64;

// `invalid` when a schema refers to itself without going deeper into the document (validation would
// never end), or when more than kInPlaceDepthMax schemas apply to one value inside each other.
Status check_in_place_depth(const SchemaDocument& document);

// Turns the schemas that are reached from the root into nodes, one keyword at a time. Nodes are
// filled from a queue, so that the depth of a chain of references costs no stack.
class SchemaCompiler {
 public:
  SchemaCompiler(SchemaDocument& document, SchemaResources& resources)
      : document_(document), resources_(resources) {}

  Status run(const Value& root) {
    MR_ASSIGN_OR_RETURN(document_.root, node_of(root));
    for (std::size_t next = 0; next < pending_.size(); ++next) {
      SchemaNode& node = *pending_[next].node;
      MR_RETURN_IF_ERROR(fill(node, *pending_[next].schema));
    }
    return check_in_place_depth(document_);
  }

 private:
  struct Pending {
    SchemaNode* node;
    const Value* schema;
  };
  using Handler = Status (SchemaCompiler::*)(SchemaNode&, const Value&);
  struct Keyword {
    std::string_view name;
    Handler handler;
  };
  static const std::array<Keyword, 36> kKeywords;

  Result<const SchemaNode*> node_of(const Value& schema);
  // `schema` must be a part of the document that `resources` has indexed.
  Status fill(SchemaNode& node, const Value& schema);
  Status finish(SchemaNode& node);
  Status follow_reference(SchemaNode& node, const Value& schema, const Value& reference);

  Status wrong(const SchemaNode& node, std::string_view what) const {
    return invalid_error(node.location + "/" + std::string(keyword_) + " " + std::string(what));
  }
  Status read_number(const SchemaNode& node, const Value& value, std::optional<Decimal>& out) const;
  Status read_count(const SchemaNode& node, const Value& value,
                    std::optional<std::uint64_t>& out) const;
  Status read_names(const SchemaNode& node, const Value& value,
                    std::vector<std::string>& out) const;
  static Result<TextPattern> read_pattern(const std::string& location, std::string_view text);
  Status read_schemas(const Value& value, std::vector<const SchemaNode*>& out);

  Status on_type(SchemaNode& node, const Value& value);
  Status on_enum(SchemaNode& node, const Value& value);
  Status on_const(SchemaNode& node, const Value& value);
  Status on_multiple_of(SchemaNode& node, const Value& value);
  Status on_pattern(SchemaNode& node, const Value& value);
  Status on_format(SchemaNode& node, const Value& value);
  Status on_precision(SchemaNode& node, const Value& value);
  Status on_scale(SchemaNode& node, const Value& value);
  Status on_items(SchemaNode& node, const Value& value);
  Status on_unique_items(SchemaNode& node, const Value& value);
  Status on_properties(SchemaNode& node, const Value& value);
  Status on_pattern_properties(SchemaNode& node, const Value& value);
  Status on_required(SchemaNode& node, const Value& value);
  Status on_dependencies(SchemaNode& node, const Value& value);
  Status on_schema(SchemaNode& node, const Value& value);
  Status on_expected(SchemaNode& node, const Value& value);

  template <std::optional<Decimal> SchemaNode::* member>
  Status on_number(SchemaNode& node, const Value& value) {
    node.has_number_checks = true;
    return read_number(node, value, node.*member);
  }
  template <std::optional<std::uint64_t> SchemaNode::* member, bool SchemaNode::* group>
  Status on_count(SchemaNode& node, const Value& value) {
    node.*group = true;
    return read_count(node, value, node.*member);
  }
  template <const SchemaNode* SchemaNode::* member, bool SchemaNode::* group>
  Status on_child(SchemaNode& node, const Value& value) {
    node.*group = true;
    MR_ASSIGN_OR_RETURN(node.*member, node_of(value));
    return ok_status();
  }
  template <std::vector<const SchemaNode*> SchemaNode::* member>
  Status on_children(SchemaNode& node, const Value& value) {
    node.has_logic = true;
    if (value.kind() != ValueKind::list || value.as_list().empty()) {
      return wrong(node, "must be a list of at least one schema");
    }
    return read_schemas(value, node.*member);
  }

  SchemaDocument& document_;
  SchemaResources& resources_;
  std::unordered_map<const Value*, SchemaNode*> by_place_;
  std::vector<Pending> pending_;
  std::string_view keyword_;                 // being read, for messages
  std::vector<std::string> required_names_;  // of the node being filled
};

}  // namespace millrace::codec
