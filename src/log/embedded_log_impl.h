#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "codec/record_batch.h"
#include "log/embedded_log.h"
#include "log/log_state.h"
#include "log/maintenance.h"
#include "log/wal_files.h"
#include "log/wal_writer.h"

namespace millrace::log {

// The batches kept in memory, oldest first; only the writer thread touches it.
class TailCache {
 public:
  explicit TailCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  // Takes a durable batch in and evicts the oldest ones that are too much.
  void add(const std::shared_ptr<PartitionLog>& partition, std::uint64_t tail_index,
           std::size_t batch_bytes);

 private:
  struct Entry {
    std::weak_ptr<PartitionLog> partition;
    std::uint64_t tail_index = 0;
    std::size_t cached_bytes = 0;
  };
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<Entry> entries_;
};

// What can be found out about a commit without the commit lock.
struct PreparedCommit {
  struct Batch {
    std::shared_ptr<PartitionLog> partition;
    codec::BatchHeader header;
  };
  std::vector<Batch> batches;                          // one per append
  std::vector<std::shared_ptr<PartitionLog>> markers;  // the partition of each
  std::size_t bytes_max = 0;                           // in the WAL
};

// Locks, in the order they are taken: commit_mutex_, then a partition's or a table's own, then the
// writer's own. durable_mutex_ stands alone before the group table's.
class EmbeddedLogImpl final : public EmbeddedLog {
 public:
  // `state`, `wal` and the writer's end are as recovery left them.
  EmbeddedLogImpl(const EmbeddedLogOptions& options, sys::FileSystem& files, const Clock& clock,
                  std::unique_ptr<LogState> state, std::unique_ptr<WalFiles> wal,
                  std::shared_ptr<WalFile> current, WalEnd end, RecoveryReport report);
  ~EmbeddedLogImpl() override;

  // Drains if a crash left so many WAL files that nothing could be committed before that: a start
  // that gave up over it would find them again, for ever. A failure shows at the first commit.
  void make_room();

  Result<TopicInfo> create_topic(const std::string& name, const TopicConfig& config) override;
  Status delete_topic(const std::string& name) override;
  Status alter_topic(const std::string& name, const TopicConfig& config) override;
  [[nodiscard]] Result<TopicInfo> topic(const std::string& name) const override;
  [[nodiscard]] std::vector<TopicInfo> topics() const override;

  Result<Appended> commit(Commit&& commit) override;
  Status wait_durable(CommitSequence sequence) override;
  [[nodiscard]] CommitSequence durable_sequence() const override;
  Result<ProducerIdentity> new_producer() override;

  [[nodiscard]] Result<FetchResult> fetch(const TopicPartition& source, Offset from,
                                          std::size_t bytes_max,
                                          Visibility visibility) const override;
  [[nodiscard]] Result<PartitionOffsets> offsets(const TopicPartition& source) const override;
  [[nodiscard]] Result<Offset> offset_for_time(const TopicPartition& source,
                                               WallTime time) const override;
  [[nodiscard]] Result<std::optional<TimestampedOffset>> first_at_timestamp(
      const TopicPartition& source, WallTime timestamp) const override;
  [[nodiscard]] Result<std::optional<TimestampedOffset>> max_timestamp(
      const TopicPartition& source) const override;
  [[nodiscard]] Result<std::vector<AbortedTransaction>> aborted_transactions(
      const TopicPartition& source, Offset from, Offset until) const override;
  [[nodiscard]] Result<std::vector<ProducerInfo>> producers(
      const TopicPartition& source) const override;

  [[nodiscard]] std::vector<std::string> groups() const override;
  [[nodiscard]] std::vector<GroupOffset> group_offsets(const std::string& group) const override;
  Status delete_group(const std::string& group) override;

  Status delete_records(const TopicPartition& source, Offset before) override;
  void pin(const std::string& holder, const TopicPartition& source, Offset oldest_needed) override;
  void unpin(const std::string& holder, const TopicPartition& source) override;

  std::uint64_t add_listener(const TopicPartition& source, Listener listener) override;
  void remove_listener(std::uint64_t id) override;

