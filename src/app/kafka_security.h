#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "broker/security.h"
#include "broker/tls.h"
#include "pipeline/config.h"
#include "sys/file_system.h"

namespace millrace::app {

// Where the broker listens, what clients are told, and who may come, with the files that the
// configuration names read. Holds secrets.
struct KafkaAccess {
  std::string listen = "127.0.0.1";
  std::string advertised_host;        // empty: where it listens
  std::uint16_t advertised_port = 0;  // 0: the real one
  bool allow_insecure_network = false;
  std::optional<broker::TlsOptions> tls = std::nullopt;
  broker::SecurityOptions security;
};

// `invalid` names the setting that is wrong, and never says what a secret is.
Result<KafkaAccess> load_kafka_access(sys::FileSystem& files, const pipeline::Config& config);

// A line NAME=PASSWORD per user; '#' begins a comment line. `invalid` names the line.
Result<std::vector<broker::SecurityOptions::User>> parse_users(std::string_view text);

// "HOST", "HOST:PORT" or "[ADDRESS]:PORT"; port 0 where none is given.
struct HostAndPort {
  std::string host;
  std::uint16_t port = 0;
};
Result<HostAndPort> parse_host_and_port(std::string_view text);

}  // namespace millrace::app
