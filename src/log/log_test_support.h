#pragma once

// What the tests of this folder share. Only for tests.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "codec/record_batch.h"
#include "log/log.h"

namespace millrace::log {

// Stands still until told otherwise. Thread-safe.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override { return WallTime(wall_ms_); }
  [[nodiscard]] MonotonicTime monotonic_now() const override {
    return MonotonicTime(wall_ms_ * 1'000'000);
  }
  void advance_ms(std::int64_t ms) { wall_ms_ += ms; }

 private:
  std::atomic<std::int64_t> wall_ms_{1'700'000'000'000};
};

struct TestProducer {
  ProducerId id = kNoProducerId;
  ProducerEpoch epoch{0};
  std::int32_t base_sequence = 0;
  bool is_transactional = false;
};

struct TestRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  bool operator==(const TestRecord&) const = default;
};

inline std::string make_batch(const std::vector<TestRecord>& records, TestProducer producer = {}) {
  codec::RecordBatchBuilder builder;
  for (const auto& record : records) {
    builder.append(WallTime(1'000), record.key, record.value, {});
  }
  if (producer.id != kNoProducerId) {
    builder.set_producer(producer.id, producer.epoch, producer.base_sequence);
    builder.set_transactional(producer.is_transactional);
  }
  std::string bytes;
  builder.finish(bytes);
  return bytes;
}

inline std::string make_batch(const std::vector<std::string>& values, TestProducer producer = {}) {
  std::vector<TestRecord> records;
  for (const auto& value : values) records.push_back({std::nullopt, value});
  return make_batch(records, producer);
}

inline std::string make_batch(std::initializer_list<const char*> values,
                              TestProducer producer = {}) {
  return make_batch(std::vector<std::string>(values.begin(), values.end()), producer);
}

inline AppendBatch append_to(const TopicPartition& to, std::string bytes) {
  return {.topic = to.topic, .partition = to.partition, .bytes = std::move(bytes)};
}

inline Commit commit_of(AppendBatch batch) {
  Commit commit;
  commit.appends.push_back(std::move(batch));
  return commit;
}

struct ReadRecord {
  Offset offset;
  TestRecord record;
  WallTime append_time;
  bool operator==(const ReadRecord&) const = default;
};

// All records from the start (or `from`) on, fetched `bytes_max` at a time; with
// Visibility::uncommitted those of aborted transactions too.
inline Result<std::vector<ReadRecord>> read_all(const Log& log, const TopicPartition& source,
                                                Visibility visibility = Visibility::durable,
                                                std::optional<Offset> from = {},
                                                std::size_t bytes_max = 1 << 20) {
  std::vector<ReadRecord> out;
  MR_ASSIGN_OR_RETURN(const PartitionOffsets offsets, log.offsets(source));
  Offset next = from.value_or(offsets.start);
  const Offset first = next;
  codec::BatchReader reader;
  for (;;) {
    MR_ASSIGN_OR_RETURN(const FetchResult fetched, log.fetch(source, next, bytes_max, visibility));
    if (fetched.batches.empty()) return out;
    for (const auto& batch : fetched.batches) {
      next = batch.next_offset;
      const bool is_wanted =
          batch.kind == BatchKind::records ||
          (batch.kind == BatchKind::aborted && visibility == Visibility::uncommitted);
      if (!is_wanted) continue;
      MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
      while (const RecordView* record = reader.next()) {
        if (record->offset < first) continue;
        ReadRecord read{record->offset, {}, batch.append_time};
        if (record->key) read.record.key = std::string(*record->key);
        if (record->value) read.record.value = std::string(*record->value);
        out.push_back(std::move(read));
      }
      MR_RETURN_IF_ERROR(reader.status());
    }
  }
}

inline std::vector<std::string> values_of(const std::vector<ReadRecord>& records) {
  std::vector<std::string> out;
  for (const auto& record : records) out.push_back(record.record.value.value_or("(null)"));
  return out;
}

// Bytes from hex digits.
inline std::string from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return out;
}

}  // namespace millrace::log
