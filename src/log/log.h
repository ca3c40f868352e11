#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "base/time.h"
#include "codec/compression.h"
#include "model/topic.h"

namespace millrace::log {

// A transactional, partitioned log. Everything the runtime does to the outside goes through one
// `commit`; everything it reads comes from `fetch`. Records travel as record batches (codec),
// whole.
//
// Two implementations are foreseen: EmbeddedLog (this folder) and one over Apache Kafka. The suite
// in log_conformance.h states what both must do.
//
// Threads: every method may be called from any thread.

// For topics that take foreign records, as Kafka's message.max.bytes. Everything a pipeline makes
// of one such batch, a dead letter with every byte escaped included, fits into the larger bound
// that other topics have (R10).
inline constexpr std::int32_t kInputBatchBytesMax = 1 << 20;

struct TopicConfig {
  std::int32_t partition_count = 1;
  std::int64_t retention_ms = -1;     // -1: for ever. Counted from the append, not event time
  std::int64_t retention_bytes = -1;  // per partition; -1: no bound
  std::int64_t segment_bytes = 128 << 20;
  bool is_compacted = false;  // keep the newest record per key
  // Of a compacted topic: whether the two retention bounds are in force, too. False is Kafka's
  // cleanup.policy=compact, whose bounds are kept and mean nothing until the policy has delete.
  bool is_retention_on = true;
  std::int64_t delete_retention_ms = 86'400'000;  // how long a compacted topic keeps tombstones
  std::int32_t batch_bytes_max = 8 << 20;         // a larger batch is refused
  // Internal topics (journals, table versions, repartitions) are hidden from plain listings and
  // take records from the pipeline only.
  bool is_internal = false;

  bool operator==(const TopicConfig&) const = default;
};

struct TopicInfo {
  std::string name;
  std::uint64_t incarnation = 0;  // differs when a topic was deleted and created again (R7)
  TopicConfig config;
};

struct PartitionOffsets {
  Offset start;           // first offset still there
  Offset high_watermark;  // next offset of what is durable
  // Kafka's last stable offset: the high watermark, or the first offset of the oldest transaction
  // whose outcome is not durable. Never moves back.
  Offset last_stable;
  Offset end;  // next offset of what is appended, durable or not
  std::int64_t stored_bytes = 0;
};

// What a reader may see. The first two never show a record whose transaction's outcome is open.
enum class Visibility : std::uint8_t {
  durable,      // up to last_stable: everybody outside
  appended,     // also what is not yet synced, up to the first transaction that is open in it:
                // pipeline tasks only, whose own commit follows it in the same write-ahead log and
                // so can never become durable before its input (R17)
  uncommitted,  // up to the high watermark, batches of open transactions too: Kafka's
                // read_uncommitted
};

// Only `records` carries records to apply; readers step over the others, to `next_offset`.
enum class BatchKind : std::uint8_t {
  records,
  control,  // the marker that ended a transaction
  aborted,  // records of a transaction that was aborted
};

// One stored batch: its bytes as appended (base offset and append time filled in).
struct FetchedBatch {
  SharedBytes bytes;
  Offset base_offset;
  Offset next_offset;
  WallTime append_time;  // when the log took it; processing time of its records (R11)
  BatchKind kind = BatchKind::records;
};

// A transaction that was aborted: the batches of `producer` from `first` to below `marker`, which
// is its control batch's offset.
struct AbortedTransaction {
  ProducerId producer;
  Offset first;
  Offset marker;
  bool operator==(const AbortedTransaction&) const = default;
};

struct FetchResult {
  std::vector<FetchedBatch> batches;  // in offset order; empty at the end of the log
  PartitionOffsets offsets;           // as of the fetch
  // Those of `batches` that are `aborted` belong to these, by `first`. What a Kafka client that
  // reads committed records must be told: exactly of these bytes, whatever is deleted meanwhile.
  std::vector<AbortedTransaction> aborted = {};
};

// A batch to append. `bytes` is one finished record batch with base offset 0; the log writes offset
// and epoch into it. A batch with a producer id is checked for sequence: an exact repeat of one of
// the last five batches of that producer is answered with its old offset and not appended again.
// Refused are an older epoch (`fenced`), a gap (`out_of_sequence`), a batch without the
// transactional bit while its producer has a transaction open in that partition (`wrong_state`),
// and a batch with the control bit (`invalid`).
//
// A batch with the transactional bit opens its producer's transaction in that partition, if none is
// open; a TransactionMarker ends it.
struct AppendBatch {
  std::string topic;
  std::int32_t partition = 0;
  std::string bytes;
};

inline constexpr Offset kNoOffset{-1};

struct OffsetCommit {
  std::string group;
  TopicPartition source;
  Offset next_offset;  // kNoOffset: the group's offset for the partition is removed
  std::string metadata;
};

struct ProducerIdentity {
  ProducerId id;
  ProducerEpoch epoch;
};

// Ends the producer's transaction in one partition: the log builds Kafka's control batch and
// appends it. One with nothing to end is written as well. An older epoch than the partition knows
// is `fenced`; a newer one closes the transaction all the same and becomes the known one, so that
// nothing of the producer's earlier incarnation is taken any more.
struct TransactionMarker {
  TopicPartition partition;
  ProducerIdentity producer;
  bool is_commit = false;
};

// All of it becomes durable and visible together, or nothing does. Within a partition the markers
// come behind the appends.
struct Commit {
  std::vector<AppendBatch> appends;
  std::vector<OffsetCommit> offsets;
  std::vector<TransactionMarker> markers = {};

