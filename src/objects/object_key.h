#pragma once

#include <string_view>

#include "base/status.h"

namespace millrace::objects {

// The part of a directory store's folder that is not objects.
inline constexpr std::string_view kUploadsName = ".uploads";

inline constexpr std::size_t kKeyBytesMax = 1024;     // S3's bound
inline constexpr std::size_t kSegmentBytesMax = 255;  // a file name's bound

// `invalid` unless `key` is 1 to 1024 bytes of '/'-separated segments, each 1 to 255 bytes without
// control characters, not "." or "..", and not starting with ".uploads".
Status validate_key(std::string_view key);

}  // namespace millrace::objects
