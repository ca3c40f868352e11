#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"

namespace millrace::kafka_wire {

// Where a broker listens; sent along when a client asked the wrong one (KIP-951).
struct NodeEndpoint {
  std::int32_t node_id = 0;
  std::string host;
  std::int32_t port = 0;
  std::optional<std::string> rack;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(node_id));
    v.field(MR_FIELD(host));
    v.field(MR_FIELD(port));
    v.field(MR_FIELD(rack));
  }
};

// -1, -1: not known.
struct LeaderIdAndEpoch {
  std::int32_t leader_id = -1;
  std::int32_t leader_epoch = -1;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(leader_id));
    v.field(MR_FIELD(leader_epoch));
  }
};

// Partitions of a topic, in the many places where nothing else is said about them.
struct TopicPartitions {
  std::string topic;
  std::vector<std::int32_t> partitions;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(topic));
    v.field(MR_FIELD(partitions));
  }
};
// The same; some messages call the topic `name`.
struct NamedPartitions {
  std::string name;
  std::vector<std::int32_t> partitions;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(name));
    v.field(MR_FIELD(partitions));
  }
};

struct PartitionError {
  std::int32_t partition_index = 0;
  ErrorCode error_code = ErrorCode::none;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(partition_index));
    v.field(MR_FIELD(error_code));
  }
};
struct TopicErrors {
  std::string name;
  std::vector<PartitionError> partitions;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(name));
    v.field(MR_FIELD(partitions));
  }
};

// What authorized_operations says when nobody asked for them.
inline constexpr std::int32_t kOperationsNotAsked = INT32_MIN;

}  // namespace millrace::kafka_wire
