#include "kafka_client/offset_sends.h"

#include <algorithm>
#include <map>

#include "kafka_client/broker_errors.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ErrorCode;

constexpr std::int16_t kVersion2 = 5;
constexpr std::int16_t kVersion1 = 4;
constexpr std::int16_t kVersionMin = 3;  // member and generation
constexpr std::int16_t kEnrolVersion = 3;

kafka_wire::TxnOffsetCommitRequest request_of(const TransactionScope& scope,
                                              const std::string& group,
                                              const log::GroupMembership* membership) {
  kafka_wire::TxnOffsetCommitRequest out;
  out.transactional_id = scope.transactional_id;
  out.group_id = group;
  out.producer_id = scope.producer.id.value;
  out.producer_epoch = scope.producer.epoch.value;
  if (membership != nullptr) {
    out.generation_id = membership->generation;
    out.member_id = membership->member_id;
  }
  return out;
}

void add(const log::OffsetCommit& offset, kafka_wire::TxnOffsetCommitRequest& to) {
  auto topic = std::ranges::find(to.topics, offset.source.topic,
                                 &kafka_wire::TxnOffsetCommitRequest::Topic::name);
  if (topic == to.topics.end()) {
    to.topics.emplace_back().name = offset.source.topic;
    topic = to.topics.end() - 1;
  }
  auto& at = topic->partitions.emplace_back();
  at.partition_index = offset.source.partition;
  at.committed_offset = offset.next_offset.value;
  at.committed_metadata = offset.metadata;
}

// The gravest of an answer's errors: what is not passing before what is.
ErrorCode error_of(const kafka_wire::TxnOffsetCommitResponse& response) {
  auto out = ErrorCode::none;
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.error_code == ErrorCode::none) continue;
      if (out == ErrorCode::none || kafka_wire::is_retriable(out)) out = partition.error_code;
    }
  }
  return out;
}

}  // namespace

OffsetSends::OffsetSends(Cluster& cluster, const Clock& clock, const TransactionScope& scope,
                         const log::Commit& commit, const log::GroupMembership* membership)
    : cluster_(cluster), clock_(clock), scope_(scope) {
  std::map<std::string, kafka_wire::TxnOffsetCommitRequest> by_group;
  for (const auto& offset : commit.offsets) {
    if (offset.next_offset == log::kNoOffset) continue;
    auto found = by_group.find(offset.group);
    if (found == by_group.end()) {
      found = by_group.emplace(offset.group, request_of(scope, offset.group, membership)).first;
    }
    add(offset, found->second);
  }
  for (auto& [name, request] : by_group) groups_.push_back({std::move(request), {}});
}

Status OffsetSends::enrol() {
  for (const auto& group : groups_) {
    kafka_wire::AddOffsetsToTxnRequest request;
    request.transactional_id = scope_.transactional_id;
    request.producer_id = scope_.producer.id.value;
    request.producer_epoch = scope_.producer.epoch.value;
    request.group_id = group.request.group_id;
    MR_RETURN_IF_ERROR(ask_coordinator(
        cluster_, clock_,
        {CoordinatorKind::transaction, scope_.transactional_id, "AddOffsetsToTxn"}, scope_.deadline,
        scope_.had_trouble, [&](Connection& to) -> Result<ErrorCode> {
          kafka_wire::AddOffsetsToTxnResponse response;
          MR_RETURN_IF_ERROR(to.call(request, kEnrolVersion, response, scope_.deadline));
          return response.error_code;
        }));
  }
  return ok_status();
}

Result<std::int16_t> OffsetSends::version(const Connection& connection) const {
  return connection.version(kafka_wire::ApiKey::txn_offset_commit,
                            scope_.is_v2 ? kVersion2 : kVersion1,
                            scope_.is_v2 ? kVersion2 : kVersionMin);
}

void OffsetSends::start() {
  for (auto& group : groups_) {
    const auto node =
        cluster_.coordinator(CoordinatorKind::group, group.request.group_id, scope_.deadline);
    if (!node.is_ok()) continue;  // finish() says so, or finds it
    auto lease = cluster_.brokers().to(node.value(), scope_.deadline);
    if (!lease.is_ok()) continue;
    const auto one = version(*lease.value());
    if (!one.is_ok()) continue;
    if (!lease.value()->send(group.request, one.value(), scope_.deadline).is_ok()) {
      scope_.had_trouble = true;
      continue;
    }
    group.lease = std::move(lease).value();
  }
}

Result<ErrorCode> OffsetSends::receive(Connection& from) {
  kafka_wire::TxnOffsetCommitResponse response;
  MR_RETURN_IF_ERROR(from.receive(response, scope_.deadline));
  return error_of(response);
}

Result<ErrorCode> OffsetSends::write(const Group& group, Connection& to) {
  MR_ASSIGN_OR_RETURN(const auto one, version(to));
  MR_RETURN_IF_ERROR(to.send(group.request, one, scope_.deadline));
  return receive(to);
}

Status OffsetSends::finish(Group& group) {
  const auto& key = group.request.group_id;
  if (group.lease) {
    const auto started = std::move(group.lease);
    group.lease = {};
    const auto answer = receive(*started);
    if (answer.is_ok() && answer.value() == ErrorCode::none) return ok_status();
    if (answer.is_ok() && !kafka_wire::is_retriable(answer.value())) {
      return status_of(answer.value(), "offsets of group " + key);
    }
    scope_.had_trouble = scope_.had_trouble || !answer.is_ok();
    if (!answer.is_ok() || is_other_coordinator(answer.value())) {
      cluster_.forget_coordinator(CoordinatorKind::group, key);
    }
  }
  return ask_coordinator(cluster_, clock_, {CoordinatorKind::group, key, "offsets of group " + key},
                         scope_.deadline, scope_.had_trouble,
                         [&](Connection& to) { return write(group, to); });
}

Status OffsetSends::finish() {
  for (auto& group : groups_) MR_RETURN_IF_ERROR(finish(group));
  return ok_status();
}

}  // namespace millrace::kafka_client
