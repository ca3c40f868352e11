#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-98 (transactions), KIP-467 (errors of single records), KIP-951 (new leaders), KIP-890 (v12:
// implicit enrolment), KIP-516 (v13: topic ids). A request with acks = 0 gets no response at all.
struct ProduceRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::produce);

  struct Partition {
    std::int32_t index = 0;
    Records records;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(index));
      v.field(MR_FIELD(records));
    }
  };
  struct Topic {
    std::string name;
    Uuid topic_id;
    std::vector<Partition> partition_data;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name), until(12));
      v.field(MR_FIELD(topic_id), since(13));
      v.field(MR_FIELD(partition_data));
    }
  };

  std::optional<std::string> transactional_id;
  std::int16_t acks = 0;  // 0, 1, or -1 for all in-sync replicas
  std::int32_t timeout_ms = 0;
  std::vector<Topic> topic_data;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(transactional_id));
    v.field(MR_FIELD(acks));
    v.field(MR_FIELD(timeout_ms));
    v.field(MR_FIELD(topic_data));
  }
};

struct ProduceResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::produce);

  struct RecordError {
    std::int32_t batch_index = 0;
    std::optional<std::string> batch_index_error_message;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(batch_index));
      v.field(MR_FIELD(batch_index_error_message));
    }
  };
  struct Partition {
    std::int32_t index = 0;
    ErrorCode error_code = ErrorCode::none;
    std::int64_t base_offset = 0;
    std::int64_t log_append_time_ms = -1;  // -1 unless the topic uses LogAppendTime
    std::int64_t log_start_offset = -1;
    std::vector<RecordError> record_errors;
    std::optional<std::string> error_message;
    LeaderIdAndEpoch current_leader;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(index));
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(base_offset));
      v.field(MR_FIELD(log_append_time_ms));
      v.field(MR_FIELD(log_start_offset), since(5));
      v.field(MR_FIELD(record_errors), since(8));
      v.field(MR_FIELD(error_message), since(8));
      v.tagged(0, MR_FIELD(current_leader), since(10));
    }
  };
  struct Topic {
    std::string name;
    Uuid topic_id;
    std::vector<Partition> partition_responses;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name), until(12));
      v.field(MR_FIELD(topic_id), since(13));
      v.field(MR_FIELD(partition_responses));
    }
  };

  std::vector<Topic> responses;
  std::int32_t throttle_time_ms = 0;
  std::vector<NodeEndpoint> node_endpoints;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(responses));
    v.field(MR_FIELD(throttle_time_ms));
    v.tagged(0, MR_FIELD(node_endpoints), since(10));
  }
};

}  // namespace millrace::kafka_wire
