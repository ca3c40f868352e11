#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log_line.h"
#include "broker/blocking_calls.h"
#include "broker/dispatch_table.h"
#include "broker/scram_users.h"
#include "kafka_wire/sasl.h"

namespace millrace::broker {

// As on the wire: "SCRAM-SHA-256".
std::string_view to_string(SaslMechanism mechanism);
std::optional<SaslMechanism> parse_sasl_mechanism(std::string_view text);

struct AuthenticatorOptions {
  std::vector<SaslMechanism> mechanisms;  // empty: nobody logs in
  // A refusal is answered after this (connection.failed.authentication.delay.ms).
  std::int64_t refusal_delay_ms = 100;
};

struct LoginCounters {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};
};

// Log-ins by SASL: PLAIN and SCRAM. A refused one is answered late and its connection closed; both
// are the loop's timers' work, and the slow part of PLAIN has a thread of its own.
//
// The conversation is on the connection's thread, its state in the session.
class Authenticator {
 public:
  // All outlive the authenticator. `random`: that many bytes which nobody can guess.
  struct Ports {
    const ScramUsers& users;
    const Clock& clock;
    Logger logger;
    std::function<Result<std::string>(std::size_t count)> random;
  };
  Authenticator(AuthenticatorOptions options, Ports ports);

  void handshake(const Call& call, const kafka_wire::SaslHandshakeRequest& request,
                 const Responder<kafka_wire::SaslHandshakeResponse>& respond);
  void authenticate(const Call& call, const kafka_wire::SaslAuthenticateRequest& request,
                    const Responder<kafka_wire::SaslAuthenticateResponse>& respond);
  // A token without a request around it, after SaslHandshake 0.
  void take_token(std::string_view token, const std::shared_ptr<Session>& session,
                  std::shared_ptr<Exchange> exchange);
  void stop() { passwords_.stop(); }

  [[nodiscard]] bool is_offered(SaslMechanism mechanism) const;
  [[nodiscard]] const LoginCounters& counters(SaslMechanism mechanism) const {
    return counters_[static_cast<std::size_t>(mechanism)];
  }

 private:
  // What one token leads to; `reason` is for the log.
  struct Outcome {
    bool is_accepted = false;
    bool is_done = false;
    std::string answer = {};
    std::string user = {};
    std::string reason = {};
  };
  using Answer = std::function<void(const Outcome&)>;
  // Where a token came from and its answer goes.
  struct Login {
    std::shared_ptr<Session> session;
    std::shared_ptr<Exchange> exchange;
    Answer answer;
  };

  void take(std::string_view token, const Login& login);
  void take_plain(std::string_view token, const Login& login);
  void finish(const Outcome& outcome, const Login& login);
  void refuse(const Outcome& outcome, const Login& login);
  void note_refusal(const Session& session, const Outcome& outcome);

  AuthenticatorOptions options_;
  Ports ports_;
  std::array<LoginCounters, std::size(kSaslMechanisms)> counters_;
  std::atomic<std::int64_t> next_note_ms_{0};
  std::atomic<std::uint64_t> unnoted_{0};
  BlockingCalls passwords_;
};

}  // namespace millrace::broker
