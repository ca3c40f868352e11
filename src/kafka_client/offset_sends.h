#pragma once

#include <string>
#include <vector>

#include "kafka_client/coordinator_call.h"
#include "kafka_wire/transactions.h"
#include "log/shared_log.h"

namespace millrace::kafka_client {

// The group offsets of one transaction on their way to the groups' coordinators. One thread.
class OffsetSends {
 public:
  // The references outlive it. Removals of offsets are left out: Kafka has none in a transaction.
  // `membership`: null to be no member, which coordinators do not check.
  OffsetSends(Cluster& cluster, const Clock& clock, const TransactionScope& scope,
              const log::Commit& commit, const log::GroupMembership* membership);

  [[nodiscard]] bool empty() const { return groups_.empty(); }
  // Only without KIP-890's second protocol: makes the groups part of the transaction (its
  // coordinator is asked).
  Status enrol();
  // Sends without waiting for the answers, as far as that can be done at once.
  void start();
  // Until every coordinator has taken the offsets; sends what start() could not, and again what was
  // refused for the moment. Any error means that the transaction cannot be committed; `fenced` when
  // the epoch or the membership is somebody else's.
  Status finish();
  // Asks this broker alone, once: what it says. For the offsets of one group.
  Result<kafka_wire::ErrorCode> write_to(Connection& coordinator) {
    return write(groups_.front(), coordinator);
  }

 private:
  struct Group {
    kafka_wire::TxnOffsetCommitRequest request;
    BrokerPool::Lease lease;  // with a request that is not answered yet
  };
  [[nodiscard]] Result<std::int16_t> version(const Connection& connection) const;
  Result<kafka_wire::ErrorCode> receive(Connection& from);
  Result<kafka_wire::ErrorCode> write(const Group& group, Connection& to);
  Status finish(Group& group);

  Cluster& cluster_;
  const Clock& clock_;
  const TransactionScope& scope_;
  std::vector<Group> groups_;
};

}  // namespace millrace::kafka_client
