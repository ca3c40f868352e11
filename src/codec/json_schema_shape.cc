#include "codec/json_schema_shape.h"

#include <unordered_map>

namespace millrace::codec {
namespace {

// Schemas may refer to themselves: each node has one shape, made when it is first met and filled in
// afterwards.
class ShapeBuilder {
 public:
  explicit ShapeBuilder(RowShapes& row) : row_(row) {}

  const Shape* shape_of(const SchemaNode* schema) {
    if (schema == nullptr) return nullptr;
    const SchemaNode& node = schema->resolved();
    if (node.is_false ||
        (node.properties.empty() && !is_closed(node) && element_of(node) == nullptr)) {
      return nullptr;
    }
    const auto [it, is_new] = known_.emplace(&node, nullptr);
    if (is_new) {
      it->second = &row_.shapes.emplace_back();
      unfilled_.push_back({&node, it->second});
    }
    return it->second;
  }

  void fill() {
    while (!unfilled_.empty()) {
      const auto [node, shape] = unfilled_.back();
      unfilled_.pop_back();
      shape->is_closed = is_closed(*node);
      for (const auto& property : node->properties) {
        shape->members.push_back({property.name, shape_of(property.schema)});
      }
      shape->element = shape_of(element_of(*node));
    }
  }

 private:
  struct Unfilled {
    const SchemaNode* node;
    Shape* shape;
  };

  static bool is_closed(const SchemaNode& node) {
    return node.additional_properties != nullptr &&
           node.additional_properties->resolved().is_false && node.pattern_properties.empty();
  }
  static const SchemaNode* element_of(const SchemaNode& node) {
    const bool is_list = (node.types & ~type_bit::null) == type_bit::array;
    return is_list && node.tuple.empty() ? node.rest_items : nullptr;
  }

  RowShapes& row_;
  std::unordered_map<const SchemaNode*, Shape*> known_;
  std::vector<Unfilled> unfilled_;
};

}  // namespace

RowShapes shapes_of_row(const SchemaNode& root) {
  RowShapes row;
  ShapeBuilder builder(row);
  for (const auto& property : root.properties) {
    if (property.schema != nullptr) row.fields.push_back(builder.shape_of(property.schema));
  }
  builder.fill();
  return row;
}

}  // namespace millrace::codec
