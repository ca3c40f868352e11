#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "codec/record_batch.h"
#include "model/topic.h"

namespace millrace::task {

// A topic a task writes to.
struct OutputTopic {
  std::string topic;
  std::int32_t partition_count = 1;
  codec::Compression compression = codec::Compression::lz4;
};

// A record on its way out. Views need to live only during `append`.
struct OutputRecord {
  WallTime timestamp;  // processing time, never event time (R11)
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::span<const codec::HeaderToAppend> headers;
  std::string_view encoded_headers = {};  // of codec::encode_headers; taken instead of `headers`
  std::string_view value_tail = {};       // follows `value`; only with encoded headers
};

// Collects what a task produces between two commits as batches per topic partition. While
// suppressed (a replay of what is committed already) it swallows everything. One thread.
class Outputs {
 public:
  // A batch that holds this much is finished, so that a commit cannot fail because a topic's
  // largest batch is smaller than what one commit has for a partition (R10).
  static constexpr std::size_t kBatchPlainBytes = 1 << 20;

  explicit Outputs(std::vector<OutputTopic> topics);

  void set_suppressed(bool is_suppressed) { is_suppressed_ = is_suppressed; }
  [[nodiscard]] bool is_suppressed() const { return is_suppressed_; }
  [[nodiscard]] const OutputTopic& topic(std::size_t output) const { return topics_[output]; }

  // `output` indexes the constructor's list; `partition` < its partition_count.
  void append(std::size_t output, std::int32_t partition, const OutputRecord& record);

  // The partition a keyed record belongs to: Kafka's default partitioner; without a key
  // `fallback` modulo the count.
  [[nodiscard]] std::int32_t partition_for(std::size_t output, std::optional<std::string_view> key,
                                           std::int32_t fallback) const;

  [[nodiscard]] bool empty() const { return touched_.empty(); }
  [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_; }

  struct FinishedBatch {
    std::size_t output;
    std::int32_t partition;
    std::string bytes;
  };
  // The batches so far, in the order their partitions were first written and, within a partition,
  // of their records; starts over.
  std::vector<FinishedBatch> take();

 private:
  struct Slot {
    std::size_t output;
    std::int32_t partition;
    codec::RecordBatchBuilder builder;
    std::vector<std::string> full;  // finished before the one in `builder`
  };

  std::vector<OutputTopic> topics_;
  std::vector<std::size_t> first_slot_;  // of each output; partition p is at first_slot_ + p
  std::vector<Slot> slots_;
  std::vector<std::size_t> touched_;  // slots with records
  std::size_t pending_bytes_ = 0;
  bool is_suppressed_ = false;
};

}  // namespace millrace::task
