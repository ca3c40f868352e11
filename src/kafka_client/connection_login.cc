// The log-in of a connection: SASL (KIP-43, KIP-152), before any other request.

#include "kafka_client/connection.h"
#include "kafka_client/scram_client.h"
#include "kafka_wire/sasl.h"

namespace millrace::kafka_client {
namespace {

constexpr std::int16_t kHandshakeVersion = 1;  // tokens travel in SaslAuthenticate
constexpr std::int64_t kNanosPerMilli = 1'000'000;
// Of a log-in's life, after which the connection is given up (KIP-368 would let it log in again).
constexpr std::int64_t kUsedPercent = 80;
constexpr std::size_t kReasonBytesMax = 1'000;

}  // namespace

Result<std::string> Connection::authenticate(std::string token, MonotonicTime deadline) {
  kafka_wire::SaslAuthenticateRequest request;
  request.auth_bytes.bytes = std::move(token);
  kafka_wire::SaslAuthenticateResponse response;
  MR_RETURN_IF_ERROR(call(request, 2, response, deadline));
  if (response.error_code != kafka_wire::ErrorCode::none) {
    return keep(invalid_error(
        "the broker refuses the log-in: " +
        response.error_message.value_or(std::string(kafka_wire::to_string(response.error_code)))));
  }
  if (response.session_lifetime_ms > 0) {
    expires_at_ =
        clock_.monotonic_now() + response.session_lifetime_ms / 100 * kUsedPercent * kNanosPerMilli;
  }
  return std::move(response.auth_bytes.bytes);
}

Status Connection::log_in_with_scram(const KafkaSecurity& security, MonotonicTime deadline) {
  MR_ASSIGN_OR_RETURN(auto scram,
                      ScramClient::make(security.sasl_mechanism, security.user, security.password));
  MR_ASSIGN_OR_RETURN(const auto challenge, authenticate(scram.first(), deadline));
  auto proof = scram.answer(challenge);
  if (!proof.is_ok()) return keep(std::move(proof).take_status());
  MR_ASSIGN_OR_RETURN(const auto verdict, authenticate(std::move(proof).value(), deadline));
  return keep(scram.check(verdict));
}

// RFC 7628: a refusal comes as a message with the reason, and ends with one byte from us.
Status Connection::log_in_with_token(const KafkaToken& token, MonotonicTime deadline) {
  const auto first =
      "n,,\x01"
      "auth=Bearer " +
      token.value + "\x01\x01";
  MR_ASSIGN_OR_RETURN(const auto reason, authenticate(first, deadline));
  if (reason.empty()) return ok_status();
  const auto ended = authenticate("\x01", deadline);
  std::string why = "the broker refuses the token: " + reason.substr(0, kReasonBytesMax);
  if (!ended.is_ok()) why += "; " + std::string(ended.status().message());
  return keep(invalid_error(std::move(why)));
}

Status Connection::log_in(const KafkaSecurity& security, MonotonicTime deadline) {
  if (security.sasl_mechanism.empty()) return ok_status();
  kafka_wire::SaslHandshakeRequest request;
  request.mechanism = security.sasl_mechanism;
  kafka_wire::SaslHandshakeResponse response;
  MR_RETURN_IF_ERROR(call(request, kHandshakeVersion, response, deadline));
  if (response.error_code != kafka_wire::ErrorCode::none) {
    std::string offered;
    for (const auto& one : response.mechanisms) offered += " " + one;
    return keep(invalid_error("the broker has no SASL mechanism " + security.sasl_mechanism +
                              "; it has" + (offered.empty() ? " none" : offered)));
  }
  if (security.sasl_mechanism == "PLAIN") {  // RFC 4616
    std::string token;
    token.append(1, '\0').append(security.user).append(1, '\0').append(security.password);
    return authenticate(std::move(token), deadline).take_status();
  }
  if (security.sasl_mechanism == "OAUTHBEARER") {
    MR_ASSIGN_OR_RETURN(const auto token, security.token());
    return log_in_with_token(token, deadline);
  }
  return log_in_with_scram(security, deadline);
}

}  // namespace millrace::kafka_client