  [[nodiscard]] const RecoveryReport& recovery() const override { return report_; }
  [[nodiscard]] EmbeddedLogCounters counters() const override;
  Status close() override;
  void begin_retention() override { maintenance_->begin_retention(); }
  Status run_maintenance() override;

 private:
  // What the batches and markers of a producer do to its state, before it counts.
  struct StagedProducer {
    PartitionLog* partition = nullptr;
    ProducerId id;
    ProducerEntry entry;
    bool is_in_transaction = false;
  };
  struct Placement {
    std::vector<std::optional<Offset>> repeats;  // per batch: where it already is
    std::vector<StagedProducer> producers;
    std::size_t new_count = 0;  // of batches and markers
  };
  class Planner;

  // `cancelled` when the log is closed.
  [[nodiscard]] Result<std::shared_ptr<PartitionLog>> open_partition(
      const TopicPartition& source) const;

  // --- commit ---
  Result<PreparedCommit> prepare(const Commit& commit) const;
  Result<PreparedCommit::Batch> prepare_batch(const AppendBatch& batch) const;
  // The rest under commit_mutex_.
  [[nodiscard]] Status check_open() const;
  static Result<Placement> plan(const Commit& commit, const PreparedCommit& prepared,
                                WallTime append_time);
  // Takes the bytes and offsets out of `commit`.
  Appended place(Commit& commit, const PreparedCommit& prepared, const Placement& placement,
                 WallTime append_time);
  // Gives a batch its place, in the partition and in `item`.
  Offset place_batch(const std::shared_ptr<PartitionLog>& partition, std::string bytes,
                     const codec::BatchHeader& header, const PartitionLog::TransactionStep& step,
                     WalItem& item);
  // True: there is room for an item. False: `lock` was given up while waiting for a WAL file, so
  // what was checked before must be checked again.
  Result<bool> reserve(std::unique_lock<Mutex>& lock, std::size_t bytes, int attempt);
  [[nodiscard]] WallTime next_append_time() const;

  // Places an entry that is no commit and waits until it is durable. `apply` checks, changes the
  // state and gives the entry's body.
  using ApplyEntry = std::function<Result<std::string>(CommitSequence)>;
  Status place_and_wait(EntryKind kind, std::size_t meta_bytes_max, const ApplyEntry& apply);

  // --- the writer's events ---
  void on_durable(std::vector<WalItem>& items, const std::shared_ptr<WalFile>& file);
  void apply_durable(const WalItem& item);
  void fail(const Status& status);

  // --- maintenance ---
  void maintenance_loop();
  [[nodiscard]] bool is_maintenance_due();
  Maintenance::Snapshot take_snapshot();
  Status run_maintenance_once();
  Status run_last_maintenance();
  void stop_maintenance_thread();

  const EmbeddedLogOptions options_;
  sys::FileSystem& files_;
  const Clock& clock_;
  const std::unique_ptr<LogState> state_;
  const std::unique_ptr<WalFiles> wal_;
  const RecoveryReport report_;

  mutable Mutex commit_mutex_;
  std::atomic<bool> is_closed_{false};
  std::atomic<bool> has_failed_{false};
  std::atomic<std::uint64_t> placed_{0};  // the state's last sequence
  std::int64_t producer_ids_end_ = 0;     // next_producer_id up to here are allocated durably
  std::int64_t next_producer_ = 0;

  mutable Mutex durable_mutex_;  // also held while groups change: both become visible at once
  Condition durable_changed_;
  std::atomic<std::uint64_t> durable_{0};
  Status failure_;
  bool is_stopped_ = false;  // nothing more will become durable

  TailCache tail_cache_;
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> batches_{0};

  Mutex maintenance_mutex_;  // of the fields below
  Condition maintenance_wanted_;
  bool has_new_file_ = false;
  bool is_stopping_ = false;

  // Of the maintenance thread.
  std::uint64_t commits_seen_ = 0;
  int idle_rounds_ = 0;
  std::atomic<std::uint64_t> commits_drained_{0};  // as of the start of the last good run
  std::atomic<std::uint64_t> batches_drained_{0};
  std::atomic<std::uint64_t> maintenance_failures_{0};

  std::unique_ptr<Maintenance> maintenance_;
  std::unique_ptr<WalWriter> writer_;
  Thread maintenance_thread_;
};

}  // namespace millrace::log
