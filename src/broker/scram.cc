#include "broker/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <utility>

#include "base/check.h"
#include "codec/json.h"

namespace millrace::broker {
namespace {

constexpr std::size_t kMessageBytesMax = 8192;

const EVP_MD* digest_of(ScramHash hash) {
  return hash == ScramHash::sha_256 ? EVP_sha256() : EVP_sha512();
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string digest(ScramHash hash, std::string_view message) {
  std::string out(hash_bytes(hash), '\0');
  MR_CHECK(EVP_Digest(message.data(), message.size(), reinterpret_cast<unsigned char*>(out.data()),
                      nullptr, digest_of(hash), nullptr) == 1);
  return out;
}

bool are_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string exclusive_or(std::string_view a, std::string_view b) {
  std::string out(a);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ b[i]);
  return out;
}

// The text up to the next comma, which is taken, too.
std::string_view take_part(std::string_view& text) {
  const auto comma = text.find(',');
  const auto part = text.substr(0, comma);
  text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  return part;
}

// "=2C" is a comma, "=3D" an equals sign; nothing else may follow one.
std::optional<std::string> decode_name(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '=') {
      out += name[i];
      continue;
    }
    const auto code = name.substr(i + 1, 2);
    if (code != "2C" && code != "3D") return std::nullopt;
    out += code == "2C" ? ',' : '=';
    i += 2;
  }
  return out;
}

bool is_nonce(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c < 0x21 || c > 0x7e || c == ',') return false;
  }
  return true;
}

}  // namespace

std::size_t hash_bytes(ScramHash hash) {
  return hash == ScramHash::sha_256 ? 32 : 64;
}

std::string hmac(ScramHash hash, std::string_view key, std::string_view message) {
  std::string out(hash_bytes(hash), '\0');
  unsigned int byte_count = 0;
  const auto* done =
      HMAC(digest_of(hash), key.data(), static_cast<int>(key.size()), bytes_of(message),
           message.size(), reinterpret_cast<unsigned char*>(out.data()), &byte_count);
  MR_CHECK(done != nullptr && byte_count == out.size());
  return out;
}

std::string salted_password(ScramHash hash, std::string_view password, std::string_view salt,
                            std::int32_t iterations) {
  std::string out(hash_bytes(hash), '\0');
  MR_CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes_of(salt),
                             static_cast<int>(salt.size()), iterations, digest_of(hash),
                             static_cast<int>(out.size()),
                             reinterpret_cast<unsigned char*>(out.data())) == 1);
  return out;
}

ScramCredential credential_of(ScramHash hash, std::string_view salted, std::string_view salt,
                              std::int32_t iterations) {
  return {.iterations = iterations,
          .salt = std::string(salt),
          .stored_key = digest(hash, hmac(hash, salted, "Client Key")),
          .server_key = hmac(hash, salted, "Server Key")};
}

bool is_password(ScramHash hash, const ScramCredential& credential, std::string_view password) {
  std::string salted = salted_password(hash, password, credential.salt, credential.iterations);
  const auto made = credential_of(hash, salted, credential.salt, credential.iterations);
  OPENSSL_cleanse(salted.data(), salted.size());
  return are_equal(made.stored_key, credential.stored_key);
}

ScramServer::ScramServer(ScramHash hash, std::string nonce, Find find)
    : hash_(hash), nonce_(std::move(nonce)), find_(std::move(find)) {}

Result<std::string> ScramServer::take(std::string_view message) {
  const Stage stage = std::exchange(stage_, Stage::failed);
  if (message.size() > kMessageBytesMax) return invalid_error("the message is too long");
  switch (stage) {
    case Stage::first:
      return take_first(message);
    case Stage::last:
      return take_last(message);
    case Stage::done:
    case Stage::failed:
      break;
  }
  return invalid_error("a message after the end");
}

// gs2-header "n=" name ",r=" nonce, and extensions that are ignored.
Result<std::string> ScramServer::take_first(std::string_view message) {
  std::string_view left = message;
  const auto binding = take_part(left);
  if (binding != "n" && binding != "y") {
    return invalid_error("the client wants channel binding, or its message is malformed");
  }
  const auto authorization = take_part(left);
  gs2_header_ = message.substr(0, message.size() - left.size());
  first_bare_ = left;
  const auto name = take_part(left);
  const auto nonce = take_part(left);
  if (!name.starts_with("n=") || !nonce.starts_with("r=") || !is_nonce(nonce.substr(2))) {
    return invalid_error("the client's first message is malformed");
  }
  auto user = decode_name(name.substr(2));
  if (!user || user->empty()) return invalid_error("the client's name is malformed");
  user_ = std::move(*user);
  if (!authorization.empty()) {
    const auto wanted =
        authorization.starts_with("a=") ? decode_name(authorization.substr(2)) : std::nullopt;
    if (wanted != user_) return invalid_error("the client wants to be somebody else");
  }
  nonce_ = std::string(nonce.substr(2)) + nonce_;
  found_ = find_(user_);
  challenge_ = "r=" + nonce_ + ",s=" + codec::base64_encode(found_.credential.salt) +
               ",i=" + std::to_string(found_.credential.iterations);
  stage_ = Stage::last;
  return challenge_;
}

Result<std::string> ScramServer::take_last(std::string_view message) {
  const auto proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return invalid_error("the client sent no proof");
  const auto without_proof = message.substr(0, proof_at);
  std::string_view left = without_proof;
  const auto binding = take_part(left);
  const auto nonce = take_part(left);
  // librdkafka before 2.6.1 puts its own nonce in front once more; Kafka looks at the end, too.
  // What it sent is part of what the proof is about.
  if (binding != "c=" + codec::base64_encode(gs2_header_) || !nonce.starts_with("r=") ||
      !nonce.ends_with(nonce_)) {
    return invalid_error("the client's last message does not belong to its first");
  }
  const auto proof = codec::base64_decode(message.substr(proof_at + 3));
  if (!proof.is_ok() || proof->size() != hash_bytes(hash_)) {
    return invalid_error("the client's proof is malformed");
  }
  const std::string auth_message =
      first_bare_ + "," + challenge_ + "," + std::string(without_proof);
  // Both are looked at, whoever it is.
  const bool is_right = is_proof(*proof, auth_message);
  if (!is_right || !found_.is_known) return invalid_error("no such user, or a wrong password");
  stage_ = Stage::done;
  return "v=" + codec::base64_encode(hmac(hash_, found_.credential.server_key, auth_message));
}

bool ScramServer::is_proof(std::string_view proof, const std::string& auth_message) const {
  const std::string signature = hmac(hash_, found_.credential.stored_key, auth_message);
  return are_equal(digest(hash_, exclusive_or(proof, signature)), found_.credential.stored_key);
}

}  // namespace millrace::broker
