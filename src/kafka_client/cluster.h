#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "kafka_client/broker_pool.h"
#include "kafka_wire/wire_types.h"
#include "model/topic.h"

namespace millrace::kafka_client {

enum class CoordinatorKind : std::int8_t { group = 0, transaction = 1 };  // as FindCoordinator's

// Which broker leads a partition, and which coordinates a group or a transactional id: what the
// brokers said last, asked again once it was forgotten. Thread-safe.
class Cluster {
 public:
  struct Leader {
    std::int32_t node = -1;
    std::int32_t epoch = -1;
    kafka_wire::Uuid topic_id;  // zero where brokers have none
  };

  // `pool` and `clock` outlive it.
  Cluster(BrokerPool& pool, const Clock& clock) : pool_(pool), clock_(clock) {}

  [[nodiscard]] BrokerPool& brokers() { return pool_; }
  // `not_found` as soon as a broker does not know the topic or the partition. While there is no
  // leader it asks again, until the deadline.
  Result<Leader> leader(const TopicPartition& of, MonotonicTime deadline);
  // After an error that says that what is known is out of date.
  void forget(const std::string& topic);

  Result<std::int32_t> coordinator(CoordinatorKind kind, const std::string& key,
                                   MonotonicTime deadline);
  void forget_coordinator(CoordinatorKind kind, const std::string& key);

 private:
  struct Topic {
    kafka_wire::Uuid id;
    std::vector<Leader> leaders;  // by partition; node -1: has none
  };
  Status ask_for_topic(const std::string& name, MonotonicTime deadline);
  Result<std::int32_t> ask_for_coordinator(CoordinatorKind kind, const std::string& key,
                                           MonotonicTime deadline);
  // The leader that is known, node -1 if there is none; `not_found` for a partition too many, and
  // nothing known at all is no error.
  Result<Leader> known_leader(const TopicPartition& of);

  BrokerPool& pool_;
  const Clock& clock_;
  Mutex mutex_;
  std::map<std::string, Topic> topics_;  // guarded by mutex_
  std::map<std::pair<CoordinatorKind, std::string>, std::int32_t> coordinators_;  // guarded by
                                                                                  // mutex_
};

}  // namespace millrace::kafka_client
