#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "log/log.h"
#include "model/topic.h"
#include "sim/event.h"
#include "sim/world.h"

namespace millrace::sim {

// An idempotent producer of one partition, as a Kafka client is one: batches have sequence numbers,
// up to a few are on their way, and what is not acknowledged is sent again, unchanged, until it is,
// whatever crashed meanwhile.
class Producer {
 public:
  Producer(World& world, TopicPartition to, std::int32_t partition_count, std::uint64_t seed);

  // A thread's body: returns when all events are acknowledged, or the world ends.
  void run();

  [[nodiscard]] const TopicPartition& to() const { return to_; }
  // What was acknowledged, by offset.
  [[nodiscard]] const std::map<std::int64_t, EventRecord>& acknowledged() const {
    return acknowledged_;
  }
  [[nodiscard]] bool is_done() const { return events_left_ == 0 && pending_.empty(); }

 private:
  struct Batch {
    std::string bytes;
    std::vector<EventRecord> records;
    bool was_taken = false;  // by a log, once
  };
  struct Sent {
    log::CommitSequence sequence;
    Offset base_offset;
  };

  void make_batch();
  EventRecord make_record();
  Event make_event();
  [[nodiscard]] std::int64_t next_time_us();
  void send(log::Log& log);
  bool send_one(log::Log& log, Batch& batch, Sent& sent);
  void acknowledge(const Batch& batch, Offset base_offset);
  void repeat_last(log::Log& log);

  World& world_;
  const TopicPartition to_;
  Random random_;
  std::vector<std::string> keys_;  // of this partition
  std::optional<log::ProducerIdentity> identity_;
  std::int32_t next_sequence_ = 0;
  std::deque<Batch> pending_;
  std::optional<std::pair<Batch, Offset>> last_;  // the newest acknowledged
  std::map<std::int64_t, EventRecord> acknowledged_;
  int events_left_ = 0;
  int jumps_left_ = 0;
  std::int64_t jump_us_ = 0;
  std::int64_t progress_us_ = 0;
  std::uint64_t event_count_ = 0;
  std::deque<Event> recent_;
};

}  // namespace millrace::sim
