#include "kafka_client/token_file.h"

#include <algorithm>

#include "base/time_text.h"
#include "codec/json.h"

namespace millrace::kafka_client {
namespace {

constexpr std::size_t kTokenBytesMax = 64 * 1024;
constexpr std::int64_t kMillisPerSecond = 1'000;
constexpr std::int64_t kSecondsMax = 253'402'300'799;  // the end of the year 9999

// RFC 6750, section 2.1.
bool is_of_token(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

// The claims of HEADER.CLAIMS.SIGNATURE; `invalid` for anything else.
Result<Value> claims_of(std::string_view token, Arena& arena) {
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return invalid_error("no JWT");
  std::string claims(token.substr(first + 1, second - first - 1));
  std::ranges::replace(claims, '-', '+');
  std::ranges::replace(claims, '_', '/');
  while (claims.size() % 4 != 0) claims += '=';
  MR_ASSIGN_OR_RETURN(const auto text, codec::base64_decode(claims));
  return codec::parse_json(text, arena);
}

}  // namespace

Result<KafkaToken> parse_token(std::string_view text, WallTime now) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return invalid_error("there is no token in it");
  if (text.size() > kTokenBytesMax || !std::ranges::all_of(text, is_of_token)) {
    return invalid_error("it must hold one token and nothing else, of up to 65536 characters");
  }
  KafkaToken out{std::string(text), "", WallTime(now.value + kOpaqueTokenMs)};
  Arena arena;
  const auto claims = claims_of(text, arena);
  if (!claims.is_ok() || claims->kind() != ValueKind::map) return out;
  for (const auto& [name, value] : claims->as_map()) {
    if (name.as_string() == "sub" && value.kind() == ValueKind::string) {
      out.principal = value.as_string();
    }
    if (name.as_string() == "exp" && value.kind() == ValueKind::int64) {
      const auto seconds = std::clamp<std::int64_t>(value.as_int64(), 0, kSecondsMax);
      out.expires_at = WallTime(seconds * kMillisPerSecond);
    }
  }
  if (out.expires_at > now) return out;
  return invalid_error("the token expired at " + format_wall_time(out.expires_at) +
                       "; put a new one into the file");
}

Result<KafkaToken> read_token_file(sys::FileSystem& files, const std::string& path, WallTime now) {
  const auto text = files.read_file(path);
  if (!text.is_ok()) return Status(text.status()).with_context("token_file " + path);
  auto token = parse_token(*text, now);
  if (!token.is_ok()) return std::move(token).take_status().with_context("token_file " + path);
  return token;
}

}  // namespace millrace::kafka_client
