#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/decimal.h"
#include "base/status.h"
#include "codec/json_schema.h"
#include "codec/json_schema_format.h"
#include "codec/json_schema_pattern.h"
#include "model/value.h"

// The compiled form of a schema, private to json_schema*.cc.

namespace millrace::codec {

inline constexpr std::size_t kSchemaNodesMax = 20'000;
inline constexpr std::size_t kSchemaBytesMax = 4u << 20;
// A document may not make us write an unbounded report.
inline constexpr std::size_t kViolationsMax = 1000;

// JSON's types as bits; a whole number, however it is written, is `integer` (draft 7
// section 6.1.1).
using TypeSet = std::uint8_t;
namespace type_bit {
// NOLINTBEGIN(readability-identifier-naming): words behind type_bit::
inline constexpr TypeSet null = 1;
inline constexpr TypeSet boolean = 2;
inline constexpr TypeSet integer = 4;
inline constexpr TypeSet fraction = 8;  // a number that is not whole
inline constexpr TypeSet string = 16;
inline constexpr TypeSet array = 32;
inline constexpr TypeSet object = 64;
inline constexpr TypeSet number = integer | fraction;
inline constexpr TypeSet all = 127;
// NOLINTEND(readability-identifier-naming)
}  // namespace type_bit

TypeSet type_of(const Value& value);
// The number as a decimal; `value` is int64, uint64 or decimal.
Decimal number_of(const Value& value);
bool is_number(const Value& value);
// Equality of JSON Schema: numbers by value, objects in any order, no boolean is a number.
bool json_equal(const Value& a, const Value& b);
// Equal values have equal hashes.
std::uint64_t json_hash(const Value& value);
// Whether value / divisor is whole, exactly. `divisor` > 0.
bool is_multiple_of(const Decimal& value, const Decimal& divisor);

// One schema object or boolean schema. Only the keywords that are present cost anything.
struct SchemaNode {
  struct Property {
    std::string name;
    const SchemaNode* schema = nullptr;  // null: only listed in `required`
    bool is_required = false;
  };
  struct PatternProperty {
    TextPattern pattern;
    const SchemaNode* schema;
  };
  struct Dependency {
    std::string name;
    std::vector<std::string> required;
    const SchemaNode* schema = nullptr;
  };

  std::string location;  // "#/properties/price", for messages
  std::string expected;  // x-expected: what a value of the right type and pattern is, in words
  const SchemaNode* reference =
      nullptr;            // with $ref, every other keyword is ignored (draft 7 section 8.3)
  bool is_false = false;  // the boolean schema `false`
  // Which groups of keywords below have something to check.
  bool has_number_checks = false;
  bool has_text_checks = false;
  bool has_array_checks = false;
  bool has_object_checks = false;
  bool has_logic = false;

  TypeSet types = type_bit::all;
  std::optional<std::vector<Value>> enumeration;
  std::optional<Value> constant;

  std::optional<Decimal> minimum, maximum, exclusive_minimum, exclusive_maximum, multiple_of;

  std::optional<std::uint64_t> length_min, length_max;  // in code points
  std::optional<TextPattern> pattern;
  TextFormat format = TextFormat::none;
  // Of format "decimal" always; of JSON numbers where x-precision or x-scale is given.
  int decimal_precision = Decimal::kDigitsMax;
  int decimal_scale = 4;
  bool has_decimal_bounds = false;

  std::vector<const SchemaNode*> tuple;    // items: [..]
  const SchemaNode* rest_items = nullptr;  // items: {..}, or additionalItems after a tuple
  const SchemaNode* contains = nullptr;
  std::optional<std::uint64_t> items_min, items_max;
  bool has_unique_items = false;

  // In the order of `properties`, then the names that only `required` has.
  std::vector<Property> properties;
  std::vector<PatternProperty> pattern_properties;
  const SchemaNode* additional_properties = nullptr;
  const SchemaNode* property_names = nullptr;
  std::vector<Dependency> dependencies;
  std::optional<std::uint64_t> properties_min, properties_max;

  std::vector<const SchemaNode*> all_of, any_of, one_of;
  const SchemaNode* negated = nullptr;
  const SchemaNode* condition = nullptr;
  const SchemaNode* then_schema = nullptr;
  const SchemaNode* else_schema = nullptr;

  // The node itself, or what its chain of references ends in.
  [[nodiscard]] const SchemaNode& resolved() const {
    const SchemaNode* node = this;
    while (node->reference != nullptr) node = node->reference;
    return *node;
  }
};

// Owns the nodes and the values they look at (enum, const).
struct SchemaDocument {
  Arena arena;
  std::deque<SchemaNode> nodes;
  const SchemaNode* root = nullptr;
};

Status compile_schema(std::string_view text, SchemaDocument& document);

// Where a value stands in the document; frames live on the stack of the walk.
struct PathFrame {
  const PathFrame* parent = nullptr;
  std::string_view name;  // of a property
  std::size_t index = 0;  // of an item
  bool is_index = false;
};
std::string path_pointer(const PathFrame* frame);
// The same for people: "items[3].price", "the document" for the root.
std::string path_text(const PathFrame* frame);

// Appends what is wrong with `value`; with null `violations` only answers, at the first fault.
bool validate_node(const SchemaNode& node, const Value& value, const PathFrame* frame,
                   std::vector<SchemaViolation>* violations);
void report_missing(const std::string& name, const PathFrame* frame,
                    std::vector<SchemaViolation>& violations);

}  // namespace millrace::codec
