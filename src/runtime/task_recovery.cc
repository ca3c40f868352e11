#include <algorithm>
#include <utility>

#include "base/check.h"
#include "runtime/id_store.h"
#include "runtime/snapshot_check.h"
#include "runtime/task_runner.h"

// How a task runner comes back: newest usable snapshot, then the log up to the committed position.

namespace millrace::runtime {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;
// Waits for the object store, each of a tenth of a second at most.
constexpr int kAttemptsToStore = 600;

}  // namespace

void TaskRunner::start_fresh() {
  ids_.reset();
  task_ = make_task_();
  event_count_ = 0;
  applied_sequence_ = 0;
  batches_.clear();
  next_batch_ = 0;
  if (task_->dedup() == nullptr) return;
  const auto kind = is_following_ ? DedupMemory::Kind::guest : DedupMemory::Kind::task;
  // What a follower has, too, its owner seals.
  task_->dedup()->set_open_ids_max(is_following_ ? task::OpenIds::kIdsMax
                                                 : options_.dedup_open_ids_max);
  ids_ = std::make_unique<IdStore>(this, *services_.objects, *services_.snapshots, *services_.clock,
                                   objects_, options_.dedup_dump_ids_min, services_.dedup_memory,
                                   kind);
}

Result<JournalState> TaskRunner::open_journal() {
  MR_ASSIGN_OR_RETURN(const auto topic, services_.log->topic(options_.source.topic));
  source_incarnation_ = topic.incarnation;
  MR_ASSIGN_OR_RETURN(auto journal, read_journal(*services_.log, options_.journal));
  journal_sequence_ = journal.next_sequence - 1;
  objects_.set_journal_sequence(journal_sequence_);
  last_snapshot_time_ = services_.clock->monotonic_now();
  // Nobody is idle right after a start: its producers may still have to find their way back (R13).
  last_input_time_ = services_.clock->wall_now();
  if (!journal.last_position && !journal.entries.empty()) {
    return corrupt_error("journal " + options_.journal.to_string() + " has no position");
  }
  if (journal.is_whole()) journal_start_ = journal.start();
  for (const auto& entry : journal.entries) {
    if (std::holds_alternative<task::PipelineEntry>(entry.event)) {
      version_sequence_ = entry.sequence;
    }
    const auto* source = std::get_if<task::SourceTopicEntry>(&entry.event);
    if (source == nullptr) continue;
    MR_RETURN_IF_ERROR(check_source(source->topic, source->incarnation));
  }
  return journal;
}

// The state is of one topic's records; those of another one, even of that name, do not follow (R7).
Status TaskRunner::check_source(const std::string& topic, std::uint64_t incarnation) const {
  if (topic != options_.source.topic) {
    return invalid_error("the task's state is of topic " + topic + ", not of " +
                         options_.source.topic +
                         "; keep source.topic, or give the pipeline a new name");
  }
  if (incarnation == source_incarnation_) return ok_status();
  return invalid_error("topic " + topic + " was deleted and created again since");
}

Status TaskRunner::recover(const std::vector<task::JournalEvent>& first_events,
                           const std::optional<log::GroupOffset>& by_group) {
  MR_ASSIGN_OR_RETURN(const auto journal, open_journal());
  if (options_.is_log_shared) MR_RETURN_IF_ERROR(check_shared_offset(journal, by_group));
  if (is_following_) end_following(journal);
  if (!journal.last_position) return start_new(first_events);
  const auto& position = std::get<task::PositionEntry>(journal.last_position->event);
  commit_sequence_ = position.commit_sequence;
  const auto committed = journal.last_position->at;
  if (!options_.is_log_shared) MR_RETURN_IF_ERROR(check_group_offset(committed));
  kept_snapshots_ = journal.snapshots;
  std::uint64_t applied_sequence = applied_sequence_;
  if (!has_taken_over_) MR_RETURN_IF_ERROR(restore_snapshot(journal, committed, applied_sequence));
  // Before the replay: what that makes is named by nothing yet.
  sweep_objects(journal);
  pin();
  MR_RETURN_IF_ERROR(replay(journal, applied_sequence, committed));
  committed_offset_ = durable_offset_ = committed;
  // A name may have gone since the last snapshot.
  if (services_.catalog != nullptr) request_retirement();
  has_recovered_ = true;
  publish_report(true);
  return ok_status();
}

