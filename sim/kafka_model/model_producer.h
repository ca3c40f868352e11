#pragma once

#include <map>
#include <optional>
#include <string>

#include "log/shared_log.h"
#include "sim/kafka_model/process.h"

namespace millrace::kafka_model {

// A client's transactional producer (KIP-98, KIP-447), without what librdkafka repeats on its own:
// a request whose fate is unknown makes the outcome unknown. Only answers that say for certain that
// nothing was done are asked again.
class ModelProducer final : public log::TransactionalProducer {
 public:
  ModelProducer(Process& process, std::string transactional_id)
      : process_(process), cluster_(process.cluster()), id_(std::move(transactional_id)) {}

  Status initialize() override;
  log::TransactionOutcome commit(const log::Commit& commit,
                                 const log::GroupMembership& membership) override;
  Result<std::optional<log::GroupOffset>> decided_offset(const std::string& group,
                                                         const TopicPartition& source) override;
  [[nodiscard]] const std::string& transactional_id() const override { return id_; }

 private:
  ErrorCode to_coordinator(int broker, const std::function<ErrorCode()>& apply);
  ErrorCode send_records(const log::Commit& commit);
  ErrorCode send_offsets(const log::Commit& commit, const log::GroupMembership& membership);
  log::TransactionOutcome abort(ErrorCode because);

  Process& process_;
  Cluster& cluster_;
  const std::string id_;
  ProducerEpochOf producer_;
  std::map<TopicPartition, std::int32_t> next_sequence_;
  std::optional<std::uint64_t> coordinator_epoch_;
};

}  // namespace millrace::kafka_model
