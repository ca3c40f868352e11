#include "codec/record_batch.h"

#include <limits>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace millrace::codec {
namespace {

// Positions in the header, all integers big-endian.
constexpr std::size_t kBaseOffsetAt = 0;
constexpr std::size_t kLengthAt = 8;
constexpr std::size_t kLeaderEpochAt = 12;
constexpr std::size_t kMagicAt = 16;
constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kAttributesAt = 21;  // the CRC covers from here to the end
constexpr std::size_t kLastOffsetDeltaAt = 23;
constexpr std::size_t kBaseTimestampAt = 27;
constexpr std::size_t kMaxTimestampAt = 35;
constexpr std::size_t kProducerIdAt = 43;
constexpr std::size_t kProducerEpochAt = 51;
constexpr std::size_t kBaseSequenceAt = 53;
constexpr std::size_t kRecordCountAt = 57;
constexpr std::size_t kLengthCountsFrom = 12;  // the length field counts what follows it
static_assert(kRecordCountAt + 4 == kBatchHeaderBytes);

constexpr char kMagic = 2;
constexpr int kCompressionMask = 7;
constexpr int kLogAppendTimeBit = 1 << 3;
constexpr int kTransactionalBit = 1 << 4;
constexpr int kControlBit = 1 << 5;

constexpr std::size_t kVarint32BytesMax = 5;

constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

// Timestamps are any 64 bits a client likes; like the Java client, their deltas wrap.
constexpr std::int64_t wrapping_subtract(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

std::size_t varint_bytes(std::int64_t value) {
  const int bits = 64 - __builtin_clzll(zigzag(value) | 1);
  return static_cast<std::size_t>((bits + 6) / 7);
}

char* write_varint(char* to, std::int64_t value) {
  auto left = zigzag(value);
  while (left >= 0x80) {
    *to++ = static_cast<char>(left | 0x80);
    left >>= 7;
  }
  *to++ = static_cast<char>(left);
  return to;
}

char* write_bytes(char* to, std::string_view bytes) {
  to = write_varint(to, static_cast<std::int64_t>(bytes.size()));
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

char* write_nullable(char* to, std::optional<std::string_view> bytes) {
  return bytes ? write_bytes(to, *bytes) : write_varint(to, -1);
}

std::size_t bytes_size(std::string_view bytes) {
  return varint_bytes(static_cast<std::int64_t>(bytes.size())) + bytes.size();
}

std::size_t nullable_size(std::optional<std::string_view> bytes) {
  return bytes ? bytes_size(*bytes) : 1;
}

Status check_counts(const BatchHeader& header) {
  if (header.base_offset.value < 0 || header.last_offset_delta < 0 ||
      header.last_offset_delta == std::numeric_limits<std::int32_t>::max() ||
      header.base_offset.value >
          std::numeric_limits<std::int64_t>::max() - 1 - header.last_offset_delta) {
    return corrupt_error("record batch: offsets " + std::to_string(header.base_offset.value) +
                         " + " + std::to_string(header.last_offset_delta) + " out of range");
  }
  // Compaction may leave fewer records than offsets, even none.
  if (header.record_count < 0 || header.record_count - 1 > header.last_offset_delta) {
    return corrupt_error("record batch: " + std::to_string(header.record_count) +
                         " records do not fit in " + std::to_string(header.last_offset_delta) +
                         " + 1 offsets");
  }
  const auto body_bytes = static_cast<std::size_t>(header.batch_bytes) - kBatchHeaderBytes;
  if (header.compression == Compression::none &&
      static_cast<std::size_t>(header.record_count) > body_bytes / kRecordBytesMin) {
    return corrupt_error("record batch: " + std::to_string(header.record_count) +
                         " records do not fit in " + std::to_string(body_bytes) + " bytes");
  }
  return ok_status();
}

}  // namespace

Result<BatchHeader> parse_batch_header(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderBytes) {
    return corrupt_error("record batch: the header needs 61 bytes, there are " +
                         std::to_string(bytes.size()));
  }
  const char* const at = bytes.data();
  if (const int magic = at[kMagicAt]; magic != kMagic) {
    auto message = "record batch: magic must be 2, is " + std::to_string(magic);
    if (magic == 0 || magic == 1) return unsupported_error(std::move(message));
    return corrupt_error(std::move(message));
  }
  const auto length = std::int64_t{load_big<std::int32_t>(at + kLengthAt)};
  const auto batch_bytes = length + static_cast<std::int64_t>(kLengthCountsFrom);
  if (length < 0 || batch_bytes < static_cast<std::int64_t>(kBatchHeaderBytes) ||
      batch_bytes > static_cast<std::int64_t>(bytes.size()) ||
      batch_bytes > std::numeric_limits<std::int32_t>::max()) {
    return corrupt_error("record batch: length field " + std::to_string(length) + " in " +
                         std::to_string(bytes.size()) + " bytes");
  }
  const int attributes = load_big<std::int16_t>(at + kAttributesAt);
  const int compression = attributes & kCompressionMask;
  if (compression > static_cast<int>(Compression::zstd)) {
    return unsupported_error("record batch: compression code must be 0 to 4, is " +
                             std::to_string(compression));
  }
  BatchHeader header;
  header.base_offset = Offset(load_big<std::int64_t>(at + kBaseOffsetAt));
  header.batch_bytes = static_cast<std::int32_t>(batch_bytes);
  header.leader_epoch = load_big<std::int32_t>(at + kLeaderEpochAt);
  header.crc = load_big<std::uint32_t>(at + kCrcAt);
  header.compression = static_cast<Compression>(compression);
  header.is_log_append_time = (attributes & kLogAppendTimeBit) != 0;
  header.is_transactional = (attributes & kTransactionalBit) != 0;
  header.is_control = (attributes & kControlBit) != 0;
  header.last_offset_delta = load_big<std::int32_t>(at + kLastOffsetDeltaAt);
  header.base_timestamp = WallTime(load_big<std::int64_t>(at + kBaseTimestampAt));
  header.max_timestamp = WallTime(load_big<std::int64_t>(at + kMaxTimestampAt));
  header.producer_id = ProducerId(load_big<std::int64_t>(at + kProducerIdAt));
  header.producer_epoch = ProducerEpoch(load_big<std::int16_t>(at + kProducerEpochAt));
  header.base_sequence = load_big<std::int32_t>(at + kBaseSequenceAt);
  header.record_count = load_big<std::int32_t>(at + kRecordCountAt);
  MR_RETURN_IF_ERROR(check_counts(header));
  return header;
}

Status verify_batch_crc(std::string_view batch, const BatchHeader& header) {
  MR_CHECK(batch.size() == static_cast<std::size_t>(header.batch_bytes));
  const auto crc = crc32c(batch.substr(kAttributesAt));
  if (crc == header.crc) return ok_status();
  return corrupt_error("record batch at offset " + std::to_string(header.base_offset.value) +
                       ": CRC-32C is " + std::to_string(crc) + ", the header says " +
                       std::to_string(header.crc));
}

void set_base_offset(std::string& batch, std::size_t batch_position, Offset base_offset) {
  MR_CHECK(batch_position + kBatchHeaderBytes <= batch.size());
  MR_CHECK(batch[batch_position + kMagicAt] == kMagic);
  char* const at = batch.data() + batch_position;
  store_big(at + kBaseOffsetAt, base_offset.value);
  store_big(at + kLeaderEpochAt, std::int32_t{0});
}

void encode_headers(std::span<const HeaderToAppend> headers, std::string& out) {
  std::size_t bytes = varint_bytes(static_cast<std::int64_t>(headers.size()));
  for (const auto& header : headers) bytes += bytes_size(header.key) + nullable_size(header.value);
  const auto begin = out.size();
  out.resize(begin + bytes);
  char* to = write_varint(out.data() + begin, static_cast<std::int64_t>(headers.size()));
  for (const auto& header : headers) {
    to = write_bytes(to, header.key);
    to = write_nullable(to, header.value);
  }
  MR_CHECK(to == out.data() + out.size());
}

// The delta to the first record's timestamp.
std::int64_t RecordBatchBuilder::count_timestamp(WallTime timestamp) {
  if (record_count_ == 0) {
    base_timestamp_ = timestamp;
    max_timestamp_ = timestamp;
  }
  if (timestamp > max_timestamp_) max_timestamp_ = timestamp;
  return wrapping_subtract(timestamp.value, base_timestamp_.value);
}

void RecordBatchBuilder::end_record(char* start, char* end) {
  records_.commit(static_cast<std::size_t>(end - start));
  ++record_count_;
  ++next_offset_delta_;
}

void RecordBatchBuilder::append(const EncodedRecord& record) {
  MR_CHECK(!record.headers.empty() && (record.value || record.value_tail.empty()));
  const auto timestamp_delta = count_timestamp(record.timestamp);
  const auto value_bytes = record.value.value_or("").size() + record.value_tail.size();
  const auto value_length = record.value ? static_cast<std::int64_t>(value_bytes) : -1;
  const std::size_t body_bytes = 1 + varint_bytes(timestamp_delta) +
                                 varint_bytes(next_offset_delta_) + nullable_size(record.key) +
                                 varint_bytes(value_length) + value_bytes + record.headers.size();
  char* const start = records_.reserve(kVarint32BytesMax + body_bytes);
  char* const body = write_varint(start, static_cast<std::int64_t>(body_bytes));
  char* to = body;
  *to++ = 0;  // the record's attributes: none are defined
  to = write_varint(to, timestamp_delta);
  to = write_varint(to, next_offset_delta_);
  to = write_nullable(to, record.key);
  to = write_varint(to, value_length);
  for (const auto part : {record.value.value_or(""), record.value_tail, record.headers}) {
    if (!part.empty()) std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  MR_CHECK(to == body + body_bytes);
  end_record(start, to);
}

void RecordBatchBuilder::append(WallTime timestamp, std::optional<std::string_view> key,
                                std::optional<std::string_view> value,
                                std::span<const HeaderToAppend> headers) {
  const auto timestamp_delta = count_timestamp(timestamp);
  std::size_t body_bytes = 1 + varint_bytes(timestamp_delta) + varint_bytes(next_offset_delta_) +
                           nullable_size(key) + nullable_size(value) +
                           varint_bytes(static_cast<std::int64_t>(headers.size()));
  for (const auto& header : headers) {
    body_bytes += bytes_size(header.key) + nullable_size(header.value);
  }
  char* const start = records_.reserve(kVarint32BytesMax + body_bytes);
  char* const body = write_varint(start, static_cast<std::int64_t>(body_bytes));
  char* to = body;
  *to++ = 0;  // the record's attributes: none are defined
  to = write_varint(to, timestamp_delta);
  to = write_varint(to, next_offset_delta_);
  to = write_nullable(to, key);
  to = write_nullable(to, value);
  to = write_varint(to, static_cast<std::int64_t>(headers.size()));
  for (const auto& header : headers) {
    to = write_bytes(to, header.key);
    to = write_nullable(to, header.value);
  }
  MR_CHECK(to == body + body_bytes);
  end_record(start, to);
}

void RecordBatchBuilder::set_producer(ProducerId id, ProducerEpoch epoch,
                                      std::int32_t base_sequence) {
  producer_id_ = id;
  producer_epoch_ = epoch;
  base_sequence_ = base_sequence;
}

void RecordBatchBuilder::set_next_offset_delta(std::int32_t delta) {
  MR_CHECK(delta >= next_offset_delta_);
  next_offset_delta_ = delta;
}

void RecordBatchBuilder::write_header(char* to, std::size_t body_bytes,
                                      Compression compression) const {
  const int attributes = static_cast<int>(compression) |
                         (is_transactional_ ? kTransactionalBit : 0) |
                         (is_control_ ? kControlBit : 0);
  store_big(to + kBaseOffsetAt, std::int64_t{0});
  store_big(to + kLengthAt,
            static_cast<std::int32_t>(kBatchHeaderBytes - kLengthCountsFrom + body_bytes));
  store_big(to + kLeaderEpochAt, std::int32_t{-1});
  to[kMagicAt] = kMagic;
  store_big(to + kAttributesAt, static_cast<std::int16_t>(attributes));
  store_big(to + kLastOffsetDeltaAt, next_offset_delta_ - 1);
  store_big(to + kBaseTimestampAt, base_timestamp_.value);
  store_big(to + kMaxTimestampAt, max_timestamp_.value);
  store_big(to + kProducerIdAt, producer_id_.value);
  store_big(to + kProducerEpochAt, producer_epoch_.value);
  store_big(to + kBaseSequenceAt, base_sequence_);
  store_big(to + kRecordCountAt, record_count_);
}

void RecordBatchBuilder::finish(std::string& out) {
  MR_CHECK(record_count_ > 0);
  MR_CHECK(records_.size() <= kBatchPlainBytesMax);
  std::string_view body = records_.view();
  auto compression = Compression::none;
  packed_.clear();
  if (compression_ != Compression::none &&
      compressor_.compress(compression_, body, packed_).is_ok() && packed_.size() < body.size()) {
    compression = compression_;
    body = packed_.view();
  }
  char header[kBatchHeaderBytes];
  write_header(header, body.size(), compression);
  const auto crc =
      crc32c(body, crc32c({header + kAttributesAt, kBatchHeaderBytes - kAttributesAt}));
  store_big(header + kCrcAt, crc);
  out.append(header, kBatchHeaderBytes);
  out.append(body);
  start_over();
}

void RecordBatchBuilder::start_over() {
  records_.clear();
  record_count_ = 0;
  next_offset_delta_ = 0;
  producer_id_ = kNoProducerId;
  producer_epoch_ = kNoProducerEpoch;
  base_sequence_ = -1;
  is_transactional_ = false;
  is_control_ = false;
}

}  // namespace millrace::codec
