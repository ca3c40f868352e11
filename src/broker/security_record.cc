#include "broker/security_record.h"

#include "base/coding.h"

namespace millrace::broker {
namespace {

constexpr std::uint8_t kVersion = 1;
// Kinds of records.
constexpr std::uint8_t kAcl = 1;
constexpr std::uint8_t kScramUser = 2;
constexpr std::uint8_t kLoginSecret = 3;
constexpr std::size_t kLoginSecretBytesMin = 16;

void encode_key(Encoder& to, const Acl& acl) {
  to.u8(kAcl);
  to.u8(static_cast<std::uint8_t>(acl.resource_type));
  to.bytes(acl.resource_name);
  to.u8(static_cast<std::uint8_t>(acl.pattern_type));
  to.bytes(acl.principal);
  to.bytes(acl.host);
  to.u8(static_cast<std::uint8_t>(acl.operation));
  to.u8(static_cast<std::uint8_t>(acl.permission));
}

void encode_key(Encoder& to, const ScramUserKey& key) {
  to.u8(kScramUser);
  to.u8(static_cast<std::uint8_t>(key.hash));
  to.bytes(key.user);
}

void encode_key(Encoder& to, const LoginSecretKey&) {
  to.u8(kLoginSecret);
}

Status check_version(const Decoder& from, std::uint8_t version) {
  if (from.has_failed() || version == kVersion) return ok_status();
  return unsupported_error("the record has version " + std::to_string(version) + ", known is " +
                           std::to_string(kVersion));
}

Acl decode_acl(Decoder& from) {
  Acl acl;
  acl.resource_type = static_cast<ResourceType>(from.u8());
  acl.resource_name = from.bytes();
  acl.pattern_type = static_cast<PatternType>(from.u8());
  acl.principal = from.bytes();
  acl.host = from.bytes();
  acl.operation = static_cast<AclOperation>(from.u8());
  acl.permission = static_cast<AclPermission>(from.u8());
  return acl;
}

Status check_user(const ScramUserKey& key) {
  if (key.hash != ScramHash::sha_256 && key.hash != ScramHash::sha_512) {
    return corrupt_error("there is no such hash: " + std::to_string(static_cast<int>(key.hash)));
  }
  if (key.user.empty()) return corrupt_error("the user has no name");
  return ok_status();
}

}  // namespace

std::string encode_security_key(const SecurityKey& key) {
  std::string out;
  Encoder to(out);
  to.u8(kVersion);
  std::visit([&](const auto& one) { encode_key(to, one); }, key);
  return out;
}

std::string encode_acl_value() {
  return {static_cast<char>(kVersion)};
}

std::string encode_credential(const ScramCredential& credential) {
  std::string out;
  Encoder to(out);
  to.u8(kVersion);
  to.varint(static_cast<std::uint64_t>(credential.iterations));
  to.bytes(credential.salt);
  to.bytes(credential.stored_key);
  to.bytes(credential.server_key);
  return out;
}

std::string encode_login_secret(std::string_view secret) {
  std::string out;
  Encoder to(out);
  to.u8(kVersion);
  to.bytes(secret);
  return out;
}

Result<SecurityKey> decode_security_key(std::string_view bytes) {
  Decoder from(bytes);
  MR_RETURN_IF_ERROR(check_version(from, from.u8()));
  const std::uint8_t kind = from.u8();
  if (from.has_failed()) return corrupt_error("the key is too short");
  SecurityKey key;
  switch (kind) {
    case kAcl: {
      Acl acl = decode_acl(from);
      MR_RETURN_IF_ERROR(from.finish("access control entry"));
      if (const Status status = check_acl(acl); !status.is_ok()) {
        return corrupt_error("access control entry: " + std::string(status.message()));
      }
      return SecurityKey(std::move(acl));
    }
    case kScramUser: {
      ScramUserKey user;
      user.hash = static_cast<ScramHash>(from.u8());
      user.user = from.bytes();
      MR_RETURN_IF_ERROR(from.finish("user"));
      MR_RETURN_IF_ERROR(check_user(user));
      return SecurityKey(std::move(user));
    }
    case kLoginSecret:
      MR_RETURN_IF_ERROR(from.finish("log-in secret"));
      return SecurityKey(LoginSecretKey());
    default:
      return unsupported_error("records of kind " + std::to_string(kind) + " are not known");
  }
}

Status decode_acl_value(std::string_view bytes) {
  Decoder from(bytes);
  MR_RETURN_IF_ERROR(check_version(from, from.u8()));
  return from.finish("access control entry");
}

Result<ScramCredential> decode_credential(ScramHash hash, std::string_view bytes) {
  Decoder from(bytes);
  MR_RETURN_IF_ERROR(check_version(from, from.u8()));
  ScramCredential credential;
  const std::uint64_t iterations = from.varint();
  credential.salt = from.bytes();
  credential.stored_key = from.bytes();
  credential.server_key = from.bytes();
  MR_RETURN_IF_ERROR(from.finish("credential"));
  if (iterations < 1 || iterations > static_cast<std::uint64_t>(kScramIterationsMax) ||
      credential.salt.empty() || credential.stored_key.size() != hash_bytes(hash) ||
      credential.server_key.size() != hash_bytes(hash)) {
    return corrupt_error("the credential's iterations, salt or keys are impossible");
  }
  credential.iterations = static_cast<std::int32_t>(iterations);
  return credential;
}

Result<std::string> decode_login_secret(std::string_view bytes) {
  Decoder from(bytes);
  MR_RETURN_IF_ERROR(check_version(from, from.u8()));
  std::string secret(from.bytes());
  MR_RETURN_IF_ERROR(from.finish("log-in secret"));
  if (secret.size() < kLoginSecretBytesMin) return corrupt_error("the log-in secret is too short");
  return secret;
}

}  // namespace millrace::broker
