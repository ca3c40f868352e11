#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kafka_wire/header.h"
#include "kafka_wire/produce.h"

namespace millrace::broker {

// Versions 0 to 2 of Produce are advertised, or older librdkafka compresses nothing, but never
// served (KAFKA-18659): every partition gets UNSUPPORTED_VERSION. The whole answer's frame; nullopt
// when `frame` is no such request.
std::optional<kafka_wire::WireBytes> refuse_old_produce(const kafka_wire::RequestHeader& header,
                                                        std::string_view frame);

}  // namespace millrace::broker
