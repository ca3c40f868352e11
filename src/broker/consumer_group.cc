#include "broker/consumer_group.h"

#include <algorithm>
#include <utility>

namespace millrace::broker {

using kafka_wire::ConsumerGroupDescribeResponse;
using kafka_wire::ErrorCode;

namespace {

// Who commits in an older version knows no member epochs.
constexpr std::int16_t kVersionMemberEpoch = 9;

}  // namespace

ConsumerGroup::ConsumerGroup(std::string id, const GroupLimits& limits, ConsumerGroupHeader header,
                             bool is_stored)
    : id_(std::move(id)), limits_(limits), state_(header), is_stored_(is_stored) {}

ConsumerGroup::ConsumerGroup(std::string id, const GroupLimits& limits,
                             ConsumerGroupRecords records,
                             std::shared_ptr<const GroupTopics> topics, MonotonicTime now)
    : id_(std::move(id)),
      limits_(limits),
      state_(std::move(records)),
      topics_(std::move(topics)),
      must_look_at_topics_(true),
      is_stored_(true) {
  for (const auto& [member_id, member] : state_.members()) {
    auto& session = sessions_[member_id];
    set_deadline(session.end, after_ms(now, limits_.consumer_session_timeout_ms));
    if (member.state != ConsumerMemberState::unrevoked) continue;
    set_deadline(session.revocation_end, after_ms(now, member.rebalance_timeout_ms));
  }
}

ConsumerGroup::Response ConsumerGroup::heartbeat(const Request& request,
                                                 const std::string& member_id, const Client& client,
                                                 const std::shared_ptr<const GroupTopics>& known,
                                                 GroupTurn& turn) {
  // Two requests at once may come here in another order than they looked.
  const bool is_outdated = topics_ != nullptr && known->version < topics_->version;
  const std::shared_ptr<const GroupTopics> topics = is_outdated ? topics_ : known;
  ConsumerGroupStep step(state_, {limits_, topics, matches_, turn.wall_now});
  const bool is_leaving = request.member_epoch < kEpochJoin;
  const auto session = sessions_.find(member_id);
  const bool has_said = session != sessions_.end() && session->second.said;
  Response response = is_leaving ? step.leave(request)
                                 : step.heartbeat(request, member_id, client,
                                                  must_look_at_topics_ || topics != topics_,
                                                  has_said ? &*session->second.said : nullptr);
  if (response.error_code != ErrorCode::none) return response;
  if (!carry_out(step.change(), turn).is_ok()) {
    Response refused;
    refused.error_code = ErrorCode::coordinator_load_in_progress;  // clients try again
    return refused;
  }
  if (!is_leaving) {
    topics_ = topics;
    must_look_at_topics_ = false;
    has_left_topics_out_ = step.has_left_topics_out();
    heard_of(member_id, request, turn);
  }
  return response;
}

void ConsumerGroup::heard_of(const std::string& member_id, const Request& request,
                             const GroupTurn& turn) {
  Session& session = sessions_[member_id];
  set_deadline(session.end, after_ms(turn.now, limits_.consumer_session_timeout_ms));
  if (!request.topic_partitions) return;
  // Clients may say anything: only what can be theirs is remembered.
  const ConsumerMember& member = *state_.find(member_id);
  session.said = intersection_of(partitions_of(*request.topic_partitions),
                                 union_of(member.assigned, member.revoking));
}

Status ConsumerGroup::carry_out(const ConsumerGroupChange& change, GroupTurn& turn) {
  if (change.empty()) return ok_status();
  auto saved = turn.store.save(id_, state_.header().incarnation, change, turn.wall_now);
  if (!saved.is_ok()) return std::move(saved).take_status();
  saved_in_ = *saved;
  is_stored_ = true;
  if (change.header && change.header->epoch != state_.header().epoch) ++rebalance_count_;
  for (const auto& [member_id, member] : change.members) {
    if (!member) {
      sessions_.erase(member_id);
      continue;
    }
    const ConsumerMember* const before = state_.find(member_id);
    auto& revocation = sessions_[member_id].revocation_end;
    if (member->state != ConsumerMemberState::unrevoked || member->epoch == kEpochLeaveForAWhile) {
      revocation = kNever;
    } else if (before == nullptr || before->state != member->state ||
               before->epoch != member->epoch) {
      set_deadline(revocation, after_ms(turn.now, member->rebalance_timeout_ms));
    }
  }
  state_.apply(change);
  return ok_status();
}

Result<log::CommitSequence> ConsumerGroup::save(GroupTurn& turn,
                                                std::vector<log::OffsetCommit> offsets) {
  ConsumerGroupChange change;
  change.header = state_.header();
  auto saved =
      turn.store.save(id_, state_.header().incarnation, change, turn.wall_now, std::move(offsets));
  if (!saved.is_ok()) return saved;
  saved_in_ = *saved;
  is_stored_ = true;
  return saved;
}

void ConsumerGroup::set_since(WallTime since) {
  ConsumerGroupChange change;
  change.header = state_.header();
  change.header->since = since;
  state_.apply(change);
}

std::optional<std::set<std::string>> ConsumerGroup::subscribed_topics() const {
  std::set<std::string> out;
  for (const auto& [member_id, member] : state_.members()) {
    out.insert(member.topic_names.begin(), member.topic_names.end());
    if (member.topic_regex.empty()) continue;
    const auto& matched = matches_.of(member.topic_regex, topics_);
    out.insert(matched.begin(), matched.end());
  }
  return out;
}

ErrorCode ConsumerGroup::check_commit(const GroupMemberClaim& claim, bool is_transactional,
                                      std::int16_t version, const GroupTurn&) {
  // An administrator, or somebody who only keeps offsets here.
  if (claim.generation_id < 0 && is_empty()) return ErrorCode::none;
  const ConsumerMember* const member = state_.find(claim.member_id);
  if (member == nullptr) return ErrorCode::unknown_member_id;
  if (!is_transactional && version < kVersionMemberEpoch) return ErrorCode::unsupported_version;
  if (claim.generation_id == member->epoch) return ErrorCode::none;
  return is_transactional ? ErrorCode::illegal_generation : ErrorCode::stale_member_epoch;
}

ErrorCode ConsumerGroup::check_fetch(const GroupMemberClaim& claim) const {
  const ConsumerMember* const member = state_.find(claim.member_id);
  if (member == nullptr) return ErrorCode::unknown_member_id;
  return claim.generation_id == member->epoch ? ErrorCode::none : ErrorCode::stale_member_epoch;
}

void ConsumerGroup::run_due(GroupTurn& turn) {
  std::vector<std::string> gone;
  for (const auto& [member_id, session] : sessions_) {
    if (session.end <= turn.now || session.revocation_end <= turn.now) {
      gone.push_back(member_id);
    }
  }
  try_again_ = kNever;
  if (!gone.empty()) {
    ConsumerGroupStep step(state_, {limits_, topics_, matches_, turn.wall_now});
    step.fence(gone);
    if (!carry_out(step.change(), turn).is_ok()) try_again_ = after_ms(turn.now, kSaveAgainMs);
  }
  find_next_deadline();
}

void ConsumerGroup::give_up(ErrorCode, GroupTurn&) {
  sessions_.clear();
  next_deadline_ = kNever;
}

void ConsumerGroup::set_deadline(MonotonicTime& which, MonotonicTime at) {
  which = at;
  next_deadline_ = std::min(next_deadline_, at);
}

void ConsumerGroup::find_next_deadline() {
  // Those that are over already wait for the log, with all others.
  next_deadline_ = try_again_;
  if (try_again_ != kNever) return;
  for (const auto& [member_id, session] : sessions_) {
    next_deadline_ = std::min({next_deadline_, session.end, session.revocation_end});
  }
}

ConsumerGroupDescribeResponse::Group ConsumerGroup::describe() const {
  constexpr std::int8_t kTypeConsumer = 1;
  const auto shown = [this](const Assignment& partitions) {
    ConsumerGroupDescribeResponse::Assignment out;
    for (const auto& [topic, numbers] : partitions) {
      const auto name = topics_->names.find(topic);
      // Topics that were deleted are shown to nobody.
      if (name != topics_->names.end()) {
        out.topic_partitions.push_back({topic, name->second, numbers});
      }
    }
    return out;
  };
  ConsumerGroupDescribeResponse::Group out;
  out.group_id = id_;
  out.group_state = state_.name();
  out.group_epoch = state_.header().epoch;
  out.assignment_epoch = state_.header().assignment_epoch;
  std::vector<const ConsumerMember*> members;
  for (const auto& [member_id, member] : state_.members()) members.push_back(&member);
  out.assignor_name = preferred_assignor(members);
  for (const auto& [member_id, member] : state_.members()) {
    auto& each = out.members.emplace_back();
    each.member_id = member_id;
    each.instance_id = member.instance_id;
    each.rack_id = member.rack_id;
    each.member_epoch = member.epoch;
    each.client_id = member.client_id;
    each.client_host = member.client_host;
    each.subscribed_topic_names = member.topic_names;
    if (!member.topic_regex.empty()) each.subscribed_topic_regex = member.topic_regex;
    each.assignment = shown(member.assigned);
    each.target_assignment = shown(member.target);
    each.member_type = kTypeConsumer;
  }
  return out;
}

}  // namespace millrace::broker
