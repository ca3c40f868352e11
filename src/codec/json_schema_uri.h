#pragma once

#include <string>
#include <string_view>

namespace millrace::codec {

// Resolves `reference` against `base` (RFC 3986 section 5.2). An empty base leaves the reference as
// it is.
std::string resolve_uri(std::string_view base, std::string_view reference);

struct UriParts {
  std::string document;  // without '#'
  std::string fragment;  // percent-decoded
};
UriParts split_fragment(std::string_view uri);

}  // namespace millrace::codec
