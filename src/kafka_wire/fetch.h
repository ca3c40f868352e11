#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-227 (sessions), KIP-392 (rack), KIP-320 (leader epochs), KIP-595 (tagged fields, of use
// between brokers only), KIP-516 (v13: topic ids), KIP-903 (v15), KIP-951 (v16), KIP-853 (v17).
struct FetchRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::fetch);

  struct ReplicaState {
    std::int32_t replica_id = -1;
    std::int64_t replica_epoch = -1;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(replica_id));
      v.field(MR_FIELD(replica_epoch));
    }
  };
  struct Partition {
    std::int32_t partition = 0;
    std::int32_t current_leader_epoch = -1;
    std::int64_t fetch_offset = 0;
    std::int32_t last_fetched_epoch = -1;
    std::int64_t log_start_offset = -1;  // of a follower; -1 from a consumer
    std::int32_t partition_max_bytes = 0;
    Uuid replica_directory_id;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition));
      v.field(MR_FIELD(current_leader_epoch), since(9));
      v.field(MR_FIELD(fetch_offset));
      v.field(MR_FIELD(last_fetched_epoch), since(12));
      v.field(MR_FIELD(log_start_offset), since(5));
      v.field(MR_FIELD(partition_max_bytes));
      v.tagged(0, MR_FIELD(replica_directory_id), since(17));
    }
  };
  struct Topic {
    std::string topic;
    Uuid topic_id;
    std::vector<Partition> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(topic), until(12));
      v.field(MR_FIELD(topic_id), since(13));
      v.field(MR_FIELD(partitions));
    }
  };
  struct ForgottenTopic {
    std::string topic;
    Uuid topic_id;
    std::vector<std::int32_t> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(topic), until(12));
      v.field(MR_FIELD(topic_id), since(13));
      v.field(MR_FIELD(partitions));
    }
  };

  std::optional<std::string> cluster_id;
  std::int32_t replica_id = -1;  // -1: a consumer
  ReplicaState replica_state;
  std::int32_t max_wait_ms = 0;
  std::int32_t min_bytes = 0;
  std::int32_t max_bytes = INT32_MAX;
  std::int8_t isolation_level = 0;  // 1: read_committed
  std::int32_t session_id = 0;
  std::int32_t session_epoch = -1;
  std::vector<Topic> topics;
  std::vector<ForgottenTopic> forgotten_topics_data;
  std::string rack_id;

  static constexpr void visit(auto& v) {
    v.tagged(0, MR_FIELD(cluster_id), since(12));
    v.field(MR_FIELD(replica_id), until(14));
    v.tagged(1, MR_FIELD(replica_state), since(15));
    v.field(MR_FIELD(max_wait_ms));
    v.field(MR_FIELD(min_bytes));
    v.field(MR_FIELD(max_bytes));
    v.field(MR_FIELD(isolation_level));
    v.field(MR_FIELD(session_id), since(7));
    v.field(MR_FIELD(session_epoch), since(7));
    v.field(MR_FIELD(topics));
    v.field(MR_FIELD(forgotten_topics_data), since(7));
    v.field(MR_FIELD(rack_id), since(11));
  }
};

struct FetchResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::fetch);

  struct EpochEndOffset {
    std::int32_t epoch = -1;
    std::int64_t end_offset = -1;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(epoch));
      v.field(MR_FIELD(end_offset));
    }
  };
  struct SnapshotId {
    std::int64_t end_offset = -1;
    std::int32_t epoch = -1;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(end_offset));
      v.field(MR_FIELD(epoch));
    }
  };
  struct AbortedTransaction {
    std::int64_t producer_id = 0;
    std::int64_t first_offset = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(producer_id));
      v.field(MR_FIELD(first_offset));
    }
  };
  struct Partition {
    std::int32_t partition_index = 0;
    ErrorCode error_code = ErrorCode::none;
    std::int64_t high_watermark = 0;
    std::int64_t last_stable_offset = -1;
    std::int64_t log_start_offset = -1;
    EpochEndOffset diverging_epoch;
    LeaderIdAndEpoch current_leader;
    SnapshotId snapshot_id;
    std::optional<std::vector<AbortedTransaction>> aborted_transactions;  // by first offset
    std::int32_t preferred_read_replica = -1;
    Records records;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(high_watermark));
      v.field(MR_FIELD(last_stable_offset));
      v.field(MR_FIELD(log_start_offset), since(5));
      v.tagged(0, MR_FIELD(diverging_epoch), since(12));
      v.tagged(1, MR_FIELD(current_leader), since(12));
      v.tagged(2, MR_FIELD(snapshot_id), since(12));
      v.field(MR_FIELD(aborted_transactions));
      v.field(MR_FIELD(preferred_read_replica), since(11));
      v.field(MR_FIELD(records));
    }
  };
  struct Topic {
    std::string topic;
    Uuid topic_id;
    std::vector<Partition> partitions;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(topic), until(12));
      v.field(MR_FIELD(topic_id), since(13));
      v.field(MR_FIELD(partitions));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::int32_t session_id = 0;  // 0: no session
  std::vector<Topic> responses;
  std::vector<NodeEndpoint> node_endpoints;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code), since(7));
    v.field(MR_FIELD(session_id), since(7));
    v.field(MR_FIELD(responses));
    v.tagged(0, MR_FIELD(node_endpoints), since(16));
  }
};

}  // namespace millrace::kafka_wire