Status TaskRunner::start_new(const std::vector<task::JournalEvent>& first_events) {
  MR_ASSIGN_OR_RETURN(const auto offsets, services_.log->offsets(options_.source));
  start_offset_ = committed_offset_ = durable_offset_ = offsets.start;
  journal_start_ = start_offset_;
  task_->start_at(start_offset_);
  pin();
  post(task::SourceTopicEntry{options_.source.topic, source_incarnation_});
  for (const auto& event : first_events) post(event);
  take_posted();
  // The first commit fixes where the task began, before any input.
  DiskPatience patience;
  MR_RETURN_IF_ERROR(commit_and_wait(patience));
  has_recovered_ = true;
  publish_report(true);
  return ok_status();
}

Status TaskRunner::check_group_offset(Offset committed) {
  for (const auto& known : services_.log->group_offsets(options_.group)) {
    if (known.source.topic != options_.source.topic) {
      return check_source(known.source.topic, source_incarnation_);
    }
    if (known.source != options_.source) continue;
    if (known.next_offset == committed) return ok_status();
    return fenced_error(
        "group " + options_.group + " stands at offset " + std::to_string(known.next_offset.value) +
        " of " + options_.source.to_string() + ", the journal at " +
        std::to_string(committed.value) +
        "; somebody else moved the group's offset: set it back, or remove the group "
        "to take the journal's");
  }
  return ok_status();  // the next commit writes it again (R1)
}

// R1 and R3. A commit is atomic, but becomes visible partition by partition: the journal may show
// less than the group's offset for a while, never more, as the offset was fetched first and nobody
// else may commit any more.
Status TaskRunner::check_shared_offset(const JournalState& journal,
                                       const std::optional<log::GroupOffset>& committed) {
  if (!committed) {
    must_claim_ = true;  // a missing one is restored from the journal
    return ok_status();
  }
  MR_ASSIGN_OR_RETURN(const auto known, parse_position_metadata(committed->metadata));
  const auto where = "group " + options_.group + " has commit " +
                     std::to_string(known.commit_sequence) + " of " + options_.source.to_string();
  if (journal.next_sequence <= known.journal_sequence) {
    return overloaded_error(where + ", which its journal does not show yet");
  }
  const auto* position = journal.last_position
                             ? &std::get<task::PositionEntry>(journal.last_position->event)
                             : nullptr;
  if (position != nullptr && position->commit_sequence == known.commit_sequence &&
      position->owner == known.owner && journal.last_position->sequence == known.journal_sequence &&
      journal.last_position->at == committed->next_offset) {
    must_claim_ = known.owner != options_.owner;
    return ok_status();
  }
  return fenced_error(where + ", offset " + std::to_string(committed->next_offset.value) +
                      ", which is not the last one of its journal; somebody moved the group's "
                      "offset: set it back, or remove it to take the journal's");
}

Status TaskRunner::restore_snapshot(const JournalState& journal, Offset committed,
                                    std::uint64_t& applied_sequence) {
  auto& why = refused_snapshots_;
  for (auto it = journal.snapshots.rbegin(); it != journal.snapshots.rend(); ++it) {
    if (it->next_offset > committed) continue;
    auto snapshot = get_snapshot(*services_.objects, *it);
    auto status = snapshot.is_ok() ? use_snapshot(*snapshot) : snapshot.status();
    if (status.is_ok()) {
      auto listed = attach_ids(*snapshot);
      status = listed.is_ok() ? ok_status() : listed.status();
      if (listed.is_ok()) listed_ = std::move(listed).value();
    }
    if (status.is_ok()) {
      objects_.keep(it->object_key, snapshot->objects);
      restored_key_ = it->object_key;
      applied_sequence = it->journal_sequence;
      snapshot_offset_ = restored_offset_ = it->next_offset;
      return ok_status();
    }
    ++refused_snapshot_count_;
    is_store_away_ |= may_pass(status);
    why += " " + it->object_key + ": " + std::string(status.message()) + ";";
    start_fresh();  // a restore that failed half-way left anything
  }
  // Without a snapshot journal and source must reach back to where the task began. Once there are
  // snapshots, retention may have taken that part of the source (R7).
  MR_ASSIGN_OR_RETURN(const auto offsets, services_.log->offsets(options_.source));
  if (journal.is_whole() && offsets.start <= *journal.start()) {
    start_offset_ = *journal.start();
    task_->start_at(start_offset_);
    return ok_status();
  }
  const auto task = options_.stage + " partition " + std::to_string(options_.source.partition);
  if (is_store_away_) {
    return io_error("no snapshot of " + task +
                    " can be read; start again when the object store answers:" + why);
  }
  return corrupt_error("no usable snapshot for " + task +
                       ", and journal and source do not reach back to its beginning:" + why);
}

