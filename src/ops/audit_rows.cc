#include "ops/audit_rows.h"

#include <algorithm>

#include "base/arena.h"
#include "base/check.h"
#include "codec/json.h"
#include "ops/audit_offset_set.h"
#include "ops/audit_range.h"

namespace millrace::ops {
namespace {

constexpr std::size_t kMissingShown = 5;
constexpr std::uint64_t kForeignShown = 5;
// Bits of all sets together: 64 MiB.
constexpr std::int64_t kOffsetsPerPass = std::int64_t{512} << 20;

using task::ErrorType;

// Counts of one source partition over all passes.
struct Tally {
  std::vector<std::uint64_t> rows;  // per enriched topic
  std::array<std::uint64_t, task::kErrorTypeCount> letters{};
  std::vector<std::uint64_t> late;    // dead letters per window
  std::vector<std::uint64_t> failed;  // the same, whose key could not be computed
  std::uint64_t missing = 0;          // offsets without row or letter, by the first enriched topic
  std::vector<Offset> first_missing;  // the lowest kMissingShown
};

// The part of one source partition that a pass looks at.
struct Slice {
  std::vector<OffsetSet> rows;  // per enriched topic
  OffsetSet letters;            // of row stages
  std::vector<OffsetSet> late;  // per window: late, or without a key
};

struct Partition {
  const AuditedTask* task = nullptr;
  AuditedRange range;
  Tally tally;
};

std::size_t index_of(ErrorType type) {
  return static_cast<std::size_t>(type);
}

std::optional<ErrorType> type_named(std::string_view name) {
  for (std::size_t i = 0; i < task::kErrorTypeCount; ++i) {
    if (task::to_string(static_cast<ErrorType>(i)) == name) return static_cast<ErrorType>(i);
  }
  return std::nullopt;
}

// ", the first are 3, 17"
std::string first_text(const std::vector<Offset>& offsets) {
  std::string text;
  for (const auto offset : offsets) {
    text += (text.empty() ? "" : ", ") + std::to_string(offset.value);
  }
  if (text.empty()) return text;
  return (offsets.size() == 1 ? ", the first is " : ", the first are ") + text;
}

class RowsAudit {
 public:
  RowsAudit(const log::Log& log, const task::SourcePlan& plan, std::string pipeline_name,
            const IsCancelled& is_cancelled)
      : log_(log),
        plan_(plan),
        pipeline_name_(std::move(pipeline_name)),
        is_cancelled_(is_cancelled),
        sources_(plan.source_topic, false) {}

  Result<RowsReport> run(const std::vector<AuditedTask>& tasks);

 private:
  [[nodiscard]] std::int64_t slice_span() const;
  void start_pass(std::int64_t begin, std::int64_t span);
  Status read_rows(std::size_t enriched);
  Status read_letters();
  void take_letter(const RecordView& record, const TopicPartition& from);
  [[nodiscard]] bool is_partials_topic(std::string_view name) const;
  std::string stage_of(const RecordView& record);
  // The slice a record of ours refers to, or null: of an offset that this pass does not look at.
  Slice* slice_of(const Origin& origin, const RecordView& record, const TopicPartition& from);
  void end_pass();
  void note_foreign();
  void compare_counters();
  void compare_windows(const Partition& partition);
  void expect_equal(const std::string& where, std::string_view what, std::uint64_t found,
                    std::uint64_t counted);
  [[nodiscard]] const std::string& topic(std::size_t output) const {
    return plan_.outputs[output].topic;
  }

