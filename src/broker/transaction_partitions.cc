#include <algorithm>
#include <memory>

#include "broker/offset_note.h"
#include "broker/transaction_coordinator_internal.h"

// What joins a transaction by request: partitions, groups and their offsets (KIP-98, KIP-447).

namespace millrace::broker {

using kafka_wire::AddOffsetsToTxnRequest;
using kafka_wire::AddOffsetsToTxnResponse;
using kafka_wire::AddPartitionsToTxnRequest;
using kafka_wire::AddPartitionsToTxnResponse;
using kafka_wire::ErrorCode;
using kafka_wire::TxnOffsetCommitRequest;
using kafka_wire::TxnOffsetCommitResponse;

namespace {

// The first version of the second protocol (KIP-890).
constexpr std::int16_t kSecondTxnOffsetCommit = 5;

// Clients of older versions know only the other code.
ErrorCode known_to(std::int16_t version, ErrorCode error) {
  return error == ErrorCode::producer_fenced && version < 2 ? ErrorCode::invalid_producer_epoch
                                                            : error;
}

}  // namespace

ErrorCode TransactionCoordinator::Impl::check_partition(const TopicPartition& partition) const {
  const auto topic = ports_.log.topic(partition.topic);
  if (!topic.is_ok() || partition.partition < 0 ||
      partition.partition >= topic->config.partition_count) {
    return ErrorCode::unknown_topic_or_partition;
  }
  return topic->config.is_internal ? ErrorCode::topic_authorization_failed : ErrorCode::none;
}

TransactionRecord TransactionCoordinator::Impl::begun(const Entry& entry) const {
  TransactionRecord next = entry.record;
  if (next.state == TransactionState::ongoing) return next;
  next.state = TransactionState::ongoing;
  next.started = ports_.clock.wall_now();
  return next;
}

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::add_partitions(
    const AddPartitionsToTxnRequest& request) {
  const std::lock_guard lock(mutex_);
  const std::string& id = request.v3_and_below_transactional_id;
  const Entry* entry = nullptr;
  const ErrorCode error =
      find(id, ProducerId(request.v3_and_below_producer_id),
           ProducerEpoch(request.v3_and_below_producer_epoch), ErrorCode::producer_fenced, entry);
  if (error != ErrorCode::none) return {.error = error};
  TransactionRecord next = begun(*entry);
  for (const auto& topic : request.v3_and_below_topics) {
    const auto info = ports_.log.topic(topic.name);
    if (!info.is_ok()) return {.error = ErrorCode::unknown_topic_or_partition};
    EnlistedTopic& enlisted = next.topics[topic.name];
    if (enlisted.incarnation != info->incarnation) enlisted = {info->incarnation, {}};
    enlisted.partitions.insert(topic.partitions.begin(), topic.partitions.end());
  }
  if (next.partition_count() > options_.partitions_per_transaction_max) {
    return {.error = ErrorCode::policy_violation};
  }
  const bool is_known =
      entry->record.state == TransactionState::ongoing && next.topics == entry->record.topics;
  if (is_known) return {.sequence = entry->sequence};
  const Status status = store(id, std::move(next), {});
  if (!status.is_ok()) return {.error = error_of_commit(status)};
  return {.sequence = entry->sequence};
}

void TransactionCoordinator::add_partitions(const AddPartitionsToTxnRequest& request,
                                            std::int16_t version,
                                            const Answer<AddPartitionsToTxnResponse>& answer) {
  using Topics = std::vector<AddPartitionsToTxnResponse::Topic>;
  auto topics = std::make_shared<Topics>();
  bool is_any_wrong = version > 3;
  for (const auto& topic : request.v3_and_below_topics) {
    auto& out = topics->emplace_back();
    out.name = topic.name;
    for (const std::int32_t index : topic.partitions) {
      const ErrorCode error = impl_->check_partition({topic.name, index});
      is_any_wrong |= error != ErrorCode::none;
      out.results_by_partition.push_back({index, error});
    }
  }
  Impl::Outcome outcome;
  if (version > 3) {
    outcome.error = ErrorCode::unsupported_version;
  } else if (is_any_wrong) {
    // None is added when one cannot be.
    for (auto& topic : *topics) {
      for (auto& partition : topic.results_by_partition) {
        if (partition.partition_error_code == ErrorCode::none) {
          partition.partition_error_code = ErrorCode::operation_not_attempted;
        }
      }
    }
  } else {
    outcome = impl_->add_partitions(request);
    outcome.error = known_to(version, outcome.error);
    impl_->wake_if_wanted();
  }
  impl_->answer_when_durable(outcome, answer, [topics](ErrorCode error) {
    AddPartitionsToTxnResponse response;
    response.error_code = error;  // sent from version 4 on
    response.results_by_topic_v3_and_below = *topics;
    if (error == ErrorCode::none) return response;
    for (auto& topic : response.results_by_topic_v3_and_below) {
      for (auto& partition : topic.results_by_partition) partition.partition_error_code = error;
    }
    return response;
  });
}

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::add_offsets(
    const AddOffsetsToTxnRequest& request) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = nullptr;
  const ErrorCode error =
      find(request.transactional_id, ProducerId(request.producer_id),
           ProducerEpoch(request.producer_epoch), ErrorCode::producer_fenced, entry);
  if (error != ErrorCode::none) return {.error = error};
  if (request.group_id.empty()) return {.error = ErrorCode::invalid_group_id};
  TransactionRecord next = begun(*entry);
  const bool is_new = next.groups.try_emplace(request.group_id).second;
  if (!is_new) return {.sequence = entry->sequence};
  if (next.groups.size() > options_.offsets_per_transaction_max) {
    return {.error = ErrorCode::policy_violation};
  }
  const Status status = store(request.transactional_id, std::move(next), {});
  if (!status.is_ok()) return {.error = error_of_commit(status)};
  return {.sequence = entry->sequence};
}

