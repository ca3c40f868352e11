#include "codec/compression.h"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "base/bytes.h"
#include "codec/compression_framing.h"

namespace millrace::codec {
namespace {

constexpr std::size_t kFirstPlainBytes = 64u << 10;
// One unusually large batch must not hold its memory for the life of a reader.
constexpr std::size_t kKeptPlainBytesMax = 16u << 20;

Status malformed(Compression compression, std::string_view what) {
  return corrupt_error(std::string(to_string(compression)) + ": " + std::string(what));
}

Status too_large(Compression compression, std::size_t plain_bytes_max) {
  return malformed(compression, "decompresses to more than the limit of " +
                                    std::to_string(plain_bytes_max) + " bytes");
}

}  // namespace

struct Decompressor::Impl {
  ~Impl() {
    if (has_gzip) inflateEnd(&gzip);
    LZ4F_freeDecompressionContext(lz4);
    ZSTD_freeDCtx(zstd);
  }
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // Room for more plain bytes, never beyond the limit; 0 once the limit is reached. One byte over
  // the limit is allowed, so that a stream of exactly the limit can still report its end.
  std::size_t make_room();
  [[nodiscard]] bool is_over_limit() const { return plain.size() > plain_bytes_max; }

  Status decompress_gzip(std::string_view packed);
  Status decompress_snappy(std::string_view packed);
  Status append_snappy_block(std::string_view block);
  Status decompress_lz4(std::string_view packed);
  Status decompress_zstd(std::string_view packed);

  ByteBuffer plain;
  std::size_t plain_bytes_max = 0;
  z_stream gzip{};
  bool has_gzip = false;
  LZ4F_dctx* lz4 = nullptr;
  ZSTD_DCtx* zstd = nullptr;
};

std::size_t Decompressor::Impl::make_room() {
  if (is_over_limit()) return 0;
  std::size_t room = plain.capacity() - plain.size();
  if (room <= kPaddingBytes) {
    const std::size_t wanted = std::max(plain.size(), kFirstPlainBytes);
    plain.reserve(wanted + kPaddingBytes);
    room = plain.capacity() - plain.size();
  }
  return std::min(room - kPaddingBytes, plain_bytes_max + 1 - plain.size());
}

Status Decompressor::Impl::decompress_gzip(std::string_view packed) {
  if (!has_gzip) {
    if (inflateInit2(&gzip, kGzipWindowBits) != Z_OK) return out_of_memory(Compression::gzip);
    has_gzip = true;
  }
  if (inflateReset(&gzip) != Z_OK) return out_of_memory(Compression::gzip);
  gzip.next_in = zlib_bytes(packed.data());
  gzip.avail_in = static_cast<uInt>(packed.size());
  while (true) {
    const std::size_t room = make_room();
    if (room == 0) return too_large(Compression::gzip, plain_bytes_max);
    gzip.next_out = zlib_bytes(plain.reserve(room));
    gzip.avail_out = static_cast<uInt>(room);
    const int result = inflate(&gzip, Z_NO_FLUSH);
    plain.commit(room - gzip.avail_out);
    if (result == Z_STREAM_END) {
      if (gzip.avail_in == 0) return ok_status();
      if (inflateReset(&gzip) != Z_OK) return out_of_memory(Compression::gzip);
      continue;
    }
    if (result == Z_MEM_ERROR) return out_of_memory(Compression::gzip);
    if (result != Z_OK && result != Z_BUF_ERROR) {
      return malformed(Compression::gzip, gzip.msg != nullptr ? gzip.msg : "not a gzip member");
    }
    // Z_BUF_ERROR: no progress was possible. With room left it is the input that is missing.
    if (gzip.avail_in == 0 && gzip.avail_out > 0) {
      return malformed(Compression::gzip, "the member is truncated");
    }
  }
}

Status Decompressor::Impl::append_snappy_block(std::string_view block) {
  std::size_t block_plain_bytes = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &block_plain_bytes)) {
    return malformed(Compression::snappy, "the block has no length");
  }
  if (block_plain_bytes > plain_bytes_max - plain.size()) {
    return too_large(Compression::snappy, plain_bytes_max);
  }
  char* to = plain.reserve(block_plain_bytes + kPaddingBytes);
  if (!snappy::RawUncompress(block.data(), block.size(), to)) {
    return malformed(Compression::snappy, "the block is malformed");
  }
  plain.commit(block_plain_bytes);
  return ok_status();
}

