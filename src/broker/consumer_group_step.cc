#include "broker/consumer_group_step.h"

#include <algorithm>
#include <utility>

#include "broker/group_assignors.h"
#include "broker/group_reconciliation.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;

namespace {

using Request = ConsumerGroupStep::Request;
using Response = ConsumerGroupStep::Response;

// From here on members make their ids themselves (KIP-1082).
constexpr std::int16_t kVersionOwnMemberIds = 1;

Response refused(ErrorCode error, std::string message) {
  Response response;
  response.error_code = error;
  response.error_message = std::move(message);
  return response;
}

Response fenced(std::int32_t said, const ConsumerMember& member) {
  return refused(ErrorCode::fenced_member_epoch,
                 "member " + member.id + " is in epoch " + std::to_string(member.epoch) + ", not " +
                     std::to_string(said) + ": it has to give up its partitions and join again");
}

// A topic counts as much as a partition: it may come without any.
std::size_t owned_count(const Request& request) {
  std::size_t count = 0;
  if (!request.topic_partitions) return count;
  for (const auto& topic : *request.topic_partitions) count += 1 + topic.partitions.size();
  return count;
}

std::size_t name_bytes(const Request& request) {
  std::size_t bytes = 0;
  if (!request.subscribed_topic_names) return bytes;
  for (const auto& name : *request.subscribed_topic_names) bytes += name.size() + 1;
  return bytes;
}

bool is_empty_text(const std::optional<std::string>& text) {
  return text && text->empty();
}

Response::Assignment to_answer(const Assignment& partitions) {
  Response::Assignment out;
  for (const auto& [topic, numbers] : partitions) out.topic_partitions.push_back({topic, numbers});
  return out;
}

Response check_join(const Request& request) {
  if (request.rebalance_timeout_ms < 0) {
    return refused(ErrorCode::invalid_request, "RebalanceTimeoutMs is needed to join");
  }
  if (!request.topic_partitions || !request.topic_partitions->empty()) {
    return refused(ErrorCode::invalid_request, "TopicPartitions must be empty to join");
  }
  const bool has_names = request.subscribed_topic_names.has_value();
  if (!has_names && request.subscribed_topic_regex.value_or("").empty()) {
    return refused(ErrorCode::invalid_request,
                   "SubscribedTopicNames or SubscribedTopicRegex is needed to join");
  }
  return {};
}

// Answers that were lost: the member says what it knew, and owns nothing that is not its own.
bool may_be_late(const Request& request, const ConsumerMember& member) {
  return request.member_epoch == member.previous_epoch && request.topic_partitions &&
         is_part(partitions_of(*request.topic_partitions), member.assigned);
}

Response check_epoch(const Request& request, const ConsumerMember& member) {
  // Who joins again has nothing (KAFKA-19233).
  if (request.member_epoch == kEpochJoin || request.member_epoch == member.epoch) return {};
  if (request.member_epoch < member.epoch && may_be_late(request, member)) return {};
  return fenced(request.member_epoch, member);
}

// What the request says of the member; null is: as last time.
void update(ConsumerMember& member, const Request& request, const Client& client) {
  if (request.instance_id) member.instance_id = request.instance_id;
  if (request.rack_id) member.rack_id = request.rack_id;
  if (request.rebalance_timeout_ms >= 0) member.rebalance_timeout_ms = request.rebalance_timeout_ms;
  if (request.server_assignor) member.assignor = *request.server_assignor;
  if (request.subscribed_topic_names) {
    auto& names = member.topic_names = *request.subscribed_topic_names;
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }
  if (request.subscribed_topic_regex) member.topic_regex = *request.subscribed_topic_regex;
  member.client_id = client.id;
  member.client_host = client.host;
}

}  // namespace

Assignment partitions_of(const std::vector<Request::OwnedPartitions>& topics) {
  Assignment out;
  for (const auto& topic : topics) {
    auto& numbers = out[topic.topic_id];
    numbers.insert(numbers.end(), topic.partitions.begin(), topic.partitions.end());
  }
  normalise(out);
  return out;
}

