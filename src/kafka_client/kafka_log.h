#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "log/shared_log.h"

namespace millrace::kafka_client {

// What a broker that asks for OAUTHBEARER is shown.
struct KafkaToken {
  std::string value;
  std::string principal;
  WallTime expires_at;
};

struct KafkaSecurity {
  enum class Protocol : std::uint8_t { plaintext, ssl, sasl_plaintext, sasl_ssl };
  Protocol protocol = Protocol::plaintext;
  std::string ca_path;           // PEM; empty: the system's
  std::string certificate_path;  // PEM, of the client; empty: none is shown
  std::string key_path;          // PEM
  std::string key_password;
  std::string sasl_mechanism;  // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER
  std::string user;
  std::string password;
  // For OAUTHBEARER: called on threads of librdkafka, before a token is first needed and when 80 %
  // of its time are over, and on any that opens a connection.
  std::function<Result<KafkaToken>()> token = nullptr;
};

struct KafkaLogOptions {
  std::string bootstrap_servers;  // "host:port,host:port"
  std::string client_id = "millrace";
  // Unique and stable among the processes of the cluster: the log's own commits have the
  // transactional id PROCESS.log.
  std::string process = "millrace";
  std::string client_rack;  // reads go to a replica in it; empty: to the leaders
  std::int32_t transaction_timeout_ms = 5'000;
  std::int32_t session_timeout_ms = 6'000;
  std::int32_t request_timeout_ms = 5'000;  // of everything that is not a transaction
  std::int32_t replication_factor = -1;     // of topics it makes; -1: the brokers' default
  // Topics it makes get message.timestamp.type LogAppendTime (R11); not every broker has it.
  bool is_log_append_time = true;
  KafkaSecurity security;
  // What librdkafka has to say, on its threads; level as in syslog (3 error, 4 warning, 6 info).
  std::function<void(int level, std::string_view line)> on_log_line = nullptr;
};

// A log of Apache Kafka's brokers: transactions and reading through a client of our own, the rest
// through librdkafka. Returns once a broker has answered, else `disconnected` after
// request_timeout_ms; `invalid` for options that contradict each other. `clock` outlives it; its
// producers and members must go first.
//
// What differs from an embedded log (README.md has the reasons):
// - `fetch` gives batches as the brokers have stored them.
// - Visibility::appended is Visibility::durable; `uncommitted` is `unsupported`. So are markers,
//   batches with a producer id, new_producer, producers and aborted_transactions: what a broker
//   needs, and brokers do here.
// - `commit` is one transaction; but removals of group offsets come after it, each for itself. An
//   outcome that stays unknown is `io`: the records may be there.
// - Where a topic has no LogAppendTime, append_time is what the producer of the record wrote.
// - TopicConfig::is_internal is not kept: it is what the topic's name says (is_internal_topic).
// - Pins bind this process' own delete_records alone.
Result<std::unique_ptr<log::SharedLog>> open_kafka_log(const KafkaLogOptions& options,
                                                       const Clock& clock);

// Whether a topic of this name is one of the pipelines' own; Kafka keeps no such mark.
bool is_internal_topic(std::string_view name);

// librdkafka's version, e.g. "2.16.0".
std::string librdkafka_version();

}  // namespace millrace::kafka_client
