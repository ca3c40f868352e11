#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka_wire/error_codes.h"
#include "kafka_wire/message.h"
#include "kafka_wire/shared_structs.h"

namespace millrace::kafka_wire {

// KIP-35, KIP-511 (client software, and the answer to an unknown version), KIP-584 (features).
//
// A request in a version that the broker does not know is answered in version 0 with
// unsupported_version and its own range for this API; the request's body cannot be read. The
// response's header is of version 0 in every version (see header.h).
struct ApiVersionsRequest {
  static constexpr MessageInfo kInfo = request_of(ApiKey::api_versions);

  std::string client_software_name;
  std::string client_software_version;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(client_software_name), since(3));
    v.field(MR_FIELD(client_software_version), since(3));
  }

  // Kafka refuses a name or version that is not letters, digits, '-' and '.', beginning and ending
  // with a letter or digit.
  [[nodiscard]] bool has_valid_software() const;
};

struct ApiVersionsResponse {
  static constexpr MessageInfo kInfo = response_of(ApiKey::api_versions);

  struct Api {
    std::int16_t api_key = 0;
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(api_key));
      v.field(MR_FIELD(min_version));
      v.field(MR_FIELD(max_version));
    }
  };
  // One with min_version 0 may be named from version 4 on only: older clients refuse it.
  struct SupportedFeature {
    std::string name;
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(min_version));
      v.field(MR_FIELD(max_version));
    }
  };
  struct FinalizedFeature {
    std::string name;
    std::int16_t max_version_level = 0;
    std::int16_t min_version_level = 0;

    static constexpr void visit(auto& v) {
      v.field(MR_FIELD(name));
      v.field(MR_FIELD(max_version_level));
      v.field(MR_FIELD(min_version_level));
    }
  };

  ErrorCode error_code = ErrorCode::none;
  std::vector<Api> api_keys;
  std::int32_t throttle_time_ms = 0;
  std::vector<SupportedFeature> supported_features;
  std::int64_t finalized_features_epoch = -1;
  std::vector<FinalizedFeature> finalized_features;
  bool zk_migration_ready = false;

  static constexpr void visit(auto& v) {
    v.field(MR_FIELD(error_code));
    v.field(MR_FIELD(api_keys));
    v.field(MR_FIELD(throttle_time_ms), since(1));
    v.tagged(0, MR_FIELD(supported_features), since(3));
    v.tagged(1, MR_FIELD(finalized_features_epoch), since(3));
    v.tagged(2, MR_FIELD(finalized_features), since(3));
    v.tagged(3, MR_FIELD(zk_migration_ready), since(3));
  }
};

// api_keys of a broker with these features.
std::vector<ApiVersionsResponse::Api> advertised_apis(ApiFeature enabled);

// Fills in what clients ask Kafka's features (KIP-584) for: a producer speaks the second protocol
// of transactions only if transaction.version is finalized at 2 (KIP-890). For an answer in
// `version`, which must not name a supported feature that begins at 0 before version 4
// (KAFKA-17011).
void add_features(ApiFeature enabled, std::int16_t version, ApiVersionsResponse& response);

}  // namespace millrace::kafka_wire
