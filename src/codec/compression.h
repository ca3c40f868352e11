#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "codec/byte_buffer.h"

namespace millrace::codec {

// Kafka's compression codes, the low three bits of a batch's attributes.
enum class Compression : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

std::string_view to_string(Compression compression);
// "none", "gzip", "snappy", "lz4", "zstd", in any case ("uncompressed" is none).
Result<Compression> parse_compression(std::string_view name);

// Compresses in the framing Kafka clients expect: gzip member, xerial snappy blocks, LZ4 frame
// (independent 64 KiB blocks, no content checksum), zstd frame. Keeps the libraries' contexts
// between calls, so that a batch costs no allocation. Single-threaded.
class Compressor {
 public:
  Compressor();
  ~Compressor();
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;

  // Appends the compressed form of `plain` (at most INT32_MAX bytes) to `out`. `io` when the
  // library refuses, which only lack of memory explains; `out` is then unchanged.
  Status compress(Compression compression, std::string_view plain, ByteBuffer& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;  // made by the first call that needs it
};

// The way back, over foreign bytes. Keeps contexts and the plain bytes between calls. Snappy may be
// xerial-framed or raw; gzip, LZ4 and zstd may be several members or frames in a row.
// Single-threaded.
class Decompressor {
 public:
  // Readable (not initialised) bytes behind the plain form, as SIMD parsers want.
  static constexpr std::size_t kPaddingBytes = 64;

  Decompressor();
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  // The plain form of `packed`; it lives until the next call. `corrupt` on malformed or truncated
  // input or when the plain form would exceed `plain_bytes_max` (a decompression bomb).
  Result<std::string_view> decompress(Compression compression, std::string_view packed,
                                      std::size_t plain_bytes_max);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same for callers without a steady load; they append to `out`.
Status compress(Compression compression, std::string_view plain, std::string& out);
Status decompress(Compression compression, std::string_view packed, std::size_t plain_bytes_max,
                  std::string& out);

}  // namespace millrace::codec
