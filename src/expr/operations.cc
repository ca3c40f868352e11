#include "expr/operations.h"

#include <array>
#include <cstddef>
#include <new>

#include "base/check.h"
#include "expr/arithmetic.h"
#include "expr/compare.h"
#include "expr/functions.h"
#include "expr/text.h"

namespace millrace::expr {
namespace {

constexpr std::uint64_t kEntriesPerStep = 8;  // of a search through a map

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

template <Combine kCombine>
Value run_binary(const Node& node, Frame& frame) {
  const Value a = evaluate(node.children[0], frame);
  if (a.is_error()) [[unlikely]]
    return a;
  const Value b = evaluate(node.children[1], frame);
  if (b.is_error()) [[unlikely]]
    return b;
  return kCombine(node, frame, a, b);
}

template <bool kIsEquality>
Value combine_equality(const Node& node, Frame& frame, const Value& a, const Value& b) {
  const bool are_equal = equal(a, b, frame.steps_left);
  if (frame.steps_left < 0) return steps_exceeded(node, frame);
  return Value::boolean(are_equal == kIsEquality);
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

template <Relation kRelation>
Value combine_order(const Node& node, Frame& frame, const Value& a, const Value& b) {
  const Order order = compare(a, b);
  if (order == Order::incomparable) return no_overload(node, frame, std::array{a, b});
  const bool is_text = a.kind() == ValueKind::string || a.kind() == ValueKind::bytes;
  if (is_text && !frame.charge(a.as_string().size() / kBytesPerStep)) {
    return steps_exceeded(node, frame);
  }
  return Value::boolean(holds(kRelation, order));
}

// `price > 0`, `ticker == 'A'`: what the compiler knows to be of one kind is compared in place.
template <Relation kRelation>
Value run_field_comparison(const Node& node, Frame& frame) {
  const Value& value = frame.row[node.slot];
  if (value.kind() == node.constant.kind()) [[likely]] {
    switch (value.kind()) {
      case ValueKind::int64: {
        const auto a = value.as_int64();
        const auto b = node.constant.as_int64();
        return Value::boolean(holds(kRelation, a < b   ? Order::less
                                               : a > b ? Order::greater
                                                       : Order::equal));
      }
      case ValueKind::decimal:
        return Value::boolean(
            holds(kRelation, order_of_decimals(value.as_decimal(), node.constant.as_decimal())));
      case ValueKind::string:
        if constexpr (kRelation == Relation::equal || kRelation == Relation::unequal) {
          return Value::boolean((value.as_string() == node.constant.as_string()) ==
                                (kRelation == Relation::equal));
        }
        break;
      default:
        break;
    }
  }
  const Value field = evaluate(node.children[0], frame);
  if (field.is_error()) return field;
  if constexpr (kRelation == Relation::equal || kRelation == Relation::unequal) {
    return combine_equality < kRelation == Relation::equal > (node, frame, field, node.constant);
  } else {
    return combine_order<kRelation>(node, frame, field, node.constant);
  }
}

template <std::size_t kCount>
Value call_with(const Node& node, Frame& frame) {
  // Built in place: assigning a value just made costs a failed store forwarding each.
  alignas(Value) std::array<std::byte, kCount * sizeof(Value)> storage;
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

}  // namespace millrace::expr
