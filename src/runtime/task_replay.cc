#include "runtime/task_replay.h"

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "log/decided.h"
#include "pipeline/pipeline.h"
#include "runtime/id_store.h"
#include "runtime/snapshot_check.h"
#include "task/dedup.h"

namespace millrace::runtime {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;
// Between two attempts the running task would have to retire every snapshot.
constexpr int kAttemptsMax = 3;
// The times of a shared log are its brokers', each by its own clock.
constexpr std::int64_t kClockSkewMs = 60'000;

// Nobody stores what a shadow makes: compressing it would be for nothing.
std::vector<task::OutputTopic> uncompressed(std::vector<task::OutputTopic> outputs) {
  for (auto& output : outputs) output.compression = codec::Compression::none;
  return outputs;
}

std::string text_of(Offset offset) {
  return std::to_string(offset.value);
}

}  // namespace

TaskReplay::TaskReplay(const ReplaySubject& subject)
    : subject_(subject),
      holder_("replay of " + subject.task->group + " " +
              std::to_string(reinterpret_cast<std::uintptr_t>(this))),
      task_(subject.make_task()),
      outputs_(uncompressed(subject.task->outputs)) {}

TaskReplay::~TaskReplay() {
  subject_.log->unpin(holder_, subject_.task->source);
}

Result<std::unique_ptr<TaskReplay>> TaskReplay::open(const ReplaySubject& subject,
                                                     const ReplayRange& range) {
  MR_CHECK(subject.log != nullptr && subject.objects != nullptr && subject.task != nullptr);
  for (int attempt = 1;; ++attempt) {
    auto replay = std::unique_ptr<TaskReplay>(new TaskReplay(subject));
    auto status = replay->open_once(range);
    if (status.is_ok()) return replay;
    // A snapshot may be retired and deleted between reading its name and reading it.
    if (status.code() != StatusCode::corrupt || attempt >= kAttemptsMax) return status;
  }
}

Status TaskReplay::open_once(const ReplayRange& range) {
  MR_RETURN_IF_ERROR(read_state(range.is_state_only));
  MR_RETURN_IF_ERROR(check_range(range));
  bounds_.next = range.next.value_or(bounds_.committed);
  bounds_.has_last_decisions &= bounds_.next == bounds_.committed;
  // What the journal names stands in front of the position that it ends with.
  bounds_.has_last_decisions |= range.is_state_only;
  MR_RETURN_IF_ERROR(restore(range));
  return range.is_state_only ? ok_status() : find_outputs_since();
}

// The task had read the record before the range when it made any of them; a decision at `first` may
// be older than the record there.
Status TaskReplay::find_outputs_since() {
  const auto before = bounds_.first + -1;
  MR_ASSIGN_OR_RETURN(const auto offsets, subject_.log->offsets(subject_.task->source));
  if (before < offsets.start || before >= offsets.high_watermark) return ok_status();
  MR_ASSIGN_OR_RETURN(const auto fetched, subject_.log->fetch(subject_.task->source, before, 1,
                                                              log::Visibility::durable));
  if (fetched.batches.empty()) return ok_status();
  const auto skew = subject_.task->is_log_shared ? kClockSkewMs : 0;
  bounds_.outputs_since = WallTime(fetched.batches.front().append_time.value - skew);
  return ok_status();
}

// The outputs are looked at behind the journal, so they hold at least what it says; when the
// journal still ends there afterwards, they hold no more either.
// On a shared log the outputs of a commit can be read later than its position, and those of a
// commit that is under way are before its position there.
Status TaskReplay::read_state(bool is_state_only) {
  const auto& task = *subject_.task;
  MR_ASSIGN_OR_RETURN(journal_, summarize_journal(*subject_.log, task.journal));
  if (!journal_.last_position) {
    return not_found_error("task " + task.stage + "/" + std::to_string(task.source.partition) +
                           " has committed nothing yet");
  }
  bounds_.committed = journal_.last_position->at;
  if (is_state_only) return ok_status();
  for (const auto& output : task.outputs) {
    for (std::int32_t p = 0; p < output.partition_count; ++p) {
      const TopicPartition at{output.topic, p};
      MR_ASSIGN_OR_RETURN(bounds_.output_ends[at], log::wait_until_decided(*subject_.log, at));
    }
  }
  MR_ASSIGN_OR_RETURN(const auto now, subject_.log->offsets(task.journal));
  bounds_.has_last_decisions = now.high_watermark == journal_.end;
  return ok_status();
}

Status TaskReplay::check_range(const ReplayRange& range) const {
  if (range.is_state_only) return ok_status();
  if (range.next && *range.next > bounds_.committed) {
    return invalid_error("the range ends at " + text_of(*range.next) + ", but " +
                         subject_.task->source.to_string() + " is committed up to " +
                         text_of(bounds_.committed) + " only");
  }
  const auto next = range.next.value_or(bounds_.committed);
  if (!range.first || *range.first < next) return ok_status();
  return invalid_error("the range " + text_of(*range.first) + ".." + text_of(next) +
                       " is empty; the first offset must be below the second, and " +
                       subject_.task->source.to_string() + " is committed up to " +
                       text_of(bounds_.committed));
}

