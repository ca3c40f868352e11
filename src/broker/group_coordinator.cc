#include "broker/group_coordinator.h"

#include <algorithm>
#include <utility>

#include "broker/group_coordinator_internal.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;

namespace {

// The log's bound on a group's name.
constexpr std::size_t kGroupIdBytesMax = 1024;
constexpr std::int16_t kVersionLeaveSeveral = 3;

}  // namespace

GroupCoordinator::Impl::Impl(GroupCoordinatorOptions options, Ports ports)
    : options_(options),
      ports_(std::move(ports)),
      store_(ports_.log),
      member_ids_(options.member_id_seed) {}

Status GroupCoordinator::Impl::start() {
  auto loaded = store_.load();
  if (!loaded.is_ok()) return std::move(loaded).take_status().with_context("consumer groups");
  for (const auto& note : loaded->notes) ports_.logger.error("group not read", {{"what", note}});
  run([&](GroupTurn& turn) {
    notes_ = std::move(loaded->notes);
    for (auto& [id, record] : loaded->groups) {
      Entry& entry = groups_[id];
      entry.group = std::make_unique<Group>(id, options_.limits, std::move(record), turn.now);
      changed(entry);
    }
    adopt_groups_of_log(turn);
    expiry_at_ = after_ms(turn.now, options_.offsets_retention_check_interval_ms);
    is_running_ = true;
  });
  return ok_status();
}

void GroupCoordinator::Impl::stop() {
  run([&](GroupTurn& turn) {
    is_running_ = false;
    for (auto& [id, entry] : groups_) {
      entry.group->give_up(ErrorCode::coordinator_not_available, turn);
    }
    groups_.clear();
    deadlines_.clear();
    bytes_ = 0;
    expiry_at_ = kNever;
  });
}

std::vector<std::string> GroupCoordinator::Impl::notes() const {
  const std::lock_guard lock(mutex_);
  return notes_;
}

void GroupCoordinator::Impl::finish(GroupTurn& turn, MonotonicTime wake_at) {
  for (auto& due : turn.answers) {
    if (due.after == kAtOnce) {
      due.give(ok_status());
    } else {
      ports_.durable.after(due.after, std::move(due.give));
    }
  }
  if (wake_at != kNever && ports_.wake) ports_.wake(wake_at);
}

MonotonicTime GroupCoordinator::Impl::next_deadline() const {
  if (!is_running_) return kNever;
  return deadlines_.empty() ? expiry_at_ : std::min(expiry_at_, deadlines_.begin()->first);
}

GroupCoordinator::Impl::Entry* GroupCoordinator::Impl::find(std::string_view group_id) {
  const auto found = groups_.find(group_id);
  return found == groups_.end() ? nullptr : &found->second;
}

GroupCoordinator::Impl::Entry* GroupCoordinator::Impl::find_or_create(const std::string& group_id,
                                                                      const GroupTurn& turn) {
  if (Entry* const known = find(group_id); known != nullptr) return known;
  if (groups_.size() >= options_.groups_max) return nullptr;
  Entry& entry = groups_[group_id];
  entry.group = std::make_unique<Group>(group_id, options_.limits, turn.wall_now);
  return &entry;
}

void GroupCoordinator::Impl::changed(Entry& entry) {
  bytes_ = bytes_ - entry.counted_bytes + entry.group->byte_count();
  entry.counted_bytes = entry.group->byte_count();
  // A deadline that moved away stays in the table until it is due: most move with every heartbeat.
  const MonotonicTime next = entry.group->next_deadline();
  if (next >= entry.scheduled) return;
  deadlines_.erase({entry.scheduled, entry.group->id()});
  deadlines_.emplace(next, entry.group->id());
  entry.scheduled = next;
}

void GroupCoordinator::Impl::forget(Groups::iterator at) {
  deadlines_.erase({at->second.scheduled, at->first});
  bytes_ -= at->second.counted_bytes;
  rebalances_of_gone_ += at->second.group->rebalance_count();
  groups_.erase(at);
}

MonotonicTime GroupCoordinator::Impl::run_due() {
  bool is_expiry_due = false;
  run([&](GroupTurn& turn) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= turn.now) {
      const auto at = groups_.find(deadlines_.begin()->second);
      deadlines_.erase(deadlines_.begin());
      at->second.scheduled = kNever;
      Group& group = *at->second.group;
      group.run_due(turn);
      changed(at->second);
      // Somebody asked for a member id and never came back.
      if (group.state() == GroupState::empty && !group.is_stored() &&
          group.pending_member_count() == 0) {
        forget(at);
      }
    }
    if (expiry_at_ <= turn.now && is_running_) {
      is_expiry_due = true;
      expiry_at_ = after_ms(turn.now, options_.offsets_retention_check_interval_ms);
    }
    promised_ = next_deadline();
  });
  if (is_expiry_due) expire_offsets();
  const std::lock_guard lock(mutex_);
  promised_ = next_deadline();
  return promised_;
}

ErrorCode GroupCoordinator::Impl::check_group(std::string_view group_id) const {
  if (!is_running_) return ErrorCode::coordinator_not_available;
  if (group_id.size() > kGroupIdBytesMax) return ErrorCode::invalid_group_id;
  return is_reserved(group_id) ? ErrorCode::group_authorization_failed : ErrorCode::none;
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
    const ErrorCode error = check_join(request);
    if (error != ErrorCode::none) {
      kafka_wire::JoinGroupResponse response;
      response.error_code = error;
      response.member_id = request.member_id;
      return turn.answer(answer, std::move(response));
    }
    Entry& entry = *find_or_create(request.group_id, turn);
    entry.group->join({std::move(request), version, client, std::move(answer)}, member_ids_, turn);
    changed(entry);
  });
}

