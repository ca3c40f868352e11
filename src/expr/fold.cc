#include "expr/compiler.h"

// Constant folding.

namespace millrace::expr {
namespace {

constexpr std::int64_t kFoldStepsMax = 10'000;
constexpr std::int64_t kConstantBytesMax = 64 * 1024;
constexpr std::size_t kConstantDepthMax = 64;

}  // namespace

Node* Compiler::folded(Node* node) {
  if (node->reads_inputs || node->lowest_local != Node::kNoLocal || node->run == run_constant) {
    return node;
  }
  if (fold_steps_left_ <= 0) return node;
  Frame frame;
  frame.arena = &scratch_;
  frame.steps_left = std::min(kFoldStepsMax, fold_steps_left_);
  if (program_.local_count > 0) frame.locals = scratch_.array<Value>(program_.local_count).data();
  const auto steps_given = frame.steps_left;
  const Value value = evaluate(node, frame);
  fold_steps_left_ -= 1 + steps_given - frame.steps_left;
  std::optional<Value> constant;
  if (!value.is_error()) {
    copy_bytes_left_ = kConstantBytesMax;
    constant = copied(value, 0);
  }
  scratch_.reset();
  if (!constant) return node;  // an error stays where it is: "||" may absorb it
  node->run = run_constant;
  node->constant = *constant;
  node->children = {};
  return node;
}

// A copy in the program's arena; nullopt when it would be too large or too deep.
std::optional<Value> Compiler::copied(const Value& value, std::size_t depth) {
  copy_bytes_left_ -= sizeof(Value);
  if (copy_bytes_left_ < 0 || depth > kConstantDepthMax) return std::nullopt;
  switch (value.kind()) {
    case ValueKind::string:
    case ValueKind::bytes: {
      copy_bytes_left_ -= static_cast<std::int64_t>(value.as_string().size());
      if (copy_bytes_left_ < 0) return std::nullopt;
      const auto text = program_.arena.copy(value.as_string());
      return value.kind() == ValueKind::string ? Value::string(text) : Value::bytes(text);
    }
    case ValueKind::list: {
      const auto from = value.as_list();
      if (from.size() > kConstantBytesMax / sizeof(Value)) return std::nullopt;
      const auto to = program_.arena.array<Value>(from.size());
      for (std::size_t i = 0; i < from.size(); ++i) {
        const auto element = copied(from[i], depth + 1);
        if (!element) return std::nullopt;
        to[i] = *element;
      }
      return Value::list(to);
    }
    case ValueKind::map: {
      const auto from = value.as_map();
      if (from.size() > kConstantBytesMax / sizeof(MapEntry)) return std::nullopt;
      const auto to = program_.arena.array<MapEntry>(from.size());
      for (std::size_t i = 0; i < from.size(); ++i) {
        const auto key = copied(from[i].key, depth + 1);
        const auto entry_value = copied(from[i].value, depth + 1);
        if (!key || !entry_value) return std::nullopt;
        to[i] = {*key, *entry_value};
      }
      return Value::map(to);
    }
    default:
      return value;
  }
}

}  // namespace millrace::expr
