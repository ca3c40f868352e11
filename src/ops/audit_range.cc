#include "ops/audit_range.h"

#include <algorithm>

#include "codec/record_batch.h"

namespace millrace::ops {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;

class Ranges {
 public:
  Ranges(const log::Log& log, const std::vector<AuditedTask>& tasks,
         const IsCancelled& is_cancelled, std::vector<std::string>& notes)
      : log_(log), tasks_(tasks), is_cancelled_(is_cancelled), notes_(notes) {}

  Result<std::vector<AuditedRange>> run(const std::vector<std::string>& output_topics);

 private:
  Result<AuditedRange> find(const AuditedTask& task);
  Status limit_to_retained(const std::string& name);
  Status count_gaps(const AuditedTask& task, AuditedRange& range);

  const log::Log& log_;
  const std::vector<AuditedTask>& tasks_;
  const IsCancelled& is_cancelled_;
  std::vector<std::string>& notes_;
  std::vector<AuditedRange> ranges_;
};

Result<std::vector<AuditedRange>> Ranges::run(const std::vector<std::string>& output_topics) {
  for (const auto& task : tasks_) {
    MR_ASSIGN_OR_RETURN(auto range, find(task));
    ranges_.push_back(range);
  }
  for (const auto& topic : output_topics) MR_RETURN_IF_ERROR(limit_to_retained(topic));
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    MR_RETURN_IF_ERROR(count_gaps(tasks_[i], ranges_[i]));
  }
  return std::move(ranges_);
}

// Without retention a task began at 0. Later the source's start moves on, and the number of records
// the task has read says where it began.
Result<AuditedRange> Ranges::find(const AuditedTask& task) {
  AuditedRange range;
  MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(task.source));
  const auto begin = offsets.start.value == 0
                         ? Offset(0)
                         : task.next - static_cast<std::int64_t>(task.counters.records_in);
  range.first = std::min(std::max(begin, offsets.start), task.next);
  range.is_whole = range.first == begin;
  if (!range.is_whole) {
    notes_.push_back(task.source.to_string() + " is retained from offset " +
                     std::to_string(range.first.value) + " on only");
  }
  return range;
}

// An output partition whose start has moved may have lost records that were appended up to its
// first remaining batch. What the source took after that time had its outputs later still.
Status Ranges::limit_to_retained(const std::string& name) {
  MR_ASSIGN_OR_RETURN(const auto topic, log_.topic(name));
  for (std::int32_t p = 0; p < topic.config.partition_count; ++p) {
    const TopicPartition output{name, p};
    MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(output));
    if (offsets.start.value == 0) continue;
    MR_ASSIGN_OR_RETURN(const auto fetched,
                        log_.fetch(output, offsets.start, 1, log::Visibility::durable));
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      const auto& task = tasks_[i];
      auto& range = ranges_[i];
      Offset known = task.next;
      if (!fetched.batches.empty()) {
        const auto after = WallTime(fetched.batches.front().append_time.value + 1);
        MR_ASSIGN_OR_RETURN(known, log_.offset_for_time(task.source, after));
      }
      if (known <= range.first) continue;
      range.first = std::min(known, task.next);
      range.is_whole = false;
    }
    notes_.push_back(output.to_string() + " is retained from offset " +
                     std::to_string(offsets.start.value) + " on only");
  }
  return ok_status();
}

Status Ranges::count_gaps(const AuditedTask& task, AuditedRange& range) {
  for (Offset next = range.first; next < task.next;) {
    if (is_cancelled_()) return cancelled_error("the audit was cancelled");
    MR_ASSIGN_OR_RETURN(const auto fetched,
                        log_.fetch(task.source, next, kFetchBytes, log::Visibility::durable));
    if (fetched.batches.empty()) {
      return corrupt_error(task.source.to_string() + " ends at " + std::to_string(next.value) +
                           ", but " + std::to_string(task.next.value) + " is committed");
    }
    for (const auto& batch : fetched.batches) {
      MR_ASSIGN_OR_RETURN(const auto header, codec::parse_batch_header(batch.bytes.view()));
      const auto span =
          static_cast<std::uint64_t>(batch.next_offset - std::max(next, batch.base_offset));
      const auto records = static_cast<std::uint64_t>(header.record_count);
      if (header.is_control || batch.kind != log::BatchKind::records) {
        range.gaps += span;
      } else if (records < span) {
        range.gaps += span - records;
      }
      next = batch.next_offset;
    }
  }
  return ok_status();
}

}  // namespace

Result<std::vector<AuditedRange>> find_audited_ranges(const log::Log& log,
                                                      const std::vector<AuditedTask>& tasks,
                                                      const std::vector<std::string>& output_topics,
                                                      const IsCancelled& is_cancelled,
                                                      std::vector<std::string>& notes) {
  return Ranges(log, tasks, is_cancelled, notes).run(output_topics);
}

}  // namespace millrace::ops
