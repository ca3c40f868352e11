#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-43, KIP-152 (v1: tokens travel in SaslAuthenticate), KIP-368 (session lifetime).
struct SaslHandshakeRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::sasl_handshake);

  std::string mechanism;

  static constexpr void visit(auto& v) { v.field(MR_FIELD(mechanism)); }
};

struct SaslHandshakeResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::sasl_handshake);

  ErrorCode error_code = ErrorCode::none;
  std::vector<std::string> mechanisms;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(mechanisms));
  }
};

struct SaslAuthenticateRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::sasl_authenticate);

  Blob auth_bytes;

  static constexpr void visit(auto& v) { v.field(MR_FIELD(auth_bytes)); }
};

struct SaslAuthenticateResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::sasl_authenticate);

  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  Blob auth_bytes;
  std::int64_t session_lifetime_ms = 0;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(error_message));
    v.field(MR_FIELD(auth_bytes));
    v.field(MR_FIELD(session_lifetime_ms), since(1));
  }
};

// KIP-554.
enum class ScramMechanism : std::int8_t { unknown = 0, sha_256 = 1, sha_512 = 2 };

struct DescribeUserScramCredentialsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::describe_user_scram_credentials);

  struct User {
    std::string name;

    static constexpr void visit(auto& v) { v.field(MR_FIELD(name)); }
  };

  std::optional<std::vector<User>> users;  // null: all

  static constexpr void visit(auto& v) { v.field(MR_FIELD(users)); }
};

struct DescribeUserScramCredentialsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::describe_user_scram_credentials);

  struct Credential {
    ScramMechanism mechanism = ScramMechanism::unknown;
    std::int32_t iterations = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(mechanism));
      v.field(MR_FIELD(iterations));
    }
  };
  struct Result {
    std::string user;
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;
    std::vector<Credential> credential_infos;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(user));
      v.field(MR_FIELD(error_code));
      v.field(MR_FIELD(error_message));
      v.field(MR_FIELD(credential_infos));
    }
  };

  std::int32_t throttle_time_ms = 0;
  ErrorCode error_code = ErrorCode::none;
  std::optional<std::string> error_message;
  std::vector<Result> results;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(throttle_time_ms));
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(error_message));
    v.field(MR_FIELD(results));
  }
};

struct AlterUserScramCredentialsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::alter_user_scram_credentials);

  struct Deletion {
    std::string name;
    ScramMechanism mechanism = ScramMechanism::unknown;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(mechanism));
    }
  };
  struct Upsertion {
    std::string name;
    ScramMechanism mechanism = ScramMechanism::unknown;
    std::int32_t iterations = 0;
    Blob salt;
    Blob salted_password;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(mechanism));
      v.field(MR_FIELD(iterations));
      v.field(MR_FIELD(salt));
      v.field(MR_FIELD(salted_password));
    }
  };

  std::vector<Deletion> deletions;
  std::vector<Upsertion> upsertions;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(deletions));
    v.field(MR_FIELD(upsertions));
  }
};

struct AlterUserScramCredentialsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::alter_user_scram_credentials);

  struct Result {
    std::string user;
    ErrorCode error_code = ErrorCode::none;
    std::optional<std::string> error_message;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(user));
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

}  // namespace millrace::kafka_wire
