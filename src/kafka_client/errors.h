#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "kafka_client/librdkafka.h"

namespace millrace::kafka_client {

// The error as what a caller can do about it, "what: " before librdkafka's words for it. What is
// not known is `disconnected`: asked again, it may be different.
Status status_of(rd_kafka_resp_err_t error, std::string_view what, std::string_view detail = {});
// Of what librdkafka's newer calls return; null is success. Takes nothing.
Status status_of(const rd_kafka_error_t* error, std::string_view what);

}  // namespace millrace::kafka_client
