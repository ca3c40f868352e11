#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "kafka_client/kafka_log.h"
#include "sys/file_system.h"

namespace millrace::kafka_client {

// The token in `text`, which may end in line breaks. A JWT (RFC 7519) says by `exp` until when it
// is good, and by `sub` whose it is; of anything else it is assumed to be good for kOpaqueTokenMs.
// `invalid` when it is empty, has characters that no token has (RFC 6750), or is a JWT that has
// expired; the message never has the token.
Result<KafkaToken> parse_token(std::string_view text, WallTime now);
inline constexpr std::int64_t kOpaqueTokenMs = 300'000;

// The same of a file, read anew: whoever replaces it needs to tell nobody.
Result<KafkaToken> read_token_file(sys::FileSystem& files, const std::string& path, WallTime now);

}  // namespace millrace::kafka_client
