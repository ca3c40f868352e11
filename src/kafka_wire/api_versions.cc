#include "kafka_wire/api_versions.h"

#include <algorithm>

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
