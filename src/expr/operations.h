#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "expr/node.h"

// What the nodes of a compiled expression do. Every function evaluates the children it needs and
// gives an error value, never throws, and allocates only in the frame's arena.

namespace millrace::expr {

// Names. `name` of a field is the whole message of its absence.
Value run_field(const Node& node, Frame& frame);
Value run_decimal_field(const Node& node, Frame& frame);  // whole numbers become decimals
Value run_variable(const Node& node, Frame& frame);
Value run_local(const Node& node, Frame& frame);
Value run_error(const Node& node, Frame& frame);  // `name` is the message
Value run_field_is_present(const Node& node, Frame& frame);

// Members. The lenient ones give null for null: they look into rows of tables.
Value run_select(const Node& node, Frame& frame);
Value run_lenient_select(const Node& node, Frame& frame);
Value run_has(const Node& node, Frame& frame);
Value run_lenient_has(const Node& node, Frame& frame);
Value run_index(const Node& node, Frame& frame);
Value run_lenient_index(const Node& node, Frame& frame);
Value run_table(const Node& node, Frame& frame);          // table[child 0]
Value run_table_has_key(const Node& node, Frame& frame);  // child 0 in table

// Operators.
Value run_not(const Node& node, Frame& frame);
Value run_negate(const Node& node, Frame& frame);
Value run_and(const Node& node, Frame& frame);
Value run_or(const Node& node, Frame& frame);
Value run_choice(const Node& node, Frame& frame);
Value run_in(const Node& node, Frame& frame);
Value run_list(const Node& node, Frame& frame);
Value run_map(const Node& node, Frame& frame);
Value run_call(const Node& node, Frame& frame);
// For the binary operators but "in"; nullptr for any other symbol.
Run run_of_binary(std::string_view symbol);
// For a comparison of a field (child 0, slot) with a constant (child 1, constant) of the same kind.
Run run_of_field_comparison(std::string_view symbol);

// Macros. child 0 is the range, then the condition, then the transformation; `slot` is the first
// local.
enum class Macro : std::uint8_t { all, exists, exists_one, map, filter, transform_map };
// `variable_count` 1: elements or keys; 2: index and element, key and value.
Run run_of_macro(Macro macro, int variable_count, bool has_condition);
Value run_bind(const Node& node, Frame& frame);

// Finds string keys of a constant map, or string elements of a constant list, by hash.
class ConstantIndex : public Prepared {
 public:
  // Below this many keys a plain search is as fast.
  static constexpr std::size_t kKeysMin = 8;

  explicit ConstantIndex(const Value& container);

  // The position of `key`, or kMissing.
  static constexpr std::uint32_t kMissing = ~std::uint32_t{0};
  [[nodiscard]] std::uint32_t find(std::string_view key) const;

 private:
  struct Bucket {
    std::string_view key;
    std::uint32_t position = kMissing;
  };
  std::vector<Bucket> buckets_;  // a power of two, at most half full, linear probing
};
// With node.prepared a ConstantIndex over the constant container.
Value run_indexed_in(const Node& node, Frame& frame);
Value run_indexed_index(const Node& node, Frame& frame);

}  // namespace millrace::expr
