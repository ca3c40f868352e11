#include <array>
#include <bit>
#include <optional>

#include "base/hash.h"
#include "expr/compare.h"
#include "expr/operations.h"
#include "expr/text.h"

// Names, members, tables and `in`.

namespace millrace::expr {
namespace {

constexpr std::uint64_t kEntriesPerStep = 8;

Value no_such_key(const Node& node, Frame& frame, const Value& key) {
  constexpr std::size_t kShownBytesMax = 64;
  if (key.kind() == ValueKind::string && key.as_string().size() <= kShownBytesMax) {
    return fail(node, frame, joined_in(*frame.arena, {"no such key: '", key.as_string(), "'"}));
  }
  ShortText text;
  text.append("no such key: ");
  if (key.kind() == ValueKind::int64) {
    text.append_int(key.as_int64());
  } else {
    text.append("of type ");
    text.append(type_name(key));
  }
  return fail(node, frame, text.view());
}

Value field_value(const Node& node, Frame& frame, bool is_decimal) {
  const Value& value = frame.row[node.slot];
  if (value.is_absent()) [[unlikely]]
    return fail(node, frame, node.name);
  if (is_decimal && value.kind() == ValueKind::int64) {
    return Value::decimal(Decimal::from_int(value.as_int64()));
  }
  return value;
}

Value select(const Node& node, Frame& frame, const Value& from) {
  if (from.kind() != ValueKind::map) {
    if (from.is_error()) return from;
    return fail(node, frame,
                joined_in(*frame.arena, {"no such overload: a value of type ", type_name(from),
                                         " has no field '", node.name, "'"}));
  }
  const auto entries = from.as_map();
  if (!frame.charge(entries.size() / kEntriesPerStep)) return steps_exceeded(node, frame);
  const Value* found = find_entry(entries, node.name);
  return found != nullptr ? *found : no_such_key(node, frame, Value::string(node.name));
}

Value has(const Node& node, Frame& frame, const Value& from) {
  if (from.kind() != ValueKind::map) return select(node, frame, from);
  const auto entries = from.as_map();
  if (!frame.charge(entries.size() / kEntriesPerStep)) return steps_exceeded(node, frame);
  return Value::boolean(find_entry(entries, node.name) != nullptr);
}

// The position a number means in a list; doubles and decimals only when they are whole.
std::optional<std::int64_t> list_position(const Value& key) {
  if (key.kind() == ValueKind::int64) return key.as_int64();
  if (!is_number(key.kind())) return std::nullopt;
  const auto exact = to_decimal(key);
  return exact ? exact->to_int() : std::nullopt;
}

Value index(const Node& node, Frame& frame, const Value& from, const Value& key) {
  if (from.is_error()) return from;
  if (key.is_error()) return key;
  if (from.kind() == ValueKind::list) {
    const auto values = from.as_list();
    const auto position = list_position(key);
    if (!position) return fail(node, frame, "invalid_argument: a list is indexed by whole numbers");
    if (*position < 0 || static_cast<std::uint64_t>(*position) >= values.size()) {
      ShortText text;
      text.append("index out of bounds: ");
      text.append_int(*position);
      return fail(node, frame, text.view());
    }
    return values[static_cast<std::size_t>(*position)];
  }
  if (from.kind() != ValueKind::map) return no_overload(node, frame, std::array{from, key});
  const auto entries = from.as_map();
  if (!frame.charge(entries.size() / kEntriesPerStep)) return steps_exceeded(node, frame);
  const Value* found = find_entry(entries, key);
  return found != nullptr ? *found : no_such_key(node, frame, key);
}

Value is_in(const Node& node, Frame& frame, const Value& needle, const Value& container) {
  if (needle.is_error()) return needle;
  if (container.kind() == ValueKind::list) {
    bool is_found = false;
    for (const auto& value : container.as_list()) {
      is_found = equal(needle, value, frame.steps_left);
      if (is_found || frame.steps_left < 0) break;
    }
    if (frame.steps_left < 0) return steps_exceeded(node, frame);
    return Value::boolean(is_found);
  }
  if (container.kind() == ValueKind::map) {
    if (!frame.charge(container.as_map().size() / kEntriesPerStep)) {
      return steps_exceeded(node, frame);
    }
    return Value::boolean(find_entry(container.as_map(), needle) != nullptr);
  }
  if (container.is_error()) return container;
  return no_overload(node, frame, std::array{needle, container});
}

}  // namespace

Value run_field(const Node& node, Frame& frame) {
  return field_value(node, frame, false);
}
Value run_decimal_field(const Node& node, Frame& frame) {
  return field_value(node, frame, true);
}

Value run_variable(const Node& node, Frame& frame) {
  const Value& value = frame.variables[node.slot];
  return value.is_absent() ? fail(node, frame, node.name) : value;
}

Value run_local(const Node& node, Frame& frame) {
  return frame.locals[node.slot];
}
Value run_error(const Node& node, Frame& frame) {
  return fail(node, frame, node.name);
}

Value run_field_is_present(const Node& node, Frame& frame) {
  return Value::boolean(!frame.row[node.slot].is_absent());
}

Value run_select(const Node& node, Frame& frame) {
  return select(node, frame, evaluate(node.children[0], frame));
}

Value run_lenient_select(const Node& node, Frame& frame) {
  const Value from = evaluate(node.children[0], frame);
  return from.is_null() ? from : select(node, frame, from);
}

Value run_has(const Node& node, Frame& frame) {
  return has(node, frame, evaluate(node.children[0], frame));
}

Value run_lenient_has(const Node& node, Frame& frame) {
  const Value from = evaluate(node.children[0], frame);
  return from.is_null() ? Value::boolean(false) : has(node, frame, from);
}

Value run_index(const Node& node, Frame& frame) {
  const Value from = evaluate(node.children[0], frame);
  return index(node, frame, from, evaluate(node.children[1], frame));
}

Value run_lenient_index(const Node& node, Frame& frame) {
  const Value from = evaluate(node.children[0], frame);
  const Value key = evaluate(node.children[1], frame);
  return from.is_null() && !key.is_error() ? from : index(node, frame, from, key);
}

Value run_table(const Node& node, Frame& frame) {
  const Value key = evaluate(node.children[0], frame);
  if (key.is_error()) return key;
  const Value row = frame.tables[node.slot]->find(key);
  return row.is_absent() ? Value::null() : row;
}

Value run_table_has_key(const Node& node, Frame& frame) {
  const Value row = run_table(node, frame);
  return row.is_error() ? row : Value::boolean(!row.is_null());
}

Value run_in(const Node& node, Frame& frame) {
  const Value needle = evaluate(node.children[0], frame);
  return is_in(node, frame, needle, evaluate(node.children[1], frame));
}

ConstantIndex::ConstantIndex(const Value& container) {
  const bool is_map = container.kind() == ValueKind::map;
  const std::size_t count = is_map ? container.as_map().size() : container.as_list().size();
  buckets_.resize(std::bit_ceil(count * 2 + 1));
  for (std::size_t i = 0; i < count; ++i) {
    const Value& key = is_map ? container.as_map()[i].key : container.as_list()[i];
    if (key.kind() != ValueKind::string || find(key.as_string()) != kMissing) continue;
    std::size_t at = hash64(key.as_string()) & (buckets_.size() - 1);
    while (buckets_[at].position != kMissing) at = (at + 1) & (buckets_.size() - 1);
    buckets_[at] = {key.as_string(), static_cast<std::uint32_t>(i)};
  }
}

std::uint32_t ConstantIndex::find(std::string_view key) const {
  std::size_t at = hash64(key) & (buckets_.size() - 1);
  for (; buckets_[at].position != kMissing; at = (at + 1) & (buckets_.size() - 1)) {
    if (buckets_[at].key == key) return buckets_[at].position;
  }
  return kMissing;
}

Value run_indexed_in(const Node& node, Frame& frame) {
  const Value needle = evaluate(node.children[0], frame);
  if (needle.kind() != ValueKind::string) return is_in(node, frame, needle, node.constant);
  const auto* keys = static_cast<const ConstantIndex*>(node.prepared);
  return Value::boolean(keys->find(needle.as_string()) != ConstantIndex::kMissing);
}

Value run_indexed_index(const Node& node, Frame& frame) {
  const Value key = evaluate(node.children[1], frame);
  if (key.kind() != ValueKind::string) return index(node, frame, node.constant, key);
  const auto* keys = static_cast<const ConstantIndex*>(node.prepared);
  const auto position = keys->find(key.as_string());
  if (position == ConstantIndex::kMissing) return no_such_key(node, frame, key);
  return node.constant.as_map()[position].value;
}

}  // namespace millrace::expr
