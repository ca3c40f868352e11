#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "http/message.h"

namespace millrace::http {

// More path segments or query parameters than this in one request are `invalid`.
inline constexpr std::size_t kPathSegmentsMax = 64;
inline constexpr std::size_t kQueryParametersMax = 256;

// Every byte but RFC 3986's unreserved characters as %XX (capitals): fit for one path segment or
// one query value. percent_decode(percent_encode(x)) == x for any bytes.
std::string percent_encode(std::string_view bytes);

enum class Plus : unsigned char {
  literal,  // in paths
  space,    // in query strings, as HTML forms write them
};
// `invalid` for a % without two hex digits. The result may hold any byte, NUL included.
Result<std::string> percent_decode(std::string_view text, Plus plus = Plus::literal);

// Fills path, segments and query of `request` from its target, in origin form ("/a?b") or absolute
// form ("http://host/a?b"; RFC 9112 3.2). `invalid` otherwise.
Status parse_target(Request& request);

struct Address {
  std::string host;
  std::uint16_t port = 0;
};
// "127.0.0.1:8080", "[::1]:8080", "localhost:8080".
Result<Address> parse_address(std::string_view text);
// The same form back; IPv6 literals get brackets.
std::string to_string(const Address& address);

}  // namespace millrace::http
