#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kafka_client/offset_sends.h"
#include "kafka_client/record_sends.h"
#include "log/shared_log.h"

namespace millrace::kafka_client {

// Transactions under one transactional id. One thread at a time.
class Producer final : public log::TransactionalProducer {
 public:
  // Told of every batch that was committed: its partition, and the offset behind it.
  using Committed = std::function<void(const TopicPartition& at, Offset end)>;

  // The references outlive it.
  Producer(const KafkaLogOptions& options, const Clock& clock, Cluster& cluster,
           Committed committed, std::string transactional_id)
      : options_(options),
        clock_(clock),
        cluster_(cluster),
        committed_(std::move(committed)),
        id_(std::move(transactional_id)) {}

  Status initialize() override;
  log::TransactionOutcome commit(const log::Commit& commit,
                                 const log::GroupMembership& membership) override;
  Result<std::optional<log::GroupOffset>> decided_offset(const std::string& group,
                                                         const TopicPartition& source) override;
  [[nodiscard]] const std::string& transactional_id() const override { return id_; }

  // The same with offsets of any group, whose coordinator is told no member and so checks none.
  log::TransactionOutcome commit_unchecked(const log::Commit& commit);
  // Of the last commit: why it failed; of one that did not, where its batches came to lie.
  [[nodiscard]] const Status& failure() const { return failure_; }
  [[nodiscard]] const std::vector<Offset>& base_offsets() const { return base_offsets_; }

 private:
  log::TransactionOutcome run(const log::Commit& commit, const log::GroupMembership* membership);
  Result<kafka_wire::ErrorCode> write_nothing(const std::string& group,
                                              const TopicPartition& source, Connection& coordinator,
                                              MonotonicTime until);
  Status send(const TransactionScope& scope, RecordSends& records, OffsetSends& offsets);
  Status enrol(const TransactionScope& scope, const RecordSends& records);
  log::TransactionOutcome end(const TransactionScope& scope);
  log::TransactionOutcome give_up(Status why);
  Result<kafka_wire::EndTxnResponse> ask_end(Connection& coordinator, bool is_commit,
                                             MonotonicTime deadline);
  [[nodiscard]] MonotonicTime deadline() const;

  const KafkaLogOptions& options_;
  const Clock& clock_;
  Cluster& cluster_;
  const Committed committed_;
  const std::string id_;
  bool must_initialize_ = true;
  bool is_v2_ = false;
  log::ProducerIdentity identity_;
  SequenceTable sequences_;
  MonotonicTime markers_until_{0};  // until then the last commit's may still be missing
  // Of the last transaction.
  std::vector<Offset> base_offsets_;
  Status failure_;
};

}  // namespace millrace::kafka_client
