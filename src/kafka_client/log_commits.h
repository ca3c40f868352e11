#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/thread.h"
#include "kafka_client/admin.h"
#include "kafka_client/partition_readers.h"
#include "kafka_client/producer.h"

namespace millrace::kafka_client {

// The log's own commits, outside of any slot: administration data, registries. One transaction
// each, one after the other. Thread-safe.
class LogCommits {
 public:
  // The references outlive it.
  LogCommits(const KafkaLogOptions& options, const Clock& clock, Admin& admin, Cluster& cluster,
             PartitionReaders& readers);

  // As log::CommitPort::commit; what it appended is committed when it returns, and can be read.
  Result<log::Appended> commit(log::Commit&& commit);
  [[nodiscard]] log::CommitSequence last_sequence() const;
  // What was known of the topic is so no more.
  void forget(const std::string& topic);

 private:
  Status check(const log::Commit& commit);
  Status check(const log::AppendBatch& batch);
  Result<log::TopicConfig> config_of(const std::string& topic);
  Status send(const log::Commit& commit);
  Status remove_offsets(const log::Commit& commit);

  const Clock& clock_;
  Admin& admin_;
  PartitionReaders& readers_;
  mutable Mutex mutex_;
  Producer producer_;           // guarded by mutex_
  std::uint64_t sequence_ = 0;  // guarded by mutex_
  struct Known {
    log::TopicConfig config;
    MonotonicTime since;
  };
  Mutex known_mutex_;
  std::map<std::string, Known> known_;  // guarded by known_mutex_
};

}  // namespace millrace::kafka_client
