#include <utility>

#include "broker/transaction_coordinator_internal.h"

// Transactional Produce: may the producer write there, and writing so that no transaction ends in
// between (KIP-98, KIP-890); and which offsets wait for an outcome.

namespace millrace::broker {

using kafka_wire::ErrorCode;

ErrorCode TransactionCoordinator::Impl::verify(const std::string& transactional_id,
                                               const log::ProducerIdentity& producer,
                                               const TopicPartition& partition) const {
  const Entry* entry = nullptr;
  const ErrorCode error =
      find(transactional_id, producer.id, producer.epoch, ErrorCode::invalid_producer_epoch, entry);
  if (error != ErrorCode::none) return error;
  if (entry->record.state != TransactionState::ongoing) return ErrorCode::invalid_txn_state;
  const auto topic = entry->record.topics.find(partition.topic);
  if (topic == entry->record.topics.end()) return ErrorCode::invalid_txn_state;
  // Another topic of that name would get no marker.
  const auto info = ports_.log.topic(partition.topic);
  const bool is_enlisted = info.is_ok() && info->incarnation == topic->second.incarnation &&
                           topic->second.partitions.contains(partition.partition);
  return is_enlisted ? ErrorCode::none : ErrorCode::invalid_txn_state;
}

ErrorCode TransactionCoordinator::Impl::append(const std::string& transactional_id,
                                               const log::ProducerIdentity& producer,
                                               log::Commit& commit,
                                               Result<log::Appended>& appended) const {
  const std::shared_lock lock(mutex_);
  for (const auto& batch : commit.appends) {
    const ErrorCode error = verify(transactional_id, producer, {batch.topic, batch.partition});
    if (error != ErrorCode::none) return error;
  }
  appended = ports_.log.commit(std::move(commit));
  return ErrorCode::none;
}

ErrorCode TransactionCoordinator::Impl::append_joining(const std::string& transactional_id,
                                                       const log::ProducerIdentity& producer,
                                                       log::Commit& commit,
                                                       Result<log::Appended>& appended) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = nullptr;
  const ErrorCode error =
      find(transactional_id, producer.id, producer.epoch, ErrorCode::invalid_producer_epoch, entry);
  if (error != ErrorCode::none) return error;
  TransactionRecord next = begun(*entry);
  for (const auto& batch : commit.appends) {
    const auto info = ports_.log.topic(batch.topic);
    if (!info.is_ok()) return ErrorCode::unknown_topic_or_partition;
    EnlistedTopic& enlisted = next.topics[batch.topic];
    if (enlisted.incarnation != info->incarnation) enlisted = {info->incarnation, {}};
    enlisted.partitions.insert(batch.partition);
  }
  if (next.partition_count() > options_.partitions_per_transaction_max) {
    return ErrorCode::policy_violation;
  }
  appended = append_and_store(transactional_id, std::move(next), std::move(commit));
  return ErrorCode::none;
}

bool TransactionCoordinator::Impl::has_staged(const std::string& group,
                                              const TopicPartition& partition) const {
  const std::shared_lock lock(mutex_);
  const auto known = staged_.find({group, partition});
  if (known == staged_.end()) return false;
  return known->second.ongoing_count > 0 || known->second.ended > ports_.log.durable_sequence();
}

ErrorCode TransactionCoordinator::verify(const std::string& transactional_id,
                                         const log::ProducerIdentity& producer,
                                         const TopicPartition& partition) const {
  const std::shared_lock lock(impl_->mutex_);
  return impl_->verify(transactional_id, producer, partition);
}

ErrorCode TransactionCoordinator::append(const std::string& transactional_id,
                                         const log::ProducerIdentity& producer,
                                         log::Commit&& commit, bool is_joining,
                                         Result<log::Appended>& appended) {
  const ErrorCode error = impl_->append(transactional_id, producer, commit, appended);
  if (error != ErrorCode::invalid_txn_state || !is_joining) return error;
  // Nothing was taken from it.
  const ErrorCode joined = impl_->append_joining(transactional_id, producer, commit, appended);
  impl_->wake_if_wanted();
  return joined;
}

}  // namespace millrace::broker
