#include "codec/compression.h"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <array>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/compression_framing.h"

namespace millrace::codec {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"none", "gzip", "snappy", "lz4", "zstd"};

constexpr int kGzipLevel = 6;  // zlib's default, as Kafka's
constexpr int kZstdLevel = 3;  // zstd's default, as Kafka's
// Below zero: how much faster than LZ4's default, which looks for a match at every position. On
// enriched ticks, whose matches are long, a quarter less time for 5 % more bytes.
constexpr int kLz4Level = -3;
constexpr int kGzipMemoryLevel = 8;                   // zlib's default
constexpr std::size_t kXerialBlockBytes = 32u << 10;  // snappy-java's default

LZ4F_preferences_t lz4_preferences() {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.frameInfo.contentChecksumFlag = LZ4F_noContentChecksum;
  preferences.frameInfo.blockChecksumFlag = LZ4F_noBlockChecksum;
  preferences.compressionLevel = kLz4Level;
  preferences.autoFlush = 1;
  return preferences;
}

}  // namespace

std::string_view to_string(Compression compression) {
  const auto index = static_cast<std::size_t>(compression);
  MR_CHECK(index < kNames.size());
  return kNames[index];
}

Result<Compression> parse_compression(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (lower == "uncompressed") return Compression::none;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (lower == kNames[i]) return static_cast<Compression>(i);
  }
  return invalid_error("compression \"" + std::string(name) +
                       "\" must be one of none, gzip, snappy, lz4, zstd");
}

struct Compressor::Impl {
  ~Impl() {
    if (has_gzip) deflateEnd(&gzip);
    LZ4F_freeCompressionContext(lz4);
    ZSTD_freeCCtx(zstd);
  }
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status compress_gzip(std::string_view plain, ByteBuffer& out);
  Status compress_snappy(std::string_view plain, ByteBuffer& out);
  Status compress_lz4(std::string_view plain, ByteBuffer& out);
  Status compress_zstd(std::string_view plain, ByteBuffer& out);

  z_stream gzip{};
  bool has_gzip = false;
  LZ4F_cctx* lz4 = nullptr;
  ZSTD_CCtx* zstd = nullptr;
};

Status Compressor::Impl::compress_gzip(std::string_view plain, ByteBuffer& out) {
  if (!has_gzip) {
    if (deflateInit2(&gzip, kGzipLevel, Z_DEFLATED, kGzipWindowBits, kGzipMemoryLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
      return out_of_memory(Compression::gzip);
    }
    has_gzip = true;
  }
  if (deflateReset(&gzip) != Z_OK) return out_of_memory(Compression::gzip);
  const auto bound = deflateBound(&gzip, plain.size());
  gzip.next_in = zlib_bytes(plain.data());
  gzip.avail_in = static_cast<uInt>(plain.size());
  gzip.next_out = zlib_bytes(out.reserve(bound));
  gzip.avail_out = static_cast<uInt>(bound);
  if (deflate(&gzip, Z_FINISH) != Z_STREAM_END) return out_of_memory(Compression::gzip);
  out.commit(bound - gzip.avail_out);
  return ok_status();
}

Status Compressor::Impl::compress_snappy(std::string_view plain, ByteBuffer& out) {
  std::memcpy(out.reserve(kXerialHeader.size()), kXerialHeader.data(), kXerialHeader.size());
  out.commit(kXerialHeader.size());
  while (!plain.empty()) {
    const auto block = plain.substr(0, kXerialBlockBytes);
    char* to = out.reserve(4 + snappy::MaxCompressedLength(block.size()));
    std::size_t packed_bytes = 0;
    snappy::RawCompress(block.data(), block.size(), to + 4, &packed_bytes);
    store_big(to, static_cast<std::int32_t>(packed_bytes));
    out.commit(4 + packed_bytes);
    plain.remove_prefix(block.size());
  }
  return ok_status();
}

Status Compressor::Impl::compress_lz4(std::string_view plain, ByteBuffer& out) {
  if (lz4 == nullptr && LZ4F_isError(LZ4F_createCompressionContext(&lz4, LZ4F_VERSION))) {
    lz4 = nullptr;
    return out_of_memory(Compression::lz4);
  }
  const auto preferences = lz4_preferences();
  const std::size_t room = LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(plain.size(), &preferences);
  char* const to = out.reserve(room);
  std::size_t used = LZ4F_compressBegin(lz4, to, room, &preferences);
  if (LZ4F_isError(used)) return out_of_memory(Compression::lz4);
  const auto body =
      LZ4F_compressUpdate(lz4, to + used, room - used, plain.data(), plain.size(), nullptr);
  if (LZ4F_isError(body)) return out_of_memory(Compression::lz4);
  used += body;
  const auto tail = LZ4F_compressEnd(lz4, to + used, room - used, nullptr);
  if (LZ4F_isError(tail)) return out_of_memory(Compression::lz4);
  out.commit(used + tail);
  return ok_status();
}

Status Compressor::Impl::compress_zstd(std::string_view plain, ByteBuffer& out) {
  if (zstd == nullptr) zstd = ZSTD_createCCtx();
  if (zstd == nullptr) return out_of_memory(Compression::zstd);
  const std::size_t room = ZSTD_compressBound(plain.size());
  const auto used =
      ZSTD_compressCCtx(zstd, out.reserve(room), room, plain.data(), plain.size(), kZstdLevel);
  if (ZSTD_isError(used)) return out_of_memory(Compression::zstd);
  out.commit(used);
  return ok_status();
}

Compressor::Compressor() = default;
Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;

Status Compressor::compress(Compression compression, std::string_view plain, ByteBuffer& out) {
  MR_CHECK(plain.size() <= kPackedBytesMax);
  if (impl_ == nullptr) impl_ = std::make_unique<Impl>();
  switch (compression) {
    case Compression::none:
      if (!plain.empty()) std::memcpy(out.reserve(plain.size()), plain.data(), plain.size());
      out.commit(plain.size());
      return ok_status();
    case Compression::gzip:
      return impl_->compress_gzip(plain, out);
    case Compression::snappy:
      return impl_->compress_snappy(plain, out);
    case Compression::lz4:
      return impl_->compress_lz4(plain, out);
    case Compression::zstd:
      return impl_->compress_zstd(plain, out);
  }
  MR_CHECK(false);
}

Status compress(Compression compression, std::string_view plain, std::string& out) {
  ByteBuffer packed;
  MR_RETURN_IF_ERROR(Compressor().compress(compression, plain, packed));
  out.append(packed.view());
  return ok_status();
}

Status decompress(Compression compression, std::string_view packed, std::size_t plain_bytes_max,
                  std::string& out) {
  Decompressor decompressor;
  MR_ASSIGN_OR_RETURN(const auto plain,
                      decompressor.decompress(compression, packed, plain_bytes_max));
  out.append(plain);
  return ok_status();
}

}  // namespace millrace::codec
