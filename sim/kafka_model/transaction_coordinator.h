#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/topic.h"
#include "sim/kafka_model/protocol.h"

namespace millrace::kafka_model {

// The transaction coordinator's state machine (KIP-98; TransactionMetadata.scala has the states).
// Markers are written later, partition by partition, by whoever drives `marker_written`. The
// cluster's lock guards it.
class TransactionCoordinator {
 public:
  static constexpr std::int64_t kTransactionTimeoutNs = 5'000'000'000;

  // What a decided transaction has to be told to.
  struct Decision {
    std::string transactional_id;
    ProducerEpochOf producer;
    bool is_commit = false;
    std::set<TopicPartition> partitions;
    std::set<std::string> groups;
  };
  using Decisions = std::vector<Decision>;

  // Ends what the id has open, first with a new epoch and an abort, answering
  // concurrent_transactions until its markers are written; then gives a new epoch. A decided commit
  // is completed, never undone.
  ErrorCode init_producer_id(const std::string& id, ProducerEpochOf& producer,
                             Decisions& decisions);
  ErrorCode add_partitions(const std::string& id, ProducerEpochOf producer,
                           const std::set<TopicPartition>& partitions, std::int64_t now_ns);
  ErrorCode add_group(const std::string& id, ProducerEpochOf producer, const std::string& group,
                      std::int64_t now_ns);
  // Idempotent: the same outcome again is fine.
  ErrorCode end(const std::string& id, ProducerEpochOf producer, bool is_commit,
                Decisions& decisions);
  // Kafka 3.6 and later (KIP-890, first part): the leader of a partition asks whether it is in the
  // producer's transaction before it takes a batch.
  [[nodiscard]] ErrorCode verify(ProducerEpochOf producer, const TopicPartition& partition) const;
  // The epoch is raised first, then the transaction is aborted.
  void expire(std::int64_t now_ns, Decisions& decisions);

  [[nodiscard]] bool is_any_open() const;

  void marker_written(const std::string& id, const TopicPartition& partition);
  void offsets_written(const std::string& id, const std::string& group);

 private:
  enum class State : std::uint8_t { empty, ongoing, prepare_commit, prepare_abort, complete };
  struct Transaction {
    ProducerEpochOf producer;
    State state = State::empty;
    bool was_commit = false;
    std::int64_t deadline_ns = 0;
    std::set<TopicPartition> partitions;
    std::set<std::string> groups;
  };

  ErrorCode begin(const std::string& id, ProducerEpochOf producer, std::int64_t now_ns);
  static void decide(const std::string& id, Transaction& transaction, bool is_commit,
                     Decisions& decisions);
  static void complete_if_done(Transaction& transaction);

  std::map<std::string, Transaction> transactions_;
  std::int64_t next_producer_id_ = 1'000'000;
};

}  // namespace millrace::kafka_model
