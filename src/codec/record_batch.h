#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "codec/byte_buffer.h"
#include "codec/compression.h"
#include "model/record.h"

// Kafka's record batch, magic 2 (https://kafka.apache.org/documentation/#recordbatch), the only
// form in which records are stored or travel. docs/formats/record_batch.md has the bytes.

namespace millrace::codec {

inline constexpr std::size_t kBatchHeaderBytes = 61;
// A record is at least its length, attributes, two deltas, two lengths and a header count.
inline constexpr std::size_t kRecordBytesMin = 7;
// A batch may not grow beyond this when decompressed.
inline constexpr std::size_t kBatchPlainBytesMax = 128u << 20;

struct BatchHeader {
  Offset base_offset;
  std::int32_t batch_bytes = 0;  // of the whole batch: the length field + 12
  std::int32_t leader_epoch = -1;
  std::uint32_t crc = 0;
  Compression compression = Compression::none;
  bool is_log_append_time = false;
  bool is_transactional = false;
  bool is_control = false;
  std::int32_t last_offset_delta = 0;
  WallTime base_timestamp;
  WallTime max_timestamp;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  std::int32_t base_sequence = -1;
  std::int32_t record_count = 0;

  [[nodiscard]] Offset last_offset() const { return base_offset + last_offset_delta; }
  [[nodiscard]] Offset next_offset() const { return last_offset() + 1; }
};

// Reads the header of the batch at the start of `bytes` and checks its shape (lengths, magic,
// counts), not its CRC. `corrupt` when it is not a batch, or when `bytes` is shorter than the
// batch; `unsupported` for the older magics 0 and 1 and for compression codes nobody has given a
// meaning.
Result<BatchHeader> parse_batch_header(std::string_view bytes);

// `corrupt` when the CRC-32C over attributes..end differs. `batch` is exactly one batch.
Status verify_batch_crc(std::string_view batch, const BatchHeader& header);

// Writes offset (and leader epoch 0) into a batch's header; neither is covered by the CRC.
void set_base_offset(std::string& batch, std::size_t batch_position, Offset base_offset);

struct HeaderToAppend {
  std::string_view key;
  std::optional<std::string_view> value;
};

// Appends headers as they stand in a record: their count, then each. For headers that many records
// share.
void encode_headers(std::span<const HeaderToAppend> headers, std::string& out);

// A record whose parts are at hand already.
struct EncodedRecord {
  WallTime timestamp;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::string_view value_tail;  // follows the value; only with a value
  std::string_view headers;     // of encode_headers
};

// Builds one batch. Not thread-safe; reusable after `finish`.
class RecordBatchBuilder {
 public:
  explicit RecordBatchBuilder(Compression compression = Compression::none)
      : compression_(compression) {}

  // Record deltas count from the first record's timestamp. Keys, values and headers are copied.
  void append(WallTime timestamp, std::optional<std::string_view> key,
              std::optional<std::string_view> value, std::span<const HeaderToAppend> headers);

  // The same record with headers encoded before.
  void append(const EncodedRecord& record);

  void set_producer(ProducerId id, ProducerEpoch epoch, std::int32_t base_sequence);
  // The two attribute bits of transactions; a control batch holds markers instead of records.
  void set_transactional(bool is_transactional) { is_transactional_ = is_transactional; }
  void set_control(bool is_control) { is_control_ = is_control; }
  void set_compression(Compression compression) { compression_ = compression; }
  // For control batches and compaction, which keep old offsets: the offset of the next appended
  // record relative to the base; must grow. Without it records are consecutive.
  void set_next_offset_delta(std::int32_t delta);

  [[nodiscard]] std::int32_t record_count() const { return record_count_; }
  [[nodiscard]] bool empty() const { return record_count_ == 0; }
  // Bytes of the records so far, uncompressed.
  [[nodiscard]] std::size_t plain_bytes() const { return records_.size(); }

  // Appends the finished batch with base offset 0 to `out` and starts over (producer and attribute
  // bits cleared). A batch that compression would make larger is stored uncompressed. At least one
  // record; the caller has kept plain_bytes() at most kBatchPlainBytesMax.
  void finish(std::string& out);

 private:
  std::int64_t count_timestamp(WallTime timestamp);
  void end_record(char* start, char* end);
  void write_header(char* to, std::size_t body_bytes, Compression compression) const;
  void start_over();

  Compression compression_;
  Compressor compressor_;
  ByteBuffer records_;
  ByteBuffer packed_;
  bool is_transactional_ = false;
  bool is_control_ = false;
  std::int32_t record_count_ = 0;
  std::int32_t next_offset_delta_ = 0;
  WallTime base_timestamp_{};
  WallTime max_timestamp_{};
  ProducerId producer_id_ = kNoProducerId;
  ProducerEpoch producer_epoch_ = kNoProducerEpoch;
  std::int32_t base_sequence_ = -1;
};

// Walks the records of one batch.
//
//   BatchReader reader;
//   MR_RETURN_IF_ERROR(reader.open(bytes));      // checks header and CRC, decompresses
//   while (const RecordView* record = reader.next()) { ... }
//   MR_RETURN_IF_ERROR(reader.status());
//
// Reusable: `open` again keeps the buffers. Views die at the next `open`, a record and its headers
// at the next `next`. Decompressed bytes are followed by at least kPaddingBytes readable bytes, as
// SIMD JSON parsers want; bytes that were never compressed are read in place.
//
// A record's offset is base + delta, and the deltas must grow and stay within the header's; a batch
// with LogAppendTime gives its max_timestamp to every record. Every length is checked, bytes left
// over after the last record are `corrupt` (seen when the last `next` returns nullptr).
class BatchReader {
 public:
  static constexpr std::size_t kPaddingBytes = Decompressor::kPaddingBytes;

  // `bytes` must start with a batch and outlive the reading; bytes after the batch are ignored.
  // `corrupt` also for a batch that would grow beyond `plain_bytes_max` when decompressed.
  Status open(std::string_view bytes, std::size_t plain_bytes_max = kBatchPlainBytesMax);
  [[nodiscard]] const BatchHeader& header() const { return header_; }
  // nullptr at the end or after an error.
  const RecordView* next();
  // The records not yet read, as they are stored: for a search for bytes before reading them.
  [[nodiscard]] std::string_view unread_bytes() const {
    return {at_, static_cast<std::size_t>(end_ - at_)};
  }
  [[nodiscard]] const Status& status() const { return status_; }
  // Bytes readable from `at`, a position in a record's key, value or headers, for padded parsers.
  [[nodiscard]] std::size_t readable_bytes_from(const char* at) const;

 private:
  // nullptr, or what is wrong with the record at at_.
  const char* read_record();
  const char* read_headers(const char*& at, const char* record_end);
  const RecordView* fail(const char* what);

  BatchHeader header_;
  Decompressor decompressor_;
  const char* at_ = nullptr;
  const char* end_ = nullptr;           // of the records
  const char* readable_end_ = nullptr;  // of the memory they are in
  std::int32_t records_left_ = 0;
  std::int64_t previous_delta_ = -1;
  RecordView record_;
  std::vector<HeaderView> headers_;
  Status status_;
};

}  // namespace millrace::codec