// A switch to another version journals a snapshot of what it took over; what came before, and
// snapshots that are only kept for their names, belong to operators that are gone.
std::uint64_t TaskReplay::version_sequence() const {
  std::uint64_t sequence = 0;
  for (const auto& entry : journal_.decisions) {
    if (std::holds_alternative<task::PipelineEntry>(entry.event)) sequence = entry.sequence;
  }
  return sequence;
}

bool TaskReplay::had_other_version() const {
  const auto version = version_sequence();
  return std::any_of(journal_.decisions.begin(), journal_.decisions.end(),
                     [&](const task::JournalEntry& entry) {
                       return entry.sequence < version &&
                              std::holds_alternative<task::PipelineEntry>(entry.event);
                     }) ||
         std::any_of(journal_.snapshots.begin(), journal_.snapshots.end(),
                     [&](const auto& known) { return known.journal_sequence < version; });
}

// Outputs of decisions at the snapshot's offset are named by that offset, like those of the record
// there. Of a merging task nothing is decided from outside.
Offset TaskReplay::shown_from(const task::SnapshotEntry& snapshot) const {
  const auto at = snapshot.next_offset;
  if (subject_.task->stage != pipeline::kSourceStage) return at;
  // Outputs of an earlier version bear its name.
  const auto version = version_sequence();
  const bool is_known = version > 0 || journal_.first->at < at;
  const bool has_decisions = std::any_of(
      journal_.decisions.begin(), journal_.decisions.end(), [&](const task::JournalEntry& entry) {
        return entry.at == at && entry.sequence > version &&
               entry.sequence <= snapshot.journal_sequence &&
               std::holds_alternative<task::WatermarkEntry>(entry.event);
      });
  return is_known && !has_decisions ? at : at + 1;
}

std::vector<TaskReplay::Base> TaskReplay::find_bases() const {
  std::vector<Base> bases;
  const auto version = version_sequence();
  if (journal_.first->sequence == 1 && !had_other_version()) {
    bases.push_back({std::nullopt, journal_.first->at, 0, journal_.first->at});
  }
  for (const auto& snapshot : journal_.snapshots) {
    if (snapshot.next_offset > bounds_.committed) continue;
    if (snapshot.journal_sequence < version) continue;
    bases.push_back(
        {snapshot, snapshot.next_offset, snapshot.journal_sequence, shown_from(snapshot)});
  }
  return bases;
}

// With a wanted beginning from the newest base that shows it, without one from the oldest there is.
Status TaskReplay::restore(const ReplayRange& range) {
  auto bases = find_bases();
  if (range.first || range.is_state_only) {
    std::reverse(bases.begin(), bases.end());
  }
  std::string why;
  bool is_damaged = false;
  std::vector<Base> others;
  for (const auto& base : bases) {
    if (range.first && base.shown_from > *range.first) {
      others.push_back(base);
      continue;
    }
    task_ = subject_.make_task();  // a restore that failed half-way left anything
    const auto status = use(base);
    if (status.is_ok()) {
      bounds_.restored_at = base.at;
      bounds_.snapshot = base.snapshot ? base.snapshot->object_key : std::string();
      bounds_.first =
          range.is_state_only ? bounds_.committed + 1 : range.first.value_or(base.shown_from);
      const auto& decisions = journal_.decisions;
      while (next_decision_ < decisions.size() &&
             decisions[next_decision_].sequence <= base.journal_sequence) {
        ++next_decision_;
      }
      return ok_status();
    }
    is_damaged |= status.code() != StatusCode::out_of_range;
    why += " " + (base.snapshot ? base.snapshot->object_key : std::string("the journal's start")) +
           ": " + std::string(status.message()) + ";";
  }
  if (range.first && (!others.empty() || !is_damaged))
    return unreachable(*range.first, others, why);
  return corrupt_error("nothing of " + subject_.task->source.to_string() +
                       " can be replayed: no usable snapshot is kept, and the journal does not "
                       "reach back to the beginning;" +
                       why);
}

Status TaskReplay::unreachable(Offset wanted, const std::vector<Base>& bases,
                               const std::string& why) const {
  std::string text = "offset " + text_of(wanted) + " of " + subject_.task->source.to_string() +
                     " cannot be replayed: no snapshot at or below it is kept";
  if (had_other_version()) text += " of this pipeline version";
  if (!why.empty()) text += " that can be used (" + why.substr(1) + ")";
  if (bases.empty()) return out_of_range_error(std::move(text));
  const auto earliest =
      std::min_element(bases.begin(), bases.end(),
                       [](const Base& a, const Base& b) { return a.shown_from < b.shown_from; });
  if (earliest->shown_from > bounds_.committed) {
    return out_of_range_error(std::move(text) + "; nothing was applied since the oldest one kept");
  }
  return out_of_range_error(std::move(text) + "; the earliest possible is " +
                            text_of(earliest->shown_from));
}

