#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/status.h"
#include "base/thread.h"
#include "lake/delivery.h"
#include "log/shared_log.h"
#include "runtime/slot_committer.h"

namespace millrace::lake {

struct SinkOwnershipOptions {
  std::string group;  // of the sink
  std::string topic;  // that is delivered
  // Stable per process, unique in the cluster, without '/': the transactional id is made of it.
  std::string process;
  bool is_static_member = true;  // keeps its partitions over a quick restart
};

// Which partitions of a sink this process delivers, on a log that several processes share: a member
// of the sink's group, and the transactions of its deliveries (rules R2 to R5; decision 0005 has
// the protocol, which is the stages' own). Nothing of a partition is committed once it was dealt to
// somebody else: every commit carries the group's offset under the generation it was begun in.
//
// Thread-safe. A thread of its own answers the group, another one commits.
class SinkOwnership final : private log::AssignmentHandler {
 public:
  // `log` and `clock` outlive it. Joins at once.
  SinkOwnership(log::SharedLog& log, const Clock& clock, SinkOwnershipOptions options);
  ~SinkOwnership() override;  // stop()
  SinkOwnership(const SinkOwnership&) = delete;
  SinkOwnership& operator=(const SinkOwnership&) = delete;

  // Leaves, and ends every wait for a commit. What is claimed later takes none.
  void stop();

  // The right to deliver a partition; the one that was claimed before ends. nullopt when it is
  // somebody else's. `overloaded` and `disconnected`: it is ours, but what its last owner has open
  // has not ended, or nobody answers: ask again.
  Result<std::optional<DeliveryClaim>> claim(std::int32_t partition);
  // Whether the group has dealt the partition to this process, claimed or not.
  [[nodiscard]] bool has(std::int32_t partition) const { return find(partition) != nullptr; }
  // Whether what was claimed last still takes commits.
  [[nodiscard]] bool holds(std::int32_t partition) const;

 private:
  struct Owned {
    std::shared_ptr<runtime::SlotCommitter::Port> port;
    // Once per assignment, as two that fence each other would never get anything through.
    std::set<std::string> fenced_owners;
  };

  void assigned(const std::vector<TopicPartition>& partitions) override;
  void revoked(const std::vector<TopicPartition>& partitions) override;
  void lost(const std::vector<TopicPartition>& partitions) override;
  void give_up(const std::vector<TopicPartition>& partitions);
  void run_member();
  [[nodiscard]] std::shared_ptr<Owned> find(std::int32_t partition) const;
  Status end_last_owner(Owned& owned, const std::string& metadata);

  log::SharedLog& log_;
  const SinkOwnershipOptions options_;
  const std::unique_ptr<log::GroupMember> member_;
  runtime::SlotCommitter committer_;
  mutable Mutex mutex_;  // guards what follows, and the ports of what is owned
  Condition changed_;
  std::map<std::int32_t, std::shared_ptr<Owned>> owned_;
  bool is_stopping_ = false;
  Thread thread_;
};

}  // namespace millrace::lake