Response check_heartbeat(const Request& request, std::int16_t version, const GroupLimits& limits) {
  const auto invalid = [](const char* message) {
    return refused(ErrorCode::invalid_request, message);
  };
  if (request.group_id.empty()) return invalid("GroupId is empty");
  if (is_empty_text(request.instance_id)) return invalid("InstanceId is empty");
  if (is_empty_text(request.rack_id)) return invalid("RackId is empty");
  if (request.member_epoch < kEpochLeaveForAWhile) return invalid("there is no such MemberEpoch");
  if (request.member_id.empty() &&
      (version >= kVersionOwnMemberIds || request.member_epoch != kEpochJoin)) {
    return invalid("MemberId is empty");
  }
  if (request.member_epoch == kEpochLeaveForAWhile && !request.instance_id) {
    return invalid("only a static member, which has an InstanceId, leaves for a while");
  }
  if (request.rebalance_timeout_ms < -1) return invalid("RebalanceTimeoutMs is negative");
  if (request.member_epoch == kEpochJoin) {
    Response response = check_join(request);
    if (response.error_code != ErrorCode::none) return response;
  }
  if (owned_count(request) > 2 * limits.partitions_per_group_max) {
    return invalid("TopicPartitions has more partitions than a group may have");
  }
  if (name_bytes(request) > limits.member_bytes_max) {
    return refused(ErrorCode::group_max_size_reached, "SubscribedTopicNames is too long");
  }
  if (request.server_assignor && !is_assignor(*request.server_assignor)) {
    return refused(ErrorCode::unsupported_assignor,
                   "assignor " + *request.server_assignor + " is not there; uniform and range are");
  }
  if (request.subscribed_topic_regex && !request.subscribed_topic_regex->empty()) {
    const Status status = check_topic_regex(*request.subscribed_topic_regex);
    if (!status.is_ok()) {
      return refused(ErrorCode::invalid_regular_expression, std::string(status.message()));
    }
  }
  return {};
}

Response ConsumerGroupStep::heartbeat(const Request& request, const std::string& member_id,
                                      const Client& client, bool have_topics_changed,
                                      const Assignment* said) {
  ConsumerMember member;
  Response response = find_member(request, member_id, member);
  if (response.error_code != ErrorCode::none) return response;
  const bool is_new = member.id.empty();
  if (member.epoch == kEpochLeaveForAWhile) member.epoch = member.previous_epoch = kEpochJoin;
  const ConsumerMember before = member;
  member.id = member_id;
  update(member, request, client);
  response = check_room(member);
  if (response.error_code != ErrorCode::none) return response;

  changed_[member_id] = member;
  const bool is_other_subscription = is_new || member.topic_names != before.topic_names ||
                                     member.topic_regex != before.topic_regex;
  if (is_other_subscription || have_topics_changed || header_.epoch > header_.assignment_epoch) {
    look_at_topics();
    if (is_other_subscription && has_left_topics_out_) {
      return refused(ErrorCode::group_max_size_reached,
                     "the group would subscribe to more than " +
                         std::to_string(around_.limits.partitions_per_group_max) + " partitions");
    }
    if (is_other_subscription || topics_hash_ != header_.topics_hash) bump_epoch();
    header_.topics_hash = topics_hash_;
  }
  if (header_.epoch > header_.assignment_epoch) make_targets();

  ConsumerMember& now = *changed_.at(member_id);
  std::optional<Assignment> owned;
  if (request.topic_partitions) owned = partitions_of(*request.topic_partitions);
  reconcile(
      now, header_.assignment_epoch,
      [this](const auto& topic, std::int32_t number) { return state_.is_taken(topic, number); },
      owned ? &*owned : nullptr, said);

  response.member_id = member_id;
  response.member_epoch = now.epoch;
  response.heartbeat_interval_ms = around_.limits.consumer_heartbeat_interval_ms;
  // Who says everything may have lost an answer.
  const bool says_all = request.rebalance_timeout_ms >= 0 && request.topic_partitions &&
                        (request.subscribed_topic_names || request.subscribed_topic_regex);
  if (request.member_epoch == kEpochJoin || says_all || now.assigned != before.assigned) {
    response.assignment = to_answer(now.assigned);
  }
  return response;
}

