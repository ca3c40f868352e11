#include "codec/record_batch.h"

#include "base/check.h"

namespace millrace::codec {
namespace {

constexpr std::size_t kVarint32BytesMax = 5;
constexpr std::size_t kVarint64BytesMax = 10;

constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

// Timestamps are any 64 bits a client likes; like the Java client, their deltas wrap.
constexpr std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

// A varint of more than one byte; false when it is truncated or does not fit in `kBytesMax` bytes
// and `kBits` bits.
template <std::size_t kBytesMax, int kBits>
bool read_long_varint(const char*& at, const char* end, std::int64_t& value) {
  std::uint64_t raw = 0;
  for (std::size_t i = 0; i < kBytesMax; ++i) {
    if (at == end) return false;
    const auto byte = static_cast<unsigned char>(*at++);
    const int shift = static_cast<int>(7 * i);
    if (i == kBytesMax - 1 && (byte >> (kBits - shift)) != 0) return false;
    raw |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = unzigzag(raw);
      return true;
    }
  }
  return false;
}

// Almost every varint of a batch is one byte: lengths below 64, small deltas, no headers. The
// second most frequent form, two bytes, is the length of records of up to 8 KiB.
template <std::size_t kBytesMax, int kBits>
inline bool read_varint(const char*& at, const char* end, std::int64_t& value) {
  if (end - at >= 2) [[likely]] {
    const auto first = static_cast<unsigned char>(at[0]);
    if (first < 0x80) {
      value = unzigzag(first);
      at += 1;
      return true;
    }
    const auto second = static_cast<unsigned char>(at[1]);
    if (second < 0x80) {
      value = unzigzag((first & 0x7fu) | (static_cast<std::uint64_t>(second) << 7));
      at += 2;
      return true;
    }
  }
  return read_long_varint<kBytesMax, kBits>(at, end, value);
}

inline bool read_int32(const char*& at, const char* end, std::int64_t& value) {
  return read_varint<kVarint32BytesMax, 32>(at, end, value);
}

inline bool read_int64(const char*& at, const char* end, std::int64_t& value) {
  return read_varint<kVarint64BytesMax, 64>(at, end, value);
}

// Bytes behind a varint length, -1 being null.
inline bool read_nullable(const char*& at, const char* end,
                          std::optional<std::string_view>& value) {
  std::int64_t length = 0;
  if (!read_int32(at, end, length)) return false;
  if (length < 0) {
    value.reset();
    return length == -1;
  }
  if (length > end - at) return false;
  value.emplace(at, static_cast<std::size_t>(length));
  at += length;
  return true;
}

inline bool read_bytes(const char*& at, const char* end, std::string_view& value) {
  std::int64_t length = 0;
  if (!read_int32(at, end, length) || length < 0 || length > end - at) return false;
  value = {at, static_cast<std::size_t>(length)};
  at += length;
  return true;
}

}  // namespace

Status BatchReader::open(std::string_view bytes, std::size_t plain_bytes_max) {
  // Until all checks have passed there is nothing to read.
  records_left_ = 0;
  at_ = end_ = readable_end_ = nullptr;
  status_ = ok_status();
  auto header = parse_batch_header(bytes);
  if (!header.is_ok()) return status_ = std::move(header).take_status();
  header_ = *header;
  const auto batch = bytes.substr(0, static_cast<std::size_t>(header_.batch_bytes));
  status_ = verify_batch_crc(batch, header_);
  if (!status_.is_ok()) return status_;
  auto records = batch.substr(kBatchHeaderBytes);
  readable_end_ = bytes.data() + bytes.size();
  if (header_.compression != Compression::none) {
    auto plain = decompressor_.decompress(header_.compression, records, plain_bytes_max);
    if (!plain.is_ok()) {
      return status_ = std::move(plain).take_status().with_context("record batch");
    }
    records = *plain;
    readable_end_ = records.data() + records.size() + kPaddingBytes;
  }
  at_ = records.data();
  end_ = at_ + records.size();
  records_left_ = header_.record_count;
  previous_delta_ = -1;
  return ok_status();
}

const RecordView* BatchReader::fail(const char* what) {
  status_ = corrupt_error("record batch at offset " + std::to_string(header_.base_offset.value) +
                          ", record " + std::to_string(header_.record_count - records_left_) +
                          ": " + what);
  records_left_ = 0;
  at_ = end_;
  return nullptr;
}

const RecordView* BatchReader::next() {
  if (records_left_ == 0) [[unlikely]] {
    if (at_ != end_) return fail("bytes are left over after the last record");
    return nullptr;
  }
  if (const char* const wrong = read_record(); wrong != nullptr) [[unlikely]] {
    return fail(wrong);
  }
  --records_left_;
  return &record_;
}

const char* BatchReader::read_record() {
  const char* at = at_;
  std::int64_t length = 0;
  if (!read_int32(at, end_, length)) return "its length is not a varint";
  if (length < static_cast<std::int64_t>(kRecordBytesMin) - 1 || length > end_ - at) {
    return "its length is impossible";
  }
  const char* const record_end = at + length;
  ++at;  // attributes: none are defined
  std::int64_t timestamp_delta = 0;
  std::int64_t offset_delta = 0;
  if (!read_int64(at, record_end, timestamp_delta)) return "its timestamp delta is not a varint";
  if (!read_int32(at, record_end, offset_delta)) return "its offset delta is not a varint";
  if (offset_delta <= previous_delta_ || offset_delta > header_.last_offset_delta) {
    return "its offset delta does not grow or exceeds the header's";
  }
  previous_delta_ = offset_delta;
  record_.offset = header_.base_offset + offset_delta;
  if (header_.is_log_append_time) {
    record_.timestamp = header_.max_timestamp;
  } else {
    record_.timestamp = WallTime(wrapping_add(header_.base_timestamp.value, timestamp_delta));
  }
  if (!read_nullable(at, record_end, record_.key)) return "its key is malformed";
  if (!read_nullable(at, record_end, record_.value)) return "its value is malformed";
  if (record_end - at == 1 && *at == 0) [[likely]] {  // no headers
    record_.headers = {};
    at_ = record_end;
    return nullptr;
  }
  if (const char* const wrong = read_headers(at, record_end); wrong != nullptr) return wrong;
  if (at != record_end) return "bytes are left over after its headers";
  at_ = record_end;
  return nullptr;
}

const char* BatchReader::read_headers(const char*& at, const char* record_end) {
  std::int64_t count = 0;
  if (!read_int32(at, record_end, count)) return "its header count is not a varint";
  // A header is at least two length bytes.
  if (count < 0 || count > (record_end - at) / 2) return "its header count is impossible";
  headers_.resize(static_cast<std::size_t>(count));
  for (auto& header : headers_) {
    if (!read_bytes(at, record_end, header.key)) return "a header's key is malformed";
    if (!read_nullable(at, record_end, header.value)) return "a header's value is malformed";
  }
  record_.headers = headers_;
  return nullptr;
}

std::size_t BatchReader::readable_bytes_from(const char* at) const {
  MR_CHECK(at_ != nullptr && at <= readable_end_);
  return static_cast<std::size_t>(readable_end_ - at);
}

}  // namespace millrace::codec
