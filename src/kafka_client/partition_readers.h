#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/thread.h"
#include "kafka_client/admin.h"
#include "kafka_client/cursor.h"
#include "log/listeners.h"

namespace millrace::kafka_client {

// What makes reading stateless: finds a cursor for every fetch (README.md), and tells listeners
// what arrives at them. Thread-safe.
class PartitionReaders final : public ArrivalSink {
 public:
  // The references outlive it.
  PartitionReaders(const KafkaLogOptions& options, const Clock& clock, Admin& admin);
  ~PartitionReaders() override;
  PartitionReaders(const PartitionReaders&) = delete;
  PartitionReaders& operator=(const PartitionReaders&) = delete;

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
  struct Slot {
    std::size_t channel = 0;
    std::unique_ptr<Cursor> cursor;
    bool is_busy = false;
    MonotonicTime used_at;
  };
  struct Partition {
    Offset start;
    Offset known_end;
    std::vector<std::unique_ptr<Slot>> slots;
  };

  void arrived(const TopicPartition& source) override;
  void run_news();
  void stop_idle();
  Result<Slot*> take_slot(const TopicPartition& source, Offset from);
  Result<Slot*> new_slot(Partition& partition, const TopicPartition& source);
  Result<Handle*> channel(std::size_t index);

  const KafkaLogOptions& options_;
  const Clock& clock_;
  Admin& admin_;
  log::ListenerTable listeners_;

  Mutex mutex_;
  Condition freed_;
  // A handle can read a partition once; a second cursor of one needs another handle.
  std::vector<std::unique_ptr<Handle>> channels_;   // guarded by mutex_
  std::map<TopicPartition, Partition> partitions_;  // guarded by mutex_

  Mutex news_mutex_;
  Condition has_news_;
  std::set<TopicPartition> news_;  // guarded by news_mutex_
  bool is_stopping_ = false;       // guarded by news_mutex_
  Thread news_thread_;
};

}  // namespace millrace::kafka_client
