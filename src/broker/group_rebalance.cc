#include <algorithm>
#include <utility>

#include "broker/group.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::SyncGroupRequest;
using kafka_wire::SyncGroupResponse;

bool Group::can_rebalance() const {
  return state_ == GroupState::empty || state_ == GroupState::stable ||
         state_ == GroupState::completing_rebalance;
}

void Group::rebalance_or_complete_join(GroupTurn& turn) {
  if (can_rebalance()) return prepare_rebalance(turn);
  maybe_complete_join(turn);
}

void Group::prepare_rebalance(GroupTurn& turn) {
  for (auto& [id, member] : members_) {
    if (!member.sync_answer) continue;
    // Their generation will never have an assignment.
    SyncGroupResponse response;
    response.error_code = ErrorCode::rebalance_in_progress;
    turn.answer(std::exchange(member.sync_answer, nullptr), std::move(response));
    keep_alive(member, turn);
  }
  unsynced_.clear();
  sync_deadline_ = kNever;
  is_initial_ = state_ == GroupState::empty;
  enter(GroupState::preparing_rebalance, turn);
  if (!is_initial_) {
    set_deadline(join_deadline_, after_ms(turn.now, rebalance_timeout_ms()));
    return maybe_complete_join(turn);
  }
  const std::int64_t delay_ms = limits_.initial_rebalance_delay_ms;
  initial_ms_left_ = std::max<std::int64_t>(rebalance_timeout_ms() - delay_ms, 0);
  has_grown_ = false;
  if (delay_ms == 0) return complete_join(turn);
  set_deadline(join_deadline_, after_ms(turn.now, delay_ms));
}

bool Group::have_all_joined() const {
  return pending_members_.empty() &&
         std::all_of(members_.begin(), members_.end(),
                     [](const auto& entry) { return entry.second.join_answer != nullptr; });
}

void Group::maybe_complete_join(GroupTurn& turn) {
  if (state_ == GroupState::preparing_rebalance && !is_initial_ && have_all_joined()) {
    complete_join(turn);
  }
}

void Group::run_join_deadline(GroupTurn& turn) {
  join_deadline_ = kNever;
  if (state_ != GroupState::preparing_rebalance) return;
  // Members of a new group come one after another: as long as they do, the delay starts over.
  if (is_initial_ && has_grown_ && initial_ms_left_ > 0) {
    const std::int64_t delay_ms =
        std::min<std::int64_t>(limits_.initial_rebalance_delay_ms, initial_ms_left_);
    initial_ms_left_ -= delay_ms;
    has_grown_ = false;
    return set_deadline(join_deadline_, after_ms(turn.now, delay_ms));
  }
  complete_join(turn);
}

// Everybody has joined, or has had the time to.
void Group::complete_join(GroupTurn& turn) {
  std::vector<std::string> gone;
  for (const auto& [id, member] : members_) {
    // A static member that is restarting keeps its place until its session is over.
    if (!member.join_answer && !member.record.instance_id) gone.push_back(id);
  }
  for (const auto& id : gone) remove_member(id, ErrorCode::unknown_member_id, turn);
  if (members_.empty()) return become_empty(turn);
  if (!elect_leader()) {
    // Static members only, none of them back: until they are, or their sessions are over.
    const std::int32_t wait_ms = std::max(rebalance_timeout_ms(), kJoinAgainMsMin);
    return set_deadline(join_deadline_, after_ms(turn.now, wait_ms));
  }
  if (!begin_generation(turn)) {
    return set_deadline(join_deadline_, after_ms(turn.now, kSaveAgainMs));
  }
  for (auto& [id, member] : members_) {
    if (!member.join_answer) continue;
    unsynced_.insert(id);
    member.is_new = false;
    keep_alive(member, turn);
    turn.answer(std::exchange(member.join_answer, nullptr), joined(member, id == leader_),
                saved_in_);
  }
  set_deadline(sync_deadline_, after_ms(turn.now, rebalance_timeout_ms()));
}

bool Group::elect_leader() {
  const auto leader = members_.find(leader_);
  if (leader != members_.end() && leader->second.join_answer) return true;
  const auto other = std::find_if(members_.begin(), members_.end(), [](const auto& entry) {
    return entry.second.join_answer != nullptr;
  });
  if (other == members_.end()) return false;
  leader_ = other->first;
  return true;
}

