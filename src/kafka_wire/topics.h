#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-4, KIP-464 (v4: -1 for the broker's defaults), KIP-525 (v5: what was made), KIP-599 (v6),
// KIP-516 (v7: topic ids).
struct CreateTopicsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::create_topics);

  struct Assignment {
    std::int32_t partition_index = 0;
    std::vector<std::int32_t> broker_ids;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(broker_ids));
    }
  };
  struct Config {
    std::string name;
    std::optional<std::string> value;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(value));
    }
  };
  struct Topic {
    std::string name;
    std::int32_t num_partitions = 0;  // -1: the broker's default, or assignments say it
    std::int16_t replication_factor = 0;
    std::vector<Assignment> assignments;
    std::vector<Config> configs;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(num_partitions));
      v.field(MR_FIELD(replication_factor));
      v.field(MR_FIELD(assignments));
      v.field(MR_FIELD(configs));
    }
  };

  std::vector<Topic> topics;
  std::int32_t timeout_ms = 60000;
  bool validate_only = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(topics));
    v.field(MR_FIELD(timeout_ms));
    v.field(MR_FIELD(validate_only));
  }
};

struct CreateTopicsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::create_topics);

  struct Config {
    std::string name;
    std::optional<std::string> value;
    bool read_only = false;
    std::int8_t config_source = -1;
    bool is_sensitive = false;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(value));
      v.field(MR_FIELD(read_only));
      v.field(MR_FIELD(config_source));
      v.field(MR_FIELD(is_sensitive));
    }
  };
  struct Topic {
    std::string name;
    Uuid topic_id;
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;
    ErrorCode topic_config_error_code = ErrorCode::none;
    std::int32_t num_partitions = -1;
    std::int16_t replication_factor = -1;
    std::optional<std::vector<Config>> configs;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(topic_id), since(7));
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
      v.tagged(0, MR_FIELD(topic_config_error_code), since(5));
      v.field(MR_FIELD(num_partitions), since(5));
      v.field(MR_FIELD(replication_factor), since(5));
      v.field(MR_FIELD(configs), since(5));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(topics));
  }
};

// v6: by name or id (KIP-516).
struct DeleteTopicsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::delete_topics);

  struct Topic {
    std::optional<std::string> name;
    Uuid topic_id;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(topic_id));
    }
  };

  std::vector<Topic> topics;
  std::vector<std::string> topic_names;
  std::int32_t timeout_ms = 0;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(topics), since(6));
    v.field(MR_FIELD(topic_names), until(5));
    v.field(MR_FIELD(timeout_ms));
  }
};

struct DeleteTopicsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::delete_topics);

  struct Topic {
    std::optional<std::string> name;
    Uuid topic_id;
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name), kAlways, since(6));
      v.field(MR_FIELD(topic_id), since(6));
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message), since(5));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> responses;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(responses));
  }
};

// KIP-195.
struct CreatePartitionsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::create_partitions);

  struct Assignment {
    std::vector<std::int32_t> broker_ids;

    static constexpr void visit(auto& v) { v.field(MR_FIELD(broker_ids)); }
  };
  struct Topic {
    std::string name;
    std::int32_t count = 0;  // afterwards
    std::optional<std::vector<Assignment>> assignments;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(count));
      v.field(MR_FIELD(assignments));
    }
  };

  std::vector<Topic> topics;
  std::int32_t timeout_ms = 0;
  bool validate_only = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(topics));
    v.field(MR_FIELD(timeout_ms));
    v.field(MR_FIELD(validate_only));
  }
};

struct CreatePartitionsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::create_partitions);

  struct Result {
    std::string name;
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Result> results;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(results));
  }
};

// KIP-107.
struct DeleteRecordsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::delete_records);

  struct Partition {
    std::int32_t partition_index = 0;
    std::int64_t offset = 0;  // the new start; -1: the high watermark

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(offset));
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

  std::vector<Topic> topics;
  std::int32_t timeout_ms = 0;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(topics));
    v.field(MR_FIELD(timeout_ms));
  }
};

struct DeleteRecordsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::delete_records);

  struct Partition {
    std::int32_t partition_index = 0;
    std::int64_t low_watermark = 0;
    ErrorCode error_code = ErrorCode::none;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(partition_index));
      v.field(MR_FIELD(low_watermark));
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

  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(topics));
  }
};

}  // namespace millrace::kafka_wire
