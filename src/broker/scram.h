#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

// SCRAM (RFC 5802) with SHA-256 (RFC 7677) and SHA-512, without channel binding, as Kafka has it:
// names and passwords are compared byte for byte, not SASLprep'ed.

namespace millrace::broker {

// The numbers are those of Kafka's ScramMechanism.
enum class ScramHash : std::uint8_t { sha_256 = 1, sha_512 = 2 };
inline constexpr ScramHash kScramHashes[] = {ScramHash::sha_256, ScramHash::sha_512};

inline constexpr std::int32_t kScramIterationsMin = 4096;  // RFC 7677, and Kafka
inline constexpr std::int32_t kScramIterationsMax = 16'384;

[[nodiscard]] std::size_t hash_bytes(ScramHash hash);

// What a server keeps of a password: enough to recognise it, not enough to log in with.
struct ScramCredential {
  std::int32_t iterations = 0;
  std::string salt;
  std::string stored_key;
  std::string server_key;

  bool operator==(const ScramCredential&) const = default;
};

// RFC 5802's Hi(): as slow as there are iterations.
std::string salted_password(ScramHash hash, std::string_view password, std::string_view salt,
                            std::int32_t iterations);
ScramCredential credential_of(ScramHash hash, std::string_view salted, std::string_view salt,
                              std::int32_t iterations);
std::string hmac(ScramHash hash, std::string_view key, std::string_view message);

// Takes as long for a wrong password as for the right one.
[[nodiscard]] bool is_password(ScramHash hash, const ScramCredential& credential,
                               std::string_view password);

// A credential to compare with. One of a user who does not exist is made up, the same every time,
// so that a log-in cannot tell the two apart, and is_known is false.
struct FoundCredential {
  ScramCredential credential;
  bool is_known = false;
};

// The server's side of one log-in. Two messages in, two out; one thread.
class ScramServer {
 public:
  using Find = std::function<FoundCredential(const std::string& user)>;

  // `nonce`: fresh and unguessable, printable without commas.
  ScramServer(ScramHash hash, std::string nonce, Find find);

  // What to send, or `invalid` with a reason for the log. When the second one succeeds, the client
  // is user().
  Result<std::string> take(std::string_view message);
  [[nodiscard]] bool is_done() const { return stage_ == Stage::done; }
  // As the client calls itself, from its first message on.
  [[nodiscard]] const std::string& user() const { return user_; }

 private:
  enum class Stage : std::uint8_t { first, last, done, failed };

  Result<std::string> take_first(std::string_view message);
  Result<std::string> take_last(std::string_view message);
  [[nodiscard]] bool is_proof(std::string_view proof, const std::string& auth_message) const;

  ScramHash hash_;
  std::string nonce_;
  Find find_;
  Stage stage_ = Stage::first;
  std::string user_;
  std::string gs2_header_;
  std::string first_bare_;
  std::string challenge_;
  FoundCredential found_;
};

}  // namespace millrace::broker
