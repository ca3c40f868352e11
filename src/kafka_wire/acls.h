#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-140, KIP-290 (v1: pattern types). The numbers are those of Kafka's AclOperation,
// AclPermissionType, ResourceType and PatternType.
inline constexpr std::int8_t kPatternLiteral = 3;

// Null in a filter matches everything.
struct DescribeAclsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_acls);

  std::int8_t resource_type_filter = 0;
  std::optional<std::string> resource_name_filter;
  std::int8_t pattern_type_filter = kPatternLiteral;
  std::optional<std::string> principal_filter;
  std::optional<std::string> host_filter;
  std::int8_t operation = 0;
  std::int8_t permission_type = 0;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(resource_type_filter));
    v.field(MR_FIELD(resource_name_filter));
    v.field(MR_FIELD(pattern_type_filter));
    v.field(MR_FIELD(principal_filter));
    v.field(MR_FIELD(host_filter));
    v.field(MR_FIELD(operation));
    v.field(MR_FIELD(permission_type));
  }
};

struct DescribeAclsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_acls);

  struct Acl {
    std::string principal;
    std::string host;
    std::int8_t operation = 0;
    std::int8_t permission_type = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(principal));
      v.field(MR_FIELD(host));
      v.field(MR_FIELD(operation));
      v.field(MR_FIELD(permission_type));
    }
  };
  struct Resource {
    std::int8_t resource_type = 0;
    std::string resource_name;
    std::int8_t pattern_type = kPatternLiteral;
    std::vector<Acl> acls;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(resource_type));
      v.field(MR_FIELD(resource_name));
      v.field(MR_FIELD(pattern_type));
      v.field(MR_FIELD(acls));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  std::vector<Resource> resources;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(error_message));
    v.field(MR_FIELD(resources));
  }
};

struct CreateAclsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::create_acls);

  struct Creation {
    std::int8_t resource_type = 0;
    std::string resource_name;
    std::int8_t resource_pattern_type = kPatternLiteral;
    std::string principal;
    std::string host;
    std::int8_t operation = 0;
    std::int8_t permission_type = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(resource_type));
      v.field(MR_FIELD(resource_name));
      v.field(MR_FIELD(resource_pattern_type));
      v.field(MR_FIELD(principal));
      v.field(MR_FIELD(host));
      v.field(MR_FIELD(operation));
      v.field(MR_FIELD(permission_type));
    }
  };

  std::vector<Creation> creations;

  static constexpr void visit(auto& v) { v.field(MR_FIELD(creations)); }
};

struct CreateAclsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::create_acls);

  struct Result {
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;

    static constexpr void visit(auto& v) {
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

struct DeleteAclsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::delete_acls);

  struct Filter {
    std::int8_t resource_type_filter = 0;
    std::optional<std::string> resource_name_filter;
    std::int8_t pattern_type_filter = kPatternLiteral;
    std::optional<std::string> principal_filter;
    std::optional<std::string> host_filter;
    std::int8_t operation = 0;
    std::int8_t permission_type = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(resource_type_filter));
      v.field(MR_FIELD(resource_name_filter));
      v.field(MR_FIELD(pattern_type_filter));
      v.field(MR_FIELD(principal_filter));
      v.field(MR_FIELD(host_filter));
      v.field(MR_FIELD(operation));
      v.field(MR_FIELD(permission_type));
    }
  };

  std::vector<Filter> filters;

  static constexpr void visit(auto& v) { v.field(MR_FIELD(filters)); }
};

struct DeleteAclsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::delete_acls);

  struct MatchingAcl {
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;
    std::int8_t resource_type = 0;
    std::string resource_name;
    std::int8_t pattern_type = kPatternLiteral;
    std::string principal;
    std::string host;
    std::int8_t operation = 0;
    std::int8_t permission_type = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
      v.field(MR_FIELD(resource_type));
      v.field(MR_FIELD(resource_name));
      v.field(MR_FIELD(pattern_type));
      v.field(MR_FIELD(principal));
      v.field(MR_FIELD(host));
      v.field(MR_FIELD(operation));
      v.field(MR_FIELD(permission_type));
    }
  };
  struct FilterResult {
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;
    std::vector<MatchingAcl> matching_acls;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
      v.field(MR_FIELD(matching_acls));
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<FilterResult> filter_results;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(filter_results));
  }
};

}  // namespace millrace::kafka_wire
