#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/any_group.h"
#include "broker/client.h"
#include "broker/group_limits.h"
#include "broker/group_record.h"
#include "broker/group_turn.h"
#include "kafka_wire/group_admin.h"
#include "kafka_wire/group_membership.h"
#include "log/log.h"

namespace millrace::broker {

// One classic group: the state machine of Kafka's GroupCoordinator (KIP-62, 345, 394, 559, 814).
//
//   empty -> preparing_rebalance: the first member joins
//   preparing_rebalance -> completing_rebalance: all members have joined again, or the rebalance
//       time-out is over; a new generation with a leader, who gets everybody's metadata
//   completing_rebalance -> stable: the leader has sent the assignment
//   stable, completing_rebalance -> preparing_rebalance: a member joins, leaves, expires, or has
//       changed what it supports
//   preparing_rebalance -> empty: nobody is left
//
// Each step to another generation is stored before anybody hears of it, so that no generation is
// ever given to two leaders, restarts included.
//
// Not thread-safe: the coordinator's lock is held. Answers go into the turn.
class Group final : public AnyGroup {
 public:
  using JoinAnswer = std::function<void(kafka_wire::JoinGroupResponse)>;
  using SyncAnswer = std::function<void(kafka_wire::SyncGroupResponse)>;

  struct Joining {
    kafka_wire::JoinGroupRequest request;
    std::int16_t version = 0;
    Client client;
    JoinAnswer answer;
  };

  Group(std::string id, const GroupLimits& limits, WallTime now);
  // As it was stored; its members have a session time-out to come back.
  Group(std::string id, const GroupLimits& limits, GroupRecord record, MonotonicTime now);

  // --- requests ---
  void join(Joining joining, MemberIds& ids, GroupTurn& turn);
  void sync(kafka_wire::SyncGroupRequest request, SyncAnswer answer, GroupTurn& turn);
  kafka_wire::ErrorCode heartbeat(const kafka_wire::HeartbeatRequest& request,
                                  const GroupTurn& turn);
  // One error per member.
  std::vector<kafka_wire::ErrorCode> leave(
      const std::vector<kafka_wire::LeaveGroupRequest::Member>& members, GroupTurn& turn);
  [[nodiscard]] kafka_wire::ErrorCode check_commit(const GroupMemberClaim& claim,
                                                   bool is_transactional, std::int16_t version,
                                                   const GroupTurn& turn) override;
  [[nodiscard]] kafka_wire::ErrorCode check_fetch(const GroupMemberClaim&) const override {
    return kafka_wire::ErrorCode::none;
  }
  [[nodiscard]] kafka_wire::DescribeGroupsResponse::Group describe() const;

  // --- time, storing ---
  [[nodiscard]] MonotonicTime next_deadline() const override { return next_deadline_; }
  void run_due(GroupTurn& turn) override;
  void give_up(kafka_wire::ErrorCode error, GroupTurn& turn) override;
  Result<log::CommitSequence> save(GroupTurn& turn,
                                   std::vector<log::OffsetCommit> offsets) override;

  Group* classic() override { return this; }
  [[nodiscard]] const std::string& id() const override { return id_; }
  [[nodiscard]] std::string_view type() const override { return "classic"; }
  [[nodiscard]] std::string_view state_name() const override { return to_string(state_); }
  [[nodiscard]] GroupState state() const { return state_; }
  [[nodiscard]] std::int32_t generation_id() const { return generation_id_; }
  [[nodiscard]] std::optional<std::string> protocol_type() const override { return protocol_type_; }
  [[nodiscard]] bool is_empty() const override {
    return state_ == GroupState::empty && pending_members_.empty();
  }
  [[nodiscard]] std::size_t member_count() const override { return members_.size(); }
  [[nodiscard]] std::size_t pending_member_count() const override {
    return pending_members_.size();
  }
  [[nodiscard]] std::size_t waiting_answer_count() const override;
  [[nodiscard]] std::size_t byte_count() const override { return bytes_; }
  [[nodiscard]] std::uint64_t rebalance_count() const override { return rebalance_count_; }
  [[nodiscard]] WallTime since() const override { return since_; }
  void set_since(WallTime since) override { since_ = since; }
  [[nodiscard]] bool is_stored() const override { return is_stored_; }
  [[nodiscard]] log::CommitSequence saved_in() const override { return saved_in_; }
  [[nodiscard]] std::optional<std::set<std::string>> subscribed_topics() const override;
  [[nodiscard]] bool may_lose_offsets() const override { return state_ == GroupState::stable; }

