#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kafka_client/batch_rebuild.h"
#include "kafka_client/handle.h"
#include "log/log.h"

namespace millrace::kafka_client {

// Who is told that records have arrived; on a thread of librdkafka, with a lock of its held.
class ArrivalSink {
 public:
  virtual ~ArrivalSink() = default;
  virtual void arrived(const TopicPartition& source) = 0;
};

// One running fetch of one partition, with what it has read ahead. At most one per partition and
// handle. Not thread-safe.
class Cursor {
 public:
  // `handle`, opened with reader_settings, and `sink` outlive it.
  Cursor(Handle& handle, TopicPartition source, ArrivalSink& sink);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // Reads from `from` on, whatever it did before.
  Status start(Offset from);
  [[nodiscard]] bool is_started() const { return queue_ != nullptr; }
  // Where the next batch comes from.
  [[nodiscard]] Offset position() const { return position_; }
  // About `bytes_max` bytes, and at least a batch if there is one. Waits `wait_ms` at most, and
  // only while it does not know what comes at its position, or is below `known_end`, an offset up
  // to which everything is committed. `disconnected` when it has to give up. After any error it
  // must be started again.
  Result<std::vector<log::FetchedBatch>> read(std::size_t bytes_max, Offset known_end, int wait_ms,
                                              const Clock& clock);
  // As of the last answer of a broker; 0 before.
  [[nodiscard]] Offset high_watermark() const;

 private:
  void stop();
  bool pull(int wait_ms);
  Result<bool> take_pending(std::size_t bytes_max);
  Status take(const rd_kafka_message_t& message, std::size_t bytes_max, bool& is_used_up);
  void add_record(const rd_kafka_message_t& message);

  Handle& handle_;
  const TopicPartition source_;
  ArrivalSink& sink_;
  OwnedTopic topic_;
  OwnedQueue queue_;
  std::vector<OwnedMessage> pending_;  // read from the queue, not given yet
  std::size_t next_pending_ = 0;
  Offset position_;
  bool knows_position_ = false;  // a record or the end has been seen at position_ or before it
  std::vector<codec::HeaderToAppend> headers_;
  BatchRebuild rebuild_;
};

}  // namespace millrace::kafka_client
