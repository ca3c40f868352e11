#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/thread.h"
#include "kafka_client/cluster.h"
#include "kafka_client/cursor.h"
#include "log/listeners.h"

namespace millrace::kafka_client {

// What makes reading stateless: finds a cursor for every fetch (README.md), reads ahead of them
// with a thread per broker, and tells listeners what arrives at them. Thread-safe.
class PartitionReaders {
 public:
  // The references outlive it.
  PartitionReaders(const KafkaLogOptions& options, const Clock& clock, Cluster& cluster)
      : options_(options), clock_(clock), cluster_(cluster) {}
  ~PartitionReaders();
  PartitionReaders(const PartitionReaders&) = delete;
  PartitionReaders& operator=(const PartitionReaders&) = delete;

  // As Log::fetch, of what is committed. Waits request_timeout_ms at most, and only while it does
  // not know what comes at `from`, or is below an offset up to which everything is known to be
  // committed; `disconnected` then.
  Result<log::FetchResult> fetch(const TopicPartition& source, Offset from, std::size_t bytes_max);
  // Everything below `end` is committed: a fetch below it waits until it has come. Nothing is left
  // below `start`.
  void note_bounds(const TopicPartition& source, Offset start, Offset end);
  // What the brokers say that the bounds are.
  void set_bounds(const TopicPartition& source, Offset start, Offset end);
  // The topic is gone, or another one by now.
  void forget(const std::string& topic);

  std::uint64_t add_listener(const TopicPartition& source, log::Log::Listener listener) {
    return listeners_.add(source, std::move(listener));
  }
  void remove_listener(std::uint64_t id) { listeners_.remove(id); }
  // As if records had arrived.
  void notify(const TopicPartition& source) { listeners_.slot(source)->notify(); }

 private:
  using Lock = std::unique_lock<Mutex>;
  static constexpr std::int32_t kNoNode = -1;

  struct Partition {
    Offset start;
    Offset known_end;
    Offset high_watermark;
    std::int32_t node = kNoNode;  // who is read from
    bool is_replica = false;      // which does not lead
    MonotonicTime replica_until;  // then the leader is asked again
    kafka_wire::Uuid topic_id;    // as read so far; zero: not known
    std::int32_t leader_epoch = -1;
    std::vector<std::shared_ptr<Cursor>> cursors;
  };
  using Partitions = std::map<TopicPartition, Partition>;
  // The thread that reads from one broker, again and again.
  struct Loop {
    Thread thread;
    Connection* connection = nullptr;  // while one is open; guarded by mutex_
  };
  using Cursors = std::vector<std::shared_ptr<Cursor>>;

  // --- for callers; with the lock held ---
  std::shared_ptr<Cursor> take_cursor(Lock& lock, const TopicPartition& source, Offset from);
  Status wait_for_batches(Lock& lock, const TopicPartition& source,
                          const std::shared_ptr<Cursor>& cursor);
  void read_alone(Lock& lock, const TopicPartition& source, const std::shared_ptr<Cursor>& cursor,
                  int wait_ms, MonotonicTime deadline);
  void drop(const TopicPartition& source, const Cursor& cursor);

  // --- partition_reader_answers.cc: for both; with the lock held ---
  // Finds out who is to be read from; without the lock meanwhile.
  Status locate(Lock& lock, const TopicPartition& source, MonotonicTime deadline);
  // Not while its partition was forgotten, or it was replaced, since it was asked for.
  [[nodiscard]] bool is_current(const TopicPartition& source, const Cursor& cursor) const;
  // True if batches came, or something that a reader must hear of.
  bool take_answer(const TopicPartition& source, Cursor& cursor, FetchAnswer& answer);
  void lose_node(const TopicPartition& source);
  [[nodiscard]] FetchAsk ask_of(const TopicPartition& source, const Partition& partition,
                                const Cursor& cursor) const;

  // --- partition_reader_loops.cc ---
  void start_loop(std::int32_t node);
  void run_loop(std::int32_t node, Loop& loop);
  void read_round(Lock& lock, std::int32_t node, Loop& loop, BrokerPool::Lease& lease);
  Status open(Lock& lock, std::int32_t node, Loop& loop, BrokerPool::Lease& lease);
  // `of`: whose asks they are.
  std::vector<FetchAsk> collect(std::int32_t node, Cursors& of);
  void take_answers(Lock& lock, const std::vector<FetchAsk>& asks, const Cursors& of,
                    Result<std::vector<FetchAnswer>> answers);
  void locate_lost(Lock& lock);
  void stop_idle();

  const KafkaLogOptions& options_;
  const Clock& clock_;
  Cluster& cluster_;
  log::ListenerTable listeners_;

  Mutex mutex_;
  Condition changed_;      // a cursor got something, or is free
  Condition wants_more_;   // a loop has something to ask
  Partitions partitions_;  // guarded by mutex_, as all that follows
  std::map<std::int32_t, std::unique_ptr<Loop>> loops_;
  std::uint64_t round_ = 0;
  bool is_stopping_ = false;
};

}  // namespace millrace::kafka_client