void TransactionCoordinator::add_offsets(const AddOffsetsToTxnRequest& request,
                                         std::int16_t version,
                                         const Answer<AddOffsetsToTxnResponse>& answer) {
  auto outcome = impl_->add_offsets(request);
  outcome.error = known_to(version, outcome.error);
  impl_->wake_if_wanted();
  impl_->answer_when_durable(outcome, answer, [](ErrorCode error) {
    AddOffsetsToTxnResponse response;
    response.error_code = error;
    return response;
  });
}

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::stage_offsets(
    const TxnOffsetCommitRequest& request, bool is_joining,
    const std::map<TopicPartition, StagedOffset>& offsets) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = nullptr;
  const ErrorCode error =
      find(request.transactional_id, ProducerId(request.producer_id),
           ProducerEpoch(request.producer_epoch), ErrorCode::invalid_producer_epoch, entry);
  if (error != ErrorCode::none) return {.error = error};
  const bool is_enlisted = entry->record.state == TransactionState::ongoing &&
                           entry->record.groups.contains(request.group_id);
  if (!is_enlisted && !is_joining) return {.error = ErrorCode::invalid_txn_state};
  TransactionRecord next = begun(*entry);
  auto& staged = next.groups[request.group_id];
  for (const auto& [partition, offset] : offsets) staged.insert_or_assign(partition, offset);
  if (next.offset_count() > options_.offsets_per_transaction_max) {
    return {.error = ErrorCode::policy_violation};
  }
  const Status status = store(request.transactional_id, std::move(next), {});
  if (!status.is_ok()) return {.error = error_of_commit(status)};
  return {.sequence = entry->sequence};
}

void TransactionCoordinator::commit_offsets(const TxnOffsetCommitRequest& request,
                                            std::int16_t version,
                                            const Answer<TxnOffsetCommitResponse>& answer) {
  auto response = std::make_shared<TxnOffsetCommitResponse>();
  std::map<TopicPartition, StagedOffset> offsets;
  for (const auto& topic : request.topics) {
    auto& out = response->topics.emplace_back();
    out.name = topic.name;
    for (const auto& partition : topic.partitions) {
      const TopicPartition at{topic.name, partition.partition_index};
      const std::string metadata = partition.committed_metadata.value_or("");
      ErrorCode error = impl_->check_partition(at);
      if (error == ErrorCode::none &&
          metadata.size() > impl_->options().offset_metadata_bytes_max) {
        error = ErrorCode::offset_metadata_too_large;
      }
      if (error == ErrorCode::none && partition.committed_offset < 0) {
        error = ErrorCode::invalid_request;
      }
      if (error == ErrorCode::none) {
        offsets[at] = {Offset(partition.committed_offset),
                       keep_offset_note({metadata, partition.committed_leader_epoch})};
      }
      out.partitions.push_back({partition.partition_index, error});
    }
  }
  Impl::Outcome outcome;
  const auto stage = [&] {
    outcome = impl_->stage_offsets(request, version >= kSecondTxnOffsetCommit, offsets);
    return outcome.error;
  };
  const auto& of_group = impl_->ports().stage_offsets;
  outcome.error = of_group ? of_group(request, stage) : stage();
  impl_->wake_if_wanted();
  impl_->answer_when_durable(outcome, answer, [response](ErrorCode error) {
    if (error == ErrorCode::none) return *response;
    for (auto& topic : response->topics) {
      for (auto& partition : topic.partitions) partition.error_code = error;
    }
    return *response;
  });
}

}  // namespace millrace::broker
