#pragma once

#include <string>
#include <string_view>

namespace millrace {

// Appends `text` as a JSON string with its quotes, escaped as little as RFC 8259 section 7 allows.
// Malformed UTF-8 must have been refused before: it is copied.
void append_json_string(std::string& out, std::string_view text);

// The same for bytes that nobody has checked: what is malformed becomes U+FFFD, byte by byte.
void append_json_string_lossy(std::string& out, std::string_view bytes);

}  // namespace millrace
