#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace millrace::aws_sign {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Of a request, what Signature Version 4 covers.
struct Request {
  std::string method = "GET";
  std::string path = "/";  // as it is sent, percent-encoded: "/a%20b"
  Pairs query;             // decoded; one name may come several times
  Pairs headers;           // as they are sent; `host` is among them
  // sha256_hex of the body, or kUnsignedPayload.
  std::string payload_hash;
};

// What stands for the hash of a body that is not covered.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
// sha256_hex("").
inline constexpr std::string_view kEmptyPayloadHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// What a key is good for, beside the day: "us-east-1", "kafka-cluster".
struct Scope {
  std::string region;
  std::string service;  // "s3" takes paths as they are; all others normalise and encode them again
};

// Every byte but RFC 3986's unreserved ones as %XX, with capitals.
std::string percent_encode(std::string_view bytes);
// `invalid` for a % without two hex digits.
Result<std::string> percent_decode(std::string_view text);
// "a=b&c": `invalid` as percent_decode. '+' stands for itself.
Result<Pairs> parse_query(std::string_view text);
// The same back, in this order, spaces as %20.
std::string format_query(const Pairs& query);

// "20150830T123600Z".
std::string format_date(WallTime time);
// `invalid` for anything else.
Result<WallTime> parse_date(std::string_view text);

// Names of the headers that a signature covers: lower case, sorted, once each. Those that
// intermediaries change (user-agent, connection, ...) are left out.
std::vector<std::string> headers_to_sign(const Pairs& headers);
// "host;x-amz-date".
std::string join_names(const std::vector<std::string>& names);

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
// `signed_headers` as headers_to_sign has them; the value of one that is not there is empty.
std::string canonical_request(const Request& request,
                              const std::vector<std::string>& signed_headers, const Scope& scope);
// "20150830/us-east-1/iam/aws4_request".
std::string credential_scope(const Scope& scope, std::string_view date);
std::string string_to_sign(std::string_view canonical_request, const Scope& scope,
                           std::string_view date);
// In hex. `date` as format_date has it.
std::string signature(std::string_view secret_key, const Scope& scope, std::string_view date,
                      std::string_view string_to_sign);

}  // namespace millrace::aws_sign
