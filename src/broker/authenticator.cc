#include "broker/authenticator.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "codec/json.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::SaslAuthenticateRequest;
using kafka_wire::SaslAuthenticateResponse;
using kafka_wire::SaslHandshakeRequest;
using kafka_wire::SaslHandshakeResponse;

namespace {

constexpr std::size_t kNonceBytes = 18;
constexpr std::int64_t kNoteEveryMs = 1'000;  // refused log-ins do not fill the log
constexpr std::size_t kNotedNameBytesMax = 64;

ScramHash hash_of(SaslMechanism mechanism) {
  return mechanism == SaslMechanism::scram_sha_512 ? ScramHash::sha_512 : ScramHash::sha_256;
}

struct PlainToken {
  std::string user;
  std::string password;
};

// [authorization id] NUL user NUL password (RFC 4616).
std::optional<PlainToken> parse_plain(std::string_view token) {
  const auto first = token.find('\0');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = token.find('\0', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto authorization = token.substr(0, first);
  PlainToken out{std::string(token.substr(first + 1, second - first - 1)),
                 std::string(token.substr(second + 1))};
  const bool is_whole =
      !out.user.empty() && !out.password.empty() && out.password.find('\0') == std::string::npos;
  if (!is_whole || (!authorization.empty() && authorization != out.user)) return std::nullopt;
  return out;
}

// An answer that waits for its time, or for the end of its connection.
struct LateAnswer {
  std::unique_ptr<Timer> timer;
  std::function<void()> answer;

  void give() {
    timer.reset();
    if (const auto run = std::exchange(answer, nullptr)) run();
  }
};

}  // namespace

std::string_view to_string(SaslMechanism mechanism) {
  switch (mechanism) {
    case SaslMechanism::plain:
      return "PLAIN";
    case SaslMechanism::scram_sha_256:
      return "SCRAM-SHA-256";
    case SaslMechanism::scram_sha_512:
      return "SCRAM-SHA-512";
  }
  return "";
}

std::optional<SaslMechanism> parse_sasl_mechanism(std::string_view text) {
  for (const auto mechanism : kSaslMechanisms) {
    if (to_string(mechanism) == text) return mechanism;
  }
  return std::nullopt;
}

Authenticator::Authenticator(AuthenticatorOptions options, Ports ports)
    : options_(std::move(options)), ports_(std::move(ports)) {}

bool Authenticator::is_offered(SaslMechanism mechanism) const {
  const auto& offered = options_.mechanisms;
  return std::find(offered.begin(), offered.end(), mechanism) != offered.end();
}

void Authenticator::handshake(const Call& call, const SaslHandshakeRequest& request,
                              const Responder<SaslHandshakeResponse>& respond) {
  SaslHandshakeResponse response;
  Session& session = *call.session;
  // Not asked for here, or done already: there is no second log-in (KIP-368).
  if (session.stage != Session::Stage::handshake) {
    response.error_code = ErrorCode::illegal_sasl_state;
    if (!session.may_ask()) call.exchange->close_when_answered();
    return respond(response);
  }
  for (const auto offered : options_.mechanisms) {
    response.mechanisms.emplace_back(to_string(offered));
  }
  const auto mechanism = parse_sasl_mechanism(request.mechanism);
  const bool is_known = mechanism && is_offered(*mechanism);
  const bool is_plain = is_known && *mechanism == SaslMechanism::plain;
  auto nonce = is_known && !is_plain ? ports_.random(kNonceBytes) : std::string();
  if (!is_known || !nonce.is_ok()) {
    response.error_code =
        is_known ? ErrorCode::unknown_server_error : ErrorCode::unsupported_sasl_mechanism;
    session.stage = Session::Stage::refused;
    call.exchange->close_when_answered();
    return respond(response);
  }
  session.mechanism = *mechanism;
  session.stage = call.api_version == 0 ? Session::Stage::raw_tokens : Session::Stage::tokens;
  if (!is_plain) {
    const ScramHash hash = hash_of(*mechanism);
    session.scram = std::make_unique<ScramServer>(
        hash, codec::base64_encode(*nonce),
        [this, hash](const std::string& user) { return ports_.users.find(hash, user); });
  }
  respond(response);
}

void Authenticator::authenticate(const Call& call, const SaslAuthenticateRequest& request,
                                 const Responder<SaslAuthenticateResponse>& respond) {
  if (call.session->stage != Session::Stage::tokens) {
    SaslAuthenticateResponse response;
    response.error_code = ErrorCode::illegal_sasl_state;
    response.error_message = "SaslHandshake comes first, and a log-in happens once";
    if (!call.session->may_ask()) call.exchange->close_when_answered();
    return respond(response);
  }
  const auto answer = [respond, mechanism = call.session->mechanism](const Outcome& outcome) {
    SaslAuthenticateResponse response;
    if (outcome.is_accepted) {
      response.auth_bytes.bytes = outcome.answer;
    } else {
      response.error_code = ErrorCode::sasl_authentication_failed;
      response.error_message = "Authentication failed: no such user, or a wrong password, for " +
                               std::string(to_string(mechanism));
    }
    respond(response);
  };
  take(request.auth_bytes.bytes, {call.session, call.exchange, answer});
}

void Authenticator::take_token(std::string_view token, const std::shared_ptr<Session>& session,
                               std::shared_ptr<Exchange> exchange) {
  const auto answer = [exchange](const Outcome& outcome) {
    if (!outcome.is_accepted) return exchange->close_connection();
    const auto& bytes = outcome.answer;
    Reply reply;
    store_big(reply.bytes.extend(sizeof(std::uint32_t)), static_cast<std::uint32_t>(bytes.size()));
    reply.bytes.append(bytes);
    exchange->send(std::move(reply));
  };
  take(token, {session, exchange, answer});
}

void Authenticator::take(std::string_view token, const Login& login) {
  if (login.session->mechanism == SaslMechanism::plain) return take_plain(token, login);
  ScramServer& scram = *login.session->scram;
  auto answer = scram.take(token);
  if (!answer.is_ok()) {
    return finish({.user = scram.user(), .reason = std::string(answer.status().message())}, login);
  }
  finish({.is_accepted = true,
          .is_done = scram.is_done(),
          .answer = std::move(answer).value(),
          .user = scram.user()},
         login);
}

// Its password has to be hashed as often as the user's credential says: not on this thread.
void Authenticator::take_plain(std::string_view token, const Login& login) {
  auto plain = parse_plain(token);
  if (!plain) return finish({.reason = "the PLAIN token is malformed"}, login);
  auto hold = login.exchange->hold_back_the_next();
  passwords_.run([this, plain = std::move(*plain), login, hold = std::move(hold)]() mutable {
    Outcome outcome;
    outcome.is_accepted = ports_.users.is_password_of(plain.user, plain.password);
    outcome.is_done = outcome.is_accepted;
    outcome.user = plain.user;
    if (!outcome.is_accepted) outcome.reason = "no such user, or a wrong password";
    login.exchange->loop().post(
        [this, outcome, login, hold = std::move(hold)] { finish(outcome, login); });
  });
}

void Authenticator::finish(const Outcome& outcome, const Login& login) {
  Session& session = *login.session;
  if (!outcome.is_accepted) return refuse(outcome, login);
  if (outcome.is_done) {
    counters_[static_cast<std::size_t>(session.mechanism)].accepted.fetch_add(
        1, std::memory_order_relaxed);
    session.principal = "User:" + outcome.user;
    session.scram.reset();
    session.stage = Session::Stage::open;
  }
  login.answer(outcome);
}

void Authenticator::refuse(const Outcome& outcome, const Login& login) {
  Session& session = *login.session;
  counters_[static_cast<std::size_t>(session.mechanism)].refused.fetch_add(
      1, std::memory_order_relaxed);
  note_refusal(session, outcome);
  session.stage = Session::Stage::refused;
  session.scram.reset();
  login.exchange->close_when_answered();
  const auto late = std::make_shared<LateAnswer>();
  late->answer = [outcome, answer = login.answer] { answer(outcome); };
  late->timer =
      login.exchange->loop().after_ms(options_.refusal_delay_ms, [late] { late->give(); });
  login.exchange->on_end_of_waiting([late] { late->give(); });
}

void Authenticator::note_refusal(const Session& session, const Outcome& outcome) {
  const std::int64_t now_ms = ports_.clock.monotonic_now().value / 1'000'000;
  std::int64_t next = next_note_ms_.load();
  if (now_ms < next || !next_note_ms_.compare_exchange_strong(next, now_ms + kNoteEveryMs)) {
    unnoted_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  ports_.logger.warn("a log-in was refused",
                     {{"mechanism", to_string(session.mechanism)},
                      {"client", session.host},
                      {"user", std::string_view(outcome.user).substr(0, kNotedNameBytesMax)},
                      {"reason", outcome.reason},
                      {"others_not_shown", unnoted_.exchange(0)}});
}

}  // namespace millrace::broker
