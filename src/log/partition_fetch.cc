#include <algorithm>
#include <utility>

#include "base/check.h"
#include "codec/record_batch.h"
#include "codec/transaction_marker.h"
#include "log/partition_log.h"

// How readers get at a partition: from its segments or from its tail, up to where they may see.

namespace millrace::log {

namespace {

// Bounds the time a fetch of many tiny batches holds the partition's lock.
constexpr std::size_t kTailBatchesPerFetchMax = 4096;
// A reader whose segment was deleted under it looks again; each time the log's start has moved.
constexpr int kFetchAttemptsMax = 4;

}  // namespace

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
  Status last = overloaded_error("it was compacted while it was read; try again");
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

}  // namespace millrace::log
