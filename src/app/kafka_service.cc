#include "app/kafka_service.h"

namespace millrace::app {

Result<std::unique_ptr<KafkaService>> KafkaService::open(const KafkaOptions& options, log::Log& log,
                                                         const Clock& clock, const Logger& logger) {
  std::unique_ptr<KafkaService> service(new KafkaService());
  broker::BrokerOptions broker;
  broker.server.port = options.port;
  broker.server.host = options.access.listen;
  broker.server.tls = options.access.tls;
  broker.server.allow_insecure_network = options.access.allow_insecure_network;
  broker.advertised_host = options.access.advertised_host;
  broker.advertised_port = options.access.advertised_port;
  broker.security = options.access.security;
  broker.random = options.random;
  broker.cluster_id = options.cluster_id;
  broker.groups.member_id_seed = options.member_id_seed;
  broker.groups.limits.initial_rebalance_delay_ms = options.group_initial_rebalance_delay_ms;
  broker.groups.limits.consumer_session_timeout_ms = options.consumer_session_timeout_ms;
  broker.groups.limits.consumer_heartbeat_interval_ms = options.consumer_heartbeat_interval_ms;
  broker.log_folder = options.log_folder;
  broker.topics.auto_create = options.auto_create_topics;
  broker.topics.partition_count = options.default_partitions;
  broker.topics.retention_ms = options.retention_ms;
  broker.in_use = [self = service.get()](const std::string& topic) { return self->user_of(topic); };
  MR_ASSIGN_OR_RETURN(service->broker_, broker::Broker::open(broker, log, clock, logger));
  return service;
}

Status KafkaService::start(const runtime::Runtime& runtime) {
  runtime_ = &runtime;
  return broker_->start();
}

void KafkaService::stop() {
  broker_->stop();
}

std::string KafkaService::user_of(const std::string& topic) const {
  for (const auto& runner : runtime_->pipelines()) {
    for (const auto& need : runner->plan().topics) {
      if (need.name != topic) continue;
      return "pipeline " + runner->plan().name + " works with topic '" + topic +
             "'; stop it first, or leave the topic as it is";
    }
  }
  return "";
}

namespace {

void append_family(std::string& text, const std::string& name, const char* type, const char* help) {
  text += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

void append_single(std::string& text, const std::string& name, const char* type, const char* help,
                   std::uint64_t value) {
  append_family(text, name, type, help);
  text += name + " " + std::to_string(value) + "\n";
}

}  // namespace

void KafkaService::append_security_metrics(std::string& text) const {
  const auto& counters = broker_->counters();
  append_single(text, "millrace_kafka_connections_displaced_total", "counter",
                "Connections closed before their log-in because there were too many of them.",
                counters.connections_displaced);
  append_single(text, "millrace_kafka_tls_handshakes_failed_total", "counter",
                "TLS handshakes that failed.", counters.tls_handshakes_failed);
  const auto& security = broker_->security();
  const auto per_mechanism = [&](const std::string& name, const char* help, auto value) {
    append_family(text, name, "counter", help);
    for (const auto mechanism : broker::kSaslMechanisms) {
      if (!security.authenticator().is_offered(mechanism)) continue;
      text += name + "{mechanism=\"" + std::string(to_string(mechanism)) + "\"} " +
              std::to_string(value(security.authenticator().counters(mechanism))) + "\n";
    }
  };
  per_mechanism("millrace_kafka_logins_total", "Log-ins that succeeded, by mechanism.",
                [](const broker::LoginCounters& logins) { return logins.accepted.load(); });
  per_mechanism("millrace_kafka_failed_logins_total", "Log-ins that were refused, by mechanism.",
                [](const broker::LoginCounters& logins) { return logins.refused.load(); });
  if (security.authorizer() == nullptr) return;
  append_single(text, "millrace_kafka_authorization_denials_total", "counter",
                "Questions to the access control entries that were answered with no.",
                security.authorizer()->denials());
}

void KafkaService::append_metrics(std::string& text) const {
  const auto family = [&](const std::string& name, const char* type, const char* help) {
    append_family(text, name, type, help);
  };
  const auto single = [&](const std::string& name, const char* type, const char* help,
                          std::uint64_t value) { append_single(text, name, type, help, value); };
  const auto& counters = broker_->counters();
  single("millrace_kafka_connections", "gauge", "Open connections of Kafka clients.",
         counters.connections_open);
  single("millrace_kafka_connections_accepted_total", "counter", "Connections accepted.",
         counters.connections_accepted);
  single("millrace_kafka_connections_refused_total", "counter",
         "Connections closed because there were too many.", counters.connections_refused);
  single("millrace_kafka_connections_expired_total", "counter",
         "Connections closed because nothing happened on them.", counters.connections_expired);
  single("millrace_kafka_unreadable_requests_total", "counter",
         "Requests that were not Kafka's, with the connection closed.",
         counters.frames_refused + broker_->table().unreadable_requests());
  single("millrace_kafka_received_bytes_total", "counter", "Bytes received.",
         counters.bytes_received);
  single("millrace_kafka_sent_bytes_total", "counter", "Bytes sent.", counters.bytes_sent);
  append_security_metrics(text);

  const auto per_api = [&](const std::string& name, const char* help, auto value) {
    family(name, "counter", help);
    broker_->table().for_each_counter([&](const auto& api, const broker::ApiCounters& of_api) {
      text +=
          name + "{api=\"" + std::string(api.name) + "\"} " + std::to_string(value(of_api)) + "\n";
    });
  };
  per_api("millrace_kafka_requests_total", "Requests by API.",
          [](const broker::ApiCounters& of_api) { return of_api.requests.load(); });
  per_api("millrace_kafka_errors_total", "Error codes in answers by API.",
          [](const broker::ApiCounters& of_api) { return of_api.errors.load(); });
}

}  // namespace millrace::app
