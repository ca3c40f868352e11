#include "aws_sign/canonical.h"

#include <algorithm>
#include <array>

#include "aws_sign/digest.h"
#include "base/time_text.h"

namespace millrace::aws_sign {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kTerminator = "aws4_request";
constexpr std::size_t kDayBytes = 8;    // "20150830"
constexpr std::size_t kDateBytes = 16;  // "20150830T123600Z"
constexpr std::int64_t kMillisPerSecond = 1'000;

// What a proxy or a client's library may add, drop or change on the way, and the signature itself.
constexpr auto kUnsignedHeaders = std::to_array<std::string_view>(
    {"authorization", "connection", "expect", "keep-alive", "proxy-authenticate",
     "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
     "x-amzn-trace-id"});

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void append_encoded(std::string& out, std::string_view bytes, bool keeps_slashes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : bytes) {
    if (is_unreserved(c) || (keeps_slashes && c == '/')) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// Without spaces around it, and one for several within.
std::string trimmed(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (!is_space(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

// Without empty, "." and ".." segments (RFC 3986 5.2.4, and double slashes).
std::string normalised(std::string_view path) {
  std::vector<std::string_view> segments;
  bool is_open = true;  // ends in a slash
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    const auto segment = path.substr(0, end);
    is_open = end < path.size() || segment.empty() || segment == "." || segment == "..";
    path.remove_prefix(std::min(end + 1, path.size()));
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
  }
  std::string out;
  for (const auto segment : segments) out.append("/").append(segment);
  if (is_open) out += '/';
  return out;
}

std::string canonical_path(const Request& request, const Scope& scope) {
  if (scope.service == "s3") return request.path.empty() ? "/" : request.path;
  std::string out;
  append_encoded(out, normalised(request.path), true);
  return out;
}

std::string canonical_query(const Pairs& query) {
  Pairs encoded;
  for (const auto& [name, value] : query) {
    encoded.emplace_back(percent_encode(name), percent_encode(value));
  }
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

}  // namespace

std::string percent_encode(std::string_view bytes) {
  std::string out;
  append_encoded(out, bytes, false);
  return out;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return invalid_error("a % must be followed by two hex digits");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

Result<Pairs> parse_query(std::string_view text) {
  Pairs out;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty()) continue;
    const auto equals = std::min(one.find('='), one.size());
    MR_ASSIGN_OR_RETURN(auto name, percent_decode(one.substr(0, equals)));
    MR_ASSIGN_OR_RETURN(auto value, percent_decode(one.substr(std::min(equals + 1, one.size()))));
    out.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

std::string format_query(const Pairs& query) {
  std::string out;
  for (const auto& [name, value] : query) {
    if (!out.empty()) out += '&';
    append_encoded(out, name, false);
    out += '=';
    append_encoded(out, value, false);
  }
  return out;
}

std::string format_date(WallTime time) {
  std::string out;  // from 2015-08-30T12:36:00Z
  for (const char c : format_instant(time.value / kMillisPerSecond, 0)) {
    if (c != '-' && c != ':') out += c;
  }
  return out;
}

Result<WallTime> parse_date(std::string_view text) {
  const auto wrong = [&] {
    return invalid_error("'" + std::string(text.substr(0, 2 * kDateBytes)) +
                         "' is no date such as 20150830T123600Z");
  };
  if (text.size() != kDateBytes || text[kDayBytes] != 'T' || text.back() != 'Z') return wrong();
  std::string full(text);
  for (const std::size_t at : {13, 11}) full.insert(at, 1, ':');
  for (const std::size_t at : {6, 4}) full.insert(at, 1, '-');
  const auto instant = parse_instant(full);
  if (!instant) return wrong();
  return WallTime(instant->seconds * kMillisPerSecond);
}

std::vector<std::string> headers_to_sign(const Pairs& headers) {
  std::vector<std::string> out;
  for (const auto& [name, value] : headers) {
    auto one = lower(name);
    if (std::ranges::find(kUnsignedHeaders, one) == kUnsignedHeaders.end()) {
      out.push_back(std::move(one));
    }
  }
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

std::string join_names(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ";") + name;
  return out;
}

std::string canonical_request(const Request& request,
                              const std::vector<std::string>& signed_headers, const Scope& scope) {
  std::string out = request.method + "\n" + canonical_path(request, scope) + "\n" +
                    canonical_query(request.query) + "\n";
  for (const auto& name : signed_headers) {
    std::string values;
    bool is_first = true;
    for (const auto& [given, value] : request.headers) {
      if (lower(given) != name) continue;
      if (!is_first) values += ',';
      is_first = false;
      values += trimmed(value);
    }
    out += name + ":" + values + "\n";
  }
  return out + "\n" + join_names(signed_headers) + "\n" + request.payload_hash;
}

std::string credential_scope(const Scope& scope, std::string_view date) {
  return std::string(date.substr(0, kDayBytes)) + "/" + scope.region + "/" + scope.service + "/" +
         std::string(kTerminator);
}

std::string string_to_sign(std::string_view canonical_request, const Scope& scope,
                           std::string_view date) {
  return std::string(kAlgorithm) + "\n" + std::string(date) + "\n" + credential_scope(scope, date) +
         "\n" + sha256_hex(canonical_request);
}

std::string signature(std::string_view secret_key, const Scope& scope, std::string_view date,
                      std::string_view string_to_sign) {
  const auto of_day = hmac_sha256("AWS4" + std::string(secret_key), date.substr(0, kDayBytes));
  const auto of_region = hmac_sha256(of_day, scope.region);
  const auto of_service = hmac_sha256(of_region, scope.service);
  return to_hex(hmac_sha256(hmac_sha256(of_service, kTerminator), string_to_sign));
}

}  // namespace millrace::aws_sign
