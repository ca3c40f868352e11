#include "base/check.h"
#include "broker/transaction_coordinator_internal.h"

// InitProducerId: who is the transactional id's producer, and who no longer (KIP-98, KIP-360).

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::InitProducerIdRequest;
using kafka_wire::InitProducerIdResponse;

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::init_new(
    const InitProducerIdRequest& request, const std::optional<log::ProducerIdentity>& fresh,
    log::ProducerIdentity& producer, bool& needs_fresh) {
  if (entries_.size() >= options_.ids_max) return {.error = ErrorCode::policy_violation};
  if (!fresh) {
    needs_fresh = true;
    return {};
  }
  TransactionRecord next;
  next.producer = producer = *fresh;
  next.timeout_ms = request.transaction_timeout_ms;
  const Status status = store(*request.transactional_id, std::move(next), {});
  if (!status.is_ok()) return {.error = error_of_commit(status)};
  return {.sequence = entries_.at(*request.transactional_id).sequence};
}

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::init_known(
    const InitProducerIdRequest& request, const Entry& entry,
    const std::optional<log::ProducerIdentity>& fresh, log::ProducerIdentity& producer,
    bool& needs_fresh) {
  const TransactionRecord& record = entry.record;
  const bool is_ongoing = record.state == TransactionState::ongoing;
  const log::ProducerIdentity asking{ProducerId(request.producer_id),
                                     ProducerEpoch(request.producer_epoch)};
  const bool says_who = asking.id != kNoProducerId;
  if (says_who && !is_same(asking, record.producer)) {
    // Its answer got lost, perhaps. Once the epoch it was given has a transaction, it was not.
    if (is_ongoing || !is_same(asking, record.previous)) {
      return {.error = ErrorCode::producer_fenced};
    }
    producer = record.producer;
    return {.sequence = entry.sequence};
  }
  TransactionRecord next = record;
  next.timeout_ms = request.transaction_timeout_ms;
  next.state = TransactionState::empty;
  next.previous = says_who ? record.producer : kNobody;
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
  const Status status =
      is_ongoing ? finish(*request.transactional_id, entry, false, marker, std::move(next))
                 : store(*request.transactional_id, std::move(next), {});
  if (!status.is_ok()) return {.error = error_of_commit(status)};
  return {.sequence = entry.sequence};
}

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::init(
    const InitProducerIdRequest& request, log::ProducerIdentity& producer) {
  const std::string& id = *request.transactional_id;
  if (id.empty() || id.size() > options_.id_bytes_max ||
      (request.producer_id < 0) != (request.producer_epoch < 0)) {
    return {.error = ErrorCode::invalid_request};
  }
  if (request.transaction_timeout_ms <= 0 ||
      request.transaction_timeout_ms > options_.timeout_ms_max) {
    return {.error = ErrorCode::invalid_transaction_timeout};
  }
  std::optional<log::ProducerIdentity> fresh;
  for (;;) {
    bool needs_fresh = false;
    Outcome outcome;
    {
      const std::lock_guard lock(mutex_);
      if (!is_started_) return {.error = ErrorCode::coordinator_not_available};
      const auto known = entries_.find(id);
      outcome = known == entries_.end()
                    ? init_new(request, fresh, producer, needs_fresh)
                    : init_known(request, known->second, fresh, producer, needs_fresh);
    }
    if (!needs_fresh) return outcome;
    MR_CHECK(!fresh);
    // Without the lock: a block of ids may have to become durable first.
    const auto made = ports_.log.new_producer();
    if (!made.is_ok()) return {.error = error_of_commit(made.status())};
    fresh = made.value();
  }
}

void TransactionCoordinator::init_producer_id(const InitProducerIdRequest& request,
                                              std::int16_t version,
                                              const Answer<InitProducerIdResponse>& answer) {
  log::ProducerIdentity producer = kNobody;
  Impl::Outcome outcome;
  if (request.transactional_id) {
    outcome = impl_->init(request, producer);
  } else {
    const auto made = impl_->ports().log.new_producer();
    outcome.error = error_of_commit(made.status());
    if (made.is_ok()) producer = made.value();
  }
  // Clients of older versions know only the other code.
  if (outcome.error == ErrorCode::producer_fenced && version < 4) {
    outcome.error = ErrorCode::invalid_producer_epoch;
  }
  impl_->answer_when_durable(outcome, answer, [producer](ErrorCode error) {
    InitProducerIdResponse response;
    response.error_code = error;
    response.producer_id = error == ErrorCode::none ? producer.id.value : -1;
    response.producer_epoch = error == ErrorCode::none ? producer.epoch.value : -1;
    return response;
  });
}

}  // namespace millrace::broker
