#include "broker/group_coordinator.h"

#include <algorithm>
#include <utility>

#include "broker/group_coordinator_internal.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;

namespace {

// The log's bound on a group's name.
constexpr std::size_t kGroupIdBytesMax = 1024;

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
  const auto known = topics(true);
  run([&](GroupTurn& turn) {
    notes_ = std::move(loaded->notes);
    for (auto& [id, record] : loaded->groups) {
      Entry& entry = groups_[id];
      entry.group = std::make_unique<Group>(id, options_.limits, std::move(record), turn.now);
      changed(entry);
    }
    for (auto& [id, records] : loaded->consumer_groups) {
      Entry& entry = groups_[id];
      entry.group =
          std::make_unique<ConsumerGroup>(id, options_.limits, std::move(records), known, turn.now);
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
      AnyGroup& group = *at->second.group;
      group.run_due(turn);
      changed(at->second);
      // Somebody asked for a member id and never came back.
      if (group.is_empty() && !group.is_stored()) forget(at);
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

void GroupCoordinator::consumer_heartbeat(
    kafka_wire::ConsumerGroupHeartbeatRequest request, std::int16_t version, const Client& client,
    Answer<kafka_wire::ConsumerGroupHeartbeatResponse> answer) {
  impl_->consumer_heartbeat(std::move(request), version, client, std::move(answer));
}

void GroupCoordinator::consumer_describe(const kafka_wire::ConsumerGroupDescribeRequest& request,
                                         Answer<kafka_wire::ConsumerGroupDescribeResponse> answer) {
  impl_->consumer_describe(request, std::move(answer));
}

void GroupCoordinator::commit_offsets(kafka_wire::OffsetCommitRequest request, std::int16_t version,
                                      Answer<kafka_wire::OffsetCommitResponse> answer) {
  impl_->commit_offsets(std::move(request), version, std::move(answer));
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
