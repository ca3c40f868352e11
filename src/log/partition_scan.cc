#include "log/partition_scan.h"

#include <algorithm>

#include "codec/record_batch.h"

namespace millrace::log {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;

Status scan_batch(codec::BatchReader& reader, const FetchedBatch& batch, Offset from, Offset until,
                  const VisitRecord& visit) {
  if (batch.kind != BatchKind::records) return ok_status();
  MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
  while (const RecordView* record = reader.next()) {
    if (record->offset < from) continue;  // the first batch may begin earlier
    if (record->offset >= until) return ok_status();
    MR_RETURN_IF_ERROR(visit(*record));
  }
  return reader.status();
}

Result<Offset> scan(const Log& log, const TopicPartition& source, Offset from,
                    const VisitRecord& visit) {
  MR_ASSIGN_OR_RETURN(const auto offsets, log.offsets(source));
  const Offset end = std::max({offsets.last_stable, offsets.start, from});
  codec::BatchReader reader;
  for (Offset next = std::max(from, offsets.start); next < end;) {
    MR_ASSIGN_OR_RETURN(const auto fetched,
                        log.fetch(source, next, kFetchBytes, Visibility::durable));
    // The newest records of a compacted topic may have been tombstones whose time is over.
    if (fetched.batches.empty()) break;
    for (const auto& batch : fetched.batches) {
      MR_RETURN_IF_ERROR(scan_batch(reader, batch, next, end, visit));
      next = batch.next_offset;
    }
  }
  return end;
}

}  // namespace

Result<Offset> scan_partition(const Log& log, const TopicPartition& source, Offset from,
                              const VisitRecord& visit) {
  auto end = scan(log, source, from, visit);
  if (!end.is_ok()) return std::move(end).take_status().with_context(source.to_string());
  return end;
}

}  // namespace millrace::log
