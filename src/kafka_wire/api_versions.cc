#include "kafka_wire/api_versions.h"

#include <algorithm>
#include <array>

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_software_word(const std::string& word) {
  return !word.empty() && is_letter_or_digit(word.front()) && is_letter_or_digit(word.back()) &&
         std::all_of(word.begin(), word.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
}

}  // namespace

MR_KAFKA_CODEC(ApiVersionsRequest);
MR_KAFKA_CODEC(ApiVersionsResponse);

bool ApiVersionsRequest::has_valid_software() const {
  return is_software_word(client_software_name) && is_software_word(client_software_version);
}

void add_features(ApiFeature enabled, std::int16_t version, ApiVersionsResponse& response) {
  struct Level {
    ApiFeature needed;
    const char* name;
    std::int16_t level;
  };
  constexpr auto kLevels = std::to_array<Level>({
      {ApiFeature::consumer_groups, "group.version", 1},
      {ApiFeature::transactions_v2, "transaction.version", 2},
  });
  constexpr std::int16_t kFirstVersionWithZero = 4;
  for (const Level& one : kLevels) {
    if (!has_all(enabled, one.needed)) continue;
    if (version >= kFirstVersionWithZero) {
      response.supported_features.push_back({one.name, 0, one.level});
    }
    response.finalized_features.push_back({one.name, one.level, one.level});
    response.finalized_features_epoch = 0;
  }
}

std::vector<ApiVersionsResponse::Api> advertised_apis(ApiFeature enabled) {
  std::vector<ApiVersionsResponse::Api> apis;
  for (const ApiInfo& api : all_apis()) {
    const VersionRange range = advertised_versions(api, enabled);
    if (!range.empty()) {
      apis.push_back({static_cast<std::int16_t>(api.key), range.min, range.max});
    }
  }
  return apis;
}

}  // namespace millrace::kafka_wire
