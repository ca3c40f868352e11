#include "app/kafka_security.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace millrace::app {
namespace {

constexpr std::size_t kUsersMax = 1'000;  // their passwords are hashed at every start

Result<std::string> read(sys::FileSystem& files, const char* setting, const std::string& path) {
  auto text = files.read_file(path);
  if (text.is_ok()) return text;
  return invalid_error(std::string(setting) + " " + path +
                       " cannot be read: " + std::string(text.status().message()));
}

Result<broker::TlsOptions> load_tls(sys::FileSystem& files, const pipeline::Config& config) {
  broker::TlsOptions tls;
  MR_ASSIGN_OR_RETURN(tls.certificate_chain,
                      read(files, "kafka.tls.certificate_file", config.tls_certificate_file));
  MR_ASSIGN_OR_RETURN(tls.key, read(files, "kafka.tls.key_file", config.tls_key_file));
  if (config.tls_client_certificates == "none") return tls;
  tls.client_certificates = config.tls_client_certificates == "required"
                                ? broker::ClientCertificates::required
                                : broker::ClientCertificates::requested;
  MR_ASSIGN_OR_RETURN(tls.client_ca,
                      read(files, "kafka.tls.client_ca_file", config.tls_client_ca_file));
  return tls;
}

}  // namespace

Result<std::vector<broker::SecurityOptions::User>> parse_users(std::string_view text) {
  std::vector<broker::SecurityOptions::User> users;
  std::set<std::string> names;
  int number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == line.size()) {
      return invalid_error("line " + std::to_string(number) + " must be NAME=PASSWORD");
    }
    std::string name(line.substr(0, equals));
    if (!names.insert(name).second) {
      return invalid_error("line " + std::to_string(number) + " names " + name + " a second time");
    }
    users.push_back({std::move(name), std::string(line.substr(equals + 1))});
    if (users.size() > kUsersMax) {
      return invalid_error("there may be " + std::to_string(kUsersMax) +
                           " users; others can be made with kafka-configs.sh");
    }
  }
  return users;
}

Result<HostAndPort> parse_host_and_port(std::string_view text) {
  HostAndPort out;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return invalid_error("the ] is missing");
    out.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else {
    const auto colon = text.find(':');
    out.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (out.host.empty()) return invalid_error("the host is missing");
  if (port.empty()) return out;
  port.remove_prefix(1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc() || end != port.data() + port.size() || out.port == 0) {
    return invalid_error("the port must be from 1 to 65535");
  }
  return out;
}

Result<KafkaAccess> load_kafka_access(sys::FileSystem& files, const pipeline::Config& config) {
  KafkaAccess access;
  access.listen = config.kafka_listen;
  access.allow_insecure_network = config.allow_insecure_network;
  if (!config.kafka_advertised.empty()) {
    auto advertised = parse_host_and_port(config.kafka_advertised);
    if (!advertised.is_ok()) {
      return invalid_error("kafka.advertised must be HOST:PORT, such as kafka.example.com:9092: " +
                           std::string(advertised.status().message()));
    }
    access.advertised_host = std::move(advertised->host);
    access.advertised_port = advertised->port;
  }
  if (!config.tls_certificate_file.empty()) {
    MR_ASSIGN_OR_RETURN(access.tls, load_tls(files, config));
  }
  auto& security = access.security;
  for (const auto& name : config.sasl_mechanisms) {
    if (const auto mechanism = broker::parse_sasl_mechanism(name)) {
      security.authentication.mechanisms.push_back(*mechanism);
    }
  }
  if (!config.sasl_users_file.empty()) {
    MR_ASSIGN_OR_RETURN(const auto text,
                        read(files, "kafka.sasl.users_file", config.sasl_users_file));
    auto users = parse_users(text);
    if (!users.is_ok()) {
      return invalid_error("kafka.sasl.users_file " + config.sasl_users_file + ": " +
                           std::string(users.status().message()));
    }
    security.users = std::move(users).value();
  }
  security.uses_acls = config.authorization == "acl";
  security.super_users = config.super_users;
  return access;
}

}  // namespace millrace::app
