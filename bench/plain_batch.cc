#include "bench/plain_batch.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace millrace::bench {

namespace {

constexpr std::size_t kHeaderBytes = 61;
constexpr std::size_t kLengthFieldEnd = 12;  // base offset and the length field itself
constexpr std::size_t kCrcPosition = 17;
constexpr std::size_t kCrcEnd = 21;
constexpr std::size_t kMaxTimestampPosition = 35;
constexpr std::size_t kRecordCountPosition = 57;
constexpr std::int16_t kLz4 = 3;

template <typename Number>
void put_big(char*& at, Number value) {
  for (int shift = static_cast<int>(sizeof(Number)) * 8 - 8; shift >= 0; shift -= 8) {
    *at++ = static_cast<char>(static_cast<std::uint64_t>(value) >> shift);
  }
}

template <typename Number>
Number get_big(const char* at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    value = value << 8 | static_cast<unsigned char>(at[i]);
  }
  return static_cast<Number>(value);
}

// Zigzag varint as in Protocol Buffers, at most ten bytes.
void put_varint(std::string& out, std::int64_t value) {
  auto left = static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  while (left >= 0x80) {
    out += static_cast<char>(left | 0x80);
    left >>= 7;
  }
  out += static_cast<char>(left);
}

std::size_t varint_bytes(std::int64_t value) {
  const auto zigzag =
      static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  return (static_cast<std::size_t>(std::bit_width(zigzag | 1)) + 6) / 7;
}

std::size_t text_bytes(std::string_view text) {
  return varint_bytes(static_cast<std::int64_t>(text.size())) + text.size();
}

void put_text(std::string& out, std::string_view text) {
  put_varint(out, static_cast<std::int64_t>(text.size()));
  out.append(text);
}

std::int64_t get_varint(const char*& at) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

// Kafka's clients write independent blocks of 64 KiB.
void append_lz4_frame(std::string_view plain, std::string& out) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  const auto begin = out.size();
  out.resize(begin + LZ4F_compressFrameBound(plain.size(), &preferences));
  const auto packed_bytes = LZ4F_compressFrame(out.data() + begin, out.size() - begin, plain.data(),
                                               plain.size(), &preferences);
  MR_CHECK(!LZ4F_isError(packed_bytes));
  out.resize(begin + packed_bytes);
}

}  // namespace

void PlainBatchWriter::append(std::string_view key, std::string_view value,
                              const PlainHeaders* headers) {
  // The length goes in front, so it is computed instead of copying the record once more.
  const auto header_count = headers == nullptr ? 0 : 2;
  std::size_t record_bytes = 2;  // attributes, timestamp delta
  record_bytes += varint_bytes(record_count_) + varint_bytes(header_count);
  record_bytes += text_bytes(key) + text_bytes(value);
  if (headers != nullptr) {
    for (const auto& header : {headers->source, headers->pipeline}) {
      record_bytes += text_bytes(header.key) + text_bytes(header.value);
    }
  }
  put_varint(records_, static_cast<std::int64_t>(record_bytes));
  const auto begin = records_.size();
  records_ += '\0';         // attributes
  put_varint(records_, 0);  // timestamp delta
  put_varint(records_, record_count_);
  put_text(records_, key);
  put_text(records_, value);
  put_varint(records_, header_count);
  if (headers != nullptr) {
    for (const auto& header : {headers->source, headers->pipeline}) {
      put_text(records_, header.key);
      put_text(records_, header.value);
    }
  }
  MR_CHECK(records_.size() - begin == record_bytes);
  ++record_count_;
}