  const log::Log& log_;
  const task::SourcePlan& plan_;
  const std::string pipeline_name_;
  const IsCancelled& is_cancelled_;
  std::vector<Partition> partitions_;
  std::vector<Slice> slices_;
  NamedSources sources_;
  bool is_first_pass_ = true;
  Arena arena_;
  codec::JsonParser parser_;
  std::string foreign_;  // the first places
  RowsReport report_;
};

Result<RowsReport> RowsAudit::run(const std::vector<AuditedTask>& tasks) {
  std::vector<std::string> topics;
  for (const auto output : plan_.enriched_outputs) topics.push_back(topic(output));
  topics.push_back(topic(plan_.dead_letter_output));
  MR_ASSIGN_OR_RETURN(const auto ranges,
                      find_audited_ranges(log_, tasks, topics, is_cancelled_, report_.notes));
  MR_CHECK(ranges.size() == tasks.size());
  std::int64_t longest = 0;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    auto& partition = partitions_.emplace_back();
    partition.task = &tasks[i];
    partition.range = ranges[i];
    partition.tally.rows.resize(plan_.enriched_outputs.size());
    partition.tally.late.resize(plan_.windows.size());
    partition.tally.failed.resize(plan_.windows.size());
    const auto span = tasks[i].next - ranges[i].first;
    longest = std::max(longest, span);
    report_.offsets += static_cast<std::uint64_t>(span);
  }
  // One pass at least: it also finds records that refer to nothing.
  const auto span = slice_span();
  for (std::int64_t begin = 0; begin == 0 || begin < longest; begin += span) {
    start_pass(begin, span);
    for (std::size_t i = 0; i < plan_.enriched_outputs.size(); ++i)
      MR_RETURN_IF_ERROR(read_rows(i));
    MR_RETURN_IF_ERROR(read_letters());
    end_pass();
  }
  MR_RETURN_IF_ERROR(sources_.check(log_, report_.findings));
  note_foreign();
  compare_counters();
  return std::move(report_);
}

std::int64_t RowsAudit::slice_span() const {
  const auto sets = partitions_.size() * (plan_.enriched_outputs.size() + 1);
  return std::max<std::int64_t>(1, kOffsetsPerPass / static_cast<std::int64_t>(sets + 1));
}

void RowsAudit::start_pass(std::int64_t begin, std::int64_t span) {
  slices_.clear();
  is_first_pass_ = begin == 0;
  for (const auto& partition : partitions_) {
    const auto next = partition.task->next;
    const auto from = std::min(partition.range.first + begin, next);
    const auto to = std::min(from + span, next);
    Slice slice{{}, OffsetSet(from, to), {}};
    for (std::size_t i = 0; i < plan_.enriched_outputs.size(); ++i)
      slice.rows.emplace_back(from, to);
    for (std::size_t i = 0; i < plan_.windows.size(); ++i) slice.late.emplace_back(from, to);
    slices_.push_back(std::move(slice));
  }
}

Slice* RowsAudit::slice_of(const Origin& origin, const RecordView& record,
                           const TopicPartition& from) {
  const auto where = [&] { return from.to_string() + "/" + std::to_string(record.offset.value); };
  if (!origin.is_ours) {
    if (!is_first_pass_) return nullptr;
    if (++report_.foreign <= kForeignShown) foreign_ += (foreign_.empty() ? "" : ", ") + where();
    return nullptr;
  }
  if (is_first_pass_) sources_.see(origin, record, from);
  if (!origin.source || origin.source->topic != plan_.source_topic ||
      static_cast<std::size_t>(origin.source->partition) >= slices_.size()) {
    if (is_first_pass_) {
      report_.findings.add(where() + " does not name a record of " + plan_.source_topic +
                           " as its source");
    }
    return nullptr;
  }
  auto& slice = slices_[static_cast<std::size_t>(origin.source->partition)];
  const auto offset = origin.source->offset;
  return offset < slice.letters.first() || offset >= slice.letters.next() ? nullptr : &slice;
}

Status RowsAudit::read_rows(std::size_t enriched) {
  const auto& name = topic(plan_.enriched_outputs[enriched]);
  MR_ASSIGN_OR_RETURN(const auto info, log_.topic(name));
  for (std::int32_t p = 0; p < info.config.partition_count; ++p) {
    const TopicPartition from{name, p};
    MR_RETURN_IF_ERROR(
        scan_partition(log_, from, Offset(0), is_cancelled_, [&](const RecordView& record) {
          const auto origin = origin_of(record, pipeline_name_);
          auto* slice = slice_of(origin, record, from);
          if (slice == nullptr) return;
          if (slice->rows[enriched].add(origin.source->offset) == OffsetSet::Outcome::added) return;
          report_.findings.add(plan_.source_topic + "/" + std::to_string(origin.source->partition) +
                               " offset " + std::to_string(origin.source->offset.value) +
                               " is in " + name + " twice, the second time at " + from.to_string() +
                               "/" + std::to_string(record.offset.value));
        }));
  }
  return ok_status();
}

Status RowsAudit::read_letters() {
  const auto& name = topic(plan_.dead_letter_output);
  MR_ASSIGN_OR_RETURN(const auto info, log_.topic(name));
  for (std::int32_t p = 0; p < info.config.partition_count; ++p) {
    const TopicPartition from{name, p};
    MR_RETURN_IF_ERROR(
        scan_partition(log_, from, Offset(0), is_cancelled_,
                       [&](const RecordView& record) { take_letter(record, from); }));
  }
  return ok_status();
}

bool RowsAudit::is_partials_topic(std::string_view name) const {
  return std::any_of(plan_.windows.begin(), plan_.windows.end(), [&](const task::Window& window) {
    return !window.local && topic(window.partials_output) == name;
  });
}

std::string RowsAudit::stage_of(const RecordView& record) {
  arena_.reset();
  if (!record.value) return "";
  const auto letter = parser_.parse(*record.value, arena_);
  if (!letter.is_ok() || letter->kind() != ValueKind::map) return "";
  for (const auto& member : letter->as_map()) {
    if (member.key.as_string() == "stage" && member.value.kind() == ValueKind::string) {
      return std::string(member.value.as_string());
    }
  }
  return "";
}

void RowsAudit::take_letter(const RecordView& record, const TopicPartition& from) {
  const auto origin = origin_of(record, pipeline_name_);
  if (origin.is_ours && origin.source && is_partials_topic(origin.source->topic)) {
    if (is_first_pass_) ++report_.window_letters;  // partial results that a merging task refused
    return;
  }
  auto* slice = slice_of(origin, record, from);
  if (slice == nullptr) return;
  const auto where = from.to_string() + "/" + std::to_string(record.offset.value);
  const auto type = type_named(header_of(record, "millrace-error").value_or(""));
  if (!type) return report_.findings.add(where + " has no known millrace-error");
  auto& tally = partitions_[static_cast<std::size_t>(origin.source->partition)].tally;
  ++tally.letters[index_of(*type)];
  auto* refused = &slice->letters;
  // Only these two can come from a window, whose letters leave the event's row in place.
  if (*type == ErrorType::late_event || *type == ErrorType::business_rule_violation) {
    const auto stage = stage_of(record);
    if (stage.empty()) return report_.findings.add(where + " is not a readable dead letter");
    bool is_known = !stage.starts_with("window ");
    for (std::size_t w = 0; w < plan_.windows.size(); ++w) {
      if (stage != "window " + plan_.windows[w].name) continue;
      const auto& tasks = *partitions_[static_cast<std::size_t>(origin.source->partition)].task;
      if (origin.version < tasks.counters.windows[w].since_version) continue;
      is_known = true;
      refused = &slice->late[w];
      ++(*type == ErrorType::late_event ? tally.late : tally.failed)[w];
      ++report_.window_letters;
    }
    // Of a window that only an earlier version had: it says nothing about those of today.
    if (!is_known && origin.version < plan_.version) {
      ++report_.window_letters;
      return;
    }
  }
  if (refused->add(origin.source->offset) == OffsetSet::Outcome::added) return;
  report_.findings.add(plan_.source_topic + "/" + std::to_string(origin.source->partition) +
                       " offset " + std::to_string(origin.source->offset.value) +
                       " has a second dead letter of the same stage, " + where);
}

void RowsAudit::end_pass() {
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    auto& slice = slices_[i];
    auto& tally = partitions_[i].tally;
    const auto where = plan_.source_topic + "/" + std::to_string(i) + " offset ";
    report_.dead_letters += slice.letters.count();
    for (std::size_t e = 0; e < slice.rows.size(); ++e) {
      const auto& rows = slice.rows[e];
      tally.rows[e] += rows.count();
      if (const auto both = first_common(rows, slice.letters)) {
        report_.findings.add(where + std::to_string(both->value) + " is both in " +
                             topic(plan_.enriched_outputs[e]) + " and dead-lettered");
      }
      if (const auto other = first_only_in(rows, slice.rows.front())) {
        report_.findings.add(where + std::to_string(other->value) + " is in " +
                             topic(plan_.enriched_outputs[e]) + " but not in " +
                             topic(plan_.enriched_outputs.front()));
      }
    }
    const OffsetSet none(slice.letters.first(), slice.letters.next());
    const auto& rows = slice.rows.empty() ? none : slice.rows.front();
    report_.rows += rows.count();
    // Never below zero: an offset that is in both was found above.
    tally.missing +=
        slice.letters.span() - std::min(slice.letters.span(), rows.count() + slice.letters.count());
    const auto more =
        lowest_in_neither(rows, slice.letters, kMissingShown - tally.first_missing.size());
    tally.first_missing.insert(tally.first_missing.end(), more.begin(), more.end());
    for (std::size_t w = 0; w < slice.late.size(); ++w) {
      const auto wrong = slice.rows.empty() ? first_common(slice.late[w], slice.letters)
                                            : first_only_in(slice.late[w], rows);
      if (!wrong) continue;
      report_.findings.add(where + std::to_string(wrong->value) + " was refused by window " +
                           plan_.windows[w].name + " and has no row");
    }
  }
}

