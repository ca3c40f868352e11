#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <lz4frame.h>

// Kafka's record batch v2 (https://kafka.apache.org/documentation/#recordbatch) written and read
// the shortest way, without the codec layer: the ceiling must not lean on what it is compared with,
// and the product's codec gets input that it did not write itself.

namespace millrace::bench {

struct PlainHeader {
  std::string_view key;
  std::string_view value;
};

// The headers every output record carries.
struct PlainHeaders {
  PlainHeader source;
  PlainHeader pipeline;
};

// Collects records of one timestamp into a batch. Reusable after `finish`.
class PlainBatchWriter {
 public:
  explicit PlainBatchWriter(bool is_lz4) : is_lz4_(is_lz4) {}

  void append(std::string_view key, std::string_view value, const PlainHeaders* headers = nullptr);
  [[nodiscard]] std::int32_t record_count() const { return record_count_; }
  // Appends the batch to `out` and starts over. At least one record.
  void finish(std::int64_t base_offset, std::int64_t timestamp_ms, std::string& out);

 private:
  bool is_lz4_;
  std::string records_;  // the records so far
  std::int32_t record_count_ = 0;
};

struct PlainRecord {
  std::string_view key;
  std::string_view value;
  std::int64_t offset = 0;
};

// Walks one batch. Views die at the next `open`; 64 readable bytes follow the last record.
class PlainBatchReader {
 public:
  static constexpr std::size_t kPaddingBytes = 64;
  // Guards against lengths out of damaged bytes.
  static constexpr std::size_t kPlainBytesMax = 128u << 20;

  PlainBatchReader();
  ~PlainBatchReader();
  PlainBatchReader(const PlainBatchReader&) = delete;
  PlainBatchReader& operator=(const PlainBatchReader&) = delete;

  // False when `batch` does not start with a whole batch with the right CRC.
  [[nodiscard]] bool open(std::string_view batch);
  // Bytes of the whole batch, header included.
  [[nodiscard]] std::size_t batch_bytes() const { return batch_bytes_; }
  [[nodiscard]] std::int64_t timestamp_ms() const { return timestamp_ms_; }  // the largest
  // nullopt at the end.
  std::optional<PlainRecord> next();
  // Readable bytes from `at`, which points into a value, to the end of the padding.
  [[nodiscard]] std::size_t readable_bytes_from(const char* at) const {
    return static_cast<std::size_t>(plain_.data() + plain_.size() - at);
  }

 private:
  bool decompress(std::string_view packed);
  std::string_view get_text();

  LZ4F_dctx* lz4_ = nullptr;
  std::string plain_;
  std::size_t batch_bytes_ = 0;
  std::int64_t base_offset_ = 0;
  std::int64_t timestamp_ms_ = 0;
  std::int32_t records_left_ = 0;
  const char* at_ = nullptr;
};

}  // namespace millrace::bench
