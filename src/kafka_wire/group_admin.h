#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-699: several keys from version 4 on.
struct FindCoordinatorRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::find_coordinator);
  static constexpr std::int8_t kGroup = 0;
  static constexpr std::int8_t kTransaction = 1;
  static constexpr std::int8_t kShareGroup = 2;

  std::string key;
  std::int8_t key_type = kGroup;
  std::vector<std::string> coordinator_keys;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(key), until(3));
    v.field(MR_FIELD(key_type), since(1));
    v.field(MR_FIELD(coordinator_keys), since(4));
  }
};

struct FindCoordinatorResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::find_coordinator);

  struct Coordinator {
    std::string key;
    std::int32_t node_id = 0;
    std::string host;
    std::int32_t port = 0;
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(key));
      v.field(MR_FIELD(node_id));
      v.field(MR_FIELD(host));
      v.field(MR_FIELD(port));
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  std::int32_t node_id = 0;
  std::string host;
  std::int32_t port = 0;
  std::vector<Coordinator> coordinators;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(1));
    v.field(MR_FIELD(error_code), until(3));
    v.field(MR_FIELD(error_message), between(1, 3));
    v.field(MR_FIELD(node_id), until(3));
    v.field(MR_FIELD(host), until(3));
    v.field(MR_FIELD(port), until(3));
    v.field(MR_FIELD(coordinators), since(4));
  }
};

// KIP-430 (v3: operations), KIP-345 (v4), KIP-1043 (v6: error message).
struct DescribeGroupsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_groups);

  std::vector<std::string> groups;
  bool include_authorized_operations = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(groups));
    v.field(MR_FIELD(include_authorized_operations), since(3));
  }
};

struct DescribeGroupsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_groups);

  struct Member {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    std::string client_id;
    std::string client_host;
    Blob member_metadata;
    Blob member_assignment;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(member_id));
      v.field(MR_FIELD(group_instance_id), since(4));
      v.field(MR_FIELD(client_id));
      v.field(MR_FIELD(client_host));
      v.field(MR_FIELD(member_metadata));
      v.field(MR_FIELD(member_assignment));
    }
  };
  struct Group {
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;
    std::string group_id;
    std::string group_state;
    std::string protocol_type;
    std::string protocol_data;
    std::vector<Member> members;
    std::int32_t authorized_operations = kOperationsNotAsked;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message), since(6));
      v.field(MR_FIELD(group_id));
      v.field(MR_FIELD(group_state));
      v.field(MR_FIELD(protocol_type));
      v.field(MR_FIELD(protocol_data));
      v.field(MR_FIELD(members));
      v.field(MR_FIELD(authorized_operations), since(3));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Group> groups;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(1));
    v.field(MR_FIELD(groups));
  }
};

// KIP-518 (v4: states), KIP-848 (v5: types). An empty filter lets everything pass.
struct ListGroupsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::list_groups);

  std::vector<std::string> states_filter;
  std::vector<std::string> types_filter;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(states_filter), since(4));
    v.field(MR_FIELD(types_filter), since(5));
  }
};

struct ListGroupsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::list_groups);

  struct Group {
    std::string group_id;
    std::string protocol_type;
    std::string group_state;
    std::string group_type;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(group_id));
      v.field(MR_FIELD(protocol_type));
      v.field(MR_FIELD(group_state), since(4));
      v.field(MR_FIELD(group_type), since(5));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::vector<Group> groups;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(1));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(groups));
  }
};

// KIP-229.
struct DeleteGroupsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::delete_groups);

  std::vector<std::string> groups_names;

  static constexpr void visit(auto& v) { v.field(MR_FIELD(groups_names)); }
};

struct DeleteGroupsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::delete_groups);

  struct Result {
    std::string group_id;
    ErrorCode error_code = ErrorCode::none;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(group_id));
      v.field(MR_FIELD(error_code));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Result> results;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(results));
  }
};

}  // namespace millrace::kafka_wire
