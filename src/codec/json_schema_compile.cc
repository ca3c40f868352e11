#include <algorithm>

#include "base/check.h"
#include "codec/json.h"
#include "codec/json_schema_compiler.h"

namespace millrace::codec {

Result<const SchemaNode*> SchemaCompiler::node_of(const Value& schema) {
  if (const auto found = by_place_.find(&schema); found != by_place_.end()) return found->second;
  const std::string& location = resources_.place_of(schema).location;
  if (schema.kind() != ValueKind::map && schema.kind() != ValueKind::boolean) {
    return invalid_error(location + " must be a schema, which is an object or a boolean");
  }
  if (document_.nodes.size() == kSchemaNodesMax) {
    return invalid_error("the schema has more than " + std::to_string(kSchemaNodesMax) + " parts");
  }
  SchemaNode& node = document_.nodes.emplace_back();
  node.location = location;
  by_place_.emplace(&schema, &node);
  pending_.push_back({&node, &schema});
  return &node;
}

Status SchemaCompiler::fill(SchemaNode& node, const Value& schema) {
  if (schema.kind() == ValueKind::boolean) {
    node.is_false = !schema.as_boolean();
    return ok_status();
  }
  required_names_.clear();
  const Value* reference = find_member(schema, "$ref");
  if (reference != nullptr && reference->kind() == ValueKind::string) {
    return follow_reference(node, schema, *reference);
  }
  for (const MapEntry& entry : schema.as_map()) {
    keyword_ = entry.key.as_string();
    const auto* known = std::ranges::find(kKeywords, keyword_, &Keyword::name);
    if (known != kKeywords.end()) MR_RETURN_IF_ERROR((this->*known->handler)(node, entry.value));
  }
  // `additionalItems` means something only behind a tuple, so it is read once `items` is known.
  const Value* items = find_member(schema, "items");
  const Value* additional = find_member(schema, "additionalItems");
  if (items != nullptr && items->kind() == ValueKind::list && additional != nullptr) {
    MR_ASSIGN_OR_RETURN(node.rest_items, node_of(*additional));
  }
  return finish(node);
}

Status SchemaCompiler::finish(SchemaNode& node) {
  for (std::string& name : required_names_) {
    const auto known = std::ranges::find(node.properties, name, &SchemaNode::Property::name);
    if (known != node.properties.end()) {
      known->is_required = true;
    } else {
      node.properties.push_back({std::move(name), nullptr, true});
    }
  }
  if (node.decimal_scale > node.decimal_precision) {
    return invalid_error(node.location + "/x-scale must not exceed x-precision, which is " +
                         std::to_string(node.decimal_precision));
  }
  if (node.condition == nullptr) {
    node.then_schema = nullptr;
    node.else_schema = nullptr;
  }
  return ok_status();
}

Status SchemaCompiler::follow_reference(SchemaNode& node, const Value& schema,
                                        const Value& reference) {
  MR_ASSIGN_OR_RETURN(const Value* target,
                      resources_.resolve(resources_.place_of(schema), reference.as_string()));
  MR_ASSIGN_OR_RETURN(node.reference, node_of(*target));
  return ok_status();
}

namespace {

// Schemas that are applied to the same value as `node`.
std::vector<const SchemaNode*> in_place_children(const SchemaNode& node) {
  if (node.reference != nullptr) return {node.reference};
  std::vector<const SchemaNode*> out;
  for (const auto* list : {&node.all_of, &node.any_of, &node.one_of}) {
    out.insert(out.end(), list->begin(), list->end());
  }
  for (const SchemaNode* child :
       {node.negated, node.condition, node.then_schema, node.else_schema}) {
    if (child != nullptr) out.push_back(child);
  }
  for (const auto& dependency : node.dependencies) {
    if (dependency.schema != nullptr) out.push_back(dependency.schema);
  }
  return out;
}

struct OpenNode {
  const SchemaNode* node;
  std::vector<const SchemaNode*> children;
  std::size_t next = 0;
  std::size_t height = 1;
};

}  // namespace

// Depth first with an explicit stack: a node that is met while it is open closes a circle.
Status check_in_place_depth(const SchemaDocument& document) {
  constexpr std::size_t kOpen = 0;  // heights start at 1
  std::unordered_map<const SchemaNode*, std::size_t> heights;
  std::vector<OpenNode> stack;
  for (const SchemaNode& start : document.nodes) {
    if (heights.contains(&start)) continue;
    heights[&start] = kOpen;
    stack.push_back({&start, in_place_children(start)});
    while (!stack.empty()) {
      OpenNode& top = stack.back();
      if (top.next == top.children.size()) {
        const std::size_t height = top.height;
        if (height > kInPlaceDepthMax) {
          return invalid_error(top.node->location + " applies more than " +
                               std::to_string(kInPlaceDepthMax) + " schemas inside each other");
        }
        heights[top.node] = height;
        stack.pop_back();
        if (!stack.empty()) stack.back().height = std::max(stack.back().height, height + 1);
        continue;
      }
      const SchemaNode* child = top.children[top.next++];
      const auto found = heights.find(child);
      if (found == heights.end()) {
        heights[child] = kOpen;
        stack.push_back({child, in_place_children(*child)});
      } else if (found->second == kOpen) {
        return invalid_error(child->location +
                             " refers to itself without going deeper into the document");
      } else {
        top.height = std::max(top.height, found->second + 1);
      }
    }
  }
  return ok_status();
}

Status compile_schema(std::string_view text, SchemaDocument& document) {
  if (text.size() > kSchemaBytesMax) {
    return invalid_error("the schema is longer than " + std::to_string(kSchemaBytesMax) + " bytes");
  }
  // The values live in the document's arena; the tree's root must not move either.
  MR_ASSIGN_OR_RETURN(const Value parsed, parse_json(document.arena.copy(text), document.arena));
  Value& root = document.arena.array<Value>(1)[0];
  root = parsed;
  SchemaResources resources;
  MR_RETURN_IF_ERROR(resources.index(root));
  return SchemaCompiler(document, resources).run(root);
}

}  // namespace millrace::codec
