#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log_line.h"
#include "base/status.h"
#include "base/time.h"
#include "broker/any_group.h"
#include "broker/client.h"
#include "broker/group_limits.h"
#include "broker/topic_ids.h"
#include "kafka_wire/consumer_group.h"
#include "kafka_wire/group_admin.h"
#include "kafka_wire/group_membership.h"
#include "kafka_wire/group_offsets.h"
#include "log/durable_answers.h"
#include "log/log.h"

namespace millrace::broker {

// Names are Kafka's broker settings, where there is one.
struct GroupCoordinatorOptions {
  GroupLimits limits = {};
  std::int64_t offsets_retention_ms = 7 * 86'400'000LL;  // offsets.retention.minutes; -1: for ever
  std::int64_t offsets_retention_check_interval_ms = 600'000;  // ...check.interval.ms
  std::size_t offset_metadata_bytes_max = 4096;                // offset.metadata.max.bytes
  std::size_t groups_max = 10'000;
  std::size_t offsets_per_group_max = 50'000;       // committed since the start
  std::size_t all_groups_bytes_max = 64 << 20;      // of members' protocols and assignments
  std::int64_t topics_refresh_interval_ms = 1'000;  // how late consumer groups hear of new topics
  // Makes member ids unique: random, another one at every start.
  std::uint64_t member_id_seed = 0;
};

// Which offsets a transaction has staged and whose outcome is not durable yet: after `false`, the
// log's group offsets have what was committed. The transaction coordinator. Thread-safe; called
// with no lock of the group coordinator held.
class StagedOffsets {
 public:
  virtual ~StagedOffsets() = default;
  [[nodiscard]] virtual bool has_staged(const std::string& group,
                                        const TopicPartition& partition) const = 0;
};

struct GroupCounts {
  std::size_t groups = 0;
  std::size_t members = 0;
  std::size_t pending_members = 0;  // told their member id, not yet come back with it (KIP-394)
  std::size_t waiting_answers = 0;  // joins and syncs
  std::size_t bytes = 0;            // of members' protocols and assignments
  std::uint64_t rebalances = 0;     // generations begun since the start
};

// Kafka's group coordinator: membership of consumer groups and their committed offsets.
//
// A classic group's generation, members, protocols and assignment are one record of the internal
// topic `millrace.broker.groups` (docs/formats/group_metadata.md), a consumer group (KIP-848) is
// one and one more for each member; offsets are the log's own. Whatever an answer reveals is
// durable before it goes out. After a restart members go on where they were, with a full session
// timeout to come back.
//
// An empty group becomes one of the other protocol when a member of that joins. One with members
// does not: they cannot be of both at once.
//
// Groups named `millrace.*` belong to pipelines: clients may read their offsets and nothing else
// (GROUP_AUTHORIZATION_FAILED).
//
// Threads: every method from any thread. An answer is given exactly once, inline or later, on the
// calling thread, on that of run_due() or stop(), or on that of DurableAnswers; never with a lock
// of this object held, so it may call back; it must not block. Before start() and after stop()
// every answer is COORDINATOR_NOT_AVAILABLE.
class GroupCoordinator {
 public:
  template <typename Response>
  using Answer = std::function<void(Response)>;

  // All outlive the coordinator. `staged` may be null: no transactions.
  // `wake(at)`: run_due() has to be called by then, earlier than its last return value said; called
  // from any method, with no lock held.
  struct Ports {
    log::Log& log;
    log::DurableAnswers& durable;
    const TopicIds& topic_ids;
    const Clock& clock;
    Logger logger;
    const StagedOffsets* staged = nullptr;
    std::function<void(MonotonicTime at)> wake;
  };

  GroupCoordinator(GroupCoordinatorOptions options, Ports ports);
  ~GroupCoordinator();
  GroupCoordinator(const GroupCoordinator&) = delete;
  GroupCoordinator& operator=(const GroupCoordinator&) = delete;

  // Creates the topic where it is missing and reads all groups. A record that cannot be read is
  // reported in notes() and its group left out. Blocks; once.
  Status start();
  // Answers what waits, refuses what comes later. Idempotent.
  void stop();
  // What start() found wrong, one sentence each.
  [[nodiscard]] std::vector<std::string> notes() const;

  // Expires members, ends delayed joins, drops expired offsets. When it has to be called again at
  // the latest; `wake` may call for it earlier.
  MonotonicTime run_due();

  // --- classic membership. `version` is that of the request ---
  void join(kafka_wire::JoinGroupRequest request, std::int16_t version, const Client& client,
            Answer<kafka_wire::JoinGroupResponse> answer);
  void sync(kafka_wire::SyncGroupRequest request, Answer<kafka_wire::SyncGroupResponse> answer);
  void heartbeat(const kafka_wire::HeartbeatRequest& request,
                 Answer<kafka_wire::HeartbeatResponse> answer);
  void leave(const kafka_wire::LeaveGroupRequest& request, std::int16_t version,
             Answer<kafka_wire::LeaveGroupResponse> answer);

  // --- membership of the consumer protocol (KIP-848) ---
  void consumer_heartbeat(kafka_wire::ConsumerGroupHeartbeatRequest request, std::int16_t version,
                          const Client& client,
                          Answer<kafka_wire::ConsumerGroupHeartbeatResponse> answer);

  // --- offsets; `version` is that of the request ---
  // A partition that does not exist gets UNKNOWN_TOPIC_OR_PARTITION, the others are committed.
  void commit_offsets(kafka_wire::OffsetCommitRequest request, std::int16_t version,
                      Answer<kafka_wire::OffsetCommitResponse> answer);
  // `version` 8 and above: several groups.
  void fetch_offsets(const kafka_wire::OffsetFetchRequest& request, std::int16_t version,
                     Answer<kafka_wire::OffsetFetchResponse> answer);
  void delete_offsets(const kafka_wire::OffsetDeleteRequest& request,
                      Answer<kafka_wire::OffsetDeleteResponse> answer);

  // For TxnOffsetCommit (KIP-447). When the claim is good, calls `stage` before any other
  // generation can begin, so that whoever owns the partitions next sees the staged offsets;
  // returns the claim's error, or what `stage` returned. `stage` runs under a lock of this object:
  // it must not block nor call the coordinator. It may take a lock under which has_staged() runs.
  kafka_wire::ErrorCode stage_offsets(const GroupMemberClaim& claim,
                                      const std::function<kafka_wire::ErrorCode()>& stage);

  // --- administration ---
  // `version` 6 and above: GROUP_ID_NOT_FOUND instead of a group that is "Dead".
  void describe(const kafka_wire::DescribeGroupsRequest& request, std::int16_t version,
                Answer<kafka_wire::DescribeGroupsResponse> answer);
  // GROUP_ID_NOT_FOUND for a group that is not of the consumer protocol.
  void consumer_describe(const kafka_wire::ConsumerGroupDescribeRequest& request,
                         Answer<kafka_wire::ConsumerGroupDescribeResponse> answer);
  void list(const kafka_wire::ListGroupsRequest& request,
            Answer<kafka_wire::ListGroupsResponse> answer);
  void delete_groups(const kafka_wire::DeleteGroupsRequest& request,
                     Answer<kafka_wire::DeleteGroupsResponse> answer);

  [[nodiscard]] GroupCounts counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker
