#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// What a configuration belongs to (ConfigResource.Type of Kafka's clients).
enum class ConfigResourceType : std::int8_t {
  unknown = 0,
  topic = 2,
  broker = 4,
  broker_logger = 8,
  client_metrics = 16,
  group = 32,
};

// KIP-133, KIP-226 (v1: synonyms), KIP-569 (v3: documentation).
struct DescribeConfigsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_configs);

  struct Resource {
    ConfigResourceType resource_type = ConfigResourceType::unknown;
    std::string resource_name;
    std::optional<std::vector<std::string>> configuration_keys;  // null: all

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(resource_type));
      v.field(MR_FIELD(resource_name));
      v.field(MR_FIELD(configuration_keys));
    }
  };

  std::vector<Resource> resources;
  bool include_synonyms = false;
  bool include_documentation = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(resources));
    v.field(MR_FIELD(include_synonyms));
    v.field(MR_FIELD(include_documentation), since(3));
  }
};

struct DescribeConfigsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_configs);

  struct Synonym {
    std::string name;
    std::optional<std::string> value;
    std::int8_t source = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(value));
      v.field(MR_FIELD(source));
    }
  };
  struct Config {
    std::string name;
    std::optional<std::string> value;
    bool read_only = false;
    std::int8_t config_source = -1;  // 1 topic, 2 dynamic broker, 4 static broker, 5 default
    bool is_sensitive = false;
    std::vector<Synonym> synonyms;
    std::int8_t config_type = 0;
    std::optional<std::string> documentation;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(value));
      v.field(MR_FIELD(read_only));
      v.field(MR_FIELD(config_source));
      v.field(MR_FIELD(is_sensitive));
      v.field(MR_FIELD(synonyms));
      v.field(MR_FIELD(config_type), since(3));
      v.field(MR_FIELD(documentation), since(3));
    }
  };
  struct Result {
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;
    ConfigResourceType resource_type = ConfigResourceType::unknown;
    std::string resource_name;
    std::vector<Config> configs;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
      v.field(MR_FIELD(resource_type));
      v.field(MR_FIELD(resource_name));
      v.field(MR_FIELD(configs));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<Result> results;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(results));
  }
};

// Replaces all of a resource's configuration.
struct AlterConfigsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::alter_configs);

  struct Config {
    std::string name;
    std::optional<std::string> value;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(value));
    }
  };
  struct Resource {
    ConfigResourceType resource_type = ConfigResourceType::unknown;
    std::string resource_name;
    std::vector<Config> configs;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(resource_type));
      v.field(MR_FIELD(resource_name));
      v.field(MR_FIELD(configs));
    }
  };

  std::vector<Resource> resources;
  bool validate_only = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(resources));
    v.field(MR_FIELD(validate_only));
  }
};

struct AlteredResource {
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  ConfigResourceType resource_type = ConfigResourceType::unknown;
  std::string resource_name;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(error_message));
    v.field(MR_FIELD(resource_type));
    v.field(MR_FIELD(resource_name));
  }
};

struct AlterConfigsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::alter_configs);

  std::int32_t throttle_time_ms = 0;
  std::vector<AlteredResource> responses;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(responses));
  }
};

// KIP-339.
struct IncrementalAlterConfigsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::incremental_alter_configs);
  static constexpr std::int8_t kSet = 0;
  static constexpr std::int8_t kDelete = 1;
  static constexpr std::int8_t kAppend = 2;
  static constexpr std::int8_t kSubtract = 3;

  struct Config {
    std::string name;
    std::int8_t config_operation = kSet;
    std::optional<std::string> value;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(config_operation));
      v.field(MR_FIELD(value));
    }
  };
  struct Resource {
    ConfigResourceType resource_type = ConfigResourceType::unknown;
    std::string resource_name;
    std::vector<Config> configs;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(resource_type));
      v.field(MR_FIELD(resource_name));
      v.field(MR_FIELD(configs));
    }
  };

  std::vector<Resource> resources;
  bool validate_only = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(resources));
    v.field(MR_FIELD(validate_only));
  }
};

struct IncrementalAlterConfigsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::incremental_alter_configs);

  std::int32_t throttle_time_ms = 0;
  std::vector<AlteredResource> responses;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(responses));
  }
};

}  // namespace millrace::kafka_wire
