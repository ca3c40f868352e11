#include "app/shared_log.h"

#include <algorithm>
#include <utility>

#include "app/kafka_tokens.h"

namespace millrace::app {
namespace {

using Protocol = kafka_client::KafkaSecurity::Protocol;

constexpr int kSyslogError = 3;
constexpr int kSyslogWarning = 4;

Protocol protocol_of(const std::string& name) {
  if (name == "ssl") return Protocol::ssl;
  if (name == "sasl_plaintext") return Protocol::sasl_plaintext;
  return name == "sasl_ssl" ? Protocol::sasl_ssl : Protocol::plaintext;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return text;
}

}  // namespace

Result<std::optional<SharedLogOptions>> load_shared_log(sys::FileSystem& files, const Clock& clock,
                                                        const pipeline::Config& config) {
  if (config.log_bootstrap_servers.empty()) return std::optional<SharedLogOptions>();
  SharedLogOptions options;
  options.process = config.process;
  options.objects_folder = config.objects_folder;
  auto& kafka = options.kafka;
  kafka.bootstrap_servers = config.log_bootstrap_servers;
  kafka.client_rack = config.log_client_rack;
  kafka.session_timeout_ms = config.log_session_timeout_ms;
  if (config.log_replication_factor > 0) kafka.replication_factor = config.log_replication_factor;
  kafka.is_log_append_time = config.log_append_time;
  auto& security = kafka.security;
  security.protocol = protocol_of(config.log_protocol);
  security.ca_path = config.log_ca_file;
  security.certificate_path = config.log_certificate_file;
  security.key_path = config.log_key_file;
  if (config.log_sasl_mechanism == "oauthbearer" || config.log_sasl_mechanism == "aws_msk_iam") {
    security.sasl_mechanism = "OAUTHBEARER";
    MR_ASSIGN_OR_RETURN(security.token, load_token_source(files, clock, config));
  } else if (config.log_sasl_mechanism != "none") {
    security.sasl_mechanism = upper(config.log_sasl_mechanism);
  }
  security.user = config.log_user;
  if (!config.log_password_file.empty()) {
    auto password = files.read_file(config.log_password_file);
    if (!password.is_ok()) {
      return invalid_error("log.kafka.security.password_file " + config.log_password_file +
                           " cannot be read: " + std::string(password.status().message()));
    }
    security.password = std::move(password).value();
    while (security.password.ends_with('\n') || security.password.ends_with('\r')) {
      security.password.pop_back();
    }
  }
  return std::optional(std::move(options));
}

Result<std::unique_ptr<log::SharedLog>> open_shared_log(const SharedLogOptions& options,
                                                        const Clock& clock, const Logger& logger) {
  auto kafka = options.kafka;
  kafka.process = options.process;
  kafka.client_id = "millrace-" + options.process;
  kafka.on_log_line = [&logger](int level, std::string_view line) {
    const auto text = "kafka: " + std::string(line);
    if (level <= kSyslogError) return logger.error(text);
    if (level == kSyslogWarning) return logger.warn(text);
    logger.debug(text);
  };
  return kafka_client::open_kafka_log(kafka, clock);
}

}  // namespace millrace::app
