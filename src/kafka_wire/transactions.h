#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-98, KIP-360 (v3: an epoch is bumped), KIP-890 (v5), KIP-939 (v6: two-phase commit).
struct InitProducerIdRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::init_producer_id);

  std::optional<std::string> transactional_id;
  std::int32_t transaction_timeout_ms = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  bool enable_2pc = false;
  bool keep_prepared_txn = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(transactional_id));
    v.field(MR_FIELD(transaction_timeout_ms));
    v.field(MR_FIELD(producer_id), since(3));
    v.field(MR_FIELD(producer_epoch), since(3));
    v.field(MR_FIELD(enable_2pc), since(6));
    v.field(MR_FIELD(keep_prepared_txn), since(6));
  }
};

struct InitProducerIdResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::init_producer_id);

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = 0;
  std::int64_t ongoing_txn_producer_id = -1;
  std::int16_t ongoing_txn_producer_epoch = -1;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(producer_id));
    v.field(MR_FIELD(producer_epoch));
    v.field(MR_FIELD(ongoing_txn_producer_id), since(6));
    v.field(MR_FIELD(ongoing_txn_producer_epoch), since(6));
  }
};

// Clients send one transaction, up to version 3; brokers send several, from version 4 on (KIP-890).
struct AddPartitionsToTxnRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::add_partitions_to_txn);

  struct Transaction {
    std::string transactional_id;
    std::int64_t producer_id = 0;
    std::int16_t producer_epoch = 0;
    bool verify_only = false;
    std::vector<NamedPartitions> topics;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(transactional_id));
      v.field(MR_FIELD(producer_id));
      v.field(MR_FIELD(producer_epoch));
      v.field(MR_FIELD(verify_only));
      v.field(MR_FIELD(topics));
    }
  };

  std::vector<Transaction> transactions;
  std::string v3_and_below_transactional_id;
  std::int64_t v3_and_below_producer_id = 0;
  std::int16_t v3_and_below_producer_epoch = 0;
  std::vector<NamedPartitions> v3_and_below_topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(transactions), since(4));
    v.field(MR_FIELD(v3_and_below_transactional_id), until(3));
    v.field(MR_FIELD(v3_and_below_producer_id), until(3));
    v.field(MR_FIELD(v3_and_below_producer_epoch), until(3));
    v.field(MR_FIELD(v3_and_below_topics), until(3));
  }
};

struct AddPartitionsToTxnResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::add_partitions_to_txn);

  struct Partition {
    std::int32_t partition_index = 0;
    ErrorCode partition_error_code = ErrorCode::none;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(partition_error_code));
    }
  };
  struct Topic {
    std::string name;
    std::vector<Partition> results_by_partition;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(results_by_partition));
    }
  };
  struct Transaction {
    std::string transactional_id;
    std::vector<Topic> topic_results;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(transactional_id));
      v.field(MR_FIELD(topic_results));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::vector<Transaction> results_by_transaction;
  std::vector<Topic> results_by_topic_v3_and_below;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code), since(4));
    v.field(MR_FIELD(results_by_transaction), since(4));
    v.field(MR_FIELD(results_by_topic_v3_and_below), until(3));
  }
};

struct AddOffsetsToTxnRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::add_offsets_to_txn);

  std::string transactional_id;
  std::int64_t producer_id = 0;
  std::int16_t producer_epoch = 0;
  std::string group_id;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(transactional_id));
    v.field(MR_FIELD(producer_id));
    v.field(MR_FIELD(producer_epoch));
    v.field(MR_FIELD(group_id));
  }
};

struct AddOffsetsToTxnResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::add_offsets_to_txn);

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code));
  }
};

// v5: the answer carries the epoch of the next transaction (KIP-890).
struct EndTxnRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::end_txn);

  std::string transactional_id;
  std::int64_t producer_id = 0;
  std::int16_t producer_epoch = 0;
  bool committed = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(transactional_id));
    v.field(MR_FIELD(producer_id));
    v.field(MR_FIELD(producer_epoch));
    v.field(MR_FIELD(committed));
  }
};

struct EndTxnResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::end_txn);

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(producer_id), since(5));
    v.field(MR_FIELD(producer_epoch), since(5));
  }
};

// KIP-447 (v3: who in the group commits).
struct TxnOffsetCommitRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::txn_offset_commit);

  struct Partition {
    std::int32_t partition_index = 0;
    std::int64_t committed_offset = 0;
    std::int32_t committed_leader_epoch = -1;
    std::optional<std::string> committed_metadata;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(committed_offset));
      v.field(MR_FIELD(committed_leader_epoch), since(2));
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

  std::string transactional_id;
  std::string group_id;
  std::int64_t producer_id = 0;
  std::int16_t producer_epoch = 0;
  std::int32_t generation_id = -1;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::vector<Topic> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(transactional_id));
    v.field(MR_FIELD(group_id));
    v.field(MR_FIELD(producer_id));
    v.field(MR_FIELD(producer_epoch));
    v.field(MR_FIELD(generation_id), since(3));
    v.field(MR_FIELD(member_id), since(3));
    v.field(MR_FIELD(group_instance_id), since(3));
    v.field(MR_FIELD(topics));
  }
};

struct TxnOffsetCommitResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::txn_offset_commit);

  std::int32_t throttle_time_ms = 0;
  std::vector<TopicErrors> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(topics));
  }
};

}  // namespace millrace::kafka_wire
