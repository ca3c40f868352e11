#include "kafka_client/client_settings.h"

#include <algorithm>

namespace millrace::kafka_client {
namespace {

constexpr std::int32_t kTimeoutMsMin = 100;
constexpr std::int32_t kTransactionMsMin = 1'000;  // librdkafka's
constexpr std::int32_t kTimeoutMsMax = 900'000;

std::string_view name_of(KafkaSecurity::Protocol protocol) {
  switch (protocol) {
    case KafkaSecurity::Protocol::plaintext:
      return "plaintext";
    case KafkaSecurity::Protocol::ssl:
      return "ssl";
    case KafkaSecurity::Protocol::sasl_plaintext:
      return "sasl_plaintext";
    case KafkaSecurity::Protocol::sasl_ssl:
      return "sasl_ssl";
  }
  return "plaintext";
}

bool has_sasl(const KafkaSecurity& security) {
  return security.protocol == KafkaSecurity::Protocol::sasl_plaintext ||
         security.protocol == KafkaSecurity::Protocol::sasl_ssl;
}

Status check_security(const KafkaSecurity& security) {
  if (security.certificate_path.empty() != security.key_path.empty()) {
    return invalid_error("a client's certificate and its key go together");
  }
  if (!has_sasl(security)) {
    if (security.sasl_mechanism.empty()) return ok_status();
    return invalid_error("a SASL mechanism needs the protocol sasl_ssl or sasl_plaintext");
  }
  const auto& mechanism = security.sasl_mechanism;
  if (mechanism == "OAUTHBEARER") {
    if (security.token) return ok_status();
    return invalid_error("OAUTHBEARER needs a source of tokens");
  }
  if (mechanism != "PLAIN" && mechanism != "SCRAM-SHA-256" && mechanism != "SCRAM-SHA-512") {
    return invalid_error("SASL mechanism '" + mechanism +
                         "': PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are known");
  }
  if (security.user.empty()) return invalid_error("SASL " + mechanism + " needs a user");
  return ok_status();
}

Status check_ms(std::string_view name, std::int32_t value, std::int32_t min = kTimeoutMsMin) {
  if (value >= min && value <= kTimeoutMsMax) return ok_status();
  return invalid_error(std::string(name) + " is " + std::to_string(value) + "; it must be within " +
                       std::to_string(min) + " and " + std::to_string(kTimeoutMsMax));
}

void add_unless_empty(ClientSettings& to, const std::string& name, const std::string& value) {
  if (!value.empty()) to[name] = value;
}

}  // namespace

Status check_options(const KafkaLogOptions& options) {
  if (options.bootstrap_servers.empty()) {
    return invalid_error("bootstrap servers are missing: host:port, several with commas between");
  }
  if (options.process.empty() || options.process.find('/') != std::string::npos) {
    return invalid_error("a process needs a name without '/'");
  }
  if (options.replication_factor == 0 || options.replication_factor < -1) {
    return invalid_error("replication factor " + std::to_string(options.replication_factor) +
                         ": 1 or more, or -1 for the brokers' default");
  }
  MR_RETURN_IF_ERROR(
      check_ms("transaction_timeout_ms", options.transaction_timeout_ms, kTransactionMsMin));
  MR_RETURN_IF_ERROR(check_ms("session_timeout_ms", options.session_timeout_ms));
  MR_RETURN_IF_ERROR(check_ms("request_timeout_ms", options.request_timeout_ms));
  return check_security(options.security);
}

ClientSettings common_settings(const KafkaLogOptions& options) {
  const auto& security = options.security;
  ClientSettings out{
      {"bootstrap.servers", options.bootstrap_servers},
      {"client.id", options.client_id},
      {"security.protocol", std::string(name_of(security.protocol))},
      // A broker that is back is tried again soon.
      {"reconnect.backoff.ms", "50"},
      {"reconnect.backoff.max.ms", "1000"},
      // By default all brokers are forgotten when none is reachable, and a call that waits for one
      // of them (send_offsets_to_transaction) then waits for ever.
      {"metadata.recovery.strategy", "none"},
      {"socket.nagle.disable", "true"},
      {"log.connection.close", "false"},
      {"message.max.bytes", std::to_string(kRequestBytesMax)},
      {"receive.message.max.bytes", std::to_string(2 * kRequestBytesMax)},
  };
  add_unless_empty(out, "client.rack", options.client_rack);
  add_unless_empty(out, "ssl.ca.location", security.ca_path);
  add_unless_empty(out, "ssl.certificate.location", security.certificate_path);
  add_unless_empty(out, "ssl.key.location", security.key_path);
  add_unless_empty(out, "ssl.key.password", security.key_password);
  if (has_sasl(security)) {
    out["sasl.mechanism"] = security.sasl_mechanism;
    add_unless_empty(out, "sasl.username", security.user);
    add_unless_empty(out, "sasl.password", security.password);
  }
  return out;
}

ClientSettings member_settings(const KafkaLogOptions& options, const std::string& group,
                               const std::string& instance_id) {
  auto out = common_settings(options);
  out["group.id"] = group;
  add_unless_empty(out, "group.instance.id", instance_id);
  out["partition.assignment.strategy"] = "cooperative-sticky";
  out["session.timeout.ms"] = std::to_string(options.session_timeout_ms);
  out["heartbeat.interval.ms"] = std::to_string(std::max(options.session_timeout_ms / 12, 50));
  // A polling thread that hangs this long has lost its partitions, and is told so.
  out["max.poll.interval.ms"] = std::to_string(std::max(options.session_timeout_ms, 60'000));
  out["isolation.level"] = "read_committed";  // the group's offsets are asked for when stable
  out["retry.backoff.ms"] = "20";
  out["enable.auto.commit"] = "false";
  out["enable.auto.offset.store"] = "false";
  out["auto.offset.reset"] = "latest";  // what arrives is thrown away; data are read elsewhere
  out["queued.max.messages.kbytes"] = "64";
  out["fetch.message.max.bytes"] = "1024";
  out["topic.metadata.refresh.interval.ms"] = "10000";  // new partitions
  return out;
}

}  // namespace millrace::kafka_client
