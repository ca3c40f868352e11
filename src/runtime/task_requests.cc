#include <utility>

#include "base/check.h"
#include "runtime/task_runner.h"

// What others ask of a task while it runs: snapshots that get a name, and going back to one.

namespace millrace::runtime {

std::shared_ptr<Answer<TakenSnapshot>> TaskRunner::request_snapshot() {
  auto answer = std::make_shared<Answer<TakenSnapshot>>();
  const std::lock_guard lock(mutex_);
  asked_snapshots_.push_back({answer});
  has_requests_.store(true);
  return answer;
}

std::shared_ptr<Answer<RestoredRange>> TaskRunner::request_restore(task::SnapshotEntry from) {
  auto answer = std::make_shared<Answer<RestoredRange>>();
  const std::lock_guard lock(mutex_);
  asked_restores_.push_back({std::move(from), answer});
  has_requests_.store(true);
  return answer;
}

Status TaskRunner::take_requests() {
  std::vector<SnapshotRequest> snapshots;
  std::vector<RestoreRequest> restores;
  {
    const std::lock_guard lock(mutex_);
    snapshots.swap(asked_snapshots_);
    restores.swap(asked_restores_);
    has_requests_.store(false);
  }
  retire_snapshots(services_.clock->wall_now());
  for (auto& request : snapshots) snapshot_requests_.push_back(std::move(request));
  for (auto& request : restores) MR_RETURN_IF_ERROR(restore_again(std::move(request)));
  return ok_status();
}

// Nothing has happened since the newest snapshot: it is the one asked for. Its journal entry may
// itself still be on its way to the disk, so the answer waits for a commit of its own.
void TaskRunner::answer_with_newest() {
  if (snapshot_requests_.empty() || kept_snapshots_.empty()) return;
  MR_CHECK(!is_snapshot_running_);
  for (const auto& request : snapshot_requests_) note_taken(request, kept_snapshots_.back());
  snapshot_requests_.clear();
  has_pending_entries_ = true;  // that commit has a position only
}

void TaskRunner::note_taken(const SnapshotRequest& request, const task::SnapshotEntry& entry) {
  std::shared_ptr<SnapshotCatalog::Hold> hold;
  if (services_.catalog != nullptr) {
    hold = services_.catalog->hold(entry.object_key);
    if (hold == nullptr) {
      return request.answer->give(overloaded_error("the snapshot is being retired; ask again"));
    }
  }
  taken_requests_.push_back({request.answer, {entry, std::move(hold)}});
}

// Before the new snapshot could be retired in favour of newer ones. Who asked after it was begun
// gets one of its own.
void TaskRunner::serve_running(const Result<task::SnapshotEntry>& result) {
  for (const auto& request : snapshot_requests_) {
    if (!request.is_running) continue;
    if (result.is_ok()) {
      note_taken(request, *result);
    } else {
      request.answer->give(result.status());
    }
  }
  std::erase_if(snapshot_requests_, [](const auto& request) { return request.is_running; });
}

Result<RestoredRange> TaskRunner::restore_from(const Snapshot& snapshot,
                                               const JournalState& journal) {
  start_fresh();
  MR_RETURN_IF_ERROR(use_snapshot(snapshot));
  MR_RETURN_IF_ERROR(attach_ids(snapshot).status());
  MR_RETURN_IF_ERROR(replay(journal, snapshot.identity.journal_sequence, committed_offset_));
  return RestoredRange{snapshot.identity.next_offset, committed_offset_};
}

// Everything is committed first, so that state and journal stand at one position. An error here
// ends the runner; one of the snapshot asked for does not.
Status TaskRunner::restore_again(RestoreRequest request) {
  const auto snapshot = get_snapshot(*services_.objects, request.from);
  if (!snapshot.is_ok()) {
    request.answer->give(snapshot.status());
    return ok_status();
  }
  if (stalled_ || !outputs_.empty() || has_pending_entries_ || position() > committed_offset_) {
    DiskPatience patience;
    MR_RETURN_IF_ERROR(commit_and_wait(patience));
  }
  if (!in_flight_.empty()) {
    MR_RETURN_IF_ERROR(services_.commits->wait_durable(in_flight_.back().sequence));
    retire_durable();
  }
  MR_CHECK(outputs_.empty() && !stalled_);
  MR_ASSIGN_OR_RETURN(const auto journal, read_journal(*services_.log, options_.journal));
  auto restored = restore_from(*snapshot, journal);
  outputs_.set_suppressed(false);
  if (!restored.is_ok()) {
    start_fresh();
    std::uint64_t applied_sequence = 0;
    MR_RETURN_IF_ERROR(restore_snapshot(journal, committed_offset_, applied_sequence));
    MR_RETURN_IF_ERROR(replay(journal, applied_sequence, committed_offset_));
  }
  // What snapshots there are stays as it is; the next one is due at the next change.
  snapshot_offset_ = Offset(-1);
  publish_report(true);
  request.answer->give(std::move(restored));
  return ok_status();
}

}  // namespace millrace::runtime
