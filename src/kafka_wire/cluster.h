#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-700, KIP-919 (v1: endpoints of controllers), KIP-1073 (v2: fenced brokers).
struct DescribeClusterRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_cluster);

  bool include_cluster_authorized_operations = false;
  std::int8_t endpoint_type = 1;  // 1 brokers, 2 controllers
  bool include_fenced_brokers = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(include_cluster_authorized_operations));
    v.field(MR_FIELD(endpoint_type), since(1));
    v.field(MR_FIELD(include_fenced_brokers), since(2));
  }
};

struct DescribeClusterResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_cluster);

  struct Broker {
    std::int32_t broker_id = 0;
    std::string host;
    std::int32_t port = 0;
    std::optional<std::string> rack;
    bool is_fenced = false;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(broker_id));
      v.field(MR_FIELD(host));
      v.field(MR_FIELD(port));
      v.field(MR_FIELD(rack));
      v.field(MR_FIELD(is_fenced), since(2));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  std::int8_t endpoint_type = 1;
  std::string cluster_id;
  std::int32_t controller_id = -1;
  std::vector<Broker> brokers;
  std::int32_t cluster_authorized_operations = kOperationsNotAsked;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(error_message));
    v.field(MR_FIELD(endpoint_type), since(1));
    v.field(MR_FIELD(cluster_id));
    v.field(MR_FIELD(controller_id));
    v.field(MR_FIELD(brokers));
    v.field(MR_FIELD(cluster_authorized_operations));
  }
};

// KIP-113, KIP-827 (v4: bytes of the volume).
struct DescribeLogDirsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_log_dirs);

  std::optional<std::vector<TopicPartitions>> topics;  // null: all

  static constexpr void visit(auto& v) { v.field(MR_FIELD(topics)); }
};

struct DescribeLogDirsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_log_dirs);

  struct Partition {
    std::int32_t partition_index = 0;
    std::int64_t partition_size = 0;  // bytes
    std::int64_t offset_lag = 0;
    bool is_future_key = false;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(partition_size));
      v.field(MR_FIELD(offset_lag));
      v.field(MR_FIELD(is_future_key));
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
  struct Result {
    ErrorCode error_code = ErrorCode::none;
    std::string log_dir;
    std::vector<Topic> topics;
    std::int64_t total_bytes = -1;
    std::int64_t usable_bytes = -1;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(log_dir));
      v.field(MR_FIELD(topics));
      v.field(MR_FIELD(total_bytes), since(4));
      v.field(MR_FIELD(usable_bytes), since(4));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::vector<Result> results;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code), since(3));
    v.field(MR_FIELD(results));
  }
};

}  // namespace millrace::kafka_wire
