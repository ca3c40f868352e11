#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/thread.h"
#include "log/shared_log.h"
#include "sim/kafka_model/process.h"

namespace millrace::kafka_model {

// A consumer as a group's member: joins, keeps its session alive, and calls the handler the way the
// Java client and librdkafka do with the cooperative-sticky assignor (KIP-429): revoked after the
// new generation's assignment is known and before the next join, which is what sets the revoked
// partitions free; lost when the coordinator does not know the member any more, before it joins
// again.
class ModelMember final : public log::GroupMember {
 public:
  ModelMember(Process& process, std::string group, std::vector<std::string> topics,
              std::string instance_id);
  ~ModelMember() override;

  Status poll(log::AssignmentHandler& handler) override;
  [[nodiscard]] log::GroupMembership membership() const override;
  Result<std::optional<log::GroupOffset>> committed_offset(const TopicPartition& source) override;

 private:
  enum class State : std::uint8_t { unjoined, joining, stable };

  ErrorCode ask(const std::function<ErrorCode()>& apply);
  ErrorCode join();
  ErrorCode take_assignment(log::AssignmentHandler& handler);
  void lose(log::AssignmentHandler& handler);
  void set_identity(const GroupCoordinator::Identity& identity);

  Process& process_;
  Cluster& cluster_;
  const std::string group_;
  const std::vector<std::string> topics_;
  const std::string instance_;
  State state_ = State::unjoined;
  std::set<TopicPartition> owned_;
  std::int64_t next_heartbeat_ns_ = 0;
  std::uint64_t join_number_ = 0;
  bool must_rejoin_ = false;
  mutable Mutex mutex_;
  GroupCoordinator::Identity identity_;  // guarded by mutex_
};

}  // namespace millrace::kafka_model
