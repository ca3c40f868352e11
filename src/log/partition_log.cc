#include "log/partition_log.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "codec/record_batch.h"
#include "codec/transaction_marker.h"

namespace millrace::log {

namespace {

// Bounds the time a fetch of many tiny batches holds the partition's lock.
constexpr std::size_t kTailBatchesPerFetchMax = 4096;
// A reader whose segment was deleted under it looks again; each time the log's start has moved.
constexpr int kFetchAttemptsMax = 4;

}  // namespace

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

Offset PartitionLog::limit_of(const PartitionOffsets& offsets, Visibility visibility) const {
  switch (visibility) {
    case Visibility::durable:
      return offsets.last_stable;
    case Visibility::appended:
      return std::max(start_, transactions_.stable(end_));
    case Visibility::uncommitted:
      return offsets.high_watermark;
  }
  return offsets.last_stable;
}

bool PartitionLog::classify(std::uint64_t forget_count, FetchResult& out) const {
  std::vector<std::pair<FetchedBatch*, ProducerId>> transactional;
  for (auto& batch : out.batches) {
    if (codec::is_plain_batch(batch.bytes.view())) continue;
    const auto header = codec::parse_batch_header(batch.bytes.view());
    MR_CHECK(header.is_ok());
    if (header.value().is_control) {
      batch.kind = BatchKind::control;
    } else {
      transactional.emplace_back(&batch, header.value().producer_id);
    }
  }
  if (transactional.empty()) return true;
  const std::lock_guard lock(mutex_);
  if (forget_count != forget_count_) return false;
  for (const auto& [batch, producer] : transactional) {
    const AbortedTransaction* aborted = transactions_.find_aborted(producer, batch->base_offset);
    if (aborted == nullptr) continue;
    batch->kind = BatchKind::aborted;
    const bool is_known =
        std::find(out.aborted.begin(), out.aborted.end(), *aborted) != out.aborted.end();
    if (!is_known) out.aborted.push_back(*aborted);
  }
  std::sort(out.aborted.begin(), out.aborted.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return true;
}

Status PartitionLog::check_range(Offset from, Offset limit) const {
  if (from >= start_ && from <= limit) return ok_status();
  return out_of_range_error("offset " + std::to_string(from.value) + " of " +
                            identity_.source.to_string() + " is outside the log, which holds " +
                            std::to_string(start_.value) + " to " + std::to_string(limit.value));
}

void PartitionLog::collect_tail(Offset from, Offset limit, std::size_t bytes_max,
                                std::vector<TailBatch>& out) const {
  auto at = std::partition_point(tail_.begin(), tail_.end(),
                                 [&](const TailBatch& batch) { return batch.next_offset <= from; });
  std::size_t bytes = 0;
  for (; at != tail_.end() && at->next_offset <= limit; ++at) {
    if (!out.empty() && bytes + at->batch_bytes > bytes_max) return;
    if (out.size() == kTailBatchesPerFetchMax) return;
    bytes += at->batch_bytes;
    out.push_back(*at);
  }
}

Status PartitionLog::read_segments(const SegmentList& segments, Offset from, std::size_t bytes_max,
                                   FetchResult& out) const {
  auto at = std::partition_point(segments.begin(), segments.end(), [&](const Segment& segment) {
    return segment.info.next_offset <= from;
  });
  std::size_t bytes = 0;
  for (; at != segments.end() && (bytes < bytes_max || out.batches.empty()); ++at) {
    if (at->info.empty()) continue;
    const std::size_t count = out.batches.size();
    MR_ASSIGN_OR_RETURN(const bool is_at_end,
                        at->file->read(at->info, from, bytes_max - bytes, out.batches));
    if (!is_at_end) return ok_status();
    for (std::size_t i = count; i < out.batches.size(); ++i) bytes += out.batches[i].bytes.size();
  }
  return ok_status();
}

Result<FetchResult> PartitionLog::fetch(Offset from, std::size_t bytes_max, CommitSequence durable,
                                        Visibility visibility) {
  Status last;
  for (int attempt = 0; attempt < kFetchAttemptsMax; ++attempt) {
    FetchResult out;
    std::vector<TailBatch> tail;
    std::shared_ptr<const SegmentList> segments;
    Offset segments_end;
    Offset limit;
    std::uint64_t forget_count = 0;
    {
      const std::lock_guard lock(mutex_);
      out.offsets = offsets_locked(durable);
      limit = limit_of(out.offsets, visibility);
      forget_count = forget_count_;
      MR_RETURN_IF_ERROR(check_range(from, out.offsets.end));
      if (from >= limit) return out;
      segments_end = segments_end_;
      if (from < segments_end_) {
        segments = segments_;
      } else {
        collect_tail(from, limit, bytes_max, tail);
      }
    }
    if (segments != nullptr) {
      Status status = read_segments(*segments, from, bytes_max, out);
      if (status.code() == StatusCode::not_found) {
        last = std::move(status);
        continue;
      }
      MR_RETURN_IF_ERROR(std::move(status));
      if (out.batches.empty()) {
        from = segments_end;  // compaction dropped all there was behind `from`
        continue;
      }
      while (!out.batches.empty() && out.batches.back().base_offset >= limit) {
        out.batches.pop_back();
      }
    } else {
      out.batches.reserve(tail.size());
      for (const auto& batch : tail) {
        MR_ASSIGN_OR_RETURN(auto fetched, read_tail_batch(batch));
        out.batches.push_back(std::move(fetched));
      }
    }
    if (classify(forget_count, out)) return out;
    last = overloaded_error("its transactions were cleaned up while it was read; try again");
  }
  if (last.code() != StatusCode::not_found) return last;
  return corrupt_error("a segment of " + identity_.source.to_string() +
                       " is missing: " + std::string(last.message()));
}

Result<FetchedBatch> read_tail_batch(const PartitionLog::TailBatch& batch) {
  FetchedBatch out{.bytes = {},
                   .base_offset = batch.base_offset,
                   .next_offset = batch.next_offset,
                   .append_time = batch.append_time};
  if (batch.bytes != nullptr) {
    out.bytes = SharedBytes(batch.bytes, *batch.bytes);
    return out;
  }
  MR_CHECK(batch.file != nullptr);
  const std::string place = batch.file->path + " at byte " + std::to_string(batch.wal_offset);
  std::string bytes;
  MR_RETURN_IF_ERROR(batch.file->file->read_at(batch.wal_offset, batch.batch_bytes, bytes));
  if (bytes.size() != batch.batch_bytes) return corrupt_error(place + ": the file is cut off");
  auto header = codec::parse_batch_header(bytes);
  if (!header.is_ok()) return std::move(header).take_status().with_context(place);
  if (static_cast<std::uint32_t>(header->batch_bytes) != batch.batch_bytes ||
      header->base_offset != batch.base_offset) {
    return corrupt_error(place + ": not the batch that was written there");
  }
  MR_RETURN_IF_ERROR(codec::verify_batch_crc(bytes, *header).with_context(place));
  out.bytes = SharedBytes(std::move(bytes));
  return out;
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