Result<TaskRunner::Listing> TaskRunner::attach_ids(const Snapshot& snapshot) {
  if (ids_ == nullptr) return Listing();
  const auto& dedup = *task_->dedup();
  if (dedup.runs().empty() && dedup.dump_parts().empty()) return Listing();
  MR_ASSIGN_OR_RETURN(auto existing, services_.objects->list(objects_.prefix()));
  MR_RETURN_IF_ERROR(ids_->attach(*task_->dedup(), existing, snapshot.objects));
  return Listing(std::move(existing));
}

// What the kept snapshots name is only in their objects; of some it is known by now. Where
// one of them is there and cannot be read, all stays that it may name: the next start tries again,
// and a damaged one may be repaired.
void TaskRunner::sweep_objects(const JournalState& journal) {
  for (const auto& entry : journal.snapshots) {
    if (objects_.is_kept(entry.object_key)) continue;
    const auto snapshot = get_snapshot(*services_.objects, entry);
    const auto code = snapshot.status().code();
    if (snapshot.is_ok()) {
      objects_.keep(entry.object_key, snapshot->objects);
    } else if (code == StatusCode::not_found) {
      objects_.keep(entry.object_key, {});
    } else {
      objects_.keep_unread(entry.object_key, entry.journal_sequence);
    }
  }
  const auto in_use =
      ids_ != nullptr ? ids_->keys_in_use(*task_->dedup()) : std::set<std::string>();
  auto existing = std::exchange(listed_, std::nullopt);
  if (!existing) {
    auto listed = services_.objects->list(objects_.prefix());
    if (!listed.is_ok()) return;
    existing = std::move(listed).value();
  }
  objects_.sweep(*existing, in_use, journal.next_sequence - 1);
}

// A replay seals, too: as fast as the runs can be stored.
Status TaskRunner::store_ids_of_replay() {
  if (ids_ == nullptr) return ok_status();
  ids_->pump(*task_->dedup());
  for (int attempt = 0; IdStore::is_overloaded(*task_->dedup()); ++attempt) {
    if (attempt == kAttemptsToStore) {
      return overloaded_error("the object store takes no runs of ids during the replay");
    }
    ids_->wait();
    ids_->pump(*task_->dedup());
  }
  return ok_status();
}

Status TaskRunner::use_snapshot(const Snapshot& snapshot) {
  const auto& identity = snapshot.identity;
  // Kept for its name only: what came since was made by other operators.
  if (identity.journal_sequence < version_sequence_) {
    return invalid_error("it is of an earlier version of the pipeline");
  }
  MR_RETURN_IF_ERROR(check_source(options_.source.topic, identity.source_incarnation));
  MR_RETURN_IF_ERROR(
      check_snapshot_identity(*services_.log, options_, source_incarnation_, identity));
  if (is_switching_) {
    MR_ASSIGN_OR_RETURN(taken_over_, task_->take_over(snapshot.state));
  } else {
    MR_RETURN_IF_ERROR(task_->restore(snapshot.state));
  }
  MR_CHECK(task_->next_offset() <= identity.next_offset);
  start_offset_ = identity.next_offset;
  last_batch_offset_ = identity.last_batch_offset;
  last_batch_crc_ = identity.last_batch_crc;
  return ok_status();
}

