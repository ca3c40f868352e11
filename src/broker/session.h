#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "broker/client.h"
#include "broker/scram.h"

namespace millrace::broker {

enum class SaslMechanism : std::uint8_t { plain, scram_sha_256, scram_sha_512 };
inline constexpr SaslMechanism kSaslMechanisms[] = {
    SaslMechanism::plain, SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512};

// Who is at the other end of a connection, and how far they have come in showing it. On the
// connection's thread only.
struct Session {
  enum class Stage : std::uint8_t {
    open,        // may ask
    handshake,   // must name a mechanism first
    tokens,      // then comes SaslAuthenticate
    raw_tokens,  // frames are tokens (SaslHandshake 0)
    refused,     // will be closed
  };

  std::string host;  // as Client has it
  std::string principal = kAnonymous;
  Stage stage = Stage::open;
  SaslMechanism mechanism = SaslMechanism::plain;
  std::unique_ptr<ScramServer> scram;

  [[nodiscard]] bool may_ask() const { return stage == Stage::open; }
  [[nodiscard]] bool sends_tokens() const { return stage == Stage::raw_tokens; }
};

}  // namespace millrace::broker
