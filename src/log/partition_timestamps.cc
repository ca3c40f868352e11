#include <algorithm>
#include <limits>

#include "codec/record_batch.h"
#include "log/partition_log.h"

// Kafka's ListOffsets by a record's own timestamp. A batch's header says the largest one of its
// records, a segment's entry in the checkpoint that of its batches; only the batch that is found is
// decompressed.

namespace millrace::log {

namespace {

// The first record from `from` on with at least that timestamp.
Result<std::optional<TimestampedOffset>> first_in(const FetchedBatch& batch, Offset from,
                                                  WallTime timestamp) {
  codec::BatchReader reader;
  MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
  while (const RecordView* record = reader.next()) {
    if (record->offset < from || record->timestamp < timestamp) continue;
    return std::optional(TimestampedOffset{record->offset, record->timestamp});
  }
  MR_RETURN_IF_ERROR(reader.status());
  return std::optional<TimestampedOffset>();
}

// Of the records from `from` on.
Result<WallTime> max_in(const FetchedBatch& batch, Offset from) {
  if (batch.base_offset >= from) return max_timestamp_of(batch.bytes.view());
  codec::BatchReader reader;
  MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
  WallTime max = kNoTimestamp;
  if (reader.header().is_control) return max;
  while (const RecordView* record = reader.next()) {
    if (record->offset >= from) max = std::max(max, record->timestamp);
  }
  MR_RETURN_IF_ERROR(reader.status());
  return max;
}

}  // namespace

Result<std::optional<Offset>> PartitionLog::find_timestamp(Offset from, WallTime timestamp,
                                                           CommitSequence durable) {
  std::shared_ptr<const SegmentList> segments;
  std::optional<Offset> in_tail;
  {
    const std::lock_guard lock(mutex_);
    segments = segments_;
    const Offset watermark = high_watermark(durable);
    for (const TailBatch& batch : tail_) {
      if (batch.next_offset > watermark) break;
      if (batch.next_offset <= from || batch.max_timestamp < timestamp) continue;
      in_tail = batch.base_offset;
      break;
    }
  }
  for (const Segment& segment : *segments) {
    if (segment.info.empty() || segment.info.next_offset <= from) continue;
    if (segment.info.max_timestamp < timestamp) continue;
    MR_ASSIGN_OR_RETURN(const auto found,
                        segment.file->find_timestamp(segment.info, from, timestamp));
    if (found) return found;
  }
  return in_tail;
}

Result<std::optional<TimestampedOffset>> PartitionLog::first_at_timestamp(WallTime timestamp,
                                                                          CommitSequence durable) {
  for (Offset from = start();;) {
    MR_ASSIGN_OR_RETURN(const auto base, find_timestamp(from, timestamp, durable));
    if (!base) return std::optional<TimestampedOffset>();
    from = std::max(from, *base);
    MR_ASSIGN_OR_RETURN(const FetchResult fetched,
                        fetch(from, 1, durable, Visibility::uncommitted));
    if (fetched.batches.empty()) return std::optional<TimestampedOffset>();
    const FetchedBatch& batch = fetched.batches.front();
    MR_ASSIGN_OR_RETURN(const auto found, first_in(batch, from, timestamp));
    if (found) return found;
    // The header promised more than the records hold, or they are below the start.
    from = batch.next_offset;
  }
}

Result<std::optional<TimestampedOffset>> PartitionLog::max_timestamp(CommitSequence durable) {
  std::shared_ptr<const SegmentList> segments;
  Offset start;
  WallTime max = kNoTimestamp;
  {
    const std::lock_guard lock(mutex_);
    segments = segments_;
    start = start_;
    const Offset watermark = high_watermark(durable);
    for (const TailBatch& batch : tail_) {
      if (batch.next_offset > watermark) break;
      if (batch.base_offset >= start) max = std::max(max, batch.max_timestamp);
    }
  }
  for (const Segment& segment : *segments) {
    const SegmentInfo& info = segment.info;
    if (info.empty() || info.next_offset <= start) continue;
    const bool is_known = info.max_timestamp != kUnknownTimestamp && info.base_offset >= start;
    if (is_known) {
      max = std::max(max, info.max_timestamp);
      continue;
    }
    MR_RETURN_IF_ERROR(segment.file->for_each(info, [&](const FetchedBatch& batch) -> Status {
      if (batch.next_offset <= start) return ok_status();
      MR_ASSIGN_OR_RETURN(const WallTime of_batch, max_in(batch, start));
      max = std::max(max, of_batch);
      return ok_status();
    }));
  }
  if (max == kNoTimestamp) return std::optional<TimestampedOffset>();
  return first_at_timestamp(max, durable);
}

}  // namespace millrace::log
