#include "broker/group.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kafka_wire/consumer_protocol.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;

namespace {

constexpr std::size_t kMemberNameBytesMax = 255;

}  // namespace

std::string MemberIds::next(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out(name.substr(0, kMemberNameBytesMax));
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = random_.next();
    for (int digit = 0; digit < 16; ++digit, bits >>= 4) {
      // As a UUID: 8-4-4-4-12.
      if (digit % 16 == 0 || (half == 0 && (digit == 8 || digit == 12)) ||
          (half == 1 && digit == 4)) {
        out.push_back('-');
      }
      out.push_back(kDigits[bits & 15]);
    }
  }
  return out;
}

Group::Group(std::string id, const GroupLimits& limits, WallTime now)
    : id_(std::move(id)),
      limits_(limits),
      since_(now),
      join_deadline_(kNever),
      sync_deadline_(kNever),
      save_deadline_(kNever),
      next_deadline_(kNever) {}

Group::Group(std::string id, const GroupLimits& limits, GroupRecord record, MonotonicTime now)
    : Group(std::move(id), limits, record.since) {
  state_ = record.state;
  generation_id_ = record.generation_id;
  protocol_type_ = std::move(record.protocol_type);
  protocol_name_ = std::move(record.protocol_name);
  leader_ = std::move(record.leader);
  is_stored_ = true;
  for (auto& stored : record.members) {
    bytes_ += stored.byte_count();
    if (stored.instance_id) static_members_[*stored.instance_id] = stored.id;
    if (state_ == GroupState::completing_rebalance) unsynced_.insert(stored.id);
    Member member;
    set_deadline(member.session_deadline, after_ms(now, stored.session_timeout_ms));
    member.record = std::move(stored);
    members_.emplace(member.record.id, std::move(member));
  }
  if (!unsynced_.empty()) set_deadline(sync_deadline_, after_ms(now, rebalance_timeout_ms()));
}

GroupRecord Group::to_record() const {
  GroupRecord record;
  record.state = state_;
  record.generation_id = generation_id_;
  record.protocol_type = protocol_type_;
  record.protocol_name = protocol_name_;
  record.leader = leader_;
  record.since = since_;
  for (const auto& [id, member] : members_) record.members.push_back(member.record);
  return record;
}

Result<log::CommitSequence> Group::save(GroupTurn& turn, std::vector<log::OffsetCommit> offsets) {
  auto saved = turn.store.save(id_, to_record(), turn.wall_now, std::move(offsets));
  if (saved.is_ok()) {
    saved_in_ = *saved;
    is_stored_ = true;
    save_deadline_ = kNever;
  }
  return saved;
}

std::size_t Group::waiting_answer_count() const {
  std::size_t count = 0;
  for (const auto& [id, member] : members_) {
    count += (member.join_answer ? 1 : 0) + (member.sync_answer ? 1 : 0);
  }
  return count;
}

std::vector<std::string> Group::protocols_of_all() const {
  // In the leader's order, or that of any member: it decides between protocols with equally many
  // votes, and must be the same at every look.
  const auto first = members_.contains(leader_) ? members_.find(leader_) : members_.begin();
  std::vector<std::string> out;
  if (first == members_.end()) return out;
  for (const auto& candidate : first->second.record.protocols) {
    const bool is_in_all = std::all_of(members_.begin(), members_.end(), [&](const auto& entry) {
      const auto& protocols = entry.second.record.protocols;
      return std::any_of(protocols.begin(), protocols.end(),
                         [&](const auto& mine) { return mine.name == candidate.name; });
    });
    if (is_in_all) out.push_back(candidate.name);
  }
  return out;
}

// Every member votes for the first of its protocols that all have.
std::string Group::select_protocol() const {
  const auto candidates = protocols_of_all();
  std::map<std::string_view, std::size_t> votes;
  for (const auto& [id, member] : members_) {
    for (const auto& protocol : member.record.protocols) {
      if (std::find(candidates.begin(), candidates.end(), protocol.name) == candidates.end()) {
        continue;
      }
      ++votes[protocol.name];
      break;
    }
  }
  std::string_view best;
  for (const auto& candidate : candidates) {
    if (best.empty() || votes[candidate] > votes[best]) best = candidate;
  }
  return std::string(best);
}