void RowsAudit::note_foreign() {
  if (report_.foreign == 0) return;
  const auto more = report_.foreign > kForeignShown
                        ? " and " + std::to_string(report_.foreign - kForeignShown) + " more"
                        : std::string();
  report_.notes.push_back(std::to_string(report_.foreign) +
                          (report_.foreign == 1 ? " record" : " records") +
                          " of others in the same topics: " + foreign_ + more);
}

void RowsAudit::expect_equal(const std::string& where, std::string_view what, std::uint64_t found,
                             std::uint64_t counted) {
  if (found == counted) return;
  report_.findings.add(where + ": " + std::to_string(found) + " " + std::string(what) +
                       " found, the task has counted " + std::to_string(counted));
}

void RowsAudit::compare_counters() {
  for (const auto& partition : partitions_) {
    const auto& counters = partition.task->counters;
    const auto& tally = partition.tally;
    const auto where = partition.task->source.to_string();
    if (const auto& lost = partition.range.first_lost) {
      report_.findings.add(where + ": " + std::to_string(partition.range.lost) +
                           " offsets are in the log no more, the first ones in " +
                           std::to_string(lost->first.value) + ".." +
                           std::to_string(lost->second.value) +
                           ": neither a record nor the end of a transaction is there");
    }
    // What may be missing: duplicates that were dropped, and everything without an enriched topic.
    const auto untraced =
        counters.dropped_duplicates + (plan_.enriched_outputs.empty() ? counters.passed : 0);
    const auto missing = tally.missing - std::min(tally.missing, partition.range.gaps);
    if (partition.range.is_whole ? missing != untraced : missing > untraced) {
      report_.findings.add(
          where + ": " + std::to_string(missing) + " offsets have neither row nor dead letter" +
          first_text(tally.first_missing) + "; the task counts " + std::to_string(untraced) +
          " that leave none" +
          (untraced > 0 ? "; audit --replay tells which of them should have left something" : ""));
    }
    report_.dropped += missing;
    if (!partition.range.is_whole) continue;
    const auto records = static_cast<std::uint64_t>(partition.task->next - partition.range.first);
    expect_equal(where, "records", records - partition.range.gaps, counters.records_in);
    for (const auto rows : tally.rows) expect_equal(where, "rows", rows, counters.passed);
    for (std::size_t i = 0; i < task::kErrorTypeCount; ++i) {
      expect_equal(where, "dead letters " + std::string(task::to_string(static_cast<ErrorType>(i))),
                   tally.letters[i], counters.dead_letters[i]);
    }
    compare_windows(partition);
  }
}

// A letter stands for one event, `late` counts panes: an event can be late for several.
void RowsAudit::compare_windows(const Partition& partition) {
  const auto& counters = partition.task->counters;
  MR_CHECK(counters.windows.size() == plan_.windows.size());
  for (std::size_t w = 0; w < plan_.windows.size(); ++w) {
    const auto& window = plan_.windows[w];
    const auto where = partition.task->source.to_string() + ", window " + window.name;
    const auto letters = partition.tally.late[w];
    const auto panes =
        static_cast<std::uint64_t>((window.length_us + window.every_us - 1) / window.every_us);
    const auto late = counters.windows[w].late;
    if (late < letters || late > letters * panes) {
      expect_equal(where, "late events", letters, late);
    }
    expect_equal(where, "events without a key", partition.tally.failed[w],
                 counters.windows[w].failed);
  }
}

}  // namespace

Result<RowsReport> audit_rows(const log::Log& log, const task::SourcePlan& plan,
                              const std::string& pipeline_name,
                              const std::vector<AuditedTask>& tasks,
                              const IsCancelled& is_cancelled) {
  return RowsAudit(log, plan, pipeline_name, is_cancelled).run(tasks);
}

}  // namespace millrace::ops
