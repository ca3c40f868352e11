#include <algorithm>
#include <utility>

#include "base/check.h"
#include "runtime/task_runner.h"

// How a task goes over to another version of its pipeline.

namespace millrace::runtime {

Result<task::TakenOver> TaskRunner::prepare_switch() {
  is_switching_ = true;
  MR_ASSIGN_OR_RETURN(const auto journal, open_journal());
  if (!journal.last_position) {
    // A stage that only the new version has. What its source holds is of an earlier life of it.
    MR_ASSIGN_OR_RETURN(const auto offsets, services_.log->offsets(options_.source));
    start_offset_ = committed_offset_ = durable_offset_ = offsets.end;
    journal_start_ = start_offset_;
    task_->start_at(start_offset_);
    is_new_ = true;
    pin();
    return task::TakenOver{};
  }
  const auto committed = journal.last_position->at;
  commit_sequence_ = std::get<task::PositionEntry>(journal.last_position->event).commit_sequence;
  MR_RETURN_IF_ERROR(check_group_offset(committed));
  kept_snapshots_ = journal.snapshots;
  std::uint64_t applied_sequence = 0;
  MR_RETURN_IF_ERROR(restore_snapshot(journal, committed, applied_sequence));
  MR_RETURN_IF_ERROR(check_clean_stop(journal, committed, applied_sequence));
  pin();
  committed_offset_ = durable_offset_ = committed;
  if (taken_over_.skips_source) MR_RETURN_IF_ERROR(skip_source(committed));
  publish_report(true);
  return taken_over_;
}

// What the source holds behind `committed` was made by the version before, by another definition.
Status TaskRunner::skip_source(Offset committed) {
  MR_ASSIGN_OR_RETURN(const auto offsets, services_.log->offsets(options_.source));
  start_offset_ = std::max(committed, offsets.end);
  task_->start_at(start_offset_);
  const auto skipped = static_cast<std::uint64_t>(start_offset_ - committed);
  if (skipped == 0) return ok_status();
  if (taken_over_.lost.empty()) {
    MR_CHECK(!taken_over_.begun.empty());
    taken_over_.lost.push_back({taken_over_.begun.front(), 0, 0, 0, 0});
  }
  taken_over_.lost.front().records = skipped;
  return ok_status();
}

Status TaskRunner::check_clean_stop(const JournalState& journal, Offset committed,
                                    std::uint64_t applied_sequence) const {
  const bool has_input = std::any_of(
      journal.entries.begin(), journal.entries.end(), [&](const task::JournalEntry& entry) {
        return entry.sequence > applied_sequence && task::is_task_input(entry.event);
      });
  const bool is_clean = !has_input && (snapshot_offset_ == committed ||
                                       (journal_start_ && start_offset_ == committed));
  if (is_clean) return ok_status();
  if (is_store_away_) {
    return io_error("a snapshot cannot be read; start again when the object store answers:" +
                    refused_snapshots_);
  }
  std::string why = refused_snapshots_.empty() ? "" : ". Unusable snapshots:" + refused_snapshots_;
  return invalid_error("the version before did not stop cleanly: its state is that of offset " +
                       std::to_string(position().value) + ", committed is " +
                       std::to_string(committed.value) +
                       ". Start it once more, stop it, then start the new one" + why);
}

Status TaskRunner::add_switch(const task::PipelineEntry& version, EventTime merged_from,
                              log::Commit& into) {
  MR_CHECK(is_switching_ && !stalled_);
  const auto now = services_.clock->wall_now();
  task_->begin_windows(merged_from);
  const auto before = journal_sequence_;
  if (is_new_) add_entry(task::SourceTopicEntry{options_.source.topic, source_incarnation_}, now);
  add_entry(version, now);
  version_sequence_ = journal_sequence_;
  for (const auto& lost : taken_over_.lost) add_entry(lost, now);
  // Whatever comes later is replayed from here: older snapshots and journal entries belong to
  // operators that are gone.
  if (!is_new_) {
    MR_ASSIGN_OR_RETURN(const auto journal, read_journal(*services_.log, options_.journal));
    sweep_objects(journal);
    committed_offset_ = position();
    MR_ASSIGN_OR_RETURN(auto entry, write_snapshot());
    std::vector<task::SnapshotEntry> named;
    for (auto& old : kept_snapshots_) {
      if (!may_retire(old)) {
        named.push_back(std::move(old));
        continue;
      }
      if (old.object_key != entry.object_key) retired_objects_.push_back(old.object_key);
      add_entry(task::SnapshotRetiredEntry{old.object_key}, now);
    }
    kept_snapshots_ = std::move(named);
    trim_journal_to_ = kept_snapshots_.empty() ? before : kept_snapshots_.front().journal_sequence;
    kept_snapshots_.push_back(entry);
    snapshot_offset_ = committed_offset_;
    snapshot_events_ = event_count_;
    add_entry(std::move(entry), now);
  }
  stage_commit();
  auto& commit = stalled_->commit;
  std::move(commit.appends.begin(), commit.appends.end(), std::back_inserter(into.appends));
  std::move(commit.offsets.begin(), commit.offsets.end(), std::back_inserter(into.offsets));
  return ok_status();
}

void TaskRunner::finish_switch(log::CommitSequence sequence) {
  MR_CHECK(is_switching_ && stalled_);
  note_handed_over(sequence);
  is_switching_ = false;
  has_recovered_ = true;
  retire_durable();
  publish_report(true);
}

}  // namespace millrace::runtime
