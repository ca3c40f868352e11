#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"

namespace millrace::kafka_wire {

// KIP-546. Who a quota is for: "user", "client-id" or "ip", and its name; null: those without one
// of their own.
struct QuotaEntity {
  std::string entity_type;
  std::optional<std::string> entity_name;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(entity_type));
    v.field(MR_FIELD(entity_name));
  }
};

struct DescribeClientQuotasRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_client_quotas);

  struct Component {
    std::string entity_type;
    std::int8_t match_type = 0;  // 0: this name, 1: those without, 2: any name
    std::optional<std::string> match;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(entity_type));
      v.field(MR_FIELD(match_type));
      v.field(MR_FIELD(match));
    }
  };
  std::vector<Component> components;
  bool strict = false;  // of these types and no others

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(components));
    v.field(MR_FIELD(strict));
  }
};

struct DescribeClientQuotasResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_client_quotas);

  struct Value {
    std::string key;  // "producer_byte_rate"
    double value = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(key));
      v.field(MR_FIELD(value));
    }
  };
  struct Entry {
    std::vector<QuotaEntity> entity;
    std::vector<Value> values;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(entity));
      v.field(MR_FIELD(values));
    }
  };
  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  std::optional<std::vector<Entry>> entries;  // null upon an error

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(error_message));
    v.field(MR_FIELD(entries));
  }
};

struct AlterClientQuotasRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::alter_client_quotas);

  struct Op {
    std::string key;
    double value = 0;
    bool remove = false;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(key));
      v.field(MR_FIELD(value));
      v.field(MR_FIELD(remove));
    }
  };
  struct Entry {
    std::vector<QuotaEntity> entity;
    std::vector<Op> ops;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(entity));
      v.field(MR_FIELD(ops));
    }
  };
  std::vector<Entry> entries;
  bool validate_only = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(entries));
    v.field(MR_FIELD(validate_only));
  }
};

struct AlterClientQuotasResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::alter_client_quotas);

  struct Entry {
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;
    std::vector<QuotaEntity> entity;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
      v.field(MR_FIELD(entity));
    }
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Entry> entries;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(entries));
  }
};

}  // namespace millrace::kafka_wire
