#include <utility>

#include "broker/group_coordinator_internal.h"

// Members of the classic protocol.

namespace millrace::broker {

using kafka_wire::ErrorCode;

namespace {

constexpr std::int16_t kVersionLeaveSeveral = 3;

}  // namespace

Group* GroupCoordinator::Impl::find_classic(std::string_view group_id) {
  Entry* const entry = find(group_id);
  return entry == nullptr ? nullptr : entry->group->classic();
}

Group* GroupCoordinator::Impl::as_classic(Entry& entry, const GroupTurn& turn) {
  if (Group* const group = entry.group->classic(); group != nullptr) return group;
  if (!entry.group->is_empty()) return nullptr;
  // What is stored is the empty consumer group, and as good until the classic one has a generation.
  GroupRecord record;
  record.protocol_type = entry.group->protocol_type();
  record.generation_id = entry.group->consumer()->state().header().epoch;
  record.since = entry.group->since();
  rebalances_of_gone_ += entry.group->rebalance_count();
  entry.group =
      std::make_unique<Group>(entry.group->id(), options_.limits, std::move(record), turn.now);
  return entry.group->classic();
}

ErrorCode GroupCoordinator::Impl::check_join(const kafka_wire::JoinGroupRequest& request) const {
  const ErrorCode error = check_group(request.group_id);
  if (error != ErrorCode::none) return error;
  // An empty id is good enough for keeping offsets, as it always was, but not for members.
  if (request.group_id.empty()) return ErrorCode::invalid_group_id;
  if (request.session_timeout_ms < options_.limits.session_timeout_ms_min ||
      request.session_timeout_ms > options_.limits.session_timeout_ms_max) {
    return ErrorCode::invalid_session_timeout;
  }
  const bool is_new = request.member_id.empty();
  const auto group = groups_.find(request.group_id);
  if (group == groups_.end()) {
    if (!is_new) return ErrorCode::unknown_member_id;
    if (groups_.size() >= options_.groups_max) return ErrorCode::group_max_size_reached;
  }
  std::size_t bytes = bytes_;
  for (const auto& protocol : request.protocols) bytes += protocol.metadata.bytes.size();
  return bytes > options_.all_groups_bytes_max ? ErrorCode::group_max_size_reached
                                               : ErrorCode::none;
}

void GroupCoordinator::Impl::join(kafka_wire::JoinGroupRequest request, std::int16_t version,
                                  const Client& client,
                                  Answer<kafka_wire::JoinGroupResponse> answer) {
  run([&](GroupTurn& turn) {
    ErrorCode error = check_join(request);
    Entry* const entry =
        error == ErrorCode::none ? find_or_create(request.group_id, turn) : nullptr;
    Group* const group = entry == nullptr ? nullptr : as_classic(*entry, turn);
    if (entry != nullptr && group == nullptr) error = ErrorCode::inconsistent_group_protocol;
    if (error != ErrorCode::none) {
      kafka_wire::JoinGroupResponse response;
      response.error_code = error;
      response.member_id = request.member_id;
      return turn.answer(answer, std::move(response));
    }
    group->join({std::move(request), version, client, std::move(answer)}, member_ids_, turn);
    changed(*entry);
  });
}

void GroupCoordinator::Impl::sync(kafka_wire::SyncGroupRequest request,
                                  Answer<kafka_wire::SyncGroupResponse> answer) {
  run([&](GroupTurn& turn) {
    ErrorCode error = check_group(request.group_id);
    Group* const group = find_classic(request.group_id);
    if (error == ErrorCode::none && group == nullptr) error = ErrorCode::unknown_member_id;
    if (error != ErrorCode::none) {
      kafka_wire::SyncGroupResponse response;
      response.error_code = error;
      return turn.answer(answer, std::move(response));
    }
    group->sync(std::move(request), std::move(answer), turn);
    changed(*find(group->id()));
  });
}

void GroupCoordinator::Impl::heartbeat(const kafka_wire::HeartbeatRequest& request,
                                       Answer<kafka_wire::HeartbeatResponse> answer) {
  run([&](GroupTurn& turn) {
    kafka_wire::HeartbeatResponse response;
    response.error_code = check_group(request.group_id);
    Group* const group = find_classic(request.group_id);
    if (response.error_code == ErrorCode::none) {
      response.error_code =
          group == nullptr ? ErrorCode::unknown_member_id : group->heartbeat(request, turn);
    }
    turn.answer(answer, response);
  });
}

void GroupCoordinator::Impl::leave(const kafka_wire::LeaveGroupRequest& request,
                                   std::int16_t version,
                                   Answer<kafka_wire::LeaveGroupResponse> answer) {
  auto leaving = request.members;
  if (version < kVersionLeaveSeveral) leaving = {{request.member_id, {}, {}}};
  run([&](GroupTurn& turn) {
    kafka_wire::LeaveGroupResponse response;
    response.error_code = check_group(request.group_id);
    if (response.error_code != ErrorCode::none) return turn.answer(answer, std::move(response));
    std::vector<ErrorCode> errors(leaving.size(), ErrorCode::unknown_member_id);
    log::CommitSequence after = kAtOnce;
    if (Group* const group = find_classic(request.group_id); group != nullptr) {
      errors = group->leave(leaving, turn);
      after = group->saved_in();
      changed(*find(group->id()));
    }
    if (version < kVersionLeaveSeveral) {
      response.error_code = errors.front();
      return turn.answer(answer, std::move(response), after);
    }
    for (std::size_t i = 0; i < leaving.size(); ++i) {
      response.members.push_back({leaving[i].member_id, leaving[i].group_instance_id, errors[i]});
    }
    turn.answer(answer, std::move(response), after);
  });
}

}  // namespace millrace::broker
