#include "base/check.h"
#include "broker/transaction_coordinator_internal.h"

// EndTxn of both protocols (KIP-98, KIP-890).

namespace millrace::broker {

using kafka_wire::EndTxnRequest;
using kafka_wire::EndTxnResponse;
using kafka_wire::ErrorCode;

namespace {

// The first version of the second protocol (KIP-890).
constexpr std::int16_t kSecondEndTxn = 5;

}  // namespace

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::end(
    const EndTxnRequest& request) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = nullptr;
  const ErrorCode error =
      find(request.transactional_id, ProducerId(request.producer_id),
           ProducerEpoch(request.producer_epoch), ErrorCode::producer_fenced, entry);
  if (error != ErrorCode::none) return {.error = error};
  const TransactionState ended =
      request.committed ? TransactionState::complete_commit : TransactionState::complete_abort;
  // The answer to the first request got lost, perhaps.
  if (entry->record.state == ended) return {.sequence = entry->sequence};
  if (entry->record.state != TransactionState::ongoing) {
    return {.error = ErrorCode::invalid_txn_state};
  }
  TransactionRecord next = entry->record;
  next.state = ended;
  const Status status = finish(request.transactional_id, *entry, request.committed,
                               entry->record.producer, std::move(next));
  if (!status.is_ok()) return {.error = error_of_commit(status)};
  return {.sequence = entry->sequence};
}

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::end_known(
    bool is_commit, const std::string& transactional_id, const Entry& entry,
    const log::ProducerIdentity& asking, const std::optional<log::ProducerIdentity>& fresh,
    log::ProducerIdentity& producer, bool& needs_fresh) {
  const TransactionRecord& record = entry.record;
  const bool is_ongoing = record.state == TransactionState::ongoing;
  const TransactionState ended =
      is_commit ? TransactionState::complete_commit : TransactionState::complete_abort;
  if (!is_same(asking, record.producer) || asking.epoch > kEpochGivenMax) {
    if (asking.id == kNoProducerId ||
        (asking.id != record.producer.id && asking.id != record.previous.id)) {
      return {.error = ErrorCode::invalid_producer_id_mapping};
    }
    // The answer to the first request got lost, perhaps.
    if (is_ongoing || !is_same(asking, record.previous)) {
      return {.error = ErrorCode::producer_fenced};
    }
    producer = record.producer;
    if (record.state != ended) return {.error = ErrorCode::invalid_txn_state};
    return {.sequence = entry.sequence};
  }
  // A producer whose transaction has no partition yet may abort it, and no more.
  if (!is_ongoing && is_commit) return {.error = ErrorCode::invalid_txn_state};
  TransactionRecord next = record;
  next.state = ended;
  next.previous = record.producer;
  if (record.producer.epoch >= kEpochGivenMax) {
    if (!fresh) {
      needs_fresh = true;
      return {};
    }
    next.producer = *fresh;
  } else {
    next.producer.epoch = epoch_after(record.producer.epoch);
  }
  producer = next.producer;
  const log::ProducerIdentity marker{
      record.producer.id, is_ongoing ? epoch_after(record.producer.epoch) : record.producer.epoch};
  const Status status = is_ongoing
                            ? finish(transactional_id, entry, is_commit, marker, std::move(next))
                            : store(transactional_id, std::move(next), {});
  if (!status.is_ok()) return {.error = error_of_commit(status)};
  return {.sequence = entry.sequence};
}

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::end_with_next_epoch(
    const EndTxnRequest& request, log::ProducerIdentity& producer) {
  const log::ProducerIdentity asking{ProducerId(request.producer_id),
                                     ProducerEpoch(request.producer_epoch)};
  std::optional<log::ProducerIdentity> fresh;
  for (;;) {
    bool needs_fresh = false;
    Outcome outcome;
    {
      const std::lock_guard lock(mutex_);
      if (!is_started_) return {.error = ErrorCode::coordinator_not_available};
      if (request.transactional_id.empty()) return {.error = ErrorCode::invalid_request};
      const auto known = entries_.find(request.transactional_id);
      if (known == entries_.end()) return {.error = ErrorCode::invalid_producer_id_mapping};
      outcome = end_known(request.committed, known->first, known->second, asking, fresh, producer,
                          needs_fresh);
    }
    if (!needs_fresh) return outcome;
    MR_CHECK(!fresh);
    const auto made = ports_.log.new_producer();
    if (!made.is_ok()) return {.error = error_of_commit(made.status())};
    fresh = made.value();
  }
}

void TransactionCoordinator::end(const EndTxnRequest& request, std::int16_t version,
                                 const Answer<EndTxnResponse>& answer) {
  log::ProducerIdentity producer = kNobody;
  auto outcome = version >= kSecondEndTxn ? impl_->end_with_next_epoch(request, producer)
                                          : impl_->end(request);
  // Clients of older versions know only the other code.
  if (outcome.error == ErrorCode::producer_fenced && version < 2) {
    outcome.error = ErrorCode::invalid_producer_epoch;
  }
  impl_->answer_when_durable(outcome, answer, [producer](ErrorCode error) {
    EndTxnResponse response;
    response.error_code = error;
    if (error != ErrorCode::none) return response;
    response.producer_id = producer.id.value;
    response.producer_epoch = producer.epoch.value;
    return response;
  });
}

}  // namespace millrace::broker
