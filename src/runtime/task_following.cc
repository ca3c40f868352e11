#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "runtime/id_store.h"
#include "runtime/task_runner.h"

// How a task runner follows the task's owner in another process (R8), and how its state becomes
// that of the next owner. What it applies, it applies as a recovery does (task_recovery.cc).

namespace millrace::runtime {

Result<bool> TaskRunner::follow() {
  MR_CHECK(is_following_);
  if (is_of_no_use()) return failure_;
  if (!followed_) return begin_to_follow();
  const auto versions = followed_->pipeline_versions;
  MR_ASSIGN_OR_RETURN(const bool has_news,
                      read_journal_on(*services_.log, options_.journal, *followed_));
  if (followed_->pipeline_versions != versions) {
    failure_ = corrupt_error("its owner went over to another version");
    return failure_;
  }
  MR_ASSIGN_OR_RETURN(const bool has_applied,
                      replay_piece(*followed_, followed_->last_position->at));
  auto& entries = followed_->entries;
  std::erase_if(entries, [&](const auto& entry) { return entry.sequence <= applied_sequence_; });
  if (position() > followed_->last_position->at) {
    failure_ = corrupt_error("its owner's commit ends inside a batch");
    return failure_;
  }
  const bool is_there = applied_sequence_ == followed_->last_position->sequence;
  if (is_there && (has_news || has_applied)) failure_ = learn_snapshots();
  if (ids_ != nullptr) {
    ids_->tidy(*task_->dedup());
    if (failure_.is_ok() && task_->dedup()->unattached_runs() > 0) {
      failure_ = overloaded_error("its owner takes no snapshots, so that its ids are too many");
    }
  }
  if (!failure_.is_ok()) return failure_;
  return has_news || has_applied;
}

Result<bool> TaskRunner::begin_to_follow() {
  MR_ASSIGN_OR_RETURN(auto journal, open_journal());
  if (!journal.last_position) return false;
  outputs_.set_suppressed(true);
  std::uint64_t applied_sequence = 0;
  failure_ = restore_snapshot(journal, journal.last_position->at, applied_sequence);
  if (!failure_.is_ok()) return failure_;
  applied_sequence_ = applied_sequence;
  followed_incarnation_ = source_incarnation_;
  followed_ = std::move(journal);
  return true;
}

// What the owner's snapshots name is in their objects alone: who takes over must know it, to remove
// nothing of it, and reads nothing then. One that cannot be read is asked for again with the next
// commit of the owner, or is gone.
Status TaskRunner::learn_snapshots() {
  std::set<std::string> kept;
  for (const auto& entry : followed_->snapshots) {
    kept.insert(entry.object_key);
    if (objects_.is_kept(entry.object_key)) continue;
    if (ids_ == nullptr) {
      objects_.keep(entry.object_key, {});
      continue;
    }
    const auto snapshot = get_snapshot(*services_.objects, entry);
    if (!snapshot.is_ok()) continue;
    const bool is_newest = &entry == &followed_->snapshots.back();
    if (is_newest) {
      MR_RETURN_IF_ERROR(go_over_to(*snapshot));
      restored_key_ = entry.object_key;
    }
    objects_.keep(entry.object_key, snapshot->objects);
  }
  objects_.forget_all_but(kept);
  return ok_status();
}

Status TaskRunner::go_over_to(const Snapshot& snapshot) {
  const auto owners = make_task_();
  MR_RETURN_IF_ERROR(owners->restore(snapshot.state));
  return ids_->follow(*task_->dedup(), *owners->dedup(), snapshot.objects);
}

TaskRunner::Followed TaskRunner::followed() const {
  if (!followed_) return {Offset(-1), Offset(-1)};
  return {position(), followed_->last_position->at};
}

// Whether the state is one that the owner had on its way to the agreed commit: of the same source
// and version, every entry that stands before it applied and none behind it, and its runs of ids
// still those of a snapshot that is kept.
bool TaskRunner::may_keep(const JournalState& journal) const {
  if (!followed_ || is_of_no_use() || !journal.last_position) return false;
  const bool is_below = position() <= journal.last_position->at &&
                        applied_sequence_ <= journal.last_position->sequence;
  const bool is_joined = journal.entries.front().sequence <= applied_sequence_ + 1;
  if (!is_below || !is_joined || followed_incarnation_ != source_incarnation_) return false;
  const bool fits = std::ranges::all_of(journal.entries, [&](const task::JournalEntry& entry) {
    if (entry.sequence <= applied_sequence_) return entry.at <= position();
    return entry.at >= position() && !std::holds_alternative<task::PipelineEntry>(entry.event);
  });
  if (!fits || ids_ == nullptr || task_->dedup()->runs().empty()) return fits;
  return std::ranges::any_of(journal.snapshots, [&](const task::SnapshotEntry& snapshot) {
    return snapshot.object_key == restored_key_;
  });
}

void TaskRunner::end_following(const JournalState& journal) {
  has_taken_over_ = may_keep(journal);
  is_following_ = false;
  followed_.reset();
  listed_.reset();
  failure_ = ok_status();
  replayed_records_ = 0;
  snapshot_offset_ = Offset(-1);  // the next one is due at the next change
  if (!has_taken_over_) {
    start_fresh();
    objects_.forget_all_but({});
    return;
  }
  if (ids_ == nullptr) return;
  ids_->begin_to_store();
  task_->dedup()->set_open_ids_max(options_.dedup_open_ids_max);
}

}  // namespace millrace::runtime
