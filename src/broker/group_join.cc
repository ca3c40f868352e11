#include <algorithm>
#include <utility>

#include "broker/group.h"
#include "kafka_wire/consumer_protocol.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::JoinGroupRequest;
using kafka_wire::JoinGroupResponse;

namespace {

// KIP-394: the first join of a dynamic member is only told its id.
constexpr std::int16_t kVersionMemberIdRequired = 4;
// KIP-814: a leader may be told not to assign.
constexpr std::int16_t kVersionSkipAssignment = 9;

std::size_t request_bytes(const JoinGroupRequest& request, const Client& client) {
  std::size_t bytes = client.id.size() + client.host.size() + request.member_id.size() +
                      request.group_instance_id.value_or("").size();
  for (const auto& protocol : request.protocols) {
    bytes += protocol.name.size() + protocol.metadata.bytes.size();
  }
  return bytes;
}

bool are_same(const std::vector<JoinGroupRequest::Protocol>& a,
              const std::vector<JoinGroupRequest::Protocol>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.name == y.name && x.metadata == y.metadata;
  });
}

// Of consumers: what they subscribe to. Their other metadata (partitions owned, generation) says
// where they come from and differs after every restart.
bool is_same_subscription(std::string_view protocol_type, std::string_view before,
                          std::string_view after) {
  if (protocol_type != "consumer" || before == after) return true;
  auto old_one = kafka_wire::decode_subscription(before);
  auto new_one = kafka_wire::decode_subscription(after);
  if (!old_one.is_ok() || !new_one.is_ok()) return false;
  std::sort(old_one->topics.begin(), old_one->topics.end());
  std::sort(new_one->topics.begin(), new_one->topics.end());
  return old_one->topics == new_one->topics;
}

}  // namespace

void Group::join(Joining joining, MemberIds& ids, GroupTurn& turn) {
  if (!has_room_for(joining)) return refuse(joining, ErrorCode::group_max_size_reached, turn);
  if (!supports(joining.request)) {
    return refuse(joining, ErrorCode::inconsistent_group_protocol, turn);
  }
  if (joining.request.member_id.empty()) return join_new(std::move(joining), ids, turn);
  join_known(std::move(joining), turn);
}

void Group::refuse(const Joining& joining, ErrorCode error, GroupTurn& turn) {
  JoinGroupResponse response;
  response.error_code = error;
  response.member_id = joining.request.member_id;
  turn.answer(joining.answer, std::move(response));
}

bool Group::has_room_for(const Joining& joining) const {
  const auto& request = joining.request;
  const auto known = members_.find(request.member_id);
  const std::size_t bytes = request_bytes(request, joining.client);
  const std::size_t bytes_before = known == members_.end() ? 0 : known->second.record.byte_count();
  if (request.protocols.size() > limits_.protocols_per_member_max ||
      bytes > limits_.member_bytes_max || bytes_ - bytes_before + bytes > limits_.group_bytes_max) {
    return false;
  }
  if (state_ == GroupState::preparing_rebalance) {
    // Those who do not join again make room for others.
    if (known != members_.end() && known->second.join_answer) return true;
    const auto joined = std::count_if(members_.begin(), members_.end(), [](const auto& entry) {
      return entry.second.join_answer != nullptr;
    });
    return static_cast<std::size_t>(joined) < limits_.members_per_group_max;
  }
  const bool replaces =
      request.group_instance_id && static_members_.contains(*request.group_instance_id);
  return known != members_.end() || replaces || members_.size() < limits_.members_per_group_max;
}

bool Group::supports(const JoinGroupRequest& request) const {
  if (request.protocol_type.empty() || request.protocols.empty()) return false;
  if (members_.empty()) return true;
  if (request.protocol_type != protocol_type_) return false;
  const auto candidates = protocols_of_all();
  return std::any_of(request.protocols.begin(), request.protocols.end(), [&](const auto& mine) {
    return std::find(candidates.begin(), candidates.end(), mine.name) != candidates.end();
  });
}

void Group::join_new(Joining joining, MemberIds& ids, GroupTurn& turn) {
  const auto& request = joining.request;
  if (request.group_instance_id) {
    std::string id = ids.next(*request.group_instance_id);
    const auto known = static_members_.find(*request.group_instance_id);
    if (known == static_members_.end()) return add_member(std::move(joining), std::move(id), turn);
    const std::string old_id = known->second;
    return join_static_again(std::move(joining), old_id, std::move(id), turn);
  }
  std::string id = ids.next(joining.client.id);
  if (joining.version < kVersionMemberIdRequired) {
    return add_member(std::move(joining), std::move(id), turn);
  }
  // Only a client that has seen its id can keep it when the connection breaks; one that never
  // comes back leaves no member behind that everybody would wait for.
  if (pending_members_.size() >= limits_.members_per_group_max) {
    return refuse(joining, ErrorCode::group_max_size_reached, turn);
  }
  set_deadline(pending_members_[id], after_ms(turn.now, request.session_timeout_ms));
  JoinGroupResponse response;
  response.error_code = ErrorCode::member_id_required;
  response.member_id = std::move(id);
  turn.answer(joining.answer, std::move(response));
}

