#include "sim/recorder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "codec/record_batch.h"

namespace millrace::sim {
namespace {

constexpr std::size_t kFetchBytes = 64 << 10;
constexpr const char* kHolder = "sim.recorder";

SeenRecord copy_of(const RecordView& record, WallTime append_time) {
  SeenRecord out;
  if (record.key) out.key = std::string(*record.key);
  if (record.value) out.value = std::string(*record.value);
  out.timestamp = record.timestamp;
  out.append_time = append_time;
  for (const auto& header : record.headers) {
    const std::string value(header.value.value_or(""));
    if (header.key == "millrace-source") out.source = value;
    if (header.key == "millrace-pipeline") out.pipeline = value;
    if (header.key == "millrace-error") out.error = value;
  }
  return out;
}

}  // namespace

Status Recorder::read(log::Log& log, const TopicPartition& source, Offset from, Offset to,
                      const Visit& visit) {
  codec::BatchReader reader;
  while (from < to) {
    MR_ASSIGN_OR_RETURN(const auto fetched,
                        log.fetch(source, from, kFetchBytes, log::Visibility::durable));
    if (fetched.batches.empty()) {
      return corrupt_error(source.to_string() + " has nothing at offset " +
                           std::to_string(from.value) + " though " + std::to_string(to.value) +
                           " is durable");
    }
    for (const auto& batch : fetched.batches) {
      if (batch.kind != log::BatchKind::records) {
        return corrupt_error(source.to_string() + " has a marker or aborted records at offset " +
                             std::to_string(batch.base_offset.value) + ", but no transactions");
      }
      MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
      while (const RecordView* record = reader.next()) {
        if (record->offset >= from) visit(record->offset, copy_of(*record, batch.append_time));
      }
      MR_RETURN_IF_ERROR(reader.status());
      from = batch.next_offset;
    }
  }
  return ok_status();
}

Status Recorder::poll(log::Log& log) {
  for (const auto& topic : log.topics()) {
    if (topic.config.is_compacted) continue;
    for (std::int32_t p = 0; p < topic.config.partition_count; ++p) {
      MR_RETURN_IF_ERROR(poll_partition(log, {topic.name, p}));
    }
  }
  return ok_status();
}

Status Recorder::poll_partition(log::Log& log, const TopicPartition& source) {
  MR_ASSIGN_OR_RETURN(const auto offsets, log.offsets(source));
  auto& seen = seen_[source];
  const Offset from(static_cast<std::int64_t>(seen.size()));
  auto& start = starts_[source];
  start = std::max(start, offsets.start);
  if (offsets.start > from) {
    on_violation_(source.to_string() + " was cut to " + std::to_string(offsets.start.value) +
                  " though a pin stood at " + std::to_string(from.value));
    return ok_status();
  }
  if (offsets.high_watermark <= from) {
    // Empty partitions, too: what comes until the next look must not go by its age.
    log.pin(kHolder, source, from);
    return ok_status();
  }
  MR_RETURN_IF_ERROR(
      read(log, source, from, offsets.high_watermark, [&](Offset offset, SeenRecord record) {
        if (offset.value != static_cast<std::int64_t>(seen.size())) {
          on_violation_(source.to_string() + " leaves out offsets before " +
                        std::to_string(offset.value));
        }
        seen.push_back(std::move(record));
      }));
  log.pin(kHolder, source, Offset(static_cast<std::int64_t>(seen.size())));
  return ok_status();
}

Status Recorder::verify(log::Log& log) {
  for (const auto& [source, seen] : seen_) {
    // Before anything else runs, so that nothing is cut before it was seen.
    log.pin(kHolder, source, Offset(static_cast<std::int64_t>(seen.size())));
    MR_RETURN_IF_ERROR(verify_partition(log, source, seen));
  }
  return ok_status();
}

Status Recorder::verify_partition(log::Log& log, const TopicPartition& source,
                                  const std::vector<SeenRecord>& seen) {
  const auto offsets = log.offsets(source);
  if (offsets.status().code() == StatusCode::not_found) {
    on_violation_("topic partition " + source.to_string() + " is gone after a restart");
    return ok_status();
  }
  MR_RETURN_IF_ERROR(offsets.status());
  const Offset seen_end(static_cast<std::int64_t>(seen.size()));
  if (offsets->high_watermark < seen_end) {
    on_violation_(source.to_string() + " ended at " + std::to_string(seen_end.value) +
                  " before the restart, and now at " +
                  std::to_string(offsets->high_watermark.value));
    return ok_status();
  }
  if (offsets->start > seen_end) {
    on_violation_(source.to_string() + " starts beyond all that was seen");
    return ok_status();
  }
  return read(log, source, offsets->start, seen_end, [&](Offset offset, const SeenRecord& record) {
    if (offset >= seen_end) return;
    if (record == seen[static_cast<std::size_t>(offset.value)]) return;
    on_violation_(source.to_string() + "/" + std::to_string(offset.value) +
                  " is another record after a restart: " + record.value.value_or("(null)"));
  });
}

const std::vector<SeenRecord>& Recorder::records(const TopicPartition& source) const {
  static const std::vector<SeenRecord> nothing;
  const auto at = seen_.find(source);
  return at == seen_.end() ? nothing : at->second;
}

std::uint64_t Recorder::count() const {
  std::uint64_t count = 0;
  for (const auto& [source, seen] : seen_) count += seen.size();
  return count;
}

std::int32_t Recorder::partition_count(const std::string& topic) const {
  std::int32_t count = 0;
  for (const auto& [source, seen] : seen_) count += source.topic == topic ? 1 : 0;
  return count;
}

bool Recorder::has_seen_trim(const std::string& topic_part) const {
  return std::any_of(starts_.begin(), starts_.end(), [&](const auto& entry) {
    return entry.second.value > 0 && entry.first.topic.find(topic_part) != std::string::npos;
  });
}

std::string Recorder::describe() const {
  std::string text;
  for (const auto& [source, seen] : seen_) {
    text += source.to_string() + "=" + std::to_string(seen.size()) + " ";
  }
  return text;
}

}  // namespace millrace::sim