std::int32_t Group::rebalance_timeout_ms() const {
  std::int32_t longest = 0;
  for (const auto& [id, member] : members_) {
    longest = std::max(longest, member.record.rebalance_timeout_ms);
  }
  return longest;
}

std::optional<std::set<std::string>> Group::subscribed_topics() const {
  if (protocol_type_ != "consumer" || state_ == GroupState::preparing_rebalance) return {};
  std::set<std::string> topics;
  for (const auto& [id, member] : members_) {
    const auto decoded = kafka_wire::decode_subscription(member.record.metadata_of(protocol_name_));
    if (!decoded.is_ok()) return {};
    topics.insert(decoded->topics.begin(), decoded->topics.end());
  }
  return topics;
}

ErrorCode Group::check_member(const std::string& member_id,
                              const std::optional<std::string>& instance_id) const {
  if (instance_id) {
    const auto known = static_members_.find(*instance_id);
    if (known == static_members_.end()) return ErrorCode::unknown_member_id;
    if (known->second != member_id) return ErrorCode::fenced_instance_id;
  }
  return members_.contains(member_id) ? ErrorCode::none : ErrorCode::unknown_member_id;
}

ErrorCode Group::heartbeat(const kafka_wire::HeartbeatRequest& request, const GroupTurn& turn) {
  const ErrorCode error = check_member(request.member_id, request.group_instance_id);
  if (error != ErrorCode::none) return error;
  if (request.generation_id != generation_id_) return ErrorCode::illegal_generation;
  keep_alive(members_.find(request.member_id)->second, turn);
  // While the assignment is awaited a member may not be told to join again: it has.
  return state_ == GroupState::preparing_rebalance ? ErrorCode::rebalance_in_progress
                                                   : ErrorCode::none;
}

ErrorCode Group::check_commit(const GroupMemberClaim& claim, bool is_transactional, std::int16_t,
                              const GroupTurn& turn) {
  // Somebody who only keeps offsets here, or an administrator.
  if (claim.generation_id < 0 && state_ == GroupState::empty) return ErrorCode::none;
  if (claim.generation_id >= 0 || !claim.member_id.empty() || claim.group_instance_id) {
    const ErrorCode error = check_member(claim.member_id, claim.group_instance_id);
    if (error != ErrorCode::none) return error;
    if (claim.generation_id != generation_id_) return ErrorCode::illegal_generation;
    keep_alive(members_.find(claim.member_id)->second, turn);
  } else if (!is_transactional) {
    return ErrorCode::unknown_member_id;
  }
  // The member has its generation but not its partitions, so it knows nothing to commit.
  if (!is_transactional && state_ == GroupState::completing_rebalance) {
    return ErrorCode::rebalance_in_progress;
  }
  return ErrorCode::none;
}

std::vector<ErrorCode> Group::leave(
    const std::vector<kafka_wire::LeaveGroupRequest::Member>& leaving, GroupTurn& turn) {
  std::vector<ErrorCode> errors;
  bool have_members_left = false;
  bool has_changed = false;
  for (const auto& each : leaving) {
    std::string member_id = each.member_id;
    if (member_id.empty() && each.group_instance_id) {
      // An administrator knows a static member by its instance alone.
      const auto known = static_members_.find(*each.group_instance_id);
      if (known != static_members_.end()) member_id = known->second;
    }
    ErrorCode error = ErrorCode::none;
    if (pending_members_.erase(member_id) == 0) {
      error = check_member(member_id, each.group_instance_id);
      if (error == ErrorCode::none) {
        remove_member(member_id, ErrorCode::unknown_member_id, turn);
        have_members_left = true;
      }
    }
    has_changed = has_changed || error == ErrorCode::none;
    errors.push_back(error);
  }
  if (has_changed) go_on_without(have_members_left, turn);
  return errors;
}

void Group::keep_alive(Member& member, const GroupTurn& turn) {
  set_deadline(member.session_deadline, after_ms(turn.now, member.record.session_timeout_ms));
}

void Group::remove_member(const std::string& member_id, ErrorCode error, GroupTurn& turn) {
  const auto found = members_.find(member_id);
  Member& member = found->second;
  answer_failed(member, error, turn);
  bytes_ -= member.record.byte_count();
  if (member.record.instance_id) static_members_.erase(*member.record.instance_id);
  synced(member_id);
  members_.erase(found);
  if (leader_ == member_id) leader_.clear();
}

