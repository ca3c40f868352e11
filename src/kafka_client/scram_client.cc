#include "kafka_client/scram_client.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>

#include "codec/json.h"

namespace millrace::kafka_client {
namespace {

constexpr std::size_t kNonceBytes = 18;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

const EVP_MD* hash_of(bool is_sha_512) {
  return is_sha_512 ? EVP_sha512() : EVP_sha256();
}

std::string hmac(bool is_sha_512, std::string_view key, std::string_view message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int used = 0;
  HMAC(hash_of(is_sha_512), key.data(), static_cast<int>(key.size()), bytes_of(message),
       message.size(), out.data(), &used);
  return {reinterpret_cast<const char*>(out.data()), used};
}

std::string digest(bool is_sha_512, std::string_view message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int used = 0;
  EVP_Digest(message.data(), message.size(), out.data(), &used, hash_of(is_sha_512), nullptr);
  return {reinterpret_cast<const char*>(out.data()), used};
}

// "r=...,s=...,i=...": the value behind `name`, empty when the parts are not in this order.
std::string_view take_part(std::string_view& text, char name) {
  if (text.size() < 2 || text[0] != name || text[1] != '=') return {};
  const auto end = std::min(text.find(','), text.size());
  const auto value = text.substr(2, end - 2);
  text.remove_prefix(std::min(end + 1, text.size()));
  return value;
}

// RFC 5802: commas and equal signs in names.
std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ',') {
      out += "=2C";
    } else if (c == '=') {
      out += "=3D";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Result<ScramClient> ScramClient::make(std::string_view mechanism, std::string_view user,
                                      std::string password, std::string nonce) {
  ScramClient out;
  out.is_sha_512_ = mechanism == "SCRAM-SHA-512";
  out.password_ = std::move(password);
  out.nonce_ = std::move(nonce);
  if (out.nonce_.empty()) {
    std::array<unsigned char, kNonceBytes> random{};
    if (RAND_bytes(random.data(), random.size()) != 1) return io_error("OpenSSL has no randomness");
    out.nonce_ =
        codec::base64_encode({reinterpret_cast<const char*>(random.data()), random.size()});
  }
  out.first_bare_ = "n=" + escaped(user) + ",r=" + out.nonce_;
  return out;
}

Result<std::string> ScramClient::answer(std::string_view challenge) {
  auto left = challenge;
  const auto nonce = take_part(left, 'r');
  const auto salt_text = take_part(left, 's');
  const auto count_text = take_part(left, 'i');
  int iterations = 0;
  const auto* end = count_text.data() + count_text.size();
  const bool is_number =
      !count_text.empty() && std::from_chars(count_text.data(), end, iterations).ptr == end;
  if (!nonce.starts_with(nonce_) || nonce.size() == nonce_.size() || !is_number || iterations < 1 ||
      iterations > kScramIterationsMax) {
    return invalid_error("SCRAM: the broker's challenge is none");
  }
  MR_ASSIGN_OR_RETURN(const auto salt, codec::base64_decode(salt_text));
  if (salt.empty()) return invalid_error("SCRAM: the broker's challenge has no salt");
  std::string salted(static_cast<std::size_t>(EVP_MD_get_size(hash_of(is_sha_512_))), '\0');
  if (PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()), bytes_of(salt),
                        static_cast<int>(salt.size()), iterations, hash_of(is_sha_512_),
                        static_cast<int>(salted.size()),
                        reinterpret_cast<unsigned char*>(salted.data())) != 1) {
    return io_error("SCRAM: OpenSSL cannot derive the key");
  }
  const auto without_proof = "c=biws,r=" + std::string(nonce);
  const auto message = first_bare_ + "," + std::string(challenge) + "," + without_proof;
  auto proof = hmac(is_sha_512_, salted, "Client Key");
  const auto signature = hmac(is_sha_512_, digest(is_sha_512_, proof), message);
  for (std::size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  }
  server_signature_ =
      codec::base64_encode(hmac(is_sha_512_, hmac(is_sha_512_, salted, "Server Key"), message));
  return without_proof + ",p=" + codec::base64_encode(proof);
}

Status ScramClient::check(std::string_view verdict) const {
  const auto signature = take_part(verdict, 'v');
  if (!server_signature_.empty() && signature == server_signature_) return ok_status();
  return invalid_error("SCRAM: the broker does not know the password");
}

}  // namespace millrace::kafka_client
