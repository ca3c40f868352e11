#pragma once

#include <map>
#include <string>

#include "base/status.h"
#include "kafka_client/kafka_log.h"

namespace millrace::kafka_client {

// librdkafka's configuration properties by name.
using ClientSettings = std::map<std::string, std::string>;

// `invalid` when options contradict each other or are out of their bounds.
Status check_options(const KafkaLogOptions& options);

// Of the client that administers; what all have.
ClientSettings common_settings(const KafkaLogOptions& options);
ClientSettings member_settings(const KafkaLogOptions& options, const std::string& group,
                               const std::string& instance_id);

// One batch, as large as our own topics take it, and some more.
inline constexpr int kRequestBytesMax = 32 << 20;

}  // namespace millrace::kafka_client
