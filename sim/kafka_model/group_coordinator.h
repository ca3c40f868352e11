#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/topic.h"
#include "sim/kafka_model/protocol.h"

namespace millrace::kafka_model {

// Consumer groups under the classic protocol with cooperative rebalances (KIP-429), static members
// (KIP-345) and transactional offsets (KIP-98, KIP-447). Time comes in as an argument; the
// cluster's lock guards it.
//
// Two simplifications. JoinGroup and SyncGroup do not hang until the round is complete: the member
// asks again, with the same outcome. The assignment is computed here instead of by the member that
// leads the group.
class GroupCoordinator {
 public:
  static constexpr std::int64_t kSessionTimeoutNs = 6'000'000'000;
  static constexpr std::int64_t kRebalanceTimeoutNs = 8'000'000'000;

  struct Identity {
    std::string group;
    std::string member_id;
    std::int32_t generation = -1;
    std::uint64_t join_number = 0;  // of the member's requests to join
  };
  // A request that was overtaken by a later one of the member changes nothing: its outdated claims
  // would leave a partition without owner until the next round, and only that.
  // KIP-345: an instance that joins again under a new member id takes the old one's place and
  // assignment; while the group is stable nobody else notices.
  ErrorCode join(Identity& identity, const std::string& instance,
                 const std::vector<TopicPartition>& all_partitions,
                 const std::set<TopicPartition>& owned, std::int64_t now_ns);
  // The assignment of the newest generation; rebalance_in_progress while members are still joining.
  ErrorCode sync(Identity& identity, std::set<TopicPartition>& assignment, std::int64_t now_ns);
  ErrorCode heartbeat(const Identity& identity, std::int64_t now_ns);
  void leave(const Identity& identity, std::int64_t now_ns);
  // Sessions and rounds that took too long. How many members were removed.
  int expire(std::int64_t now_ns);
  // Makes every member join again, as a change of metadata would.
  void force_rebalance(const std::string& group, std::int64_t now_ns);

  // KIP-447: member id and generation must be the current ones. It is not checked who owns the
  // partitions, and without a generation nothing is checked at all, as in Kafka.
  ErrorCode txn_offset_commit(std::int64_t producer_id, const Identity& identity,
                              const std::map<TopicPartition, CommittedOffset>& offsets);
  // The marker has reached the group's partition of __consumer_offsets.
  void complete_offsets(std::int64_t producer_id, const std::string& group, bool is_commit);
  void set_offset(const std::string& group, const TopicPartition& source, CommittedOffset offset);

  // unstable_offset_commit while a transaction that carries an offset of it is open (KIP-447).
  ErrorCode fetch_offset(const std::string& group, const TopicPartition& source,
                         bool is_stable_required, std::optional<CommittedOffset>& offset) const;
  [[nodiscard]] std::map<TopicPartition, CommittedOffset> offsets(const std::string& group) const;
  [[nodiscard]] std::vector<std::string> groups() const;
  bool forget_offset(const std::string& group, const TopicPartition& source);
  bool delete_group(const std::string& group);
  void delete_topic(const std::string& topic);
  [[nodiscard]] std::size_t member_count(const std::string& group) const;

 private:
  struct Member {
    std::string instance;
    std::int64_t session_deadline_ns = 0;
    bool has_joined = false;  // this round
    std::uint64_t join_number = 0;
    std::set<TopicPartition> claimed;
    std::set<TopicPartition> assignment;
  };
  struct Group {
    std::int32_t generation = 0;
    bool is_rebalancing = false;
    std::int64_t round_deadline_ns = 0;
    std::set<TopicPartition> partitions;
    std::map<std::string, Member> members;
    std::set<std::string> replaced;  // member ids that a new process of their instance has ended
    std::map<TopicPartition, CommittedOffset> offsets;
    std::map<std::int64_t, std::map<TopicPartition, CommittedOffset>> pending;  // by producer id
  };

  static void begin_round(Group& group, std::int64_t now_ns);
  static void end_round_if_complete(Group& group, std::int64_t now_ns);
  static void assign(Group& group);
  static bool has_unowned(const Group& group);
  static ErrorCode check_member(const Group& group, const Identity& identity);

  std::map<std::string, Group> groups_;
  std::uint64_t next_member_ = 1;
};

}  // namespace millrace::kafka_model
