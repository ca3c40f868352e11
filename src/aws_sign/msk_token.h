#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "aws_sign/sign.h"
#include "base/time.h"

namespace millrace::aws_sign {

inline constexpr std::int64_t kMskTokenSeconds = 900;

// What a broker of Amazon MSK with IAM takes as a token of OAUTHBEARER: a presigned request for
// kafka-cluster:Connect in base 64, as the aws-msk-iam-sasl-signer libraries make it. Good for
// kMskTokenSeconds from the whole second of `now` on. `user_agent` is not covered by the signature.
std::string msk_token(std::string_view region, const Credentials& credentials, WallTime now,
                      std::string_view user_agent);
// When the token made for `now` is no longer good.
WallTime msk_token_expires_at(WallTime now);

// The region in a broker's name such as b-1.name.ab12.c2.kafka.eu-west-1.amazonaws.com or
// boot-ab12.c1.kafka-serverless.eu-west-1.amazonaws.com; empty: there is none.
std::string region_of_broker(std::string_view host);

}  // namespace millrace::aws_sign