// Its id stays empty when it is new.
Response ConsumerGroupStep::find_member(const Request& request, const std::string& member_id,
                                        ConsumerMember& member) {
  if (request.instance_id) return find_static_member(request, member_id, member);
  const ConsumerMember* const known = state_.find(member_id);
  if (known == nullptr) {
    if (request.member_epoch == kEpochJoin) return {};
    return refused(ErrorCode::unknown_member_id, "member " + member_id + " is not in the group");
  }
  member = *known;
  return check_epoch(request, member);
}

Response ConsumerGroupStep::find_static_member(const Request& request, const std::string& member_id,
                                               ConsumerMember& member) {
  const std::string& instance = *request.instance_id;
  const ConsumerMember* const known = state_.find_instance(instance);
  if (known == nullptr) {
    if (request.member_epoch == kEpochJoin && state_.find(member_id) == nullptr) return {};
    return refused(ErrorCode::unknown_member_id, "instance " + instance + " is not in the group");
  }
  const bool is_same = known->id == member_id;
  if (request.member_epoch != kEpochJoin) {
    if (!is_same) {
      return refused(ErrorCode::fenced_instance_id,
                     "instance " + instance + " is member " + known->id + " now");
    }
    member = *known;
    return check_epoch(request, member);
  }
  if (known->epoch != kEpochLeaveForAWhile && !is_same) {
    return refused(ErrorCode::unreleased_instance_id,
                   "instance " + instance + " is member " + known->id + ", which has not left");
  }
  if (!is_same && state_.find(member_id) != nullptr) {
    return refused(ErrorCode::unknown_member_id,
                   "member " + member_id + " is in the group without the instance " + instance);
  }
  // It takes the place of the one that left, with its partitions.
  member = *known;
  if (!is_same) changed_[known->id] = std::nullopt;
  return {};
}

Response ConsumerGroupStep::check_room(const ConsumerMember& member) const {
  const GroupLimits& limits = around_.limits;
  const ConsumerMember* known = state_.find(member.id);
  if (known == nullptr && member.instance_id) known = state_.find_instance(*member.instance_id);
  const std::size_t bytes = member.byte_count();
  const std::size_t bytes_before = known == nullptr ? 0 : known->byte_count();
  const bool is_full = known == nullptr && state_.members().size() >= limits.members_per_group_max;
  if (!is_full && bytes <= limits.member_bytes_max &&
      state_.byte_count() - bytes_before + bytes <= limits.group_bytes_max) {
    return {};
  }
  return refused(ErrorCode::group_max_size_reached, "the group is full");
}

Response ConsumerGroupStep::leave(const Request& request) {
  const ConsumerMember* const member = request.instance_id
                                           ? state_.find_instance(*request.instance_id)
                                           : state_.find(request.member_id);
  if (member == nullptr) {
    return refused(ErrorCode::unknown_member_id,
                   "member " + request.member_id + " is not in the group");
  }
  if (member->id != request.member_id) {
    return refused(ErrorCode::fenced_instance_id,
                   "instance " + *request.instance_id + " is member " + member->id + " now");
  }
  if (request.member_epoch == kEpochLeaveForAWhile) {
    ConsumerMember away = *member;
    away.state = ConsumerMemberState::stable;
    away.epoch = kEpochLeaveForAWhile;
    away.revoking.clear();
    changed_[away.id] = std::move(away);
  } else {
    fence({member->id});
  }
  Response response;
  response.member_id = request.member_id;
  response.member_epoch = request.member_epoch;
  return response;
}

void ConsumerGroupStep::fence(const std::vector<std::string>& member_ids) {
  for (const auto& id : member_ids) changed_[id] = std::nullopt;
  bump_epoch();
  // Nobody is left to be assigned anything.
  if (all_members().empty()) header_.assignment_epoch = header_.epoch;
}

void ConsumerGroupStep::bump_epoch() {
  ++header_.epoch;
  header_.since = around_.now;
}

ConsumerGroupChange ConsumerGroupStep::change() const {
  ConsumerGroupChange out;
  if (!(header_ == state_.header())) out.header = header_;
  for (const auto& [id, member] : changed_) {
    const ConsumerMember* const known = state_.find(id);
    if (member && known != nullptr && *known == *member) continue;
    out.members.emplace(id, member);
  }
  return out;
}

}  // namespace millrace::broker
