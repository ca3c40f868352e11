// The first byte names the compression; the rest is what a producer calls compressed. Whatever it
// is, the plain form keeps its bound, and what was unpacked packs and unpacks to itself.

#include "codec/compression.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using millrace::codec::Compression;
  constexpr std::size_t kPlainBytesMax = 1 << 20;
  if (size == 0) return 0;
  const auto compression = static_cast<Compression>(1 + data[0] % 4);
  const std::string_view packed(reinterpret_cast<const char*>(data) + 1, size - 1);
  millrace::codec::Decompressor decompressor;
  const auto plain = decompressor.decompress(compression, packed, kPlainBytesMax);
  if (!plain.is_ok()) return 0;
  MR_CHECK(plain->size() <= kPlainBytesMax);
  std::string again;
  MR_CHECK(millrace::codec::compress(compression, *plain, again).is_ok());
  std::string twice;
  MR_CHECK(millrace::codec::decompress(compression, again, kPlainBytesMax, twice).is_ok());
  MR_CHECK(twice == *plain);
  return 0;
}
