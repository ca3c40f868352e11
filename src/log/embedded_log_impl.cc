#include "log/embedded_log_impl.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/thread.h"

namespace millrace::log {

namespace {

// The drain runs when a WAL file is full, after this many quiet rounds, or when this many batches
// are indexed in memory; never just because time passes, or each partition would cost a sync a
// second.
constexpr int kIdleRounds = 5;
constexpr std::int64_t kCloseRetryMs = 50;
constexpr std::uint64_t kUndrainedBatchesMax = 256 * 1024;
constexpr std::size_t kWalFilesMax = 8;

}  // namespace

EmbeddedLogImpl::EmbeddedLogImpl(const EmbeddedLogOptions& options, sys::FileSystem& files,
                                 const Clock& clock, std::unique_ptr<LogState> state,
                                 std::unique_ptr<WalFiles> wal, std::shared_ptr<WalFile> current,
                                 WalEnd end, RecoveryReport report)
    : options_(options),
      files_(files),
      clock_(clock),
      state_(std::move(state)),
      wal_(std::move(wal)),
      report_(std::move(report)),
      tail_cache_(options.tail_cache_bytes) {
  placed_ = state_->last_sequence.value;
  durable_ = state_->last_sequence.value;
  next_producer_ = producer_ids_end_ = state_->next_producer_id;
  batches_ = report_.batches_replayed;
  commits_ = report_.batches_replayed > 0 ? 1 : 0;  // something to drain when idle
  has_new_file_ = wal_->live_count() > 1;
  maintenance_ = std::make_unique<Maintenance>(
      files_, clock_, *state_, *wal_,
      Maintenance::Hooks{.take_snapshot = [this] { return take_snapshot(); },
                         .wait_durable = [this](CommitSequence to) { return wait_durable(to); },
                         .on_failure = [this](const Status& status) { fail(status); }});
  if (options.waits_with_retention) maintenance_->hold_retention();
  writer_ = std::make_unique<WalWriter>(
      WalWriter::Options{.unsynced_bytes_max = options.unsynced_bytes_max,
                         .sync_each_commit = options.sync_each_commit,
                         .background_sync_ms = options.maintenance_interval_ms,
                         .files_max = kWalFilesMax},
      *wal_, state_->log_id(), clock_, std::move(current), end,
      WalWriter::Events{
          .on_durable = [this](std::vector<WalItem>& items,
                               const std::shared_ptr<WalFile>& file) { on_durable(items, file); },
          .on_failure = [this](const Status& status) { fail(status); },
          .on_new_file =
              [this] {
                const std::lock_guard lock(maintenance_mutex_);
                has_new_file_ = true;
                maintenance_wanted_.notify_one();
              }});
  maintenance_thread_ = Thread([this] { maintenance_loop(); });
}

EmbeddedLogImpl::~EmbeddedLogImpl() {
  is_closed_ = true;
  stop_maintenance_thread();
  writer_->stop();
}

void EmbeddedLogImpl::on_durable(std::vector<WalItem>& items,
                                 const std::shared_ptr<WalFile>& file) {
  MR_CHECK(!items.empty());
  std::uint64_t batch_count = 0;
  std::vector<PartitionLog*> partitions;
  for (const WalItem& item : items) {
    for (const auto& batch : item.batches) {
      batch.partition->mark_written(batch.tail_index, file, batch.wal_offset);
      partitions.push_back(batch.partition.get());
      ++batch_count;
    }
  }
  {
    const std::lock_guard lock(durable_mutex_);
    MR_CHECK(durable_ + 1 == items.front().sequence.value);
    for (const WalItem& item : items) apply_durable(item);
    durable_ = items.back().sequence.value;
  }
  durable_changed_.notify_all();
  // By name rather than by address: who is woken first is then the same in every run.
  std::sort(partitions.begin(), partitions.end(), [](const auto* a, const auto* b) {
    return a->identity().source < b->identity().source ||
           (a->identity().source == b->identity().source &&
            a->identity().topic_id < b->identity().topic_id);
  });
  partitions.erase(std::unique(partitions.begin(), partitions.end()), partitions.end());
  for (const PartitionLog* partition : partitions) partition->listeners().notify();
  for (const WalItem& item : items) {
    for (const auto& batch : item.batches) {
      tail_cache_.add(batch.partition, batch.tail_index, batch.bytes->size());
    }
  }
  commits_.fetch_add(items.size(), std::memory_order_relaxed);
  batches_.fetch_add(batch_count, std::memory_order_relaxed);
}

void EmbeddedLogImpl::apply_durable(const WalItem& item) {
  for (const auto& offset : item.offsets) state_->groups.commit(offset);
  if (item.kind == EntryKind::group_deleted) {
    const auto group = parse_group_deleted(item.meta);
    MR_CHECK(group.is_ok());
    state_->groups.remove_group(group.value());
  } else if (item.kind == EntryKind::topic_deleted) {
    const auto topic = parse_topic_deleted(item.meta);
    MR_CHECK(topic.is_ok());
    state_->groups.remove_topic(topic.value().name);
  }
}

void EmbeddedLogImpl::fail(const Status& status) {
  {
    const std::lock_guard lock(durable_mutex_);
    if (!failure_.is_ok()) return;
    failure_ = status.code() == StatusCode::io ? status : io_error(status.to_string());
    has_failed_ = true;
  }
  durable_changed_.notify_all();
  if (options_.on_failure) options_.on_failure(status);
}

Status EmbeddedLogImpl::wait_durable(CommitSequence sequence) {
  if (sequence.value <= durable_.load(std::memory_order_acquire)) return ok_status();
  if (sequence.value > placed_.load(std::memory_order_acquire)) {
    return invalid_error("commit " + std::to_string(sequence.value) + " does not exist");
  }
  std::unique_lock lock(durable_mutex_);
  durable_changed_.wait(
      lock, [&] { return durable_ >= sequence.value || !failure_.is_ok() || is_stopped_; });
  if (durable_ >= sequence.value) return ok_status();
  return failure_.is_ok() ? cancelled_error("the log is closed") : Status(failure_);
}

CommitSequence EmbeddedLogImpl::durable_sequence() const {
  return CommitSequence(durable_.load(std::memory_order_acquire));
}

EmbeddedLogCounters EmbeddedLogImpl::counters() const {
  const auto wal = writer_->counters();
  return {.syncs = wal.syncs,
          .commits = commits_.load(std::memory_order_relaxed),
          .wal_bytes = wal.wal_bytes,
          .segment_bytes = maintenance_->segment_bytes(),
          .sync_ns_total = wal.sync_ns_total,
          .maintenance_failures = maintenance_failures_.load(std::memory_order_relaxed)};
}

Maintenance::Snapshot EmbeddedLogImpl::take_snapshot() {
  Maintenance::Snapshot out;
  const std::lock_guard lock(commit_mutex_);
  out.checkpoint.log_id = state_->log_id();
  out.checkpoint.commit = state_->last_sequence;
  // Everything in the groups before this place has a sequence up to `commit`.
  out.checkpoint.wal = writer_->durable_end();
  out.checkpoint.next_topic_id = state_->next_topic_id;
  out.checkpoint.next_producer_id = state_->next_producer_id;
  out.checkpoint.last_append_time = state_->last_append_time;
  const WallTime expired_before = state_->last_append_time - kProducerExpiryMs;
  for (const auto& topic : state_->topics.all()) {
    CheckpointTopic saved{.name = topic->info.name,
                          .topic_id = topic->topic_id,
                          .config = topic->info.config,
                          .partitions = {}};
    saved.partitions.resize(topic->partitions.size());
    out.checkpoint.topics.push_back(std::move(saved));
    for (const auto& partition : topic->partitions) {
      PartitionWork work;
      work.partition = partition;
      work.config = topic->info.config;
      work.snapshot.start = partition->start();
      work.snapshot.end = partition->end();
      // The checkpoint holds durable commits only, and this is all there is up to its commit.
      work.last_stable = partition->stable_end();
      partition->producers().expire(expired_before, [&](ProducerId id) {
        return partition->transaction_start(id).has_value();
      });
      Encoder producers(work.snapshot.producers);
      partition->producers().encode(producers);
      Encoder transactions(work.snapshot.transactions);
      partition->encode_transactions(transactions);
      out.works.push_back(std::move(work));
    }
  }
  return out;
}

Status EmbeddedLogImpl::run_maintenance_once() {
  const std::uint64_t commits = commits_;
  const std::uint64_t batches = batches_;
  CommitSequence drained;
  {
    const std::lock_guard lock(commit_mutex_);
    drained = state_->last_sequence;
  }
  MR_RETURN_IF_ERROR(maintenance_->run());
  commits_drained_ = commits;
  batches_drained_ = batches;
  std::vector<std::string> dead;
  {
    const std::lock_guard lock(commit_mutex_);
    dead = state_->take_dead_folders(drained);
  }
  for (const auto& folder : dead) MR_RETURN_IF_ERROR(files_.remove_tree(folder));
  writer_->retry_preparing();
  return ok_status();
}

// Counts its own waits, so that it ends whatever the clock does.
Status EmbeddedLogImpl::run_last_maintenance() {
  Status status = run_maintenance_once();
  for (std::int64_t left = options_.close_wait_ms;
       left > 0 && status.code() == StatusCode::io && !has_failed_; left -= kCloseRetryMs) {
    pause_for(std::chrono::milliseconds(kCloseRetryMs));
    status = run_maintenance_once();
  }
  return status;
}

void EmbeddedLogImpl::make_room() {
  if (wal_->live_count() >= kWalFilesMax) static_cast<void>(run_maintenance_once());
}

Status EmbeddedLogImpl::run_maintenance() {
  if (is_closed_) return cancelled_error("the log is closed");
  return run_maintenance_once();
}

bool EmbeddedLogImpl::is_maintenance_due() {
  const std::uint64_t commits = commits_;
  const bool is_quiet = commits == std::exchange(commits_seen_, commits);
  idle_rounds_ = is_quiet ? idle_rounds_ + 1 : 0;
  if (batches_ - batches_drained_ > kUndrainedBatchesMax) return true;
  if (idle_rounds_ >= kIdleRounds && commits != commits_drained_) return true;
  return maintenance_->is_retention_due();
}

void EmbeddedLogImpl::maintenance_loop() {
  std::unique_lock lock(maintenance_mutex_);
  while (!is_stopping_) {
    maintenance_wanted_.wait_for(lock, std::chrono::milliseconds(options_.maintenance_interval_ms),
                                 [&] { return is_stopping_ || has_new_file_; });
    if (is_stopping_) return;
    const bool has_new_file = std::exchange(has_new_file_, false);
    lock.unlock();
    bool has_worked = true;
    if (!has_failed_ && (has_new_file || is_maintenance_due())) {
      has_worked = run_maintenance_once().is_ok();
      if (!has_worked) maintenance_failures_.fetch_add(1, std::memory_order_relaxed);
    }
    lock.lock();
    // A full disk, most likely. The WAL keeps everything; try again after the interval.
    if (!has_worked && !is_stopping_) {
      maintenance_wanted_.wait_for(lock,
                                   std::chrono::milliseconds(options_.maintenance_interval_ms),
                                   [&] { return is_stopping_; });
      has_new_file_ = true;
    }
  }
}

void EmbeddedLogImpl::stop_maintenance_thread() {
  {
    const std::lock_guard lock(maintenance_mutex_);
    is_stopping_ = true;
  }
  maintenance_wanted_.notify_all();
  if (maintenance_thread_.joinable()) maintenance_thread_.join();
}

Status EmbeddedLogImpl::close() {
  CommitSequence last;
  {
    const std::lock_guard lock(commit_mutex_);
    if (is_closed_.exchange(true)) return ok_status();
    last = state_->last_sequence;
  }
  stop_maintenance_thread();
  Status status = wait_durable(last);
  if (status.is_ok()) status = run_last_maintenance();
  writer_->stop();
  // The next start need not look through what was allocated ahead.
  if (status.is_ok()) status = wal_->shrink(writer_->durable_end().position);
  {
    const std::lock_guard lock(durable_mutex_);
    is_stopped_ = true;
  }
  durable_changed_.notify_all();
  return status;
}

}  // namespace millrace::log
