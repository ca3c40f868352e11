#pragma once

#include <string>
#include <string_view>

namespace millrace::aws_sign {

// 32 bytes each.
std::string sha256(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);

// Lower case.
std::string to_hex(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);

// Whether they are equal, in a time that depends on their lengths alone.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// RFC 4648 section 5, without padding.
std::string to_base64url(std::string_view bytes);

}  // namespace millrace::aws_sign
