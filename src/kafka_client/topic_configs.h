#pragma once

#include <map>
#include <string>

#include "base/status.h"
#include "log/log.h"

namespace millrace::kafka_client {

// A topic's configuration as Kafka names it (https://kafka.apache.org/documentation/#topicconfigs).
std::map<std::string, std::string> to_kafka_configs(const log::TopicConfig& config);

// The other way round, without partition count and is_internal. What the map lacks keeps its
// default; `invalid` for a number that is none.
Result<log::TopicConfig> from_kafka_configs(const std::map<std::string, std::string>& configs);

inline constexpr const char* kTimestampType = "message.timestamp.type";
inline constexpr const char* kLogAppendTime = "LogAppendTime";

}  // namespace millrace::kafka_client
