#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "expr/position.h"
#include "model/value.h"

namespace millrace::expr {

enum class AstKind : std::uint8_t {
  literal,        // null, boolean, numbers in `literal`; strings and bytes in `text`
  name,           // `text`
  select,         // children[0].text
  index,          // children[0][children[1]]
  call,           // text(children...)
  receiver_call,  // children[0].text(children[1]...)
  operation,      // `text` is the operator: "!" "-" "+" ... "&&" "||" "in" "?:"
  list,           // children
  map,            // children: key, value, key, value ...
};

struct Ast {
  AstKind kind = AstKind::literal;
  Position position;  // of the name, the operator or the opening bracket
  std::size_t depth = 1;
  std::string text;
  Value literal;
  bool is_quoted = false;    // name or select: written in backquotes
  bool is_absolute = false;  // name or call: written with a leading dot
  std::vector<std::unique_ptr<Ast>> children;
};

}  // namespace millrace::expr
