#include "runtime/task_runner.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "runtime/id_store.h"
#include "runtime/snapshot_writer.h"

namespace millrace::runtime {
namespace {

constexpr std::size_t kFetchBytes = 256 << 10;
// A commit that large does not wait for the one before it to be durable.
constexpr std::size_t kCommitBytes = 512 << 10;
constexpr std::size_t kCommitsInFlightMax = 8;
constexpr std::size_t kSnapshotsKept = 2;
// A start or a stop tries again this often while the disk is full.
constexpr std::int64_t kDiskRetryMs = 20;
constexpr std::int64_t kEarlySnapshotAgeNs = 500'000'000;
constexpr std::int64_t kReportIntervalNs = 20'000'000;
constexpr std::int64_t kNanosPerMilli = 1'000'000;

// Waits a moment and takes it out of the patience; false when that is used up. Counts its own
// waits, so that it ends whatever the clock does.
bool wait_a_moment(DiskPatience& patience) {
  if (patience.wait_ms_left <= 0) return false;
  patience.wait_ms_left -= kDiskRetryMs;
  pause_for(std::chrono::milliseconds(kDiskRetryMs));
  return true;
}

// The owner is of one process start, in which a task may have several runners, one after another.
std::uint64_t life_number(const RunnerOptions& options, const RunnerServices& services) {
  constexpr std::uint64_t kSeed = 0x6c696665;
  MR_CHECK(services.clock != nullptr && services.snapshots != nullptr);
  const auto begun = services.clock->monotonic_now() - MonotonicTime{0};
  return hash128(options.owner + "/" + std::to_string(begun), kSeed).low;
}

}  // namespace

TaskRunner::TaskRunner(RunnerServices services, RunnerOptions options, TaskMaker make_task)
    : services_(services),
      options_(std::move(options)),
      make_task_(std::move(make_task)),
      objects_(*services_.snapshots,
               task_prefix(options_.pipeline, options_.stage, options_.source.partition),
               life_number(options_, services_)),
      outputs_(options_.outputs),
      is_following_(options_.is_follower) {
  MR_CHECK(services_.log != nullptr && services_.objects != nullptr);
  if (services_.commits == nullptr) services_.commits = services_.log;
  start_fresh();
}

TaskRunner::~TaskRunner() {
  services_.snapshots->forget(this);
}

Result<bool> TaskRunner::step() {
  auto did_work = step_once();
  if (!did_work.is_ok()) failure_ = did_work.status();
  return did_work;
}

Result<bool> TaskRunner::step_once() {
  retire_durable();
  if (stalled_) {
    MR_RETURN_IF_ERROR(hand_over());
    publish_report(true);
    return !stalled_;
  }
  if (has_requests_.load()) MR_RETURN_IF_ERROR(take_requests());
  if (is_releasing_) return step_release();
  bool did_work = take_posted();
  collect_snapshot();
  did_work |= pump_ids();
  if (may_apply()) {
    MR_ASSIGN_OR_RETURN(const bool has_applied, apply_input());
    did_work |= has_applied;
  }
  if (is_commit_due()) {
    MR_RETURN_IF_ERROR(commit());
    did_work = true;
  }
  maybe_snapshot();
  publish_report(!did_work);
  return did_work;
}

bool TaskRunner::pump_ids() {
  return ids_ != nullptr && ids_->pump(*task_->dedup());
}

bool TaskRunner::may_apply() const {
  if (in_flight_.size() >= kCommitsInFlightMax && outputs_.pending_bytes() >= kCommitBytes) {
    return false;
  }
  return ids_ == nullptr || !IdStore::is_overloaded(*task_->dedup());
}

void TaskRunner::collect_garbage() {
  auto in_use = ids_ != nullptr ? ids_->keys_in_use(*task_->dedup()) : std::set<std::string>();
  in_use.insert(running_names_.begin(), running_names_.end());
  objects_.collect(in_use);
}

Result<bool> TaskRunner::step_release() {
  if (has_release_commit_) return false;
  has_release_commit_ = true;
  MR_RETURN_IF_ERROR(commit());
  return true;
}

void TaskRunner::retire_durable() {
  const auto durable = services_.commits->durable_sequence();
  bool has_retired = false;
  while (!in_flight_.empty() && in_flight_.front().sequence <= durable) {
    auto& oldest = in_flight_.front();
    note_durations(oldest.append_times);
    durable_offset_ = oldest.next_offset;
    durable_settled_count_ = oldest.settled_count;
    for (const auto& key : oldest.retired_objects) {
      objects_.release(key);
      if (services_.catalog != nullptr) services_.catalog->forget_retired(key);
    }
    has_retired |= !oldest.retired_objects.empty();
    for (auto& request : oldest.taken) request.answer->give(std::move(request.taken));
    if (oldest.trim_journal_to) {
      // Entries are numbered from 1 and one record each, so entry n is the record at offset n - 1.
      // A failure leaves a longer journal, no more.
      const auto before = Offset(static_cast<std::int64_t>(*oldest.trim_journal_to));
      (void)services_.log->delete_records(options_.journal, before);
      journal_start_.reset();
    }
    in_flight_.pop_front();
  }
  if (!has_retired) return;
  collect_garbage();
  pin();
}

void TaskRunner::note_durations(const std::vector<WallTime>& append_times) {
  if (append_times.empty()) return;
  const auto now = services_.clock->wall_now();
  const std::lock_guard lock(mutex_);
  for (const auto appended : append_times) {
    processing_duration_.record((now - appended) * kNanosPerMilli);
  }
}

Histogram TaskRunner::processing_duration() const {
  const std::lock_guard lock(mutex_);
  return processing_duration_;
}

void TaskRunner::pin() {
  auto needed = kept_snapshots_.empty() ? start_offset_ : kept_snapshots_.front().next_offset;
  if (journal_start_) needed = std::min(needed, *journal_start_);
  services_.log->pin(options_.group, options_.source, needed);
}

void TaskRunner::post(task::JournalEvent event) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(event));
  ++posted_count_;
}

