#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread.h"
#include "log/listeners.h"
#include "log/log.h"
#include "log/producer_state.h"
#include "log/segment.h"
#include "log/transaction_state.h"
#include "log/wal_files.h"

namespace millrace::log {

using SegmentList = std::vector<Segment>;

// One partition: the tail, which is batches that so far stand only in the WAL (and, the newest, in
// memory), behind the segments, to which the drain moves them. Offsets grow without overlap but may
// have gaps, where compaction dropped records.
//
// Threads: readers, the writer and the drain call at any time. What only the committing thread may
// touch is marked; it holds the log's commit lock.
class PartitionLog {
 public:
  struct Identity {
    TopicPartition source;
    std::uint64_t topic_id = 0;
    LogId log_id;
  };

  struct TailBatch {
    CommitSequence sequence;
    Offset base_offset;
    Offset next_offset;
    WallTime append_time;
    std::shared_ptr<const std::string> bytes;  // null once evicted
    std::shared_ptr<WalFile> file;             // null until written
    std::uint64_t wal_offset = 0;
    std::uint32_t batch_bytes = 0;
    WallTime max_timestamp;  // as of max_timestamp_of
  };

  // What a batch does to its producer's transaction.
  struct TransactionStep {
    enum class Kind : std::uint8_t { none, data, commit, abort };
    Kind kind = Kind::none;
    ProducerId producer;
  };

  PartitionLog(std::string folder, Identity identity, std::shared_ptr<ListenerSlot> listeners,
               std::shared_ptr<OpenSegments> open_segments);

  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] const ListenerSlot& listeners() const { return *listeners_; }
  [[nodiscard]] const std::shared_ptr<OpenSegments>& open_segments() const {
    return open_segments_;
  }

  // --- under the commit lock ---
  [[nodiscard]] Offset end() const { return end_; }
  [[nodiscard]] ProducerTable& producers() { return producers_; }
  [[nodiscard]] bool is_deleted() const { return is_deleted_; }
  void set_deleted() { is_deleted_ = true; }
  // Returns where the batch stands in the tail, for mark_written. No reader sees the batch without
  // its step.
  std::uint64_t append(TailBatch batch, const TransactionStep& step);
  [[nodiscard]] std::optional<Offset> transaction_start(ProducerId id) const;
  void encode_transactions(Encoder& to) const;
  // As of everything that is appended.
  [[nodiscard]] Offset stable_end() const;
  // Moves the start, never backwards. The caller respects the pins.
  void delete_before(Offset before);
  // Recovery only: as the checkpoint says.
  void restore(Offset start, Offset end, Offset compacted_to, SegmentList segments,
               ProducerTable producers, TransactionTable transactions);

  // --- the writer ---
  void mark_written(std::uint64_t tail_index, std::shared_ptr<WalFile> file,
                    std::uint64_t wal_offset);
  // Drops the bytes from memory; they are in the WAL or in a segment.
  void evict(std::uint64_t tail_index);

  // --- readers ---
  [[nodiscard]] Result<FetchResult> fetch(Offset from, std::size_t bytes_max,
                                          CommitSequence durable, Visibility visibility);
  [[nodiscard]] PartitionOffsets offsets(CommitSequence durable);
  [[nodiscard]] Offset start() const;
  [[nodiscard]] Result<Offset> offset_for_time(WallTime time, CommitSequence durable);
  [[nodiscard]] Result<std::optional<TimestampedOffset>> first_at_timestamp(WallTime timestamp,
                                                                            CommitSequence durable);
  [[nodiscard]] Result<std::optional<TimestampedOffset>> max_timestamp(CommitSequence durable);
  [[nodiscard]] std::vector<AbortedTransaction> aborted_transactions(Offset from,
                                                                     Offset until) const;
  [[nodiscard]] bool is_aborted(ProducerId id, Offset offset) const;

  // --- pins ---
  void pin(const std::string& holder, Offset oldest_needed);
  void unpin(const std::string& holder);
  // The oldest offset anybody needs; the largest there is without pins.
  [[nodiscard]] Offset oldest_pin() const;

  // --- the drain, one thread at a time ---
  struct DrainView {
    Offset start;
    Offset compacted_to;
    std::shared_ptr<const SegmentList> segments;
    std::vector<TailBatch> batches;  // up to the asked-for commit
  };
  [[nodiscard]] DrainView drain_view(CommitSequence through) const;
  // Replaces the segments, takes the batches up to `through` off the tail. After the checkpoint.
  void publish(SegmentList segments, CommitSequence through, Offset start, Offset compacted_to);
  [[nodiscard]] std::size_t tail_count() const;

 private:
  [[nodiscard]] Offset high_watermark(CommitSequence durable);
  [[nodiscard]] PartitionOffsets offsets_locked(CommitSequence durable);
  // Where a reader must stop.
  [[nodiscard]] Offset limit_of(const PartitionOffsets& offsets, Visibility visibility) const;
  void forget_transactions_below(Offset offset);
  // Says of each batch what it is. False when aborted transactions were forgotten since
  // `forget_count`: read again.
  bool classify(std::uint64_t forget_count, FetchResult& out) const;
  // Base offset of the first batch behind `from` with a record of that timestamp or later.
  Result<std::optional<Offset>> find_timestamp(Offset from, WallTime timestamp,
                                               CommitSequence durable);
  [[nodiscard]] Status check_range(Offset from, Offset limit) const;
  Status read_segments(const SegmentList& segments, Offset from, std::size_t bytes_max,
                       FetchResult& out) const;
  void collect_tail(Offset from, Offset limit, std::size_t bytes_max,
                    std::vector<TailBatch>& out) const;

  const std::string folder_;
  const Identity identity_;
  const std::shared_ptr<ListenerSlot> listeners_;
  const std::shared_ptr<OpenSegments> open_segments_;

  // Under the commit lock; end_ is written under mutex_ as well.
  ProducerTable producers_;
  bool is_deleted_ = false;

  mutable Mutex mutex_;
  TransactionTable transactions_;
  std::uint64_t forget_count_ = 0;  // how often transactions_ forgot something
  Offset start_{0};
  Offset end_{0};
  Offset segments_end_{0};  // everything below is in segments_, the rest in tail_
  Offset compacted_to_{0};
  std::shared_ptr<const SegmentList> segments_ = std::make_shared<const SegmentList>();
  std::uint64_t segment_bytes_total_ = 0;
  std::deque<TailBatch> tail_;
  std::uint64_t tail_first_index_ = 0;  // of tail_.front()
  std::uint64_t tail_bytes_ = 0;
  std::uint64_t durable_index_ = 0;  // first batch not known to be durable
  std::map<std::string, Offset> pins_;
};

// The batch's bytes from memory or from the WAL, checked in the latter case.
Result<FetchedBatch> read_tail_batch(const PartitionLog::TailBatch& batch);

}  // namespace millrace::log
