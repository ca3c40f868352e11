#include "aws_sign/sign.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "aws_sign/digest.h"
#include "base/check.h"

namespace millrace::aws_sign {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::int64_t kMillisPerSecond = 1'000;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kSignedHeadersMax = 256;

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

// A second value would leave open which of them was meant.
Result<std::optional<std::string>> only(const Pairs& pairs, std::string_view name,
                                        bool ignores_case) {
  std::optional<std::string> out;
  for (const auto& [given, value] : pairs) {
    if (ignores_case ? !equal_without_case(given, name) : given != name) continue;
    if (out) return invalid_error(std::string(name) + " is there twice");
    out = value;
  }
  return out;
}

Result<std::string> needed(const Pairs& pairs, std::string_view name, bool ignores_case) {
  MR_ASSIGN_OR_RETURN(auto found, only(pairs, name, ignores_case));
  if (!found) return invalid_error(std::string(name) + " is missing");
  return std::move(*found);
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  while (true) {
    const auto end = text.find(at);
    out.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

// "AKID/20150830/us-east-1/iam/aws4_request".
Status read_credential(std::string_view text, Claim& claim) {
  const auto parts = split(text, '/');
  if (parts.size() != 5 || parts[4] != "aws4_request" || parts[0].empty()) {
    return invalid_error("Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request");
  }
  claim.access_key_id = parts[0];
  claim.scope = {parts[2], parts[3]};
  if (parts[1] != claim.date.substr(0, parts[1].size()) || parts[1].size() != 8) {
    return invalid_error("Credential and X-Amz-Date name different days");
  }
  return ok_status();
}

Status read_signed_headers(std::string_view text, Claim& claim) {
  claim.signed_headers = split(text, ';');
  const auto& names = claim.signed_headers;
  if (names.size() > kSignedHeadersMax || !std::ranges::is_sorted(names)) {
    return invalid_error("SignedHeaders must be sorted, and " + std::to_string(kSignedHeadersMax) +
                         " at most");
  }
  if (std::ranges::find(names, "host") == names.end()) {
    return invalid_error("SignedHeaders must have host");
  }
  return ok_status();
}

Status read_date(Claim& claim, std::string date) {
  MR_ASSIGN_OR_RETURN(claim.signed_at, parse_date(date));
  claim.date = std::move(date);
  return ok_status();
}

// What comes with X-Amz- in the headers and is not covered could be anybody's.
Status check_amz_headers(const Request& request, const Claim& claim) {
  for (const auto& name : headers_to_sign(request.headers)) {
    if (!name.starts_with("x-amz-")) continue;
    if (std::ranges::find(claim.signed_headers, name) == claim.signed_headers.end()) {
      return invalid_error("SignedHeaders must have " + name);
    }
  }
  return ok_status();
}

Result<Claim> read_header_claim(const Request& request, std::string_view authorization) {
  if (!authorization.starts_with(kAlgorithm)) {
    return not_found_error("the Authorization is not " + std::string(kAlgorithm));
  }
  authorization.remove_prefix(kAlgorithm.size());
  Claim claim;
  MR_ASSIGN_OR_RETURN(auto date, needed(request.headers, "x-amz-date", true));
  MR_RETURN_IF_ERROR(read_date(claim, std::move(date)));
  Pairs fields;
  for (const auto& part : split(authorization, ',')) {
    std::string_view one = part;
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    const auto equals = one.find('=');
    if (equals == std::string_view::npos) {
      return invalid_error("Authorization must have Credential=, SignedHeaders= and Signature=");
    }
    fields.emplace_back(one.substr(0, equals), one.substr(equals + 1));
  }
  MR_ASSIGN_OR_RETURN(const auto credential, needed(fields, "Credential", false));
  MR_RETURN_IF_ERROR(read_credential(credential, claim));
  MR_ASSIGN_OR_RETURN(const auto names, needed(fields, "SignedHeaders", false));
  MR_RETURN_IF_ERROR(read_signed_headers(names, claim));
  MR_ASSIGN_OR_RETURN(claim.signature, needed(fields, "Signature", false));
  MR_ASSIGN_OR_RETURN(const auto token, only(request.headers, "x-amz-security-token", true));
  claim.session_token = token.value_or("");
  MR_RETURN_IF_ERROR(check_amz_headers(request, claim));
  return claim;
}

Result<Claim> read_query_claim(const Request& request, std::string_view algorithm) {
  if (algorithm != kAlgorithm) {
    return not_found_error("the X-Amz-Algorithm is not " + std::string(kAlgorithm));
  }
  const auto& query = request.query;
  Claim claim;
  MR_ASSIGN_OR_RETURN(auto date, needed(query, "X-Amz-Date", false));
  MR_RETURN_IF_ERROR(read_date(claim, std::move(date)));
  MR_ASSIGN_OR_RETURN(const auto credential, needed(query, "X-Amz-Credential", false));
  MR_RETURN_IF_ERROR(read_credential(credential, claim));
  MR_ASSIGN_OR_RETURN(const auto names, needed(query, "X-Amz-SignedHeaders", false));
  MR_RETURN_IF_ERROR(read_signed_headers(names, claim));
  MR_ASSIGN_OR_RETURN(claim.signature, needed(query, "X-Amz-Signature", false));
  MR_ASSIGN_OR_RETURN(const auto life, needed(query, "X-Amz-Expires", false));
  const auto* end = life.data() + life.size();
  const auto read = std::from_chars(life.data(), end, claim.life_seconds);
  if (read.ec != std::errc() || read.ptr != end || claim.life_seconds < 1 ||
      claim.life_seconds > kPresignedSecondsMax) {
    return invalid_error("X-Amz-Expires must be from 1 to " + std::to_string(kPresignedSecondsMax));
  }
  MR_ASSIGN_OR_RETURN(const auto token, only(query, "X-Amz-Security-Token", false));
  claim.session_token = token.value_or("");
  MR_RETURN_IF_ERROR(check_amz_headers(request, claim));
  return claim;
}

std::string sign(const Request& request, const std::vector<std::string>& signed_headers,
                 const Scope& scope, std::string_view secret_key, std::string_view date) {
  const auto canonical = canonical_request(request, signed_headers, scope);
  return signature(secret_key, scope, date, string_to_sign(canonical, scope, date));
}

}  // namespace

Pairs sign_headers(const Request& request, const Scope& scope, const Credentials& credentials,
                   WallTime now) {
  const auto date = format_date(now);
  Pairs added{{"x-amz-date", date}};
  if (!credentials.session_token.empty()) {
    added.emplace_back("x-amz-security-token", credentials.session_token);
  }
  if (scope.service == "s3") added.emplace_back("x-amz-content-sha256", request.payload_hash);
  auto whole = request;
  whole.headers.insert(whole.headers.end(), added.begin(), added.end());
  const auto names = headers_to_sign(whole.headers);
  added.emplace_back(
      "authorization",
      std::string(kAlgorithm) + " Credential=" + credentials.access_key_id + "/" +
          credential_scope(scope, date) + ", SignedHeaders=" + join_names(names) +
          ", Signature=" + sign(whole, names, scope, credentials.secret_access_key, date));
  return added;
}

Pairs presign_query(const Request& request, const Scope& scope, const Credentials& credentials,
                    WallTime now, std::int64_t life_seconds) {
  MR_CHECK(life_seconds >= 1 && life_seconds <= kPresignedSecondsMax);
  const auto date = format_date(now);
  const auto names = headers_to_sign(request.headers);
  Pairs added{
      {"X-Amz-Algorithm", std::string(kAlgorithm)},
      {"X-Amz-Credential", credentials.access_key_id + "/" + credential_scope(scope, date)},
      {"X-Amz-Date", date},
      {"X-Amz-Expires", std::to_string(life_seconds)},
      {"X-Amz-SignedHeaders", join_names(names)},
  };
  if (!credentials.session_token.empty()) {
    added.emplace_back("X-Amz-Security-Token", credentials.session_token);
  }
  auto whole = request;
  whole.query.insert(whole.query.end(), added.begin(), added.end());
  added.emplace_back("X-Amz-Signature",
                     sign(whole, names, scope, credentials.secret_access_key, date));
  return added;
}

Result<Claim> read_claim(const Request& request) {
  MR_ASSIGN_OR_RETURN(const auto in_query, only(request.query, "X-Amz-Algorithm", false));
  MR_ASSIGN_OR_RETURN(const auto in_headers, only(request.headers, "authorization", true));
  if (in_query && in_headers) return invalid_error("signed twice: in the query and the headers");
  if (in_query) return read_query_claim(request, *in_query);
  if (in_headers) return read_header_claim(request, *in_headers);
  return not_found_error("the request is not signed");
}

Status verify(const Request& request, const Claim& claim, std::string_view secret_access_key,
              WallTime now) {
  const auto age_ms = now.value - claim.signed_at.value;
  const auto life_ms =
      claim.life_seconds > 0 ? claim.life_seconds * kMillisPerSecond : kClockSkewMsMax;
  if (age_ms < -kClockSkewMsMax) {
    return invalid_error("signed for " + claim.date + ", which is still to come");
  }
  if (age_ms > life_ms) {
    return invalid_error("signed for " + claim.date + ", and expired; it is " + format_date(now));
  }
  auto unsigned_one = request;
  std::erase_if(unsigned_one.query,
                [&](const auto& pair) { return pair.first == "X-Amz-Signature"; });
  const auto expected =
      sign(unsigned_one, claim.signed_headers, claim.scope, secret_access_key, claim.date);
  if (claim.signature.size() == kSignatureBytes &&
      equal_in_constant_time(claim.signature, expected)) {
    return ok_status();
  }
  return invalid_error("the signature does not match the request and the secret key");
}

}  // namespace millrace::aws_sign