void GroupCoordinator::Impl::sync(kafka_wire::SyncGroupRequest request,
                                  Answer<kafka_wire::SyncGroupResponse> answer) {
  run([&](GroupTurn& turn) {
    ErrorCode error = check_group(request.group_id);
    Entry* const entry = find(request.group_id);
    if (error == ErrorCode::none && entry == nullptr) error = ErrorCode::unknown_member_id;
    if (error != ErrorCode::none) {
      kafka_wire::SyncGroupResponse response;
      response.error_code = error;
      return turn.answer(answer, std::move(response));
    }
    entry->group->sync(std::move(request), std::move(answer), turn);
    changed(*entry);
  });
}

void GroupCoordinator::Impl::heartbeat(const kafka_wire::HeartbeatRequest& request,
                                       Answer<kafka_wire::HeartbeatResponse> answer) {
  run([&](GroupTurn& turn) {
    kafka_wire::HeartbeatResponse response;
    response.error_code = check_group(request.group_id);
    Entry* const entry = find(request.group_id);
    if (response.error_code == ErrorCode::none) {
      response.error_code =
          entry == nullptr ? ErrorCode::unknown_member_id : entry->group->heartbeat(request, turn);
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
    if (Entry* const entry = find(request.group_id); entry != nullptr) {
      errors = entry->group->leave(leaving, turn);
      after = entry->group->saved_in();
      changed(*entry);
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

GroupCounts GroupCoordinator::Impl::counts() const {
  const std::lock_guard lock(mutex_);
  GroupCounts counts;
  counts.groups = groups_.size();
  counts.bytes = bytes_;
  counts.rebalances = rebalances_of_gone_;
  for (const auto& [id, entry] : groups_) {
    counts.members += entry.group->member_count();
    counts.pending_members += entry.group->pending_member_count();
    counts.waiting_answers += entry.group->waiting_answer_count();
    counts.rebalances += entry.group->rebalance_count();
  }
  return counts;
}

GroupCoordinator::GroupCoordinator(GroupCoordinatorOptions options, Ports ports)
    : impl_(std::make_unique<Impl>(options, std::move(ports))) {}

GroupCoordinator::~GroupCoordinator() {
  stop();
}

Status GroupCoordinator::start() {
  return impl_->start();
}

void GroupCoordinator::stop() {
  impl_->stop();
}

std::vector<std::string> GroupCoordinator::notes() const {
  return impl_->notes();
}

MonotonicTime GroupCoordinator::run_due() {
  return impl_->run_due();
}

void GroupCoordinator::join(kafka_wire::JoinGroupRequest request, std::int16_t version,
                            const Client& client, Answer<kafka_wire::JoinGroupResponse> answer) {
  impl_->join(std::move(request), version, client, std::move(answer));
}

void GroupCoordinator::sync(kafka_wire::SyncGroupRequest request,
                            Answer<kafka_wire::SyncGroupResponse> answer) {
  impl_->sync(std::move(request), std::move(answer));
}

void GroupCoordinator::heartbeat(const kafka_wire::HeartbeatRequest& request,
                                 Answer<kafka_wire::HeartbeatResponse> answer) {
  impl_->heartbeat(request, std::move(answer));
}

void GroupCoordinator::leave(const kafka_wire::LeaveGroupRequest& request, std::int16_t version,
                             Answer<kafka_wire::LeaveGroupResponse> answer) {
  impl_->leave(request, version, std::move(answer));
}

void GroupCoordinator::commit_offsets(kafka_wire::OffsetCommitRequest request,
                                      Answer<kafka_wire::OffsetCommitResponse> answer) {
  impl_->commit_offsets(std::move(request), std::move(answer));
}

void GroupCoordinator::fetch_offsets(const kafka_wire::OffsetFetchRequest& request,
                                     std::int16_t version,
                                     Answer<kafka_wire::OffsetFetchResponse> answer) {
  impl_->fetch_offsets(request, version, std::move(answer));
}

void GroupCoordinator::delete_offsets(const kafka_wire::OffsetDeleteRequest& request,
                                      Answer<kafka_wire::OffsetDeleteResponse> answer) {
  impl_->delete_offsets(request, std::move(answer));
}

ErrorCode GroupCoordinator::stage_offsets(const GroupMemberClaim& claim,
                                          const std::function<ErrorCode()>& stage) {
  return impl_->stage_offsets(claim, stage);
}

void GroupCoordinator::describe(const kafka_wire::DescribeGroupsRequest& request,
                                std::int16_t version,
                                Answer<kafka_wire::DescribeGroupsResponse> answer) {
  impl_->describe(request, version, std::move(answer));
}

void GroupCoordinator::list(const kafka_wire::ListGroupsRequest& request,
                            Answer<kafka_wire::ListGroupsResponse> answer) {
  impl_->list(request, std::move(answer));
}

void GroupCoordinator::delete_groups(const kafka_wire::DeleteGroupsRequest& request,
                                     Answer<kafka_wire::DeleteGroupsResponse> answer) {
  impl_->delete_groups(request, std::move(answer));
}

GroupCounts GroupCoordinator::counts() const {
  return impl_->counts();
}

}  // namespace millrace::broker
