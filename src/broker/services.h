#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/time.h"
#include "broker/blocking_calls.h"
#include "broker/topic_ids.h"
#include "broker/transaction_coordinator.h"
#include "log/durable_answers.h"
#include "log/log.h"

namespace millrace::broker {

// As clients see this broker, which is the whole cluster.
struct ClusterView {
  std::string cluster_id;
  std::int32_t node_id = 1;
  std::string host;  // where clients find it
  std::uint16_t port = 0;
};

// Kafka's default for max.message.bytes, and here the most a topic may take: a pipeline's dead
// letter of such a record, every byte escaped, fits into the topics it writes to (R10).
inline constexpr std::int32_t kMessageBytesMax = 1'048'588;

struct TopicDefaults {
  bool auto_create = true;
  std::int32_t partition_count = 1;
  std::int64_t retention_ms = -1;
  std::int32_t batch_bytes_max = kMessageBytesMax;
};

// What handlers work with; outlives them.
struct Services {
  log::Log* log = nullptr;
  const Clock* clock = nullptr;
  log::DurableAnswers* durable = nullptr;
  BlockingCalls* blocking = nullptr;
  TopicIds* topic_ids = nullptr;
  TransactionCoordinator* transactions = nullptr;
  ClusterView cluster;
  TopicDefaults defaults;
  std::string log_folder;  // as DescribeLogDirs names it
  // Empty, or a sentence about who needs the topic as it is.
  std::function<std::string(const std::string& topic)> in_use;
};

}  // namespace millrace::broker
