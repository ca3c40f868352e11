#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// Markers are a broker's business; admins send them to abort a hanging transaction (KIP-664).
struct WriteTxnMarkersRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::write_txn_markers);

  struct Topic {
    std::string name;
    std::vector<std::int32_t> partition_indexes;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(partition_indexes));
    }
  };
  struct Marker {
    std::int64_t producer_id = 0;
    std::int16_t producer_epoch = 0;
    bool transaction_result = false;  // true: commit
    std::vector<Topic> topics;
    std::int32_t coordinator_epoch = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(producer_id));
      v.field(MR_FIELD(producer_epoch));
      v.field(MR_FIELD(transaction_result));
      v.field(MR_FIELD(topics));
      v.field(MR_FIELD(coordinator_epoch));
    }
  };

  std::vector<Marker> markers;

  static constexpr void visit(auto& v) { v.field(MR_FIELD(markers)); }
};

struct WriteTxnMarkersResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::write_txn_markers);

  struct Marker {
    std::int64_t producer_id = 0;
    std::vector<TopicErrors> topics;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(producer_id));
      v.field(MR_FIELD(topics));
    }
  };

  std::vector<Marker> markers;

  static constexpr void visit(auto& v) { v.field(MR_FIELD(markers)); }
};

// KIP-664.
struct DescribeProducersRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_producers);

  struct Topic {
    std::string name;
    std::vector<std::int32_t> partition_indexes;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(partition_indexes));
    }
  };

  std::vector<Topic> topics;

  static constexpr void visit(auto& v) { v.field(MR_FIELD(topics)); }
};

struct DescribeProducersResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_producers);

  struct Producer {
    std::int64_t producer_id = 0;
    std::int32_t producer_epoch = 0;
    std::int32_t last_sequence = -1;
    std::int64_t last_timestamp = -1;
    std::int32_t coordinator_epoch = 0;
    std::int64_t current_txn_start_offset = -1;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(producer_id));
      v.field(MR_FIELD(producer_epoch));
      v.field(MR_FIELD(last_sequence));
      v.field(MR_FIELD(last_timestamp));
      v.field(MR_FIELD(coordinator_epoch));
      v.field(MR_FIELD(current_txn_start_offset));
    }
  };
  struct Partition {
    std::int32_t partition_index = 0;
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;
    std::vector<Producer> active_producers;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
      v.field(MR_FIELD(active_producers));
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
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(topics));
  }
};

struct DescribeTransactionsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_transactions);

  std::vector<std::string> transactional_ids;

  static constexpr void visit(auto& v) { v.field(MR_FIELD(transactional_ids)); }
};

struct DescribeTransactionsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_transactions);

  struct Transaction {
    ErrorCode error_code = ErrorCode::none;
    std::string transactional_id;
    std::string transaction_state;
    std::int32_t transaction_timeout_ms = 0;
    std::int64_t transaction_start_time_ms = 0;
    std::int64_t producer_id = 0;
    std::int16_t producer_epoch = 0;
    std::vector<TopicPartitions> topics;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(transactional_id));
      v.field(MR_FIELD(transaction_state));
      v.field(MR_FIELD(transaction_timeout_ms));
      v.field(MR_FIELD(transaction_start_time_ms));
      v.field(MR_FIELD(producer_id));
      v.field(MR_FIELD(producer_epoch));
      v.field(MR_FIELD(topics));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Transaction> transaction_states;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(transaction_states));
  }
};

// KIP-664, KIP-994 (v1: duration), KIP-1152 (v2: pattern). An empty filter lets everything pass.
struct ListTransactionsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::list_transactions);

  std::vector<std::string> state_filters;
  std::vector<std::int64_t> producer_id_filters;
  std::int64_t duration_filter = -1;  // milliseconds
  std::optional<std::string> transactional_id_pattern;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(state_filters));
    v.field(MR_FIELD(producer_id_filters));
    v.field(MR_FIELD(duration_filter), since(1));
    v.field(MR_FIELD(transactional_id_pattern), since(2));
  }
};

struct ListTransactionsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::list_transactions);

  struct Transaction {
    std::string transactional_id;
    std::int64_t producer_id = 0;
    std::string transaction_state;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(transactional_id));
      v.field(MR_FIELD(producer_id));
      v.field(MR_FIELD(transaction_state));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::vector<std::string> unknown_state_filters;
  std::vector<Transaction> transaction_states;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(unknown_state_filters));
    v.field(MR_FIELD(transaction_states));
  }
};

}  // namespace millrace::kafka_wire