void Group::answer_failed(Member& member, ErrorCode error, GroupTurn& turn) {
  if (member.join_answer) {
    kafka_wire::JoinGroupResponse response;
    response.error_code = error;
    response.member_id = member.record.id;
    turn.answer(std::exchange(member.join_answer, nullptr), std::move(response));
  }
  if (member.sync_answer) {
    kafka_wire::SyncGroupResponse response;
    response.error_code = error;
    turn.answer(std::exchange(member.sync_answer, nullptr), std::move(response));
  }
}

void Group::enter(GroupState state, const GroupTurn& turn) {
  state_ = state;
  since_ = turn.wall_now;
}

void Group::set_deadline(MonotonicTime& which, MonotonicTime at) {
  which = at;
  next_deadline_ = std::min(next_deadline_, at);
}

void Group::find_next_deadline() {
  next_deadline_ = std::min({join_deadline_, sync_deadline_, save_deadline_});
  for (const auto& [id, at] : pending_members_) next_deadline_ = std::min(next_deadline_, at);
  for (const auto& [id, member] : members_) {
    next_deadline_ = std::min(next_deadline_, member.session_deadline);
  }
}

void Group::run_due(GroupTurn& turn) {
  expire_members(turn);
  if (join_deadline_ <= turn.now) run_join_deadline(turn);
  if (sync_deadline_ <= turn.now) run_sync_deadline(turn);
  if (save_deadline_ <= turn.now) {
    save_deadline_ = kNever;
    // A group in between is stored by its next generation.
    if (state_ != GroupState::preparing_rebalance && !save(turn, {}).is_ok()) {
      set_deadline(save_deadline_, after_ms(turn.now, kSaveAgainMs));
    }
  }
  find_next_deadline();
}

void Group::expire_members(GroupTurn& turn) {
  std::vector<std::string> expired;
  for (auto& [id, member] : members_) {
    if (member.session_deadline > turn.now) continue;
    // Who waits for an answer cannot send heartbeats; the answer starts the session anew.
    const bool is_waiting = !member.is_new && (member.join_answer || member.sync_answer);
    if (is_waiting) {
      member.session_deadline = kNever;
    } else {
      expired.push_back(id);
    }
  }
  // A new member whose request still waits is alive, if anybody, and asks again.
  for (const auto& id : expired) remove_member(id, ErrorCode::unknown_member_id, turn);
  const auto forgotten = std::erase_if(
      pending_members_, [&](const auto& pending) { return pending.second <= turn.now; });
  if (!expired.empty() || forgotten > 0) go_on_without(!expired.empty(), turn);
}

void Group::go_on_without(bool have_members_left, GroupTurn& turn) {
  if (state_ == GroupState::preparing_rebalance) return maybe_complete_join(turn);
  // Who was only pending has no part in the generation.
  if (have_members_left && can_rebalance()) prepare_rebalance(turn);
}

void Group::give_up(ErrorCode error, GroupTurn& turn) {
  for (auto& [id, member] : members_) answer_failed(member, error, turn);
  state_ = GroupState::dead;
  next_deadline_ = join_deadline_ = sync_deadline_ = save_deadline_ = kNever;
}

kafka_wire::DescribeGroupsResponse::Group Group::describe() const {
  kafka_wire::DescribeGroupsResponse::Group out;
  out.group_id = id_;
  out.group_state = to_string(state_);
  out.protocol_type = protocol_type_.value_or("");
  const bool is_stable = state_ == GroupState::stable;
  if (is_stable) out.protocol_data = protocol_name_;
  for (const auto& [id, member] : members_) {
    auto& shown = out.members.emplace_back();
    shown.member_id = id;
    shown.group_instance_id = member.record.instance_id;
    shown.client_id = member.record.client_id;
    shown.client_host = member.record.client_host;
    if (!is_stable) continue;
    shown.member_metadata.bytes = member.record.metadata_of(protocol_name_);
    shown.member_assignment.bytes = member.record.assignment;
  }
  return out;
}

}  // namespace millrace::broker
