#pragma once

#include <memory>
#include <optional>

#include "kafka_client/handle.h"

namespace millrace::kafka_client {

// rd_kafka_send_offsets_to_transaction, with an end to it: librdkafka 2.16.0 may wait for ever,
// past the time-out, for a group's coordinator that has gone (its issues 5456 and 5511).
struct OffsetsCall {
  std::shared_ptr<Handle> client;
  OwnedPartitions offsets;
  OwnedMembership membership;
};

// The call's error, or none. nullopt if it has not come back a second after `timeout_ms`: then it
// keeps `client` for itself, whose callbacks are not called any more, and takes it down if it ever
// comes back. Nothing may be done with that client meanwhile.
std::optional<OwnedError> run_offsets_call(OffsetsCall call, int timeout_ms);

}  // namespace millrace::kafka_client
