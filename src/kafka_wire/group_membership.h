#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// The classic group protocol. KIP-62 (v1: rebalance timeout), KIP-394 (v4: member id first),
// KIP-345 (v5: static members), KIP-559 (v7: protocol in the answer), KIP-800 (v8: reason),
// KIP-814 (v9: skip_assignment).
struct JoinGroupRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::join_group);

  struct Protocol {
    std::string name;
    Blob metadata;  // for consumers, consumer_protocol.h

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(metadata));
    }
  };

  std::string group_id;
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = -1;  // -1 (version 0): the session timeout counts
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::string protocol_type;
  std::vector<Protocol> protocols;
  std::optional<std::string> reason;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(group_id));
    v.field(MR_FIELD(session_timeout_ms));
    v.field(MR_FIELD(rebalance_timeout_ms), since(1));
    v.field(MR_FIELD(member_id));
    v.field(MR_FIELD(group_instance_id), since(5));
    v.field(MR_FIELD(protocol_type));
    v.field(MR_FIELD(protocols));
    v.field(MR_FIELD(reason), since(8));
  }
};

struct JoinGroupResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::join_group);

  struct Member {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    Blob metadata;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(member_id));
      v.field(MR_FIELD(group_instance_id), since(5));
      v.field(MR_FIELD(metadata));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::int32_t generation_id = -1;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::string leader;
  bool skip_assignment = false;
  std::string member_id;
  std::vector<Member> members;  // for the leader only

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(2));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(generation_id));
    v.field(MR_FIELD(protocol_type), since(7));
    v.field(MR_FIELD(protocol_name), kAlways, since(7));
    v.field(MR_FIELD(leader));
    v.field(MR_FIELD(skip_assignment), since(9));
    v.field(MR_FIELD(member_id));
    v.field(MR_FIELD(members));
  }
};

struct SyncGroupRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::sync_group);

  struct Assignment {
    std::string member_id;
    Blob assignment;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(member_id));
      v.field(MR_FIELD(assignment));
    }
  };

  std::string group_id;
  std::int32_t generation_id = 0;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::vector<Assignment> assignments;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(group_id));
    v.field(MR_FIELD(generation_id));
    v.field(MR_FIELD(member_id));
    v.field(MR_FIELD(group_instance_id), since(3));
    v.field(MR_FIELD(protocol_type), since(5));
    v.field(MR_FIELD(protocol_name), since(5));
    v.field(MR_FIELD(assignments));
  }
};

struct SyncGroupResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::sync_group);

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  Blob assignment;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(1));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(protocol_type), since(5));
    v.field(MR_FIELD(protocol_name), since(5));
    v.field(MR_FIELD(assignment));
  }
};

struct HeartbeatRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::heartbeat);

  std::string group_id;
  std::int32_t generation_id = 0;
  std::string member_id;
  std::optional<std::string> group_instance_id;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(group_id));
    v.field(MR_FIELD(generation_id));
    v.field(MR_FIELD(member_id));
    v.field(MR_FIELD(group_instance_id), since(3));
  }
};

struct HeartbeatResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::heartbeat);

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(1));
    v.field(MR_FIELD(error_code));
  }
};

// One member up to version 2, several from version 3 on (KIP-345).
struct LeaveGroupRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::leave_group);

  struct Member {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    std::optional<std::string> reason;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(member_id));
      v.field(MR_FIELD(group_instance_id));
      v.field(MR_FIELD(reason), since(5));
    }
  };

  std::string group_id;
  std::string member_id;
  std::vector<Member> members;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(group_id));
    v.field(MR_FIELD(member_id), until(2));
    v.field(MR_FIELD(members), since(3));
  }
};

struct LeaveGroupResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::leave_group);

  struct Member {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    ErrorCode error_code = ErrorCode::none;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(member_id));
      v.field(MR_FIELD(group_instance_id));
      v.field(MR_FIELD(error_code));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::vector<Member> members;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(1));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(members), since(3));
  }
};

}  // namespace millrace::kafka_wire
