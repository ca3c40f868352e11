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
  // The offsets of one batch, or what of it lies behind the beginning, and its records with data.
  struct Stretch {
    Offset first;
    Offset next;
    std::uint64_t records = 0;
    std::uint64_t gaps = 0;  // a marker, or aborted records
    Offset expected;         // where it should begin
  };
  // Of all batches from `first` up to `end`, where one ends.
  template <typename Visit>
  Status scan(const TopicPartition& source, Offset first, Offset end, Visit&& visit);

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
// the task has read says where it began: that many stand between there and its position.
Result<AuditedRange> Ranges::find(const AuditedTask& task) {
  AuditedRange range;
  MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(task.source));
  range.first = std::min(offsets.start, task.next);
  range.is_whole = true;
  if (offsets.start.value == 0) return range;
  std::uint64_t retained = 0;
  MR_RETURN_IF_ERROR(scan(task.source, range.first, task.next,
                          [&](const Stretch& stretch) { retained += stretch.records; }));
  const auto read = task.counters.records_in;
  range.is_whole = retained >= read;
  // What was there before the task began.
  auto before = retained - std::min(retained, read);
  const auto start = range.first;
  MR_RETURN_IF_ERROR(scan(task.source, start, task.next, [&](const Stretch& stretch) {
    if (before == 0) return;
    const auto passed = std::min(before, stretch.records);
    before -= passed;
    range.first = passed == stretch.records ? stretch.next
                                            : stretch.first + static_cast<std::int64_t>(passed);
  }));
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
  return scan(task.source, range.first, task.next, [&](const Stretch& stretch) {
    range.gaps += stretch.gaps;
    // A log that deletes by key only leaves such a batch, or none.
    const auto whole = static_cast<std::uint64_t>(stretch.next - stretch.expected);
    const auto lost = whole - stretch.records - stretch.gaps;
    if (lost > 0 && !range.first_lost) {
      const bool is_before = stretch.expected < stretch.first;
      range.first_lost.emplace(stretch.expected, is_before ? stretch.first : stretch.next);
    }
    range.lost += lost;
  });
}

template <typename Visit>
Status Ranges::scan(const TopicPartition& source, Offset first, Offset end, Visit&& visit) {
  for (Offset next = first; next < end;) {
    if (is_cancelled_()) return cancelled_error("the audit was cancelled");
    MR_ASSIGN_OR_RETURN(const auto fetched,
                        log_.fetch(source, next, kFetchBytes, log::Visibility::durable));
    if (fetched.batches.empty()) {
      return corrupt_error(source.to_string() + " ends at " + std::to_string(next.value) +
                           ", but " + std::to_string(end.value) + " is committed");
    }
    for (const auto& batch : fetched.batches) {
      if (next >= end) return ok_status();
      MR_ASSIGN_OR_RETURN(const auto header, codec::parse_batch_header(batch.bytes.view()));
      Stretch stretch{std::max(next, batch.base_offset), batch.next_offset, 0, 0, next};
      const auto span = static_cast<std::uint64_t>(stretch.next - stretch.first);
      if (!header.is_control && batch.kind == log::BatchKind::records) {
        stretch.records = std::min(static_cast<std::uint64_t>(header.record_count), span);
      } else {
        stretch.gaps = span;
      }
      visit(stretch);
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
