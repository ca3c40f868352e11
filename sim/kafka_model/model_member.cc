#include "sim/kafka_model/model_member.h"

#include <algorithm>
#include <memory>
#include <mutex>

namespace millrace::kafka_model {
namespace {

constexpr std::int64_t kHeartbeatIntervalNs = 300'000'000;

}  // namespace

ModelMember::ModelMember(Process& process, std::string group, std::vector<std::string> topics,
                         std::string instance_id)
    : process_(process),
      cluster_(process.cluster()),
      group_(std::move(group)),
      topics_(std::move(topics)),
      instance_(std::move(instance_id)) {
  identity_.group = group_;
}

// A static member does not leave: it may come back within its session (KIP-345).
ModelMember::~ModelMember() {
  if (!instance_.empty() || state_ == State::unjoined) return;
  auto& cluster = cluster_;
  (void)process_.send(cluster.group_broker(group_),
                      [&cluster, identity = identity_] { cluster.leave(identity); });
}

void ModelMember::set_identity(const GroupCoordinator::Identity& identity) {
  const std::lock_guard lock(mutex_);
  identity_ = identity;
}

log::GroupMembership ModelMember::membership() const {
  const std::lock_guard lock(mutex_);
  return {identity_.group, identity_.member_id, identity_.generation};
}

ErrorCode ModelMember::ask(const std::function<ErrorCode()>& apply) {
  const auto answer = std::make_shared<ErrorCode>(ErrorCode::timed_out);
  switch (process_.send(cluster_.group_broker(group_), [answer, apply] { *answer = apply(); })) {
    case Process::Sent::answered:
      return *answer;
    case Process::Sent::timed_out:
      return ErrorCode::timed_out;
    case Process::Sent::disconnected:
      return ErrorCode::disconnected;
  }
  return ErrorCode::timed_out;
}

ErrorCode ModelMember::join() {
  auto& cluster = cluster_;
  const auto identity = std::make_shared<GroupCoordinator::Identity>(identity_);
  identity->join_number = ++join_number_;
  const auto error =
      ask([&cluster, identity, instance = instance_, topics = topics_, owned = owned_] {
        return cluster.join(*identity, instance, topics, owned);
      });
  if (error != ErrorCode::none) return error;
  auto joined = identity_;
  joined.member_id = identity->member_id;
  set_identity(joined);
  state_ = State::joining;
  must_rejoin_ = false;
  return ErrorCode::none;
}

void ModelMember::lose(log::AssignmentHandler& handler) {
  set_identity({group_, "", -1});
  state_ = State::unjoined;
  if (owned_.empty()) return;
  const std::vector<TopicPartition> lost(owned_.begin(), owned_.end());
  owned_.clear();
  handler.lost(lost);
}

ErrorCode ModelMember::take_assignment(log::AssignmentHandler& handler) {
  auto& cluster = cluster_;
  struct Answer {
    GroupCoordinator::Identity identity;
    std::set<TopicPartition> assignment;
  };
  const auto answer = std::make_shared<Answer>();
  answer->identity = identity_;
  const auto error =
      ask([&cluster, answer] { return cluster.sync(answer->identity, answer->assignment); });
  if (error != ErrorCode::none) return error;
  set_identity(answer->identity);
  state_ = State::stable;
  next_heartbeat_ns_ = cluster_.now_ns() + kHeartbeatIntervalNs;
  std::vector<TopicPartition> revoked;
  std::vector<TopicPartition> added;
  std::set_difference(owned_.begin(), owned_.end(), answer->assignment.begin(),
                      answer->assignment.end(), std::back_inserter(revoked));
  std::set_difference(answer->assignment.begin(), answer->assignment.end(), owned_.begin(),
                      owned_.end(), std::back_inserter(added));
  if (!revoked.empty()) handler.revoked(revoked);
  owned_ = answer->assignment;
  if (!added.empty()) handler.assigned(added);
  must_rejoin_ = !revoked.empty();
  return must_rejoin_ ? join() : ErrorCode::none;
}

Status ModelMember::poll(log::AssignmentHandler& handler) {
  ErrorCode error = ErrorCode::none;
  switch (state_) {
    case State::unjoined:
      error = join();
      break;
    case State::joining:
      error = take_assignment(handler);
      // Again, as the round may be another one by now; repeated within one it changes nothing.
      if (error == ErrorCode::rebalance_in_progress) error = join();
      break;
    case State::stable: {
      if (must_rejoin_) {  // the request that was to set the revoked ones free was lost
        error = join();
        break;
      }
      if (cluster_.now_ns() < next_heartbeat_ns_) return ok_status();
      next_heartbeat_ns_ = cluster_.now_ns() + kHeartbeatIntervalNs;
      auto& cluster = cluster_;
      error = ask([&cluster, identity = identity_] { return cluster.heartbeat(identity); });
      if (error == ErrorCode::rebalance_in_progress) error = join();
      break;
    }
  }
  switch (error) {
    case ErrorCode::none:
    case ErrorCode::rebalance_in_progress:
      return ok_status();
    case ErrorCode::unknown_member_id:
    case ErrorCode::illegal_generation:
      lose(handler);
      return ok_status();
    default:
      return disconnected_error(std::string(kafka_model::to_string(error)));
  }
}

Result<std::optional<log::GroupOffset>> ModelMember::committed_offset(
    const TopicPartition& source) {
  if (!process_.may_read(cluster_.group_broker(group_))) {
    return disconnected_error("the coordinator of " + group_ + " does not answer");
  }
  std::optional<CommittedOffset> offset;
  const auto error = cluster_.fetch_offset(group_, source, true, offset);
  if (error == ErrorCode::unstable_offset_commit) {
    cluster_.count("unstable offset");
    return overloaded_error("a transaction carries an offset of " + source.to_string());
  }
  if (!offset) return std::optional<log::GroupOffset>();
  return std::optional(log::GroupOffset{source, Offset(offset->next_offset), offset->metadata});
}

}  // namespace millrace::kafka_model
