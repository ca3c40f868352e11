#include "expr/operations.h"

#include <array>
#include <bit>
#include <cstddef>
#include <new>

#include "base/check.h"
#include "base/hash.h"
#include "expr/arithmetic.h"
#include "expr/compare.h"
#include "expr/functions.h"
#include "expr/text.h"

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

// Any value that ends the operation decides it; otherwise the first error does.
Value run_logic(const Node& node, Frame& frame, bool deciding) {
  Value error;
  for (const Node* child : node.children) {
    const Value value = evaluate(child, frame);
    if (value.kind() == ValueKind::boolean) [[likely]] {
      if (value.as_boolean() == deciding) return value;
    } else if (error.is_absent()) {
      error = value;
    }
  }
  if (error.is_absent()) return Value::boolean(!deciding);
  return error.is_error() ? error : no_overload(node, frame, std::array{error});
}

using Combine = Value (*)(const Node&, Frame&, const Value&, const Value&);

template <Combine combine>
Value run_binary(const Node& node, Frame& frame) {
  const Value a = evaluate(node.children[0], frame);
  if (a.is_error()) [[unlikely]]
    return a;
  const Value b = evaluate(node.children[1], frame);
  if (b.is_error()) [[unlikely]]
    return b;
  return combine(node, frame, a, b);
}

template <bool is_equality>
Value combine_equality(const Node& node, Frame& frame, const Value& a, const Value& b) {
  const bool are_equal = equal(a, b, frame.steps_left);
  if (frame.steps_left < 0) return steps_exceeded(node, frame);
  return Value::boolean(are_equal == is_equality);
}

enum class Relation : std::uint8_t {
  less,
  less_or_equal,
  greater,
  greater_or_equal,
  equal,
  unequal
};

constexpr bool holds(Relation relation, Order order) {
  switch (relation) {
    case Relation::less:
      return order == Order::less;
    case Relation::less_or_equal:
      return order == Order::less || order == Order::equal;
    case Relation::greater:
      return order == Order::greater;
    case Relation::greater_or_equal:
      return order == Order::greater || order == Order::equal;
    case Relation::equal:
      return order == Order::equal;
    case Relation::unequal:
      break;
  }
  return order != Order::equal;
}

template <Relation relation>
Value combine_order(const Node& node, Frame& frame, const Value& a, const Value& b) {
  const Order order = compare(a, b);
  if (order == Order::incomparable) return no_overload(node, frame, std::array{a, b});
  const bool is_text = a.kind() == ValueKind::string || a.kind() == ValueKind::bytes;
  if (is_text && !frame.charge(a.as_string().size() / kBytesPerStep)) {
    return steps_exceeded(node, frame);
  }
  return Value::boolean(holds(relation, order));
}

// `price > 0`, `ticker == 'A'`: what the compiler knows to be of one kind is compared in place.
template <Relation relation>
Value run_field_comparison(const Node& node, Frame& frame) {
  const Value& value = frame.row[node.slot];
  if (value.kind() == node.constant.kind()) [[likely]] {
    switch (value.kind()) {
      case ValueKind::int64: {
        const auto a = value.as_int64();
        const auto b = node.constant.as_int64();
        return Value::boolean(holds(relation, a < b   ? Order::less
                                              : a > b ? Order::greater
                                                      : Order::equal));
      }
      case ValueKind::decimal:
        return Value::boolean(
            holds(relation, order_of_decimals(value.as_decimal(), node.constant.as_decimal())));
      case ValueKind::string:
        if constexpr (relation == Relation::equal || relation == Relation::unequal) {
          return Value::boolean((value.as_string() == node.constant.as_string()) ==
                                (relation == Relation::equal));
        }
        break;
      default:
        break;
    }
  }
  const Value field = evaluate(node.children[0], frame);
  if (field.is_error()) return field;
  if constexpr (relation == Relation::equal || relation == Relation::unequal) {
    return combine_equality < relation == Relation::equal > (node, frame, field, node.constant);
  } else {
    return combine_order<relation>(node, frame, field, node.constant);
  }
}

template <std::size_t count>
Value call_with(const Node& node, Frame& frame) {
  // Built in place: assigning a value just made costs a failed store forwarding each.
  alignas(Value) std::array<std::byte, count * sizeof(Value)> storage;
  auto* const arguments = reinterpret_cast<Value*>(storage.data());
  const std::size_t used = node.children.size();
  for (std::size_t i = 0; i < used; ++i) {
    const auto* argument = ::new (arguments + i) Value(evaluate(node.children[i], frame));
    if (argument->is_error()) [[unlikely]]
      return *argument;
  }
  return node.builtin(node, frame, {arguments, used});
}

}  // namespace

Value fail(const Node& node, Frame& frame, std::string_view message) {
  ShortText at;
  at.append_uint(node.position.line);
  at.append(':');
  at.append_uint(node.position.column);
  at.append(": ");
  return Value::error(joined_in(*frame.arena, {at.view(), message}));
}