Status Decompressor::Impl::decompress_snappy(std::string_view packed) {
  const bool is_xerial = packed.size() >= kXerialHeader.size() && packed.starts_with(kXerialMagic);
  if (!is_xerial) return append_snappy_block(packed);
  packed.remove_prefix(kXerialHeader.size());
  while (!packed.empty()) {
    if (packed.size() < 4) return malformed(Compression::snappy, "a block length is truncated");
    const auto block_bytes = load_big<std::uint32_t>(packed.data());
    packed.remove_prefix(4);
    if (block_bytes > packed.size()) {
      return malformed(Compression::snappy, "a block is longer than the stream");
    }
    MR_RETURN_IF_ERROR(append_snappy_block(packed.substr(0, block_bytes)));
    packed.remove_prefix(block_bytes);
  }
  return ok_status();
}

Status Decompressor::Impl::decompress_lz4(std::string_view packed) {
  if (lz4 == nullptr && LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION))) {
    lz4 = nullptr;
    return out_of_memory(Compression::lz4);
  }
  LZ4F_resetDecompressionContext(lz4);
  while (true) {
    const std::size_t room = make_room();
    if (room == 0) return too_large(Compression::lz4, plain_bytes_max);
    std::size_t written = room;
    std::size_t read = packed.size();
    const auto hint =
        LZ4F_decompress(lz4, plain.reserve(room), &written, packed.data(), &read, nullptr);
    if (LZ4F_isError(hint)) return malformed(Compression::lz4, LZ4F_getErrorName(hint));
    plain.commit(written);
    packed.remove_prefix(read);
    if (packed.empty() && hint == 0) return ok_status();
    // The input ended inside a frame, and what the library still held has been flushed.
    if (packed.empty() && written < room) {
      return malformed(Compression::lz4, "the frame is truncated");
    }
  }
}

Status Decompressor::Impl::decompress_zstd(std::string_view packed) {
  if (zstd == nullptr) zstd = ZSTD_createDCtx();
  if (zstd == nullptr) return out_of_memory(Compression::zstd);
  ZSTD_DCtx_reset(zstd, ZSTD_reset_session_only);
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  while (true) {
    const std::size_t room = make_room();
    if (room == 0) return too_large(Compression::zstd, plain_bytes_max);
    ZSTD_outBuffer out{plain.reserve(room), room, 0};
    const auto hint = ZSTD_decompressStream(zstd, &out, &in);
    if (ZSTD_isError(hint)) return malformed(Compression::zstd, ZSTD_getErrorName(hint));
    plain.commit(out.pos);
    if (hint == 0 && in.pos == in.size) return ok_status();
    // As for LZ4: no input left, all output flushed, and the frame not at its end.
    if (in.pos == in.size && out.pos < room) {
      return malformed(Compression::zstd, "the frame is truncated");
    }
  }
}

Decompressor::Decompressor() = default;
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Result<std::string_view> Decompressor::decompress(Compression compression, std::string_view packed,
                                                  std::size_t plain_bytes_max) {
  if (impl_ == nullptr) impl_ = std::make_unique<Impl>();
  Impl& impl = *impl_;
  impl.plain.clear();
  if (impl.plain.capacity() > kKeptPlainBytesMax) impl.plain = ByteBuffer();
  impl.plain_bytes_max = std::min(plain_bytes_max, kPackedBytesMax);
  if (packed.size() > kPackedBytesMax) return malformed(compression, "more than 2 GiB");
  switch (compression) {
    case Compression::none: {
      if (packed.size() > plain_bytes_max) return too_large(compression, plain_bytes_max);
      char* to = impl.plain.reserve(packed.size() + kPaddingBytes);
      if (!packed.empty()) std::memcpy(to, packed.data(), packed.size());
      impl.plain.commit(packed.size());
      break;
    }
    case Compression::gzip:
      MR_RETURN_IF_ERROR(impl.decompress_gzip(packed));
      break;
    case Compression::snappy:
      MR_RETURN_IF_ERROR(impl.decompress_snappy(packed));
      break;
    case Compression::lz4:
      MR_RETURN_IF_ERROR(impl.decompress_lz4(packed));
      break;
    case Compression::zstd:
      MR_RETURN_IF_ERROR(impl.decompress_zstd(packed));
      break;
  }
  if (impl.is_over_limit()) return too_large(compression, plain_bytes_max);
  // An xerial stream without blocks has not reserved anything yet.
  impl.plain.reserve(kPaddingBytes);
  return impl.plain.view();
}

}  // namespace millrace::codec
