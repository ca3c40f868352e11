#include "broker/coordinators.h"

#include <utility>

namespace millrace::broker {

using kafka_wire::ErrorCode;

class Coordinators::Staged final : public StagedOffsets {
 public:
  explicit Staged(const Coordinators& owner) : owner_(owner) {}
  [[nodiscard]] bool has_staged(const std::string& group,
                                const TopicPartition& partition) const override {
    return owner_.transactions_->has_staged(group, partition);
  }

 private:
  const Coordinators& owner_;
};

Coordinators::Coordinators(const Ports& ports, GroupCoordinatorOptions groups)
    : clock_(ports.clock), logger_(ports.logger), staged_(std::make_unique<Staged>(*this)) {
  groups_ = std::make_unique<GroupCoordinator>(
      std::move(groups),
      GroupCoordinator::Ports{.log = ports.log,
                              .durable = ports.durable,
                              .topic_ids = ports.topic_ids,
                              .clock = ports.clock,
                              .logger = ports.logger,
                              .staged = staged_.get(),
                              .wake = [this](MonotonicTime at) { wake(groups_due_, at); }});
  transactions_ = std::make_unique<TransactionCoordinator>(
      TransactionCoordinatorOptions(),
      TransactionCoordinator::Ports{
          .log = ports.log,
          .durable = ports.durable,
          .clock = ports.clock,
          .stage_offsets =
              [this](const kafka_wire::TxnOffsetCommitRequest& request,
                     const std::function<ErrorCode()>& stage) {
                return groups_->stage_offsets({.group_id = request.group_id,
                                               .generation_id = request.generation_id,
                                               .member_id = request.member_id,
                                               .group_instance_id = request.group_instance_id},
                                              stage);
              },
          .wake = [this](MonotonicTime at) { wake(transactions_due_, at); }});
}

Coordinators::~Coordinators() {
  stop();
}

void Coordinators::wake(std::optional<DueThread>& thread, MonotonicTime at) {
  if (are_threads_running_) thread->wake(at);
}

Status Coordinators::start() {
  MR_RETURN_IF_ERROR(transactions_->start());
  MR_RETURN_IF_ERROR(groups_->start());
  for (const auto& note : groups_->notes()) logger_.warn(note);
  groups_due_.emplace(clock_, [this] { return groups_->run_due(); });
  transactions_due_.emplace(clock_, [this] { return transactions_->run_due(); });
  are_threads_running_ = true;
  return ok_status();
}

void Coordinators::stop() {
  groups_->stop();
  if (groups_due_) groups_due_->stop();
  if (transactions_due_) transactions_due_->stop();
}

}  // namespace millrace::broker
