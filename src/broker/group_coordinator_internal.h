#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "broker/any_group.h"
#include "broker/consumer_group.h"
#include "broker/group.h"
#include "broker/group_coordinator.h"
#include "broker/group_store.h"
#include "broker/group_topics.h"
#include "broker/group_turn.h"

namespace millrace::broker {

// The groups of pipelines: clients may read their offsets and nothing else.
inline constexpr std::string_view kReservedPrefix = "millrace.";

inline bool is_reserved(std::string_view group_id) {
  return group_id.starts_with(kReservedPrefix);
}

class GroupCoordinator::Impl {
 public:
  Impl(GroupCoordinatorOptions options, Ports ports);

  // --- group_coordinator.cc ---
  Status start();
  void stop();
  [[nodiscard]] std::vector<std::string> notes() const;
  MonotonicTime run_due();
  void join(kafka_wire::JoinGroupRequest request, std::int16_t version, const Client& client,
            Answer<kafka_wire::JoinGroupResponse> answer);
  void sync(kafka_wire::SyncGroupRequest request, Answer<kafka_wire::SyncGroupResponse> answer);
  void heartbeat(const kafka_wire::HeartbeatRequest& request,
                 Answer<kafka_wire::HeartbeatResponse> answer);
  void leave(const kafka_wire::LeaveGroupRequest& request, std::int16_t version,
             Answer<kafka_wire::LeaveGroupResponse> answer);
  [[nodiscard]] GroupCounts counts() const;

  // --- group_offsets.cc ---
  void commit_offsets(kafka_wire::OffsetCommitRequest request, std::int16_t version,
                      Answer<kafka_wire::OffsetCommitResponse> answer);
  void fetch_offsets(const kafka_wire::OffsetFetchRequest& request, std::int16_t version,
                     Answer<kafka_wire::OffsetFetchResponse> answer);
  void delete_offsets(const kafka_wire::OffsetDeleteRequest& request,
                      Answer<kafka_wire::OffsetDeleteResponse> answer);
  kafka_wire::ErrorCode stage_offsets(const GroupMemberClaim& claim,
                                      const std::function<kafka_wire::ErrorCode()>& stage);

  // --- group_heartbeats.cc ---
  void consumer_heartbeat(kafka_wire::ConsumerGroupHeartbeatRequest request, std::int16_t version,
                          const Client& client,
                          Answer<kafka_wire::ConsumerGroupHeartbeatResponse> answer);
  void consumer_describe(const kafka_wire::ConsumerGroupDescribeRequest& request,
                         Answer<kafka_wire::ConsumerGroupDescribeResponse> answer);

  // --- group_administration.cc ---
  void describe(const kafka_wire::DescribeGroupsRequest& request, std::int16_t version,
                Answer<kafka_wire::DescribeGroupsResponse> answer);
  void list(const kafka_wire::ListGroupsRequest& request,
            Answer<kafka_wire::ListGroupsResponse> answer);
  void delete_groups(const kafka_wire::DeleteGroupsRequest& request,
                     Answer<kafka_wire::DeleteGroupsResponse> answer);

 private:
  struct Entry {
    std::unique_ptr<AnyGroup> group;
    MonotonicTime scheduled = kNever;  // its place in deadlines_
    std::size_t counted_bytes = 0;     // its part of bytes_
    // When each offset was committed, since the start; as many as offsets_per_group_max.
    std::map<TopicPartition, WallTime> committed_at;
    WallTime staged_at;  // the latest offsets of a transaction, since the start
  };
  using Groups = std::map<std::string, Entry, std::less<>>;

  // Runs `body(turn)` under the lock, then gives the answers.
  template <typename Body>
  void run(const Body& body) {
    GroupTurn turn(ports_.clock.monotonic_now(), ports_.clock.wall_now(), store_);
    MonotonicTime wake_at = kNever;
    {
      const std::lock_guard lock(mutex_);
      body(turn);
      const MonotonicTime next = next_deadline();
      if (next < promised_) wake_at = promised_ = next;
    }
    finish(turn, wake_at);
  }
  void finish(GroupTurn& turn, MonotonicTime wake_at);

