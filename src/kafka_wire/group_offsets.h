#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-98, KIP-320 (v6: leader epoch), KIP-345 (v7: static members).
struct OffsetCommitRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::offset_commit);

  struct Partition {
    std::int32_t partition_index = 0;
    std::int64_t committed_offset = 0;
    std::int32_t committed_leader_epoch = -1;
    std::optional<std::string> committed_metadata;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(committed_offset));
      v.field(MR_FIELD(committed_leader_epoch), since(6));
      v.field(MR_FIELD(committed_metadata));
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

  std::string group_id;
  std::int32_t generation_id_or_member_epoch = -1;  // -1: no member, an admin's commit
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::int64_t retention_time_ms = -1;
  std::vector<Topic> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(group_id));
    v.field(MR_FIELD(generation_id_or_member_epoch));
    v.field(MR_FIELD(member_id));
    v.field(MR_FIELD(group_instance_id), since(7));
    v.field(MR_FIELD(retention_time_ms), until(4));
    v.field(MR_FIELD(topics));
  }
};

struct OffsetCommitResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::offset_commit);

  std::int32_t throttle_time_ms = 0;
  std::vector<TopicErrors> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(3));
    v.field(MR_FIELD(topics));
  }
};

// One group up to version 7, several from version 8 on (KIP-709). KIP-447 (v7: require_stable),
// KIP-848 (v9: member epoch).
struct OffsetFetchRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::offset_fetch);

  struct Topic {
    std::string name;
    std::vector<std::int32_t> partition_indexes;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(partition_indexes));
    }
  };
  struct Group {
    std::string group_id;
    std::optional<std::string> member_id;
    std::int32_t member_epoch = -1;
    std::optional<std::vector<Topic>> topics;  // null: all

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(group_id));
      v.field(MR_FIELD(member_id), since(9));
      v.field(MR_FIELD(member_epoch), since(9));
      v.field(MR_FIELD(topics));
    }
  };

  std::string group_id;
  std::optional<std::vector<Topic>> topics;  // null: all
  std::vector<Group> groups;
  bool require_stable = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(group_id), until(7));
    v.field(MR_FIELD(topics), until(7), since(2));
    v.field(MR_FIELD(groups), since(8));
    v.field(MR_FIELD(require_stable), since(7));
  }
};

struct OffsetFetchResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::offset_fetch);

  struct Partition {
    std::int32_t partition_index = 0;
    std::int64_t committed_offset = 0;  // -1: none
    std::int32_t committed_leader_epoch = -1;
    std::optional<std::string> metadata;
    ErrorCode error_code = ErrorCode::none;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(committed_offset));
      v.field(MR_FIELD(committed_leader_epoch), since(5));
      v.field(MR_FIELD(metadata));
      v.field(MR_FIELD(error_code));
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
  struct Group {
    std::string group_id;
    std::vector<Topic> topics;
    ErrorCode error_code = ErrorCode::none;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(group_id));
      v.field(MR_FIELD(topics));
      v.field(MR_FIELD(error_code));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
  ErrorCode error_code = ErrorCode::none;
  std::vector<Group> groups;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(3));
    v.field(MR_FIELD(topics), until(7));
    v.field(MR_FIELD(error_code), between(2, 7));
    v.field(MR_FIELD(groups), since(8));
  }
};

// KIP-496.
struct OffsetDeleteRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::offset_delete);

  struct Partition {
    std::int32_t partition_index = 0;

    static constexpr void visit(auto& v) { v.field(MR_FIELD(partition_index)); }
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(partitions));
    }
  };

  std::string group_id;
  std::vector<Topic> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(group_id));
    v.field(MR_FIELD(topics));
  }
};

struct OffsetDeleteResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::offset_delete);

  ErrorCode error_code = ErrorCode::none;
  std::int32_t throttle_time_ms = 0;
  std::vector<TopicErrors> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(topics));
  }
};

}  // namespace millrace::kafka_wire
