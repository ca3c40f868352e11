#pragma once

#include <string>

#include "base/status.h"
#include "kafka_wire/error_codes.h"

namespace millrace::broker {

// What Kafka's clients call an error of the log. The same error means different things to
// different requests; the table is in errors.cc.
enum class ErrorContext : unsigned char {
  produce,
  read,    // Fetch, ListOffsets, OffsetForLeaderEpoch
  topics,  // administration of topics, records and configurations
};

kafka_wire::ErrorCode error_code_of(const Status& status, ErrorContext context);

// The message as the client shows it.
inline std::string message_of(const Status& status) {
  return std::string(status.message());
}

}  // namespace millrace::broker
