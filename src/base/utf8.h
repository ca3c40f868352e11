#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

// Whether `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_valid_utf8(std::string_view text);

// Removes the first code point from `text` and gives it; nullopt at the end or on malformed bytes.
std::optional<char32_t> take_code_point(std::string_view& text);
void append_code_point(std::string& out, char32_t code_point);
std::size_t count_code_points(std::string_view text);  // of well-formed text

}  // namespace millrace
