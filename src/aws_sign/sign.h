#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aws_sign/canonical.h"
#include "base/status.h"
#include "base/time.h"

namespace millrace::aws_sign {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: none
};

// The headers to add to `request`: x-amz-date, x-amz-security-token where there is a token,
// x-amz-content-sha256 for s3, authorization. All of the request's headers are covered, but for
// those that headers_to_sign leaves out; it must have none of those that are added.
Pairs sign_headers(const Request& request, const Scope& scope, const Credentials& credentials,
                   WallTime now);

// The query parameters to add to `request`, X-Amz-Signature last. Good for `life_seconds` from
// `now` on, 1 to kPresignedSecondsMax. For s3 the payload should be kUnsignedPayload.
Pairs presign_query(const Request& request, const Scope& scope, const Credentials& credentials,
                    WallTime now, std::int64_t life_seconds);
inline constexpr std::int64_t kPresignedSecondsMax = 7 * 86'400;

// What a request says of its signature, before anything of it is believed.
struct Claim {
  std::string access_key_id;  // whose secret to look up
  Scope scope;
  std::string date;  // as format_date has it
  WallTime signed_at;
  std::int64_t life_seconds = 0;  // of a presigned one; 0: it is in the headers
  std::vector<std::string> signed_headers;
  std::string signature;
  std::string session_token;  // empty: none
};
// Bytes of a stranger. `not_found` when the request has no signature of this kind, `invalid` (what
// is missing or wrong) when it has one that cannot be right.
Result<Claim> read_claim(const Request& request);

// Whether the request was signed with this secret, for `now`. That its payload_hash is that of its
// body, and that the scope and the session token are the right ones, is the caller's to see to.
// `invalid` says what is wrong, never what would be right of a signature.
Status verify(const Request& request, const Claim& claim, std::string_view secret_access_key,
              WallTime now);
// How far apart clocks may be.
inline constexpr std::int64_t kClockSkewMsMax = 15 * 60'000;

}  // namespace millrace::aws_sign
