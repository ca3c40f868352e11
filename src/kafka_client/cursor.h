#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/time.h"
#include "kafka_client/fetch_call.h"
#include "log/log.h"

namespace millrace::kafka_client {

// Read ahead by one cursor, one batch more at most.
inline constexpr std::size_t kReadAheadBytesMax = 4 << 20;
inline constexpr std::int32_t kPartitionBytesMax = 1 << 20;

// Somebody's place in a partition, with what was read ahead of it. Not thread-safe.
class Cursor {
 public:
  explicit Cursor(Offset from) : position_(from), fetched_to_(from) {}

  // Where the next batch comes from, and where reading goes on.
  [[nodiscard]] Offset position() const { return position_; }
  [[nodiscard]] Offset fetched_to() const { return fetched_to_; }
  [[nodiscard]] bool has_batches() const { return !ahead_.empty(); }
  // Nothing committed came behind its position, as of the last answer.
  [[nodiscard]] bool is_at_end() const { return is_at_end_ && ahead_.empty(); }
  [[nodiscard]] bool wants_more() const {
    return failure_.is_ok() &&
           ahead_bytes_ + static_cast<std::size_t>(kPartitionBytesMax) <= kReadAheadBytesMax;
  }
  // Why it cannot go on; what was read before comes first.
  [[nodiscard]] const Status& failure() const { return failure_; }
  void fail(Status why) { failure_ = std::move(why); }

  // What came from fetched_to() on; true if there are batches.
  bool add(FetchAnswer& answer) {
    for (auto& batch : answer.batches) {
      ahead_bytes_ += batch.bytes.size();
      ahead_.push_back(std::move(batch));
    }
    fetched_to_ = std::max(fetched_to_, answer.next);
    is_at_end_ = fetched_to_ >= answer.last_stable;
    if (!answer.damage.is_ok()) failure_ = answer.damage;
    return !answer.batches.empty();
  }
  // About so many bytes, and at least a batch if there is one.
  std::vector<log::FetchedBatch> take(std::size_t bytes_max) {
    std::vector<log::FetchedBatch> out;
    for (std::size_t bytes = 0; !ahead_.empty() && (out.empty() || bytes < bytes_max);) {
      bytes += ahead_.front().bytes.size();
      position_ = ahead_.front().next_offset;
      out.push_back(std::move(ahead_.front()));
      ahead_.pop_front();
      ahead_bytes_ -= out.back().bytes.size();
    }
    return out;
  }

  // Kept by PartitionReaders.
  bool is_busy = false;         // a caller has it
  bool is_asked = false;        // part of a request of a loop that is under way
  bool is_asked_alone = false;  // its caller reads for it; loops leave it alone
  MonotonicTime used_at;
  std::uint64_t asked_in = 0;  // the last request of a loop that it was part of

 private:
  Offset position_;
  Offset fetched_to_;
  std::deque<log::FetchedBatch> ahead_;
  std::size_t ahead_bytes_ = 0;
  bool is_at_end_ = false;
  Status failure_;
};

}  // namespace millrace::kafka_client