// A static member has restarted: it takes its place under a new id, and whoever still uses the old
// one is fenced.
void Group::join_static_again(Joining joining, const std::string& old_id, std::string new_id,
                              GroupTurn& turn) {
  const bool skips_assignment = joining.version >= kVersionSkipAssignment;
  const std::string leader_before = leader_;
  auto node = members_.extract(old_id);
  Member& member = node.mapped();
  answer_failed(member, ErrorCode::fenced_instance_id, turn);
  const std::string metadata_before(member.record.metadata_of(protocol_name_));
  bytes_ -= member.record.byte_count();
  member.record.id = new_id;
  bytes_ += member.record.byte_count();
  static_members_[*member.record.instance_id] = new_id;
  if (leader_ == old_id) leader_ = new_id;
  if (unsynced_.erase(old_id) > 0) unsynced_.insert(new_id);
  node.key() = std::move(new_id);
  members_.insert(std::move(node));
  update_record(member, joining);
  keep_alive(member, turn);
  if (member.is_new) set_deadline(member.session_deadline, after_ms(turn.now, kNewMemberJoinMs));

  const bool is_unchanged = select_protocol() == protocol_name_ &&
                            is_same_subscription(joining.request.protocol_type, metadata_before,
                                                 member.record.metadata_of(protocol_name_));
  if (state_ != GroupState::stable || !is_unchanged) {
    // While the assignment is awaited its leader knows the old id only, and would give the new one
    // nothing.
    member.join_answer = std::move(joining.answer);
    return rebalance_or_complete_join(turn);
  }
  const auto saved = save(turn, {});
  if (!saved.is_ok()) {
    set_deadline(save_deadline_, after_ms(turn.now, kSaveAgainMs));
    return refuse(joining, ErrorCode::coordinator_not_available, turn);
  }
  const bool is_leader = leader_ == member.record.id;
  JoinGroupResponse response = joined(member, is_leader && skips_assignment);
  response.skip_assignment = is_leader && skips_assignment;
  // Before version 9 a leader always assigns, so it is not told that it is one.
  if (!skips_assignment) response.leader = leader_before;
  turn.answer(joining.answer, std::move(response), saved_in_);
}

void Group::join_known(Joining joining, GroupTurn& turn) {
  const auto& request = joining.request;
  if (!request.group_instance_id && pending_members_.erase(request.member_id) > 0) {
    std::string id = request.member_id;
    return add_member(std::move(joining), std::move(id), turn);
  }
  const ErrorCode error = check_member(request.member_id, request.group_instance_id);
  if (error != ErrorCode::none) return refuse(joining, error, turn);
  Member& member = members_.find(request.member_id)->second;
  const bool is_unchanged = are_same(member.record.protocols, request.protocols);
  // It has missed the answer to its last join, or asks without a reason. A leader has one: it wants
  // to assign anew.
  if (is_unchanged && (state_ == GroupState::completing_rebalance ||
                       (state_ == GroupState::stable && leader_ != request.member_id))) {
    return answer_current_generation(joining, member, turn);
  }
  update_member(member, std::move(joining), turn);
  rebalance_or_complete_join(turn);
}

void Group::answer_current_generation(const Joining& joining, Member& member, GroupTurn& turn) {
  keep_alive(member, turn);
  const bool is_leader = leader_ == member.record.id;
  turn.answer(joining.answer, joined(member, is_leader), saved_in_);
}

void Group::add_member(Joining joining, std::string member_id, GroupTurn& turn) {
  if (members_.empty()) protocol_type_ = joining.request.protocol_type;
  Member& member = members_[member_id];
  member.record.id = std::move(member_id);
  member.record.instance_id = joining.request.group_instance_id;
  if (member.record.instance_id) static_members_[*member.record.instance_id] = member.record.id;
  bytes_ += member.record.byte_count();
  update_record(member, joining);
  member.is_new = true;
  member.join_answer = std::move(joining.answer);
  set_deadline(member.session_deadline, after_ms(turn.now, kNewMemberJoinMs));
  has_grown_ = true;
  rebalance_or_complete_join(turn);
}

void Group::update_member(Member& member, Joining joining, GroupTurn& turn) {
  if (member.join_answer) {
    // The client has asked again, over another connection.
    JoinGroupResponse response;
    response.error_code = ErrorCode::rebalance_in_progress;
    response.member_id = member.record.id;
    turn.answer(member.join_answer, std::move(response));
  }
  update_record(member, joining);
  member.join_answer = std::move(joining.answer);
}

void Group::update_record(Member& member, const Joining& joining) {
  bytes_ -= member.record.byte_count();
  const auto& request = joining.request;
  member.record.client_id = joining.client.id;
  member.record.client_host = joining.client.host;
  member.record.session_timeout_ms = request.session_timeout_ms;
  // Version 0 knows one time-out only.
  member.record.rebalance_timeout_ms =
      request.rebalance_timeout_ms < 0 ? request.session_timeout_ms : request.rebalance_timeout_ms;
  member.record.protocols = request.protocols;
  bytes_ += member.record.byte_count();
}

JoinGroupResponse Group::joined(const Member& member, bool with_members) const {
  JoinGroupResponse response;
  response.generation_id = generation_id_;
  response.protocol_type = protocol_type_;
  response.protocol_name = protocol_name_;
  response.leader = leader_;
  response.member_id = member.record.id;
  if (!with_members) return response;
  for (const auto& [id, each] : members_) {
    auto& listed = response.members.emplace_back();
    listed.member_id = id;
    listed.group_instance_id = each.record.instance_id;
    listed.metadata.bytes = each.record.metadata_of(protocol_name_);
  }
  return response;
}

}  // namespace millrace::broker