// False when the log does not take it now: everything is as before, but for a leader that is
// elected again next time.
bool Group::begin_generation(GroupTurn& turn) {
  const std::string protocol_before = std::exchange(protocol_name_, select_protocol());
  ++generation_id_;
  for (auto& [id, member] : members_) {
    bytes_ -= member.record.assignment.size();
    member.record.assignment.clear();
  }
  enter(GroupState::completing_rebalance, turn);
  if (save(turn, {}).is_ok()) {
    is_initial_ = false;
    join_deadline_ = kNever;
    ++rebalance_count_;
    return true;
  }
  --generation_id_;
  protocol_name_ = protocol_before;
  state_ = GroupState::preparing_rebalance;
  return false;
}

void Group::become_empty(GroupTurn& turn) {
  ++generation_id_;
  protocol_name_.clear();
  leader_.clear();
  is_initial_ = false;
  join_deadline_ = kNever;
  enter(GroupState::empty, turn);
  // Nobody waits for it; without it the members come back after a restart, to expire again.
  if (!save(turn, {}).is_ok()) set_deadline(save_deadline_, after_ms(turn.now, kSaveAgainMs));
}

void Group::run_sync_deadline(GroupTurn& turn) {
  sync_deadline_ = kNever;
  // They have joined and been silent since: the others must not wait for them any longer.
  const auto silent = unsynced_;
  for (const auto& id : silent) remove_member(id, ErrorCode::unknown_member_id, turn);
  if (!silent.empty()) prepare_rebalance(turn);
}

void Group::synced(const std::string& member_id) {
  unsynced_.erase(member_id);
  if (unsynced_.empty()) sync_deadline_ = kNever;
}

void Group::sync(SyncGroupRequest request, SyncAnswer answer, GroupTurn& turn) {
  const auto refused = [&](ErrorCode error) {
    SyncGroupResponse response;
    response.error_code = error;
    turn.answer(answer, std::move(response));
  };
  const ErrorCode error = check_member(request.member_id, request.group_instance_id);
  if (error != ErrorCode::none) return refused(error);
  if (request.generation_id != generation_id_) return refused(ErrorCode::illegal_generation);
  if ((request.protocol_type && request.protocol_type != protocol_type_) ||
      (request.protocol_name && request.protocol_name != protocol_name_)) {
    return refused(ErrorCode::inconsistent_group_protocol);
  }
  if (state_ == GroupState::preparing_rebalance) return refused(ErrorCode::rebalance_in_progress);
  Member& member = members_.find(request.member_id)->second;
  keep_alive(member, turn);
  if (member.sync_answer) {
    // The client has asked again, over another connection.
    SyncGroupResponse response;
    response.error_code = ErrorCode::rebalance_in_progress;
    turn.answer(member.sync_answer, std::move(response));
  }
  member.sync_answer = std::move(answer);
  if (state_ == GroupState::stable) {
    synced(member.record.id);
    return answer_sync(member, turn);
  }
  if (leader_ == member.record.id) return assign(request, turn);
  synced(member.record.id);
}

void Group::answer_sync(Member& member, GroupTurn& turn) {
  SyncGroupResponse response;
  response.protocol_type = protocol_type_;
  response.protocol_name = protocol_name_;
  response.assignment.bytes = member.record.assignment;
  keep_alive(member, turn);
  turn.answer(std::exchange(member.sync_answer, nullptr), std::move(response), saved_in_);
}

// The leader has decided who gets what. Members it does not name get nothing; others are ignored.
void Group::assign(SyncGroupRequest& request, GroupTurn& turn) {
  Member& leader = members_.find(request.member_id)->second;
  const auto refuse_leader = [&](ErrorCode error) {
    SyncGroupResponse response;
    response.error_code = error;
    turn.answer(std::exchange(leader.sync_answer, nullptr), std::move(response));
  };
  std::size_t bytes = bytes_;
  for (const auto& each : request.assignments) bytes += each.assignment.bytes.size();
  if (bytes > limits_.group_bytes_max) return refuse_leader(ErrorCode::unknown_server_error);
  for (auto& each : request.assignments) {
    const auto member = members_.find(each.member_id);
    if (member == members_.end()) continue;
    bytes_ -= member->second.record.assignment.size();
    member->second.record.assignment = std::move(each.assignment.bytes);
    bytes_ += member->second.record.assignment.size();
  }
  enter(GroupState::stable, turn);
  if (!save(turn, {}).is_ok()) {
    // The leader asks again and finds its generation as it left it.
    state_ = GroupState::completing_rebalance;
    return refuse_leader(ErrorCode::coordinator_not_available);
  }
  synced(leader.record.id);
  for (auto& [id, member] : members_) {
    if (member.sync_answer) answer_sync(member, turn);
  }
}

}  // namespace millrace::broker
