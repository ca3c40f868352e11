#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// What consumers put into JoinGroup and SyncGroup (KIP-429: v1, KIP-792: v2, KIP-881: v3). On the
// wire a version (int16) stands in front; no version is flexible.
struct ConsumerProtocolSubscription {
  static constexpr MessageInfo kInfo{"ConsumerProtocolSubscription", "metadata", 0, 3,
                                     kNeverFlexible};

  std::vector<std::string> topics;
  std::optional<Blob> user_data;
  std::vector<TopicPartitions> owned_partitions;
  std::int32_t generation_id = -1;
  std::optional<std::string> rack_id;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(topics));
    v.field(MR_FIELD(user_data));
    v.field(MR_FIELD(owned_partitions), since(1));
    v.field(MR_FIELD(generation_id), since(2));
    v.field(MR_FIELD(rack_id), since(3));
  }
};

struct ConsumerProtocolAssignment {
  static constexpr MessageInfo kInfo{"ConsumerProtocolAssignment", "assignment", 0, 3,
                                     kNeverFlexible};

  std::vector<TopicPartitions> assigned_partitions;
  std::optional<Blob> user_data;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(assigned_partitions));
    v.field(MR_FIELD(user_data));
  }
};

// With the version in front. A version above 3 is read as 3 and what follows is ignored, which is
// how newer consumers share a group with older ones.
Result<ConsumerProtocolSubscription> decode_subscription(std::string_view bytes);
Result<ConsumerProtocolAssignment> decode_assignment(std::string_view bytes);
std::string encode_subscription(const ConsumerProtocolSubscription& subscription,
                                std::int16_t version);
std::string encode_assignment(const ConsumerProtocolAssignment& assignment, std::int16_t version);

}  // namespace millrace::kafka_wire