  [[nodiscard]] MonotonicTime next_deadline() const;
  // One that is created is a classic one; null when there are groups_max.
  Entry* find_or_create(const std::string& group_id, const GroupTurn& turn);
  Entry* find(std::string_view group_id);
  // Also when only the log knows it, by its offsets; null as above.
  Entry* find_or_adopt(const std::string& group_id, const GroupTurn& turn);
  // Null when it is not there, or a consumer group.
  Group* find_classic(std::string_view group_id);
  // A group that is empty becomes a classic one; null when it cannot.
  Group* as_classic(Entry& entry, const GroupTurn& turn);
  // After whatever was done to the group.
  void changed(Entry& entry);
  void forget(Groups::iterator at);
  [[nodiscard]] kafka_wire::ErrorCode check_join(const kafka_wire::JoinGroupRequest& request) const;
  // What every request meets first.
  [[nodiscard]] kafka_wire::ErrorCode check_group(std::string_view group_id) const;

  // --- group_heartbeats.cc ---
  // Not older than topics_refresh_interval_ms, or as of now.
  std::shared_ptr<const GroupTopics> topics(bool as_of_now);
  kafka_wire::ConsumerGroupHeartbeatResponse heartbeat_in_turn(
      const kafka_wire::ConsumerGroupHeartbeatRequest& request, const Client& client,
      const std::shared_ptr<const GroupTopics>& topics, GroupTurn& turn,
      log::CommitSequence& after);
  kafka_wire::ConsumerGroupHeartbeatResponse join_as_first(
      const kafka_wire::ConsumerGroupHeartbeatRequest& request, const Client& client,
      const std::shared_ptr<const GroupTopics>& topics, GroupTurn& turn,
      log::CommitSequence& after);

  // --- group_offsets.cc ---
  // `entry` is the group's when the claim is good.
  kafka_wire::ErrorCode check_claim(const GroupMemberClaim& claim, bool is_transactional,
                                    std::int16_t version, const GroupTurn& turn, Entry*& entry);
  // What is wrong with each partition by itself; the good ones go into `offsets`.
  kafka_wire::OffsetCommitResponse check_offsets(kafka_wire::OffsetCommitRequest& request,
                                                 std::vector<log::OffsetCommit>& offsets) const;
  Result<log::CommitSequence> store_offsets(Entry& entry, std::vector<log::OffsetCommit> offsets,
                                            GroupTurn& turn);
  // A group that only keeps offsets, and whose record's time is too old.
  [[nodiscard]] bool has_old_record(const AnyGroup& group, WallTime now) const;
  kafka_wire::ErrorCode check_reader(const kafka_wire::OffsetFetchRequest::Group& asked);
  [[nodiscard]] kafka_wire::OffsetFetchResponse::Group fetch_group(
      const kafka_wire::OffsetFetchRequest::Group& asked, bool require_stable) const;

  // --- group_expiry.cc ---
  void expire_offsets();
  void adopt_groups_of_log(GroupTurn& turn);
  std::vector<TopicPartition> expired_offsets(Entry& entry, WallTime now) const;
  void drop_offsets(const std::string& group_id, const std::set<TopicPartition>& unstaged,
                    GroupTurn& turn);
  // Everything about the group, now: its record, its offsets.
  Result<log::CommitSequence> drop_group(Groups::iterator at, GroupTurn& turn);

  const GroupCoordinatorOptions options_;
  const Ports ports_;

  mutable Mutex mutex_;
  GroupStore store_;
  MemberIds member_ids_;
  bool is_running_ = false;
  std::vector<std::string> notes_;
  Groups groups_;
  std::set<std::pair<MonotonicTime, std::string>> deadlines_;
  MonotonicTime promised_ = kNever;  // what run_due() returned, or `wake` was called for
  MonotonicTime expiry_at_ = kNever;
  std::size_t bytes_ = 0;
  std::uint64_t rebalances_of_gone_ = 0;

  // What consumer groups know of topics. The lock is never held with the other one.
  Mutex topics_mutex_;
  std::vector<log::TopicInfo> topic_list_;
  std::shared_ptr<const GroupTopics> topics_;
  MonotonicTime topics_refresh_at_{0};
};

}  // namespace millrace::broker
