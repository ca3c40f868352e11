#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-4 (v1: null asks for all topics, v4: creation on demand), KIP-430 (v8: operations), KIP-516
// (v10: topic ids; v12: a topic may be asked for by its id alone).
struct MetadataRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::metadata);

  struct Topic {
    Uuid topic_id;
    std::optional<std::string> name;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(topic_id), since(10));
      v.field(MR_FIELD(name), kAlways, since(10));
    }
  };

  // All topics: null, and in version 0, which cannot say null, none.
  std::optional<std::vector<Topic>> topics;
  bool allow_auto_topic_creation = true;
  bool include_cluster_authorized_operations = false;
  bool include_topic_authorized_operations = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(topics), kAlways, since(1));
    v.field(MR_FIELD(allow_auto_topic_creation), since(4));
    v.field(MR_FIELD(include_cluster_authorized_operations), between(8, 10));
    v.field(MR_FIELD(include_topic_authorized_operations), since(8));
  }
};

struct MetadataResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::metadata);

  struct Broker {
    std::int32_t node_id = 0;
    std::string host;
    std::int32_t port = 0;
    std::optional<std::string> rack;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(node_id));
      v.field(MR_FIELD(host));
      v.field(MR_FIELD(port));
      v.field(MR_FIELD(rack), since(1));
    }
  };
  struct Partition {
    ErrorCode error_code = ErrorCode::none;
    std::int32_t partition_index = 0;
    std::int32_t leader_id = 0;
    std::int32_t leader_epoch = -1;
    std::vector<std::int32_t> replica_nodes;
    std::vector<std::int32_t> isr_nodes;
    std::vector<std::int32_t> offline_replicas;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(leader_id));
      v.field(MR_FIELD(leader_epoch), since(7));
      v.field(MR_FIELD(replica_nodes));
      v.field(MR_FIELD(isr_nodes));
      v.field(MR_FIELD(offline_replicas), since(5));
    }
  };
  struct Topic {
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> name;
    Uuid topic_id;
    bool is_internal = false;
    std::vector<Partition> partitions;
    std::int32_t topic_authorized_operations = kOperationsNotAsked;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(name), kAlways, since(12));
      v.field(MR_FIELD(topic_id), since(10));
      v.field(MR_FIELD(is_internal), since(1));
      v.field(MR_FIELD(partitions));
      v.field(MR_FIELD(topic_authorized_operations), since(8));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Broker> brokers;
  std::optional<std::string> cluster_id;
  std::int32_t controller_id = -1;
  std::vector<Topic> topics;
  std::int32_t cluster_authorized_operations = kOperationsNotAsked;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms), since(3));
    v.field(MR_FIELD(brokers));
    v.field(MR_FIELD(cluster_id), since(2));
    v.field(MR_FIELD(controller_id), since(1));
    v.field(MR_FIELD(topics));
    v.field(MR_FIELD(cluster_authorized_operations), between(8, 10));
  }
};

// The first partition of a page.
struct TopicPartitionsCursor {
  std::string topic_name;
  std::int32_t partition_index = 0;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(topic_name));
    v.field(MR_FIELD(partition_index));
  }
};

// KIP-966: Metadata in pages, without brokers.
struct DescribeTopicPartitionsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_topic_partitions);

  struct Topic {
    std::string name;

    static constexpr void visit(auto& v) { v.field(MR_FIELD(name)); }
  };

  std::vector<Topic> topics;
  std::int32_t response_partition_limit = 2000;
  std::optional<TopicPartitionsCursor> cursor;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(topics));
    v.field(MR_FIELD(response_partition_limit));
    v.field(MR_FIELD(cursor));
  }
};

struct DescribeTopicPartitionsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_topic_partitions);

  struct Partition {
    ErrorCode error_code = ErrorCode::none;
    std::int32_t partition_index = 0;
    std::int32_t leader_id = 0;
    std::int32_t leader_epoch = -1;
    std::vector<std::int32_t> replica_nodes;
    std::vector<std::int32_t> isr_nodes;
    std::optional<std::vector<std::int32_t>> eligible_leader_replicas;
    std::optional<std::vector<std::int32_t>> last_known_elr;
    std::vector<std::int32_t> offline_replicas;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(leader_id));
      v.field(MR_FIELD(leader_epoch));
      v.field(MR_FIELD(replica_nodes));
      v.field(MR_FIELD(isr_nodes));
      v.field(MR_FIELD(eligible_leader_replicas));
      v.field(MR_FIELD(last_known_elr));
      v.field(MR_FIELD(offline_replicas));
    }
  };
  struct Topic {
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> name;
    Uuid topic_id;
    bool is_internal = false;
    std::vector<Partition> partitions;
    std::int32_t topic_authorized_operations = kOperationsNotAsked;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(topic_id));
      v.field(MR_FIELD(is_internal));
      v.field(MR_FIELD(partitions));
      v.field(MR_FIELD(topic_authorized_operations));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
  std::optional<TopicPartitionsCursor> next_cursor;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(topics));
    v.field(MR_FIELD(next_cursor));
  }
};

}  // namespace millrace::kafka_wire