 private:
  struct Member {
    GroupMemberRecord record;
    JoinAnswer join_answer;  // set: waits for the next generation
    SyncAnswer sync_answer;  // set: waits for the leader's assignment
    bool is_new = false;     // has not been in a generation yet
    MonotonicTime session_deadline;
  };
  using Members = std::map<std::string, Member, std::less<>>;

  // --- group.cc ---
  [[nodiscard]] GroupRecord to_record() const;
  [[nodiscard]] std::vector<std::string> protocols_of_all() const;
  [[nodiscard]] std::string select_protocol() const;
  [[nodiscard]] std::int32_t rebalance_timeout_ms() const;
  [[nodiscard]] kafka_wire::ErrorCode check_member(
      const std::string& member_id, const std::optional<std::string>& instance_id) const;
  void keep_alive(Member& member, const GroupTurn& turn);
  void remove_member(const std::string& member_id, kafka_wire::ErrorCode error, GroupTurn& turn);
  void answer_failed(Member& member, kafka_wire::ErrorCode error, GroupTurn& turn);
  void go_on_without(bool have_members_left, GroupTurn& turn);
  void enter(GroupState state, const GroupTurn& turn);
  void set_deadline(MonotonicTime& which, MonotonicTime at);
  void find_next_deadline();
  void expire_members(GroupTurn& turn);

  // --- group_join.cc ---
  [[nodiscard]] bool has_room_for(const Joining& joining) const;
  [[nodiscard]] bool supports(const kafka_wire::JoinGroupRequest& request) const;
  void refuse(const Joining& joining, kafka_wire::ErrorCode error, GroupTurn& turn);
  void join_new(Joining joining, MemberIds& ids, GroupTurn& turn);
  void join_static_again(Joining joining, const std::string& old_id, std::string new_id,
                         GroupTurn& turn);
  void join_known(Joining joining, GroupTurn& turn);
  void add_member(Joining joining, std::string member_id, GroupTurn& turn);
  void update_member(Member& member, Joining joining, GroupTurn& turn);
  void update_record(Member& member, const Joining& joining);
  [[nodiscard]] kafka_wire::JoinGroupResponse joined(const Member& member, bool with_members) const;
  void answer_current_generation(const Joining& joining, Member& member, GroupTurn& turn);

  // --- group_rebalance.cc ---
  [[nodiscard]] bool can_rebalance() const;
  void prepare_rebalance(GroupTurn& turn);
  void rebalance_or_complete_join(GroupTurn& turn);
  [[nodiscard]] bool have_all_joined() const;
  void maybe_complete_join(GroupTurn& turn);
  void run_join_deadline(GroupTurn& turn);
  void complete_join(GroupTurn& turn);
  bool elect_leader();
  bool begin_generation(GroupTurn& turn);
  void become_empty(GroupTurn& turn);
  void run_sync_deadline(GroupTurn& turn);
  void assign(kafka_wire::SyncGroupRequest& request, GroupTurn& turn);
  void synced(const std::string& member_id);
  void answer_sync(Member& member, GroupTurn& turn);

  const std::string id_;
  const GroupLimits& limits_;
  GroupState state_ = GroupState::empty;
  std::int32_t generation_id_ = 0;
  std::optional<std::string> protocol_type_;
  std::string protocol_name_;
  std::string leader_;
  WallTime since_;

  Members members_;
  std::map<std::string, std::string, std::less<>> static_members_;     // instance id -> member id
  std::map<std::string, MonotonicTime, std::less<>> pending_members_;  // id -> forgotten at
  std::set<std::string, std::less<>> unsynced_;                        // in this generation
  std::size_t bytes_ = 0;

  MonotonicTime join_deadline_;  // of preparing_rebalance
  MonotonicTime sync_deadline_;  // while unsynced_ has members
  MonotonicTime save_deadline_;  // the last save failed: again
  // Only while an empty group waits for its first members.
  bool is_initial_ = false;
  bool has_grown_ = false;  // since the initial delay began
  std::int64_t initial_ms_left_ = 0;
  MonotonicTime next_deadline_;

  std::uint64_t rebalance_count_ = 0;
  bool is_stored_ = false;
  log::CommitSequence saved_in_ = kAtOnce;
};

}  // namespace millrace::broker
