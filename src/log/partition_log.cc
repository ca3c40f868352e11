#include "log/partition_log.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "codec/record_batch.h"
#include "codec/transaction_marker.h"

namespace millrace::log {

PartitionLog::PartitionLog(std::string folder, Identity identity,
                           std::shared_ptr<ListenerSlot> listeners,
                           std::shared_ptr<OpenSegments> open_segments)
    : folder_(std::move(folder)),
      identity_(std::move(identity)),
      listeners_(std::move(listeners)),
      open_segments_(std::move(open_segments)) {
  MR_CHECK(listeners_ != nullptr && open_segments_ != nullptr);
}

std::uint64_t PartitionLog::append(TailBatch batch, const TransactionStep& step) {
  using Kind = TransactionStep::Kind;
  const std::lock_guard lock(mutex_);
  MR_CHECK(batch.base_offset == end_ && batch.next_offset > end_);
  MR_CHECK(tail_.empty() || tail_.back().sequence <= batch.sequence);
  if (step.kind == Kind::data) transactions_.begin(step.producer, batch.base_offset);
  if (step.kind == Kind::commit || step.kind == Kind::abort) {
    transactions_.end(step.producer, batch.base_offset, step.kind == Kind::commit);
  }
  end_ = batch.next_offset;
  tail_bytes_ += batch.batch_bytes;
  tail_.push_back(std::move(batch));
  return tail_first_index_ + tail_.size() - 1;
}

void PartitionLog::restore(Offset start, Offset end, Offset compacted_to, SegmentList segments,
                           ProducerTable producers, TransactionTable transactions) {
  const std::lock_guard lock(mutex_);
  MR_CHECK(tail_.empty() && end_.value == 0);
  start_ = start;
  end_ = segments_end_ = end;
  compacted_to_ = compacted_to;
  for (const auto& segment : segments) segment_bytes_total_ += segment.info.valid_bytes;
  segments_ = std::make_shared<const SegmentList>(std::move(segments));
  producers_ = std::move(producers);
  transactions_ = std::move(transactions);
}

std::optional<Offset> PartitionLog::transaction_start(ProducerId id) const {
  const std::lock_guard lock(mutex_);
  return transactions_.open_since(id);
}

void PartitionLog::encode_transactions(Encoder& to) const {
  const std::lock_guard lock(mutex_);
  transactions_.encode(to);
}

Offset PartitionLog::stable_end() const {
  const std::lock_guard lock(mutex_);
  return transactions_.stable(end_);
}

std::vector<AbortedTransaction> PartitionLog::aborted_transactions(Offset from,
                                                                   Offset until) const {
  const std::lock_guard lock(mutex_);
  return transactions_.aborted(from, until);
}

bool PartitionLog::is_aborted(ProducerId id, Offset offset) const {
  const std::lock_guard lock(mutex_);
  return transactions_.find_aborted(id, offset) != nullptr;
}

void PartitionLog::forget_transactions_below(Offset offset) {
  if (transactions_.forget_below(offset)) ++forget_count_;
}

void PartitionLog::delete_before(Offset before) {
  const std::lock_guard lock(mutex_);
  start_ = std::max(start_, before);
  forget_transactions_below(start_);
}

void PartitionLog::mark_written(std::uint64_t tail_index, std::shared_ptr<WalFile> file,
                                std::uint64_t wal_offset) {
  const std::lock_guard lock(mutex_);
  MR_CHECK(tail_index >= tail_first_index_ && tail_index - tail_first_index_ < tail_.size());
  TailBatch& batch = tail_[tail_index - tail_first_index_];
  batch.file = std::move(file);
  batch.wal_offset = wal_offset;
}

void PartitionLog::evict(std::uint64_t tail_index) {
  std::shared_ptr<const std::string> bytes;  // freed outside the lock
  const std::lock_guard lock(mutex_);
  if (tail_index < tail_first_index_) return;  // drained since
  TailBatch& batch = tail_[tail_index - tail_first_index_];
  MR_CHECK(batch.file != nullptr);
  bytes = std::exchange(batch.bytes, nullptr);
}

Offset PartitionLog::high_watermark(CommitSequence durable) {
  durable_index_ = std::max(durable_index_, tail_first_index_);
  const std::uint64_t tail_end = tail_first_index_ + tail_.size();
  while (durable_index_ < tail_end &&
         tail_[durable_index_ - tail_first_index_].sequence <= durable) {
    ++durable_index_;
  }
  return durable_index_ == tail_end ? end_ : tail_[durable_index_ - tail_first_index_].base_offset;
}

PartitionOffsets PartitionLog::offsets_locked(CommitSequence durable) {
  const Offset watermark = high_watermark(durable);
  transactions_.settle(watermark);
  // Deleting records may have passed the start of a transaction that is still open.
  return {.start = start_,
          .high_watermark = watermark,
          .last_stable = std::max(start_, transactions_.stable(watermark)),
          .end = end_,
          .stored_bytes = static_cast<std::int64_t>(segment_bytes_total_ + tail_bytes_)};
}

PartitionOffsets PartitionLog::offsets(CommitSequence durable) {
  const std::lock_guard lock(mutex_);
  return offsets_locked(durable);
}

Offset PartitionLog::start() const {
  const std::lock_guard lock(mutex_);
  return start_;
}

Result<Offset> PartitionLog::offset_for_time(WallTime time, CommitSequence durable) {
  std::shared_ptr<const SegmentList> segments;
  Offset start;
  Offset from_tail;
  {
    const std::lock_guard lock(mutex_);
    segments = segments_;
    start = start_;
    const Offset watermark = high_watermark(durable);
    const auto at = std::partition_point(tail_.begin(), tail_.end(), [&](const TailBatch& batch) {
      return batch.append_time < time;
    });
    from_tail = at == tail_.end() ? watermark : std::min(at->base_offset, watermark);
  }
  for (const Segment& segment : *segments) {
    if (segment.info.empty() || segment.info.last_append_time < time) continue;
    if (segment.info.next_offset <= start) continue;
    MR_ASSIGN_OR_RETURN(const auto found, segment.file->find_time(segment.info, time));
    if (found) return std::max(*found, start);
  }
  return std::max(from_tail, start);
}

void PartitionLog::pin(const std::string& holder, Offset oldest_needed) {
  const std::lock_guard lock(mutex_);
  pins_[holder] = oldest_needed;
}

void PartitionLog::unpin(const std::string& holder) {
  const std::lock_guard lock(mutex_);
  pins_.erase(holder);
}

Offset PartitionLog::oldest_pin() const {
  const std::lock_guard lock(mutex_);
  Offset oldest(std::numeric_limits<std::int64_t>::max());
  for (const auto& [holder, offset] : pins_) oldest = std::min(oldest, offset);
  return oldest;
}

PartitionLog::DrainView PartitionLog::drain_view(CommitSequence through) const {
  const std::lock_guard lock(mutex_);
  DrainView view{
      .start = start_, .compacted_to = compacted_to_, .segments = segments_, .batches = {}};
  for (const auto& batch : tail_) {
    if (batch.sequence > through) break;
    view.batches.push_back(batch);
  }
  return view;
}

void PartitionLog::publish(SegmentList segments, CommitSequence through, Offset start,
                           Offset compacted_to) {
  std::vector<TailBatch> drained;  // freed outside the lock
  const std::lock_guard lock(mutex_);
  while (!tail_.empty() && tail_.front().sequence <= through) {
    segments_end_ = tail_.front().next_offset;
    tail_bytes_ -= tail_.front().batch_bytes;
    drained.push_back(std::move(tail_.front()));
    tail_.pop_front();
    ++tail_first_index_;
  }
  segment_bytes_total_ = 0;
  for (const auto& segment : segments) segment_bytes_total_ += segment.info.valid_bytes;
  segments_ = std::make_shared<const SegmentList>(std::move(segments));
  start_ = std::max(start_, start);
  compacted_to_ = compacted_to;
  // Compaction has dropped their records.
  forget_transactions_below(std::max(start_, compacted_to_));
}

std::size_t PartitionLog::tail_count() const {
  const std::lock_guard lock(mutex_);
  return tail_.size();
}

}  // namespace millrace::log
