#pragma once

#include <memory>
#include <string_view>

#include "base/status.h"
#include "expr/ast.h"

namespace millrace::expr {

// Parses a whole expression (CEL's grammar without message literals). `invalid` with position on
// anything else, on nesting over kExpressionDepthMax and on text over kExpressionBytesMax. Chains
// of
// `&&` and of `||` become one operation with many children.
Result<std::unique_ptr<Ast>> parse(std::string_view text);

}  // namespace millrace::expr