  [[nodiscard]] bool empty() const { return appends.empty() && offsets.empty() && markers.empty(); }
};

// Where a commit stands in the order of all commits. Sequence n durable implies all below n
// durable.
using CommitSequence = Strong<struct CommitSequenceTag, std::uint64_t>;

struct Appended {
  CommitSequence sequence;
  // Per element of Commit::appends: base offset it got, and whether it was a repeat.
  struct Batch {
    Offset base_offset;
    bool is_duplicate = false;
  };
  std::vector<Batch> batches;
  WallTime append_time;
  std::vector<Offset> markers = {};  // per element of Commit::markers: its control batch's offset
};

struct GroupOffset {
  TopicPartition source;
  Offset next_offset;
  std::string metadata;
};

// An idempotent or transactional producer, as one partition knows it.
struct ProducerInfo {
  ProducerId id;
  ProducerEpoch epoch;
  std::int32_t last_sequence = -1;  // -1: no batch of this epoch
  WallTime last_append_time;
  std::optional<Offset> transaction_start;  // of the open transaction
};

struct TimestampedOffset {
  Offset offset;
  WallTime timestamp;
  bool operator==(const TimestampedOffset&) const = default;
};

// Where commits go: a log, or what gathers the commits of several tasks into one transaction of a
// log. Thread-safe.
class CommitPort {
 public:
  virtual ~CommitPort() = default;

  // Gives every batch its place in the log, atomically, and returns without waiting for the disk.
  // What it appended is at once readable with Visibility::appended. Errors (unknown topic, bad
  // batch, sequence gap, over batch_bytes_max) append nothing and leave `commit` as it was.
  // `overloaded` when too much waits for the disk: wait_durable for an earlier commit, then repeat
  // with the same object.
  virtual Result<Appended> commit(Commit&& commit) = 0;
  // Blocks until the sequence is durable. `io` when the log failed: nothing is known about the
  // outcome.
  virtual Status wait_durable(CommitSequence sequence) = 0;
  [[nodiscard]] virtual CommitSequence durable_sequence() const = 0;
};

class Log : public CommitPort {
 public:
  // --- topics; durable when the call returns ---
  virtual Result<TopicInfo> create_topic(const std::string& name, const TopicConfig& config) = 0;
  virtual Status delete_topic(const std::string& name) = 0;
  virtual Status alter_topic(const std::string& name, const TopicConfig& config) = 0;
  [[nodiscard]] virtual Result<TopicInfo> topic(const std::string& name) const = 0;
  [[nodiscard]] virtual std::vector<TopicInfo> topics() const = 0;  // sorted by name

