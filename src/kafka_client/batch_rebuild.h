#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/record_batch.h"
#include "codec/transaction_marker.h"
#include "log/log.h"

namespace millrace::kafka_client {

// A record as a client library gives it, without the batch it came in.
struct ReadMessage {
  Offset offset;
  WallTime timestamp;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::span<const codec::HeaderToAppend> headers;
};

// Makes batches of messages, cut the same way whenever a range is read: one per record, and for
// every offset without one a control batch. All of them share one buffer. Not thread-safe.
class BatchRebuild {
 public:
  // Offsets grow.
  void add_record(const ReadMessage& message);
  // Its bytes are the same for every hole, but for the offset; its append time is 0.
  void add_hole(Offset at);

  [[nodiscard]] std::size_t bytes() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return marks_.empty(); }
  // Starts over.
  std::vector<log::FetchedBatch> finish();

 private:
  struct Mark {
    std::size_t position = 0;  // in bytes_
    Offset offset;
    WallTime append_time;
    log::BatchKind kind = log::BatchKind::records;
  };

  const std::string hole_ =
      codec::encode_transaction_marker(ProducerId(0), ProducerEpoch(0), true, WallTime(0));
  codec::RecordBatchBuilder builder_;
  std::string bytes_;
  std::vector<Mark> marks_;
};

}  // namespace millrace::kafka_client