Status TaskReplay::use(const Base& base) {
  const auto& task = *subject_.task;
  // First the pin, then the look: what is there then stays.
  subject_.log->pin(holder_, task.source, base.at);
  MR_ASSIGN_OR_RETURN(const auto offsets, subject_.log->offsets(task.source));
  if (offsets.start > base.at) {
    return out_of_range_error(task.source.to_string() + " is retained from offset " +
                              text_of(offsets.start) + " on only");
  }
  start_offset_ = base.at;
  if (!base.snapshot) {
    task_->start_at(base.at);
    return ok_status();
  }
  MR_RETURN_IF_ERROR(hold(*base.snapshot));
  MR_ASSIGN_OR_RETURN(const auto topic, subject_.log->topic(task.source.topic));
  MR_ASSIGN_OR_RETURN(const auto snapshot, get_snapshot(*subject_.objects, *base.snapshot));
  MR_RETURN_IF_ERROR(
      check_snapshot_identity(*subject_.log, task, topic.incarnation, snapshot.identity));
  MR_RETURN_IF_ERROR(task_->restore(snapshot.state));
  auto* dedup = task_->dedup();
  if (dedup == nullptr) return ok_status();
  // What the shadow would seal nobody stores.
  dedup->set_open_ids_max(task::OpenIds::kIdsMax);
  if (subject_.dedup_memory != nullptr) {
    claim_.emplace(*subject_.dedup_memory, DedupMemory::Kind::guest);
    claim_->apply_to(*dedup);
  }
  const auto prefix = task_prefix(task.pipeline, task.stage, task.source.partition);
  MR_ASSIGN_OR_RETURN(const auto existing, subject_.objects->list(prefix));
  const auto open = std::make_shared<OpenObjects>(*subject_.objects);
  return attach_ids(*subject_.objects, find_id_keys(prefix, snapshot.objects), open, *dedup,
                    existing);
}

// What is held is not retired from then on, and what was retired before the journal names no more.
Status TaskReplay::hold(const task::SnapshotEntry& snapshot) {
  if (subject_.catalog == nullptr) return ok_status();
  snapshot_hold_ = subject_.catalog->hold(snapshot.object_key);
  MR_ASSIGN_OR_RETURN(const auto journal, summarize_journal(*subject_.log, subject_.task->journal));
  const bool is_kept =
      snapshot_hold_ != nullptr &&
      std::any_of(journal.snapshots.begin(), journal.snapshots.end(),
                  [&](const auto& kept) { return kept.object_key == snapshot.object_key; });
  return is_kept ? ok_status() : corrupt_error("it was retired meanwhile");
}

Result<bool> TaskReplay::step() {
  MR_ASSIGN_OR_RETURN(const bool has_decided, apply_decisions());
  if (has_decided) return true;
  if (position() >= bounds_.next) return false;
  MR_RETURN_IF_ERROR(apply_batch());
  return true;
}

Result<bool> TaskReplay::apply_decisions() {
  const auto now = position();
  if (now > bounds_.next || (now == bounds_.next && !bounds_.has_last_decisions)) return false;
  outputs_.set_suppressed(now < bounds_.first);
  bool has_decided = false;
  for (; next_decision_ < journal_.decisions.size(); ++next_decision_) {
    const auto& entry = journal_.decisions[next_decision_];
    if (entry.at > now) break;
    if (!task::is_task_input(entry.event)) continue;
    MR_RETURN_IF_ERROR(task_->apply_event(entry.event, entry.wall_time, outputs_));
    has_decided = true;
  }
  return has_decided;
}

Status TaskReplay::apply_batch() {
  if (claim_) claim_->apply_to(*task_->dedup());
  const auto from = position();
  if (next_batch_ == batches_.size()) {
    auto fetched =
        subject_.log->fetch(subject_.task->source, from, kFetchBytes, log::Visibility::durable);
    if (!fetched.is_ok()) {
      return std::move(fetched).take_status().with_context(
          "replay of " + subject_.task->source.to_string() + " from " + text_of(from));
    }
    batches_ = std::move(fetched->batches);
    next_batch_ = 0;
  }
  if (batches_.empty()) {
    return corrupt_error("replay of " + subject_.task->source.to_string() + " ends at " +
                         text_of(from) + ", but " + text_of(bounds_.committed) + " is committed");
  }
  const auto& batch = batches_[next_batch_++];
  // Live, decisions are applied between batches only, and commits end with a batch.
  if (next_decision_ < journal_.decisions.size()) {
    const auto& entry = journal_.decisions[next_decision_];
    if (entry.at > from && entry.at < batch.next_offset) {
      return corrupt_error("journal entry " + std::to_string(entry.sequence) +
                           " stands inside a batch");
    }
  }
  outputs_.set_suppressed(batch.next_offset <= bounds_.first);
  if (batch.kind == log::BatchKind::records) {
    return task_->apply(batch.bytes.view(), batch.append_time, outputs_);
  }
  task_->skip_to(batch.next_offset);
  return ok_status();
}

}  // namespace millrace::runtime
