#pragma once

#include <string_view>

#include "base/status.h"
#include "kafka_wire/error_codes.h"

namespace millrace::kafka_client {

// A broker's error as what a caller can do about it, "what: " before its name. What is not known is
// `disconnected`: asked again, it may be different. A producer's epoch and a member's generation
// that are somebody else's are `fenced`.
Status status_of(kafka_wire::ErrorCode error, std::string_view what);
StatusCode code_of(kafka_wire::ErrorCode error);

}  // namespace millrace::kafka_client
