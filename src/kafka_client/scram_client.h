#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace millrace::kafka_client {

// The client's side of one SCRAM log-in (RFC 5802), with SHA-256 or SHA-512 and without channel
// binding; names and passwords are sent byte for byte, as Kafka compares them.
class ScramClient {
 public:
  // `mechanism`: SCRAM-SHA-256 or SCRAM-SHA-512. The nonce comes from OpenSSL; `nonce` is for
  // tests.
  static Result<ScramClient> make(std::string_view mechanism, std::string_view user,
                                  std::string password, std::string nonce = {});

  [[nodiscard]] std::string first() const { return "n,," + first_bare_; }
  // What to answer to the server's challenge; `invalid` when it is none, or asks for more than
  // kScramIterationsMax.
  Result<std::string> answer(std::string_view challenge);
  // Whether the server's last message proves that it knows the password, too.
  [[nodiscard]] Status check(std::string_view verdict) const;

 private:
  bool is_sha_512_ = false;
  std::string password_;
  std::string nonce_;
  std::string first_bare_;
  std::string server_signature_;  // in base 64
};

inline constexpr int kScramIterationsMax = 1'000'000;

}  // namespace millrace::kafka_client
