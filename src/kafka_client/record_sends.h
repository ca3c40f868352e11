#pragma once

#include <map>
#include <string>
#include <vector>

#include "codec/batch_stamp.h"
#include "kafka_client/coordinator_call.h"
#include "kafka_wire/produce.h"

namespace millrace::kafka_client {

// The next sequence number of each partition under one producer epoch.
using SequenceTable = std::map<TopicPartition, std::int32_t>;

// The records of one transaction on their way to their partitions: batches as they were appended,
// with the producer in their headers. One thread.
//
// A partition takes one batch per request (Kafka refuses more), so its batches go in requests that
// follow each other without waiting, up to the five that a broker recognises when they are
// repeated. What a broker refuses for the moment is sent again under the same sequence numbers.
class RecordSends {
 public:
  // The references outlive it; `sequences` counts on with what is added.
  RecordSends(Cluster& cluster, const Clock& clock, const TransactionScope& scope,
              SequenceTable& sequences)
      : cluster_(cluster), clock_(clock), scope_(scope), sequences_(sequences) {}

  // `batch` outlives it. `corrupt` and `invalid` when it is none of a pipeline's.
  Status add(const log::AppendBatch& batch);
  [[nodiscard]] bool empty() const { return batch_count_ == 0; }
  // As AddPartitionsToTxn wants them.
  [[nodiscard]] std::vector<kafka_wire::NamedPartitions> partitions() const;
  // Until all of them are acknowledged. Any error means that the transaction cannot be committed;
  // `fenced` when its epoch is somebody else's.
  Status run();

  // Per batch, in the order in which they were added, once run() has succeeded.
  struct Place {
    TopicPartition at;
    Offset base;
    Offset end;
  };
  [[nodiscard]] std::vector<Place> places() const;

 private:
  struct Item {
    codec::StampedBatch bytes;
    std::size_t index = 0;  // as added
    std::int32_t offset_count = 0;
    Offset base;
  };
  struct Partition {
    std::vector<Item> items;
    std::size_t acknowledged = 0;  // the first so many
  };
  using Partitions = std::map<TopicPartition, Partition>;
  // One request: partitions in order, with the place of the batch in their items.
  using Request = std::vector<std::pair<Partitions::iterator, std::size_t>>;
  struct ToLeader {
    std::vector<Request> requests;
    BrokerPool::Lease lease;
    std::size_t sent_count = 0;
  };
  using Wave = std::map<std::int32_t, ToLeader>;

  Result<Wave> plan();
  void send(std::int32_t node, ToLeader& to);
  Status receive(ToLeader& from);
  Status take_answer(const Request& request, const kafka_wire::ProduceResponse& response);
  Status take_answer(Partitions::iterator of, std::size_t item,
                     const kafka_wire::ProduceResponse::Partition& answer);
  void note_trouble(Status why, const Request& request);
  [[nodiscard]] kafka_wire::ProduceRequest encode(const Request& request) const;

  Cluster& cluster_;
  const Clock& clock_;
  const TransactionScope& scope_;
  SequenceTable& sequences_;
  Partitions partitions_;
  std::size_t batch_count_ = 0;
  Status trouble_;  // of the wave under way: why something must be sent again
};

}  // namespace millrace::kafka_client
