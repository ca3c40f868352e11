#include "sim/kafka_model/group_coordinator.h"

#include <algorithm>

namespace millrace::kafka_model {

void GroupCoordinator::begin_round(Group& group, std::int64_t now_ns) {
  if (group.is_rebalancing) return;
  group.is_rebalancing = true;
  group.round_deadline_ns = now_ns + kRebalanceTimeoutNs;
  for (auto& [id, member] : group.members) member.has_joined = false;
}

void GroupCoordinator::end_round_if_complete(Group& group, std::int64_t now_ns) {
  if (!group.is_rebalancing || group.members.empty()) return;
  for (const auto& [id, member] : group.members) {
    if (!member.has_joined) return;
  }
  group.is_rebalancing = false;
  ++group.generation;
  for (auto& [id, member] : group.members) member.session_deadline_ns = now_ns + kSessionTimeoutNs;
  assign(group);
}

// KIP-429: who has a partition and is to keep fewer gives some up in this round and gets nothing
// new of what others still have; those are dealt out in the round after they were revoked.
void GroupCoordinator::assign(Group& group) {
  const auto member_count = group.members.size();
  const auto count = group.partitions.size();
  std::map<TopicPartition, std::string> owner;
  for (const auto& [id, member] : group.members) {
    for (const auto& partition : member.claimed) owner.try_emplace(partition, id);
  }
  std::size_t place = 0;
  std::map<std::string, std::size_t> room;
  for (auto& [id, member] : group.members) {
    room[id] = count / member_count + (place++ < count % member_count ? 1 : 0);
    member.assignment.clear();
  }
  std::vector<TopicPartition> left;
  for (const auto& partition : group.partitions) {
    const auto known = owner.find(partition);
    if (known != owner.end() && room[known->second] > 0) {
      --room[known->second];
      group.members[known->second].assignment.insert(partition);
    } else {
      left.push_back(partition);
    }
  }
  for (const auto& partition : left) {
    for (auto& [id, member] : group.members) {
      if (room[id] == 0) continue;
      --room[id];
      if (!owner.contains(partition)) member.assignment.insert(partition);
      break;
    }
  }
}

bool GroupCoordinator::has_unowned(const Group& group) {
  std::size_t owned = 0;
  for (const auto& [id, member] : group.members) owned += member.assignment.size();
  return owned < group.partitions.size();
}

ErrorCode GroupCoordinator::check_member(const Group& group, const Identity& identity) {
  if (!group.members.contains(identity.member_id)) return ErrorCode::unknown_member_id;
  if (group.generation != identity.generation) return ErrorCode::illegal_generation;
  return ErrorCode::none;
}

ErrorCode GroupCoordinator::join(Identity& identity, const std::string& instance,
                                 const std::vector<TopicPartition>& all_partitions,
                                 const std::set<TopicPartition>& owned, std::int64_t now_ns) {
  auto& group = groups_[identity.group];
  group.partitions = {all_partitions.begin(), all_partitions.end()};
  if (!identity.member_id.empty() && !group.members.contains(identity.member_id)) {
    return ErrorCode::unknown_member_id;
  }
  if (identity.member_id.empty()) {
    identity.member_id = "member-" + std::to_string(next_member_++);
    const auto old = std::find_if(
        group.members.begin(), group.members.end(),
        [&](const auto& entry) { return !instance.empty() && entry.second.instance == instance; });
    if (old != group.members.end()) {
      Member member = old->second;
      group.replaced.insert(old->first);
      group.members.erase(old);
      member.session_deadline_ns = now_ns + kSessionTimeoutNs;
      member.claimed = owned;
      member.has_joined = group.is_rebalancing;
      member.join_number = identity.join_number;
      group.members[identity.member_id] = std::move(member);
      // What the old process was to set free, and died before: nobody else would ask for a round.
      if (has_unowned(group)) begin_round(group, now_ns);
      end_round_if_complete(group, now_ns);
      return ErrorCode::none;
    }
    begin_round(group, now_ns);
    group.members[identity.member_id].instance = instance;
  }
  auto& member = group.members[identity.member_id];
  if (identity.join_number < member.join_number) return ErrorCode::none;
  begin_round(group, now_ns);
  member.join_number = identity.join_number;
  member.has_joined = true;
  member.claimed = owned;
  member.session_deadline_ns = now_ns + kSessionTimeoutNs;
  end_round_if_complete(group, now_ns);
  return ErrorCode::none;
}

ErrorCode GroupCoordinator::sync(Identity& identity, std::set<TopicPartition>& assignment,
                                 std::int64_t now_ns) {
  auto& group = groups_[identity.group];
  const auto at = group.members.find(identity.member_id);
  if (at == group.members.end()) return ErrorCode::unknown_member_id;
  at->second.session_deadline_ns = now_ns + kSessionTimeoutNs;
  if (group.is_rebalancing) return ErrorCode::rebalance_in_progress;
  identity.generation = group.generation;
  assignment = at->second.assignment;
  return ErrorCode::none;
}

ErrorCode GroupCoordinator::heartbeat(const Identity& identity, std::int64_t now_ns) {
  auto& group = groups_[identity.group];
  const auto error = check_member(group, identity);
  if (error != ErrorCode::none) return error;
  group.members[identity.member_id].session_deadline_ns = now_ns + kSessionTimeoutNs;
  return group.is_rebalancing ? ErrorCode::rebalance_in_progress : ErrorCode::none;
}

void GroupCoordinator::leave(const Identity& identity, std::int64_t now_ns) {
  auto& group = groups_[identity.group];
  if (group.members.erase(identity.member_id) == 0) return;
  begin_round(group, now_ns);
  end_round_if_complete(group, now_ns);
}

int GroupCoordinator::expire(std::int64_t now_ns) {
  int removed = 0;
  for (auto& [name, group] : groups_) {
    const auto is_gone = [&](const auto& entry) {
      const auto& member = entry.second;
      if (group.is_rebalancing && now_ns >= group.round_deadline_ns) return !member.has_joined;
      return now_ns >= member.session_deadline_ns;
    };
    const auto count = static_cast<int>(std::erase_if(group.members, is_gone));
    removed += count;
    if (count > 0) begin_round(group, now_ns);
    end_round_if_complete(group, now_ns);
  }
  return removed;
}

void GroupCoordinator::force_rebalance(const std::string& group, std::int64_t now_ns) {
  const auto known = groups_.find(group);
  if (known != groups_.end() && !known->second.members.empty()) begin_round(known->second, now_ns);
}

ErrorCode GroupCoordinator::txn_offset_commit(
    std::int64_t producer_id, const Identity& identity,
    const std::map<TopicPartition, CommittedOffset>& offsets) {
  auto& group = groups_[identity.group];
  if (identity.generation >= 0 || !identity.member_id.empty()) {
    const auto error = check_member(group, identity);
    if (error != ErrorCode::none) return error;
  }
  auto& pending = group.pending[producer_id];
  for (const auto& [source, offset] : offsets) pending[source] = offset;
  return ErrorCode::none;
}

void GroupCoordinator::complete_offsets(std::int64_t producer_id, const std::string& group,
                                        bool is_commit) {
  auto& state = groups_[group];
  const auto pending = state.pending.find(producer_id);
  if (pending == state.pending.end()) return;
  if (is_commit) {
    for (auto& [source, offset] : pending->second) state.offsets[source] = std::move(offset);
  }
  state.pending.erase(pending);
}

void GroupCoordinator::set_offset(const std::string& group, const TopicPartition& source,
                                  CommittedOffset offset) {
  groups_[group].offsets[source] = std::move(offset);
}

ErrorCode GroupCoordinator::fetch_offset(const std::string& group, const TopicPartition& source,
                                         bool is_stable_required,
                                         std::optional<CommittedOffset>& offset) const {
  offset.reset();
  const auto known = groups_.find(group);
  if (known == groups_.end()) return ErrorCode::none;
  if (is_stable_required) {
    for (const auto& [producer, pending] : known->second.pending) {
      if (pending.contains(source)) return ErrorCode::unstable_offset_commit;
    }
  }
  const auto at = known->second.offsets.find(source);
  if (at != known->second.offsets.end()) offset = at->second;
  return ErrorCode::none;
}

std::map<TopicPartition, CommittedOffset> GroupCoordinator::offsets(
    const std::string& group) const {
  const auto known = groups_.find(group);
  if (known == groups_.end()) return {};
  return known->second.offsets;
}

std::vector<std::string> GroupCoordinator::groups() const {
  std::vector<std::string> names;
  for (const auto& [name, group] : groups_) {
    if (!group.offsets.empty()) names.push_back(name);
  }
  return names;
}

bool GroupCoordinator::forget_offset(const std::string& group, const TopicPartition& source) {
  return groups_[group].offsets.erase(source) > 0;
}

bool GroupCoordinator::delete_group(const std::string& group) {
  return groups_.erase(group) > 0;
}

void GroupCoordinator::delete_topic(const std::string& topic) {
  for (auto& [name, group] : groups_) {
    std::erase_if(group.offsets, [&](const auto& entry) { return entry.first.topic == topic; });
  }
}

std::size_t GroupCoordinator::member_count(const std::string& group) const {
  const auto known = groups_.find(group);
  return known == groups_.end() ? 0 : known->second.members.size();
}

}  // namespace millrace::kafka_model