Status TaskRunner::apply_journal_entry(const task::JournalEntry& entry) {
  if (!task::is_task_input(entry.event)) return ok_status();
  ++event_count_;
  return task_->apply_event(entry.event, entry.wall_time, outputs_);
}

// What is due at the position, of whole commits.
Status TaskRunner::apply_due(const JournalState& journal) {
  const auto& entries = journal.entries;
  if (entries.empty() || !journal.last_position) return ok_status();
  const auto first = entries.front().sequence;
  auto i = static_cast<std::size_t>(applied_sequence_ < first ? 0 : applied_sequence_ + 1 - first);
  for (; i < entries.size() && entries[i].at <= position(); ++i) {
    if (entries[i].sequence > journal.last_position->sequence) break;
    MR_RETURN_IF_ERROR(apply_journal_entry(entries[i]));
    applied_sequence_ = entries[i].sequence;
  }
  // Live, decisions are applied between batches only, and commits end with a batch.
  const bool is_inside = i < entries.size() && next_batch_ < batches_.size() &&
                         entries[i].at > position() &&
                         entries[i].at < batches_[next_batch_].next_offset;
  if (!is_inside) return ok_status();
  return corrupt_error("journal entry " + std::to_string(entries[i].sequence) +
                       " stands inside a batch");
}

Status TaskRunner::apply_replayed(const JournalState& journal, const log::FetchedBatch& batch) {
  const auto from = position();
  if (batch.kind == log::BatchKind::records) {
    MR_RETURN_IF_ERROR(task_->apply(batch.bytes.view(), batch.append_time, outputs_));
  } else {
    task_->skip_to(batch.next_offset);
  }
  MR_ASSIGN_OR_RETURN(const auto header, codec::parse_batch_header(batch.bytes.view()));
  last_batch_offset_ = header.base_offset;
  last_batch_crc_ = header.crc;
  replayed_records_ += static_cast<std::uint64_t>(batch.next_offset - from);
  ++next_batch_;
  return apply_due(journal);
}

// Applies what is due, and input of one fetch. False when there was none to apply: everything below
// `committed` is applied, or the log does not show it.
Result<bool> TaskRunner::replay_piece(const JournalState& journal, Offset committed) {
  if (next_batch_ == batches_.size() && position() < committed) {
    auto fetched =
        services_.log->fetch(options_.source, position(), kFetchBytes, log::Visibility::durable);
    if (!fetched.is_ok()) {
      return std::move(fetched).take_status().with_context(
          "replay of " + options_.source.to_string() + " from " + std::to_string(position().value));
    }
    batches_ = std::move(fetched->batches);
    next_batch_ = 0;
  }
  failure_ = apply_due(journal);
  bool has_applied = false;
  while (failure_.is_ok() && next_batch_ < batches_.size() && position() < committed) {
    failure_ = apply_replayed(journal, batches_[next_batch_]);
    has_applied = true;
  }
  if (!failure_.is_ok()) return failure_;
  return has_applied;
}

Status TaskRunner::replay(const JournalState& journal, std::uint64_t applied_sequence,
                          Offset committed) {
  outputs_.set_suppressed(true);
  applied_sequence_ = applied_sequence;
  for (bool has_applied = true; has_applied;) {
    MR_ASSIGN_OR_RETURN(has_applied, replay_piece(journal, committed));
    MR_RETURN_IF_ERROR(store_ids_of_replay());
  }
  outputs_.set_suppressed(false);
  batches_.clear();
  next_batch_ = 0;
  const auto where = "replay of " + options_.source.to_string();
  if (position() < committed) {
    return corrupt_error(where + " ends at " + std::to_string(position().value) + ", but " +
                         std::to_string(committed.value) + " is committed");
  }
  if (position() > committed) {
    return corrupt_error(where + " stands at " + std::to_string(position().value) + " instead of " +
                         std::to_string(committed.value));
  }
  MR_CHECK(outputs_.empty());
  return ok_status();
}

}  // namespace millrace::runtime