bool TaskRunner::take_posted() {
  if (posted_count_.load() == taken_count_) return false;
  std::vector<task::JournalEvent> events;
  {
    const std::lock_guard lock(mutex_);
    events.swap(posted_);
  }
  const auto now = services_.clock->wall_now();
  for (auto& event : events) {
    ++taken_count_;
    if (task::is_task_input(event)) {
      const auto status = task_->apply_event(event, now, outputs_);
      // Only decisions that hold for this task are posted: known tables, plain watermarks.
      MR_CHECK(status.is_ok());
      ++event_count_;
    }
    add_entry(std::move(event), now);
  }
  return !events.empty();
}

void TaskRunner::add_entry(task::JournalEvent event, WallTime wall_time) {
  std::string bytes;
  task::encode_journal_entry({++journal_sequence_, position(), wall_time, std::move(event)}, bytes);
  objects_.set_journal_sequence(journal_sequence_);
  journal_batch_.append(wall_time, std::nullopt, bytes, {});
  has_pending_entries_ = true;
}

Result<bool> TaskRunner::apply_input() {
  const auto from = position();
  const auto visibility =
      options_.is_log_shared ? log::Visibility::durable : log::Visibility::appended;
  MR_ASSIGN_OR_RETURN(const auto fetched,
                      services_.log->fetch(options_.source, from, kFetchBytes, visibility));
  if (fetched.batches.empty()) {
    consumed_offset_ = options_.is_log_shared ? fetched.offsets.last_stable : from;
    return false;
  }
  const auto started = services_.clock->monotonic_now();
  for (const auto& batch : fetched.batches) {
    if (batch.kind == log::BatchKind::records) {
      MR_RETURN_IF_ERROR(task_->apply(batch.bytes.view(), batch.append_time, outputs_));
      append_times_.push_back(batch.append_time);
    } else {
      task_->skip_to(batch.next_offset);
    }
    MR_CHECK(task_->next_offset() >= batch.next_offset);
    MR_ASSIGN_OR_RETURN(const auto header, codec::parse_batch_header(batch.bytes.view()));
    last_batch_offset_ = header.base_offset;
    last_batch_crc_ = header.crc;
  }
  apply_ns_since_snapshot_ += services_.clock->monotonic_now() - started;
  last_input_time_ = services_.clock->wall_now();
  return true;
}

bool TaskRunner::is_commit_due() const {
  if (stalled_ || in_flight_.size() >= kCommitsInFlightMax) return false;
  const bool has_something =
      !outputs_.empty() || has_pending_entries_ || position() > committed_offset_ || must_claim_;
  if (!has_something) return false;
  return in_flight_.empty() || outputs_.pending_bytes() >= kCommitBytes;
}

Status TaskRunner::commit() {
  stage_commit();
  return hand_over();
}

