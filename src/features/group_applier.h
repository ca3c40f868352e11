#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "codec/record_batch.h"
#include "features/feature_record.h"
#include "features/online_store.h"
#include "features/store_format.h"
#include "log/log.h"

namespace millrace::features {

// What became of the topic's records since the process started.
struct ApplyCounters {
  std::uint64_t applied = 0;     // read, whatever became of them
  std::uint64_t historic = 0;    // not newer than what there was
  std::uint64_t unreadable = 0;  // no feature record; passed over
  std::uint64_t rebuilds = 0;    // the group was made again from its topic
};

struct GroupProgress {
  GroupPosition position;
  ApplyCounters counters;
  std::string last_unreadable;  // "topic/0/17: what is wrong"
  // Everything has been applied that was durable when the group was opened (or its topic was made
  // again): reads no longer go back behind what was seen before a restart.
  bool has_caught_up = false;
  Status failure;  // nothing more is applied
};

// Brings what is durable in a group's topic into the store (R17), in offset order per partition.
// Records and the offset behind them go into one StoreChange, so a restart goes on exactly there.
//
// The store's part of the group is dropped and made again from the topic when it is missing, of
// another format, compared by another event time, or of another topic: one deleted and created
// again, or one whose batches differ from those applied (a log restored from a backup).
//
// One thread, except for what says otherwise. `log` and `store` outlive it.
class GroupApplier {
 public:
  GroupApplier(log::Log& log, OnlineStore& store, FeatureGroup group);

  // Once, before anything else. Pins the topic, so that retention leaves it whole (R7).
  Status open();
  // Applies the next stretch of every partition; false when there was nothing. After
  // `disconnected` and `overloaded`, which a log on other machines may say, the next call goes on
  // where this one was. Any other error is for good: step() is not called again, and reads are
  // answered with it.
  Result<bool> step();

  // Any thread.
  [[nodiscard]] const FeatureGroup& group() const { return group_; }
  [[nodiscard]] GroupProgress progress() const;
  [[nodiscard]] bool is_readable() const { return is_readable_.load(); }

  // Of the applying thread.
  [[nodiscard]] bool has_failed() const { return has_failed_; }

 private:
  struct Candidate {
    EventTime event_time;
    std::int64_t revision = 0;
    std::string json;
  };

  [[nodiscard]] TopicPartition partition(std::size_t index) const;
  Result<bool> step_partitions();
  Status start_over(const log::TopicInfo& topic);
  Result<bool> belongs(const GroupPosition& stored, const log::TopicInfo& topic) const;
  Result<bool> is_same_history(std::size_t index, const PartitionPosition& stored) const;
  Status take_new_partitions(const log::TopicInfo& topic, GroupPosition& position) const;
  Status set_targets();
  [[nodiscard]] bool is_same_topic() const;
  Result<bool> apply_partition(std::size_t index);
  Status collect(std::size_t index, const log::FetchedBatch& batch, GroupPosition& after);
  Status write(GroupPosition& after);
  void publish();

  log::Log& log_;
  OnlineStore& store_;
  const FeatureGroup group_;
  FeatureDecoder decoder_;
  codec::BatchReader reader_;
  GroupPosition position_;
  std::vector<Offset> targets_;  // reached by all partitions: caught up
  bool has_failed_ = false;
  ApplyCounters counters_;
  std::string last_unreadable_;
  // The newest of each id in the stretch at hand.
  std::unordered_map<std::string, Candidate> candidates_;

  mutable Mutex mutex_;
  GroupProgress published_;  // guarded by mutex_
  std::atomic<bool> is_readable_{false};
};

}  // namespace millrace::features