Value no_overload(const Node& node, Frame& frame, std::span<const Value> operands) {
  ArenaText text(*frame.arena);
  text.append("no such overload: ");
  text.append(node.name);
  text.append('(');
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (i > 0) text.append(", ");
    text.append(type_name(operands[i]));
  }
  text.append(')');
  return fail(node, frame, text.view());
}

Value steps_exceeded(const Node& node, Frame& frame) {
  static_assert(kEvaluationStepsMax == 1'000'000);
  return fail(node, frame, "the evaluation takes more than 1000000 steps");
}

Value run_constant(const Node& node, Frame&) {
  return node.constant;
}

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

Value run_not(const Node& node, Frame& frame) {
  const Value value = evaluate(node.children[0], frame);
  if (value.kind() == ValueKind::boolean) return Value::boolean(!value.as_boolean());
  return value.is_error() ? value : no_overload(node, frame, std::array{value});
}

Value run_negate(const Node& node, Frame& frame) {
  const Value value = evaluate(node.children[0], frame);
  return value.is_error() ? value : negate(node, frame, value);
}

Value run_and(const Node& node, Frame& frame) {
  return run_logic(node, frame, false);
}
Value run_or(const Node& node, Frame& frame) {
  return run_logic(node, frame, true);
}

Value run_choice(const Node& node, Frame& frame) {
  const Value condition = evaluate(node.children[0], frame);
  if (condition.kind() == ValueKind::boolean) [[likely]] {
    return evaluate(node.children[condition.as_boolean() ? 1 : 2], frame);
  }
  return condition.is_error() ? condition : no_overload(node, frame, std::array{condition});
}

Value run_in(const Node& node, Frame& frame) {
  const Value needle = evaluate(node.children[0], frame);
  return is_in(node, frame, needle, evaluate(node.children[1], frame));
}

Value run_list(const Node& node, Frame& frame) {
  const auto out = frame.arena->array<Value>(node.children.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto* element = ::new (&out[i]) Value(evaluate(node.children[i], frame));
    if (element->is_error()) return *element;
  }
  return Value::list(out);
}

Value run_map(const Node& node, Frame& frame) {
  const auto out = frame.arena->array<MapEntry>(node.children.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Value key = evaluate(node.children[2 * i], frame);
    if (key.is_error()) return key;
    const bool is_key = key.kind() == ValueKind::string || key.kind() == ValueKind::boolean ||
                        key.kind() == ValueKind::int64 || key.kind() == ValueKind::uint64;
    if (!is_key) {
      return fail(node, frame, joined_in(*frame.arena, {"unsupported key type: ", type_name(key)}));
    }
    if (!frame.charge(1 + i / kEntriesPerStep)) return steps_exceeded(node, frame);
    if (find_entry(out.first(i), key) != nullptr) return fail(node, frame, "repeated map key");
    const Value value = evaluate(node.children[2 * i + 1], frame);
    if (value.is_error()) return value;
    out[i] = {key, value};
  }
  return Value::map(out);
}

Value run_call(const Node& node, Frame& frame) {
  switch (node.children.size()) {
    case 1:
      return call_with<1>(node, frame);
    case 2:
      return call_with<2>(node, frame);
    case 3:
    case 4:
      return call_with<4>(node, frame);
    default:
      MR_CHECK(node.children.size() <= kCallArgumentsMax);
      return call_with<kCallArgumentsMax>(node, frame);
  }
}

Run run_of_binary(std::string_view symbol) {
  if (symbol == "+") return run_binary<add>;
  if (symbol == "-") return run_binary<subtract>;
  if (symbol == "*") return run_binary<multiply>;
  if (symbol == "/") return run_binary<divide>;
  if (symbol == "%") return run_binary<modulo>;
  if (symbol == "==") return run_binary<combine_equality<true>>;
  if (symbol == "!=") return run_binary<combine_equality<false>>;
  if (symbol == "<") return run_binary<combine_order<Relation::less>>;
  if (symbol == "<=") return run_binary<combine_order<Relation::less_or_equal>>;
  if (symbol == ">") return run_binary<combine_order<Relation::greater>>;
  if (symbol == ">=") return run_binary<combine_order<Relation::greater_or_equal>>;
  return nullptr;
}

Run run_of_field_comparison(std::string_view symbol) {
  if (symbol == "==") return run_field_comparison<Relation::equal>;
  if (symbol == "!=") return run_field_comparison<Relation::unequal>;
  if (symbol == "<") return run_field_comparison<Relation::less>;
  if (symbol == "<=") return run_field_comparison<Relation::less_or_equal>;
  if (symbol == ">") return run_field_comparison<Relation::greater>;
  if (symbol == ">=") return run_field_comparison<Relation::greater_or_equal>;
  return nullptr;
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