// Puts together what is due, in `stalled_`.
void TaskRunner::stage_commit() {
  MR_CHECK(!stalled_);
  const auto now = services_.clock->wall_now();
  must_claim_ = false;
  auto owner = options_.owner;
  if (is_releasing_) owner += kReleasedMark;
  add_entry(task::PositionEntry{++commit_sequence_, owner}, now);
  auto& [commit, ready] = stalled_.emplace(Stalled{});
  for (auto& batch : outputs_.take()) {
    commit.appends.push_back(
        {outputs_.topic(batch.output).topic, batch.partition, std::move(batch.bytes)});
  }
  std::string journal;
  journal_batch_.finish(journal);
  commit.appends.push_back(
      {options_.journal.topic, options_.journal.partition, std::move(journal)});
  ready.next_offset = position();
  ready.settled_count = taken_count_;
  ready.append_times = std::exchange(append_times_, {});
  ready.retired_objects = std::exchange(retired_objects_, {});
  ready.trim_journal_to = std::exchange(trim_journal_to_, std::nullopt);
  ready.taken = std::exchange(taken_requests_, {});
  commit.offsets.push_back(
      {options_.group, options_.source, ready.next_offset,
       std::to_string(commit_sequence_) + "/" + std::to_string(journal_sequence_) + "/" + owner});
  has_pending_entries_ = false;
  committed_offset_ = ready.next_offset;
}

// The log takes no more while too much waits for the disk, or the disk is full. The commit is kept
// as it is and tried again at the next step; nothing is applied meanwhile.
Status TaskRunner::hand_over() {
  MR_CHECK(stalled_.has_value());
  auto appended = services_.commits->commit(std::move(stalled_->commit));
  if (!appended.is_ok()) {
    ++stalled_commits_;
    if (appended.status().code() == StatusCode::overloaded) {
      stalled_reason_ = appended.status().message();
      return ok_status();
    }
    return std::move(appended).take_status();
  }
  note_handed_over(appended->sequence);
  return ok_status();
}

void TaskRunner::note_handed_over(log::CommitSequence sequence) {
  stalled_->ready.sequence = sequence;
  in_flight_.push_back(std::move(stalled_->ready));
  stalled_.reset();
  ++commits_;
}

// Commits and waits until it is durable; an error where a step would try again for ever.
Status TaskRunner::commit_and_wait(DiskPatience& patience) {
  if (!stalled_) MR_RETURN_IF_ERROR(commit());
  while (stalled_) {
    if (!in_flight_.empty()) {
      MR_RETURN_IF_ERROR(services_.commits->wait_durable(in_flight_.back().sequence));
      retire_durable();
    }
    MR_RETURN_IF_ERROR(hand_over());
    if (stalled_ && !wait_a_moment(patience)) {
      return overloaded_error("the last commit was not taken: " + stalled_reason_);
    }
  }
  MR_RETURN_IF_ERROR(services_.commits->wait_durable(in_flight_.back().sequence));
  retire_durable();
  return ok_status();
}

SnapshotIdentity TaskRunner::snapshot_identity() const {
  return {
      options_.pipeline, options_.stage,      options_.source.partition,       committed_offset_,
      journal_sequence_, source_incarnation_, options_.source_partition_count, last_batch_offset_,
      last_batch_crc_};
}

Result<task::SnapshotEntry> TaskRunner::write_snapshot() {
  if (ids_ != nullptr) {
    task_->dedup()->prepare_snapshot();
    MR_RETURN_IF_ERROR(ids_->flush(*task_->dedup()));
  }
  std::vector<std::string> names;
  const auto object = encode_state(names);
  MR_ASSIGN_OR_RETURN(auto entry, put_snapshot(*services_.objects, snapshot_identity(), object));
  objects_.keep(entry.object_key, names);
  return entry;
}

void TaskRunner::maybe_snapshot() {
  if (is_snapshot_running_ || has_pending_entries_ || !outputs_.empty() || stalled_) return;
  const bool is_requested = !snapshot_requests_.empty();
  if (position() > committed_offset_ || (commits_ == 0 && !is_requested)) return;
  if (committed_offset_ == snapshot_offset_ && event_count_ == snapshot_events_) {
    return answer_with_newest();
  }
  const auto now = services_.clock->monotonic_now();
  const auto age = now - last_snapshot_time_;
  // A long replay is worth an early snapshot, but snapshots may not take more than a twentieth of
  // the time.
  const bool is_replay_long = apply_ns_since_snapshot_ > options_.replay_budget_ns &&
                              age > 20 * last_snapshot_cost_ns_ + kEarlySnapshotAgeNs;
  const bool is_due = age >= options_.checkpoint_interval_ms * kNanosPerMilli;
  if (!is_requested && !is_replay_long && !is_due) return;
  if (ids_ != nullptr) task_->dedup()->prepare_snapshot();
  pump_ids();
  auto object = encode_state(running_names_);
  services_.snapshots->submit(
      this, snapshot_identity(), std::move(object),
      ids_ != nullptr ? ids_->pending() : std::vector<std::shared_ptr<PendingObject>>());
  is_snapshot_running_ = true;
  for (auto& request : snapshot_requests_) request.is_running = true;
  snapshot_offset_ = committed_offset_;
  snapshot_events_ = event_count_;
  last_snapshot_time_ = now;
  last_snapshot_cost_ns_ = services_.clock->monotonic_now() - now;
  apply_ns_since_snapshot_ = 0;
}

