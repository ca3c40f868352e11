#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/log_line.h"
#include "base/status.h"
#include "base/time.h"
#include "broker/group_coordinator.h"
#include "broker/security.h"
#include "broker/server.h"
#include "broker/services.h"
#include "log/log.h"

namespace millrace::broker {

struct BrokerOptions {
  ServerOptions server;
  SecurityOptions security;
  // That many bytes which nobody can guess; needed for log-ins.
  std::function<Result<std::string>(std::size_t count)> random;
  // What clients are told to connect to; empty and 0: where it listens.
  std::string advertised_host;
  std::uint16_t advertised_port = 0;
  std::string cluster_id = "millrace";
  TopicDefaults topics;
  GroupCoordinatorOptions groups;  // member_id_seed: random, another one at every start
  std::string log_folder = "log";  // as DescribeLogDirs names it
  // Empty, or a sentence about who needs the topic: it is then neither deleted nor given more
  // partitions. Called on threads of the broker's; may be null.
  std::function<std::string(const std::string& topic)> in_use;
};

// Serves the Kafka protocol from a log, as the only broker (node 1) of its cluster. docs/kafka.md
// says what clients may expect.
class Broker {
 public:
  static constexpr int kDefaultGraceMs = 3'000;

  // Takes the port; nobody is served before start(). Errors as those of Server::bind. Log and clock
  // outlive the broker.
  static Result<std::unique_ptr<Broker>> open(const BrokerOptions& options, log::Log& log,
                                              const Clock& clock, const Logger& logger);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // Reads what the coordinators know. `corrupt` or `unsupported` when it cannot be read.
  Status start();
  // Accepts nothing more, answers what is acknowledged or waits, up to `grace_ms`. What was not
  // answered may or may not be in the log. Before the log is closed. Later calls do nothing.
  void stop(int grace_ms = kDefaultGraceMs);

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] const ServerCounters& counters() const;
  [[nodiscard]] const DispatchTable& table() const;
  [[nodiscard]] const Security& security() const;

 private:
  class Impl;
  explicit Broker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker
