#pragma once

#include <cstddef>

namespace millrace::codec {

struct Unescaped {
  std::size_t written = 0;
  const char* wrong_at = nullptr;  // the backslash
  const char* wrong = nullptr;     // what is wrong there; nullptr if nothing is
};

// The content of a JSON string in [from, end), without its quotes, with its escapes resolved (RFC
// 8259 section 7). `to` has room for as many bytes as there are.
Unescaped unescape_json(const char* from, const char* end, char* to);

}  // namespace millrace::codec