std::string TaskRunner::encode_state(std::vector<std::string>& names) {
  std::string state;
  task_->snapshot(state);
  names.clear();
  if (ids_ != nullptr) names = ids_->named_keys(*task_->dedup());
  return encode_snapshot(snapshot_identity(), names, state);
}

void TaskRunner::collect_snapshot() {
  if (!is_snapshot_running_) return;
  auto result = services_.snapshots->take_result(this);
  if (!result) return;
  is_snapshot_running_ = false;
  serve_running(*result);
  const auto names = std::exchange(running_names_, {});
  if (!result->is_ok()) {
    snapshot_offset_ = Offset(-1);  // try again at the next interval
    return;
  }
  objects_.keep((*result)->object_key, names);
  ++snapshots_;
  const auto now = services_.clock->wall_now();
  kept_snapshots_.push_back(**result);
  add_entry(std::move(*result).value(), now);
  retire_snapshots(now);
}

bool TaskRunner::is_named(const task::SnapshotEntry& entry) const {
  return services_.catalog != nullptr && services_.catalog->protects(entry.object_key);
}

// True begins it.
bool TaskRunner::may_retire(const task::SnapshotEntry& entry) {
  return services_.catalog == nullptr || services_.catalog->retire(entry.object_key);
}

// All but the newest ones; those of an earlier version are of no use any more. A name keeps either.
void TaskRunner::retire_snapshots(WallTime now) {
  std::size_t newer = 0;  // usable ones without a name
  std::vector<task::SnapshotEntry> kept;
  for (auto it = kept_snapshots_.rbegin(); it != kept_snapshots_.rend(); ++it) {
    const bool is_usable = it->journal_sequence >= version_sequence_;
    if (is_named(*it) || (is_usable && newer++ < kSnapshotsKept) || !may_retire(*it)) {
      kept.push_back(std::move(*it));
      continue;
    }
    retired_objects_.push_back(it->object_key);
    add_entry(task::SnapshotRetiredEntry{it->object_key}, now);
  }
  const bool has_retired = kept.size() < kept_snapshots_.size();
  kept_snapshots_.assign(std::make_move_iterator(kept.rbegin()),
                         std::make_move_iterator(kept.rend()));
  if (has_retired && !kept_snapshots_.empty()) {
    trim_journal_to_ = kept_snapshots_.front().journal_sequence;
  }
}

void TaskRunner::publish_report(bool is_idle) {
  const auto now = services_.clock->monotonic_now();
  if (!is_idle && now - last_report_time_ < kReportIntervalNs) return;
  last_report_time_ = now;
  RunnerReport report{task_->report(),
                      durable_offset_,
                      std::max(position(), consumed_offset_),
                      commits_,
                      snapshots_,
                      replayed_records_,
                      restored_offset_,
                      refused_snapshot_count_,
                      stalled_commits_,
                      last_input_time_};
  report.task.next_offset = position();
  {
    const std::lock_guard lock(mutex_);
    report_ = std::move(report);
  }
  // After the report, so that whoever sees a decision settled sees its effects, too.
  settled_count_.store(durable_settled_count_);
}

RunnerReport TaskRunner::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

Status TaskRunner::finish(DiskPatience& patience) {
  if (!has_recovered_) return ok_status();
  auto status = failure_.is_ok() ? finish_commits(patience) : failure_;
  if (status.is_ok()) status = finish_snapshot(patience);
  publish_report(true);
  if (status.is_ok()) return status;
  return std::move(status).with_context(options_.pipeline + " " + options_.stage + " " +
                                        options_.source.to_string());
}

Status TaskRunner::finish_commits(DiskPatience& patience) {
  if (stalled_) MR_RETURN_IF_ERROR(commit_and_wait(patience));
  take_posted();
  if (!outputs_.empty() || has_pending_entries_ || position() > committed_offset_) {
    MR_RETURN_IF_ERROR(commit_and_wait(patience));
  }
  if (in_flight_.empty()) return ok_status();
  MR_RETURN_IF_ERROR(services_.commits->wait_durable(in_flight_.back().sequence));
  retire_durable();
  return ok_status();
}

Status TaskRunner::finish_snapshot(DiskPatience& patience) {
  if (committed_offset_ == snapshot_offset_ && event_count_ == snapshot_events_ &&
      !is_snapshot_running_) {
    return ok_status();
  }
  auto entry = write_snapshot();
  while (!entry.is_ok() && wait_a_moment(patience)) entry = write_snapshot();
  if (!entry.is_ok()) {
    return std::move(entry).take_status().with_context("the last snapshot was not written");
  }
  add_entry(std::move(entry).value(), services_.clock->wall_now());
  return commit_and_wait(patience);
}

}  // namespace millrace::runtime
