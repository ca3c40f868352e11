#include <array>

#include "base/check.h"
#include "expr/compare.h"
#include "expr/operations.h"
#include "expr/text.h"

// all, exists, exists_one, map, filter with one variable (CEL's standard macros) and with two (its
// "comprehensions v2"), transformList and transformMap, cel.bind.

namespace millrace::expr {
namespace {

std::size_t element_count(const Value& range) {
  return range.kind() == ValueKind::list ? range.as_list().size() : range.as_map().size();
}

// Sets the macro's variables to element `i`. False when the step bound is passed.
template <int kVariableCount>
bool step_to(const Node& node, Frame& frame, const Value& range, std::size_t i) {
  if (!frame.charge(1 + node.steps)) return false;
  Value* locals = frame.locals + node.slot;
  if (range.kind() == ValueKind::list) {
    if constexpr (kVariableCount == 2) locals[0] = Value::int64(static_cast<std::int64_t>(i));
    locals[kVariableCount - 1] = range.as_list()[i];
  } else {
    locals[0] = range.as_map()[i].key;
    if constexpr (kVariableCount == 2) locals[1] = range.as_map()[i].value;
  }
  return true;
}

Value bad_range(const Node& node, Frame& frame, const Value& range) {
  return range.is_error() ? range : no_overload(node, frame, std::array{range});
}
bool is_range(const Value& range) {
  return range.kind() == ValueKind::list || range.kind() == ValueKind::map;
}

// all and exists: one deciding element decides, in spite of errors before it.
template <int kVariableCount, bool kDeciding>
Value run_quantifier(const Node& node, Frame& frame) {
  const Value range = evaluate(node.children[0], frame);
  if (!is_range(range)) return bad_range(node, frame, range);
  Value error;
  for (std::size_t i = 0; i < element_count(range); ++i) {
    if (!step_to<kVariableCount>(node, frame, range, i)) return steps_exceeded(node, frame);
    const Value value = evaluate(node.children[1], frame);
    if (value.kind() == ValueKind::boolean) {
      if (value.as_boolean() == kDeciding) return value;
    } else {
      error = value;
    }
  }
  if (error.is_absent()) return Value::boolean(!kDeciding);
  return error.is_error() ? error : no_overload(node, frame, std::array{error});
}

// The errors of exists_one, map and filter are never absorbed. A value that is no boolean is one.
Value checked_condition(const Node& node, Frame& frame, const Node* condition) {
  const Value value = evaluate(condition, frame);
  if (value.kind() == ValueKind::boolean || value.is_error()) return value;
  return no_overload(node, frame, std::array{value});
}

template <int kVariableCount>
Value run_exists_one(const Node& node, Frame& frame) {
  const Value range = evaluate(node.children[0], frame);
  if (!is_range(range)) return bad_range(node, frame, range);
  std::size_t count = 0;
  for (std::size_t i = 0; i < element_count(range); ++i) {
    if (!step_to<kVariableCount>(node, frame, range, i)) return steps_exceeded(node, frame);
    const Value value = checked_condition(node, frame, node.children[1]);
    if (value.is_error()) return value;
    if (value.as_boolean()) ++count;
  }
  return Value::boolean(count == 1);
}

enum class Output : std::uint8_t { elements, values, map };

// map, filter, transformList and transformMap. Children: range, condition if any, value if any.
template <int kVariableCount, bool kHasCondition, Output kOutput>
Value run_collect(const Node& node, Frame& frame) {
  const Value range = evaluate(node.children[0], frame);
  if (!is_range(range)) return bad_range(node, frame, range);
  const std::size_t range_size = element_count(range);
  constexpr bool kIsMap = kOutput == Output::map;
  const auto values = frame.arena->array<Value>(kIsMap ? 0 : range_size);
  const auto entries = frame.arena->array<MapEntry>(kIsMap ? range_size : 0);
  std::size_t count = 0;
  for (std::size_t i = 0; i < range_size; ++i) {
    if (!step_to<kVariableCount>(node, frame, range, i)) return steps_exceeded(node, frame);
    if constexpr (kHasCondition) {
      const Value is_wanted = checked_condition(node, frame, node.children[1]);
      if (is_wanted.is_error()) return is_wanted;
      if (!is_wanted.as_boolean()) continue;
    }
    const Value first = frame.locals[node.slot];  // the key, before the body can use its locals
    if constexpr (kOutput == Output::elements) {
      values[count++] = first;
    } else {
      const Value value = evaluate(node.children[kHasCondition ? 2 : 1], frame);
      if (value.is_error()) return value;
      if constexpr (kIsMap) {
        entries[count++] = {first, value};
      } else {
        values[count++] = value;
      }
    }
  }
  if constexpr (kIsMap) return Value::map(entries.first(count));
  return Value::list(values.first(count));
}

template <int kVariableCount>
Run run_of(Macro macro, bool has_condition) {
  switch (macro) {
    case Macro::all:
      return run_quantifier<kVariableCount, false>;
    case Macro::exists:
      return run_quantifier<kVariableCount, true>;
    case Macro::exists_one:
      return run_exists_one<kVariableCount>;
    case Macro::filter:
      return run_collect<kVariableCount, true, Output::elements>;
    case Macro::map:
      return has_condition ? run_collect<kVariableCount, true, Output::values>
                           : run_collect<kVariableCount, false, Output::values>;
    case Macro::transform_map:
      return has_condition ? run_collect<kVariableCount, true, Output::map>
                           : run_collect<kVariableCount, false, Output::map>;
  }
  return nullptr;
}

}  // namespace

Run run_of_macro(Macro macro, int variable_count, bool has_condition) {
  MR_CHECK(variable_count == 1 || variable_count == 2);
  return variable_count == 1 ? run_of<1>(macro, has_condition) : run_of<2>(macro, has_condition);
}

Value run_bind(const Node& node, Frame& frame) {
  const Value value = evaluate(node.children[0], frame);
  if (value.is_error()) return value;
  frame.locals[node.slot] = value;
  return evaluate(node.children[1], frame);
}

}  // namespace millrace::expr