void PlainBatchWriter::finish(std::int64_t base_offset, std::int64_t timestamp_ms,
                              std::string& out) {
  MR_CHECK(record_count_ > 0);
  const auto begin = out.size();
  out.resize(begin + kHeaderBytes);
  if (is_lz4_) {
    append_lz4_frame(records_, out);
  } else {
    out += records_;
  }
  const auto batch_bytes = out.size() - begin;
  char* at = out.data() + begin;
  put_big<std::int64_t>(at, base_offset);
  put_big<std::int32_t>(at, static_cast<std::int32_t>(batch_bytes - kLengthFieldEnd));
  put_big<std::int32_t>(at, 0);  // leader epoch
  put_big<std::int8_t>(at, 2);   // magic
  at += sizeof(std::uint32_t);   // the CRC, below
  put_big<std::int16_t>(at, is_lz4_ ? kLz4 : std::int16_t{0});
  put_big<std::int32_t>(at, record_count_ - 1);
  put_big<std::int64_t>(at, timestamp_ms);
  put_big<std::int64_t>(at, timestamp_ms);
  put_big<std::int64_t>(at, -1);  // producer id
  put_big<std::int16_t>(at, -1);  // producer epoch
  put_big<std::int32_t>(at, -1);  // base sequence
  put_big<std::int32_t>(at, record_count_);
  at = out.data() + begin + kCrcPosition;
  put_big(at, crc32c(std::string_view(out).substr(begin + kCrcEnd)));
  records_.clear();
  record_count_ = 0;
}

PlainBatchReader::PlainBatchReader() {
  MR_CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&lz4_, LZ4F_VERSION)));
}

PlainBatchReader::~PlainBatchReader() {
  LZ4F_freeDecompressionContext(lz4_);
}

bool PlainBatchReader::decompress(std::string_view packed) {
  LZ4F_decompressOptions_t options{};
  options.stableDst = 1;
  LZ4F_resetDecompressionContext(lz4_);
  std::size_t filled = 0;
  plain_.resize(std::max(plain_.capacity(), packed.size() * 4 + kPaddingBytes));
  for (;;) {
    std::size_t written = plain_.size() - kPaddingBytes - filled;
    std::size_t read = packed.size();
    const auto hint =
        LZ4F_decompress(lz4_, plain_.data() + filled, &written, packed.data(), &read, &options);
    if (LZ4F_isError(hint)) return false;
    filled += written;
    packed.remove_prefix(read);
    if (hint == 0) break;
    if (packed.empty() || plain_.size() > kPlainBytesMax) return false;
    plain_.resize(plain_.size() * 2);
  }
  plain_.resize(filled + kPaddingBytes);
  return true;
}

bool PlainBatchReader::open(std::string_view batch) {
  records_left_ = 0;
  if (batch.size() < kHeaderBytes) return false;
  const auto after_length = get_big<std::int32_t>(batch.data() + 8);
  if (after_length < static_cast<std::int32_t>(kHeaderBytes - kLengthFieldEnd)) return false;
  batch_bytes_ = static_cast<std::size_t>(after_length) + kLengthFieldEnd;
  if (batch.size() < batch_bytes_) return false;
  batch = batch.substr(0, batch_bytes_);
  if (crc32c(batch.substr(kCrcEnd)) != get_big<std::uint32_t>(batch.data() + kCrcPosition)) {
    return false;
  }
  base_offset_ = get_big<std::int64_t>(batch.data());
  const auto packed = batch.substr(kHeaderBytes);
  if ((get_big<std::int16_t>(batch.data() + kCrcEnd) & 7) == kLz4) {
    if (!decompress(packed)) return false;
  } else {
    plain_.assign(packed);
    plain_.append(kPaddingBytes, '\0');
  }
  timestamp_ms_ = get_big<std::int64_t>(batch.data() + kMaxTimestampPosition);
  records_left_ = get_big<std::int32_t>(batch.data() + kRecordCountPosition);
  at_ = plain_.data();
  return true;
}

std::string_view PlainBatchReader::get_text() {
  const auto bytes = static_cast<std::size_t>(get_varint(at_));
  const std::string_view text(at_, bytes);
  at_ += bytes;
  return text;
}

std::optional<PlainRecord> PlainBatchReader::next() {
  if (records_left_ == 0) return std::nullopt;
  --records_left_;
  const auto record_bytes = get_varint(at_);
  const char* const end = at_ + record_bytes;
  MR_CHECK(end <= plain_.data() + plain_.size() - kPaddingBytes);
  ++at_;            // attributes
  get_varint(at_);  // timestamp delta
  PlainRecord record;
  record.offset = base_offset_ + get_varint(at_);
  record.key = get_text();
  record.value = get_text();
  at_ = end;  // past the headers
  return record;
}

}  // namespace millrace::bench
