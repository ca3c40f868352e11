#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// The group protocol in which the broker assigns the partitions (KIP-848; v1: regular expressions).
// Null in a request means: as last time.
struct ConsumerGroupHeartbeatRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::consumer_group_heartbeat);

  struct OwnedPartitions {
    Uuid topic_id;
    std::vector<std::int32_t> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(topic_id));
      v.field(MR_FIELD(partitions));
    }
  };

  std::string group_id;
  std::string member_id;
  std::int32_t member_epoch = 0;  // 0: join, -1: leave, -2: a static member goes for a while
  std::optional<std::string> instance_id;
  std::optional<std::string> rack_id;
  std::int32_t rebalance_timeout_ms = -1;  // -1: as last time
  std::optional<std::vector<std::string>> subscribed_topic_names;
  std::optional<std::string> subscribed_topic_regex;
  std::optional<std::string> server_assignor;
  std::optional<std::vector<OwnedPartitions>> topic_partitions;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(group_id));
    v.field(MR_FIELD(member_id));
    v.field(MR_FIELD(member_epoch));
    v.field(MR_FIELD(instance_id));
    v.field(MR_FIELD(rack_id));
    v.field(MR_FIELD(rebalance_timeout_ms));
    v.field(MR_FIELD(subscribed_topic_names));
    v.field(MR_FIELD(subscribed_topic_regex), since(1));
    v.field(MR_FIELD(server_assignor));
    v.field(MR_FIELD(topic_partitions));
  }
};

struct ConsumerGroupHeartbeatResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::consumer_group_heartbeat);
  using AssignedPartitions = ConsumerGroupHeartbeatRequest::OwnedPartitions;

  struct Assignment {
    std::vector<AssignedPartitions> topic_partitions;

    static constexpr void visit(auto& v) { v.field(MR_FIELD(topic_partitions)); }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  std::optional<std::string> member_id;
  std::int32_t member_epoch = 0;
  std::int32_t heartbeat_interval_ms = 0;
  std::optional<Assignment> assignment;  // null: unchanged

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(error_message));
    v.field(MR_FIELD(member_id));
    v.field(MR_FIELD(member_epoch));
    v.field(MR_FIELD(heartbeat_interval_ms));
    v.field(MR_FIELD(assignment));
  }
};

// v1: KIP-1099, member type.
struct ConsumerGroupDescribeRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::consumer_group_describe);

  std::vector<std::string> group_ids;
  bool include_authorized_operations = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(group_ids));
    v.field(MR_FIELD(include_authorized_operations));
  }
};

struct ConsumerGroupDescribeResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::consumer_group_describe);

  struct AssignedPartitions {
    Uuid topic_id;
    std::string topic_name;
    std::vector<std::int32_t> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(topic_id));
      v.field(MR_FIELD(topic_name));
      v.field(MR_FIELD(partitions));
    }
  };
  struct Assignment {
    std::vector<AssignedPartitions> topic_partitions;

    static constexpr void visit(auto& v) { v.field(MR_FIELD(topic_partitions)); }
  };
  struct Member {
    std::string member_id;
    std::optional<std::string> instance_id;
    std::optional<std::string> rack_id;
    std::int32_t member_epoch = 0;
    std::string client_id;
    std::string client_host;
    std::vector<std::string> subscribed_topic_names;
    std::optional<std::string> subscribed_topic_regex;
    Assignment assignment;
    Assignment target_assignment;
    std::int8_t member_type = -1;  // -1 unknown, 0 classic, 1 consumer

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(member_id));
      v.field(MR_FIELD(instance_id));
      v.field(MR_FIELD(rack_id));
      v.field(MR_FIELD(member_epoch));
      v.field(MR_FIELD(client_id));
      v.field(MR_FIELD(client_host));
      v.field(MR_FIELD(subscribed_topic_names));
      v.field(MR_FIELD(subscribed_topic_regex));
      v.field(MR_FIELD(assignment));
      v.field(MR_FIELD(target_assignment));
      v.field(MR_FIELD(member_type), since(1));
    }
  };
  struct Group {
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;
    std::string group_id;
    std::string group_state;
    std::int32_t group_epoch = 0;
    std::int32_t assignment_epoch = 0;
    std::string assignor_name;
    std::vector<Member> members;
    std::int32_t authorized_operations = kOperationsNotAsked;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
      v.field(MR_FIELD(group_id));
      v.field(MR_FIELD(group_state));
      v.field(MR_FIELD(group_epoch));
      v.field(MR_FIELD(assignment_epoch));
      v.field(MR_FIELD(assignor_name));
      v.field(MR_FIELD(members));
      v.field(MR_FIELD(authorized_operations));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Group> groups;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(groups));
  }
};

}  // namespace millrace::kafka_wire
