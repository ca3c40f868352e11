#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "expr/expr.h"
#include "expr/node.h"

namespace millrace::expr {

// What a compiled expression owns. Nodes and the arena's values stay where they are when it moves.
struct CompiledProgram {
  std::string text;
  std::deque<Node> nodes;
  std::deque<std::vector<const Node*>> children;  // of the nodes
  Arena arena{1024};
  std::vector<std::unique_ptr<Prepared>> prepared;
  const Node* root = nullptr;
  FieldType result_type = FieldType::any;
  std::vector<std::size_t> fields_read;  // ascending
  std::uint32_t local_count = 0;
  std::size_t row_size_min = 0;  // what `evaluate` must be given at least
  std::size_t table_count = 0;
  std::size_t variable_count = 0;
};

}  // namespace millrace::expr
