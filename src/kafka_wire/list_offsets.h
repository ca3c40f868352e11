#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-79 (timestamps), KIP-98 (isolation), KIP-207 (v5), KIP-734 (v7: the largest timestamp),
// KIP-405 (v8: -4, the start of what is local).
struct ListOffsetsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::list_offsets);
  static constexpr std::int64_t kLatest = -1;
  static constexpr std::int64_t kEarliest = -2;
  static constexpr std::int64_t kMaxTimestamp = -3;
  static constexpr std::int64_t kEarliestLocal = -4;

  struct Partition {
    std::int32_t partition_index = 0;
    std::int32_t current_leader_epoch = -1;
    std::int64_t timestamp = 0;  // milliseconds, or one of the constants

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(current_leader_epoch), since(4));
      v.field(MR_FIELD(timestamp));
    }
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(partitions));
    }
  };

  std::int32_t replica_id = -1;
  std::int8_t isolation_level = 0;
  std::vector<Topic> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(replica_id));
    v.field(MR_FIELD(isolation_level), since(2));
    v.field(MR_FIELD(topics));
  }
};

struct ListOffsetsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::list_offsets);

  struct Partition {
    std::int32_t partition_index = 0;
    ErrorCode error_code = ErrorCode::none;
    std::int64_t timestamp = -1;
    std::int64_t offset = -1;
    std::int32_t leader_epoch = -1;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(timestamp));
      v.field(MR_FIELD(offset));
      v.field(MR_FIELD(leader_epoch), since(4));
    }
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(partitions));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(2));
    v.field(MR_FIELD(topics));
  }
};

// KIP-101, KIP-320, KIP-392.
struct OffsetForLeaderEpochRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::offset_for_leader_epoch);

  struct Partition {
    std::int32_t partition = 0;
    std::int32_t current_leader_epoch = -1;
    std::int32_t leader_epoch = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition));
      v.field(MR_FIELD(current_leader_epoch));
      v.field(MR_FIELD(leader_epoch));
    }
  };
  struct Topic {
    std::string topic;
    std::vector<Partition> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(topic));
      v.field(MR_FIELD(partitions));
    }
  };

  std::int32_t replica_id = -2;
  std::vector<Topic> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(replica_id), since(3));
    v.field(MR_FIELD(topics));
  }
};

struct OffsetForLeaderEpochResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::offset_for_leader_epoch);

  struct Partition {
    ErrorCode error_code = ErrorCode::none;
    std::int32_t partition = 0;
    std::int32_t leader_epoch = -1;
    std::int64_t end_offset = -1;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(partition));
      v.field(MR_FIELD(leader_epoch));
      v.field(MR_FIELD(end_offset));
    }
  };
  struct Topic {
    std::string topic;
    std::vector<Partition> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(topic));
      v.field(MR_FIELD(partitions));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(topics));
  }
};

}  // namespace millrace::kafka_wire
