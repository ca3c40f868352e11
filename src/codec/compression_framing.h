#pragma once

#include <zlib.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/status.h"
#include "codec/compression.h"

// Private to compression.cc and decompression.cc.

namespace millrace::codec {

// Kafka's lengths are int32.
inline constexpr std::size_t kPackedBytesMax = std::numeric_limits<std::int32_t>::max();

inline constexpr int kGzipWindowBits = 31;  // 15, + 16 for the gzip wrapper

// snappy-java's stream (xerial): magic, version, oldest compatible version, then blocks of
// {big-endian length, raw snappy}. Readers look only at the magic: some clients write the two
// versions in little-endian order.
inline constexpr std::string_view kXerialMagic("\x82SNAPPY\0", 8);
inline constexpr std::string_view kXerialHeader("\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);

// zlib takes its input as bytes that are not const, and leaves them alone.
inline Bytef* zlib_bytes(const char* at) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(at));
}

inline Status out_of_memory(Compression compression) {
  return io_error(std::string(to_string(compression)) + ": the library refused, out of memory");
}

}  // namespace millrace::codec
