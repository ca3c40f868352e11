#include "aws_sign/msk_token.h"

#include "aws_sign/digest.h"

namespace millrace::aws_sign {
namespace {

constexpr std::int64_t kMillisPerSecond = 1'000;

}  // namespace

std::string msk_token(std::string_view region, const Credentials& credentials, WallTime now,
                      std::string_view user_agent) {
  const Scope scope{std::string(region), "kafka-cluster"};
  const auto host = "kafka." + scope.region + ".amazonaws.com";
  Request request;
  request.query = {{"Action", "kafka-cluster:Connect"}};
  request.headers = {{"host", host}};
  request.payload_hash = kEmptyPayloadHash;
  auto query = request.query;
  for (auto& pair : presign_query(request, scope, credentials, now, kMskTokenSeconds)) {
    query.push_back(std::move(pair));
  }
  query.emplace_back("User-Agent", user_agent);
  return to_base64url("https://" + host + "/?" + format_query(query));
}

WallTime msk_token_expires_at(WallTime now) {
  return WallTime((now.value / kMillisPerSecond + kMskTokenSeconds) * kMillisPerSecond);
}

std::string region_of_broker(std::string_view host) {
  for (const std::string_view service : {".kafka.", ".kafka-serverless."}) {
    const auto at = host.find(service);
    if (at == std::string_view::npos) continue;
    const auto rest = host.substr(at + service.size());
    const auto end = rest.find(".amazonaws.com");
    if (end == std::string_view::npos || end == 0) continue;
    const auto region = rest.substr(0, end);
    if (region.find('.') == std::string_view::npos) return std::string(region);
  }
  return {};
}

}  // namespace millrace::aws_sign
