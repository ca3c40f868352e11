#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace millrace::expr {

// 1-based; columns count code points.
struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

// "1:8: message", the form of every error of this folder.
std::string positioned(Position position, std::string_view message);
inline Status error_at(Position position, std::string_view message) {
  return invalid_error(positioned(position, message));
}

}  // namespace millrace::expr
