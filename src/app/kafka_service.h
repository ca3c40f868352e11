#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "app/kafka_security.h"
#include "base/log_line.h"
#include "base/status.h"
#include "broker/broker.h"
#include "ops/api.h"
#include "runtime/runtime.h"

namespace millrace::app {

struct KafkaOptions {
  std::uint16_t port = 9092;  // 0: any
  KafkaAccess access;
  std::function<Result<std::string>(std::size_t count)> random;  // bytes nobody can guess
  std::string cluster_id;
  std::uint64_t member_id_seed = 0;
  std::string log_folder;
  bool auto_create_topics = true;
  std::int32_t default_partitions = 1;
  std::int32_t group_initial_rebalance_delay_ms = 0;
  std::int32_t consumer_session_timeout_ms = 45'000;
  std::int32_t consumer_heartbeat_interval_ms = 5'000;
  std::int64_t retention_ms = -1;  // of topics that clients make
};

// The broker within an instance, with its part of /metrics. One thread, but for the metrics.
class KafkaService final : public ops::ApiExtension {
 public:
  // Takes the port and serves nobody yet.
  static Result<std::unique_ptr<KafkaService>> open(const KafkaOptions& options, log::Log& log,
                                                    const Clock& clock, const Logger& logger);
  // Topics of its pipelines keep their partitions and are not deleted. The runtime outlives stop().
  Status start(const runtime::Runtime& runtime);
  void stop();
  [[nodiscard]] std::uint16_t port() const { return broker_->port(); }

  void add_routes(http::Router&) override {}
  void append_metrics(std::string& text) const override;

 private:
  KafkaService() = default;
  [[nodiscard]] std::string user_of(const std::string& topic) const;
  void append_security_metrics(std::string& text) const;

  const runtime::Runtime* runtime_ = nullptr;
  std::unique_ptr<broker::Broker> broker_;
};

}  // namespace millrace::app