  // --- writing; and the methods of CommitPort ---
  virtual Result<ProducerIdentity> new_producer() = 0;

  // --- reading ---
  // Whole batches from the one that holds `from` (its base offset may be lower), about `bytes_max`
  // bytes and always at least one batch if there is one. Never blocks for data. `out_of_range` when
  // `from` is below the start or above the end; `corrupt` when stored bytes fail their checksum.
  [[nodiscard]] virtual Result<FetchResult> fetch(const TopicPartition& source, Offset from,
                                                  std::size_t bytes_max,
                                                  Visibility visibility) const = 0;
  [[nodiscard]] virtual Result<PartitionOffsets> offsets(const TopicPartition& source) const = 0;
  // First offset whose batch was appended at or after `time`; the end offset when there is none.
  [[nodiscard]] virtual Result<Offset> offset_for_time(const TopicPartition& source,
                                                       WallTime time) const = 0;
  // The first record below the high watermark whose own timestamp (R11 is about the append time) is
  // at least `timestamp`, and the first one of those with the largest timestamp of all: Kafka's
  // ListOffsets by time and -3. Records of aborted and of open transactions count, as in Kafka.
  // nullopt when there is none.
  [[nodiscard]] virtual Result<std::optional<TimestampedOffset>> first_at_timestamp(
      const TopicPartition& source, WallTime timestamp) const = 0;
  [[nodiscard]] virtual Result<std::optional<TimestampedOffset>> max_timestamp(
      const TopicPartition& source) const = 0;

  // --- transactions ---
  // The aborted transactions whose offsets (marker included) overlap [from, until), by `first`, as
  // Kafka's Fetch lists them. Complete for what lies below last_stable.
  [[nodiscard]] virtual Result<std::vector<AbortedTransaction>> aborted_transactions(
      const TopicPartition& source, Offset from, Offset until) const = 0;
  // By id; what is appended counts, durable or not.
  [[nodiscard]] virtual Result<std::vector<ProducerInfo>> producers(
      const TopicPartition& source) const = 0;

  // --- groups ---
  [[nodiscard]] virtual std::vector<std::string> groups() const = 0;
  [[nodiscard]] virtual std::vector<GroupOffset> group_offsets(const std::string& group) const = 0;
  // The same where it may fail: a log that asks others tells `none` from `could not be asked`.
  [[nodiscard]] virtual Result<std::vector<GroupOffset>> stable_group_offsets(
      const std::string& group) const {
    return group_offsets(group);
  }
  virtual Status delete_group(const std::string& group) = 0;

  // --- retention ---
  // Drops records below `before`; durable when the call returns. Never beyond the high watermark.
  virtual Status delete_records(const TopicPartition& source, Offset before) = 0;
  // Retention and delete_records stop at the lowest offset any holder has pinned (R7). Pins are not
  // durable: whoever needs one sets it again before maintenance starts.
  virtual void pin(const std::string& holder, const TopicPartition& source,
                   Offset oldest_needed) = 0;
  virtual void unpin(const std::string& holder, const TopicPartition& source) = 0;

  // --- events ---
  // `listener` is called after every commit that appended to `source` (not yet durable) and again
  // when such an append became durable; markers are appends, so moves of last_stable are told too.
  // It runs on the log's threads: it must not block nor call the log. Returns an id for
  // remove_listener, after which no call is running or will come.
  using Listener = std::function<void()>;
  virtual std::uint64_t add_listener(const TopicPartition& source, Listener listener) = 0;
  virtual void remove_listener(std::uint64_t id) = 0;
};

// Commits, again and again while the log is `overloaded`, for a few seconds: what stands in the way
// is mostly gone by then (writes on their way, a drain). `overloaded` after that, and the commit is
// as it was.
Result<Appended> commit_patiently(CommitPort& port, Commit& commit);

// Commits one batch, patiently, and waits until it is durable; the base offset it got.
Result<Offset> append_and_wait(Log& log, AppendBatch batch);

}  // namespace millrace::log
