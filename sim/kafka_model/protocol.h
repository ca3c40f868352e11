#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/topic.h"

namespace millrace::kafka_model {

// What a request of Kafka's protocol answers, as far as this model tells answers apart.
enum class ErrorCode : std::uint8_t {
  none,
  // From the client's own side of the connection.
  timed_out,     // nothing is known: lost, applied, or to be applied later
  disconnected,  // refused before it was sent
  // From the broker; certain not to have been applied.
  not_coordinator,
  concurrent_transactions,
  producer_fenced,  // also INVALID_PRODUCER_EPOCH
  invalid_txn_state,
  out_of_order_sequence,
  unknown_member_id,
  illegal_generation,
  rebalance_in_progress,
  unstable_offset_commit,
  unknown_topic_or_partition,
};

std::string_view to_string(ErrorCode code);

// A producer as the coordinator has numbered it; an older epoch is fenced (KIP-98).
struct ProducerEpochOf {
  std::int64_t id = -1;
  std::int16_t epoch = -1;
  bool operator==(const ProducerEpochOf&) const = default;
};

struct CommittedOffset {
  std::int64_t next_offset = 0;
  std::string metadata;
};

}  // namespace millrace::kafka_model
