#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/status.h"
#include "broker/acl.h"
#include "broker/scram.h"

namespace millrace::broker {

// A user's password for one mechanism.
struct ScramUserKey {
  std::string user;
  ScramHash hash = ScramHash::sha_256;

  auto operator<=>(const ScramUserKey&) const = default;
};
// What made-up credentials are made from.
struct LoginSecretKey {
  auto operator<=>(const LoginSecretKey&) const = default;
};
// What a record of the topic of secrets is about; docs/formats/security.md has the bytes.
using SecurityKey = std::variant<Acl, ScramUserKey, LoginSecretKey>;

std::string encode_security_key(const SecurityKey& key);
std::string encode_acl_value();
std::string encode_credential(const ScramCredential& credential);
std::string encode_login_secret(std::string_view secret);

// `corrupt` when the bytes are none of ours, `unsupported` for a version or a kind that this
// program does not know.
Result<SecurityKey> decode_security_key(std::string_view bytes);
Status decode_acl_value(std::string_view bytes);
Result<ScramCredential> decode_credential(ScramHash hash, std::string_view bytes);
Result<std::string> decode_login_secret(std::string_view bytes);

}  // namespace millrace::broker
