#include "sim/kafka_model/transaction_coordinator.h"

namespace millrace::kafka_model {

void TransactionCoordinator::decide(const std::string& id, Transaction& transaction, bool is_commit,
                                    Decisions& decisions) {
  transaction.state = is_commit ? State::prepare_commit : State::prepare_abort;
  transaction.was_commit = is_commit;
  decisions.push_back(
      {id, transaction.producer, is_commit, transaction.partitions, transaction.groups});
  complete_if_done(transaction);
}

void TransactionCoordinator::complete_if_done(Transaction& transaction) {
  if (transaction.state != State::prepare_commit && transaction.state != State::prepare_abort) {
    return;
  }
  if (transaction.partitions.empty() && transaction.groups.empty()) {
    transaction.state = State::complete;
  }
}

ErrorCode TransactionCoordinator::init_producer_id(const std::string& id, ProducerEpochOf& producer,
                                                   Decisions& decisions) {
  auto& transaction = transactions_[id];
  if (transaction.producer.id < 0) transaction.producer = {next_producer_id_++, -1};
  switch (transaction.state) {
    case State::prepare_commit:
    case State::prepare_abort:
      return ErrorCode::concurrent_transactions;
    case State::ongoing:
      ++transaction.producer.epoch;
      decide(id, transaction, false, decisions);
      return ErrorCode::concurrent_transactions;
    case State::empty:
    case State::complete:
      break;
  }
  ++transaction.producer.epoch;
  transaction.state = State::empty;
  producer = transaction.producer;
  return ErrorCode::none;
}

ErrorCode TransactionCoordinator::begin(const std::string& id, ProducerEpochOf producer,
                                        std::int64_t now_ns) {
  auto& transaction = transactions_[id];
  if (transaction.producer != producer) return ErrorCode::producer_fenced;
  switch (transaction.state) {
    case State::prepare_commit:
    case State::prepare_abort:
      return ErrorCode::concurrent_transactions;
    case State::ongoing:
      return ErrorCode::none;
    case State::empty:
    case State::complete:
      break;
  }
  transaction.state = State::ongoing;
  transaction.deadline_ns = now_ns + kTransactionTimeoutNs;
  return ErrorCode::none;
}

ErrorCode TransactionCoordinator::add_partitions(const std::string& id, ProducerEpochOf producer,
                                                 const std::set<TopicPartition>& partitions,
                                                 std::int64_t now_ns) {
  const auto error = begin(id, producer, now_ns);
  if (error == ErrorCode::none) {
    transactions_[id].partitions.insert(partitions.begin(), partitions.end());
  }
  return error;
}

ErrorCode TransactionCoordinator::add_group(const std::string& id, ProducerEpochOf producer,
                                            const std::string& group, std::int64_t now_ns) {
  const auto error = begin(id, producer, now_ns);
  if (error == ErrorCode::none) transactions_[id].groups.insert(group);
  return error;
}

ErrorCode TransactionCoordinator::end(const std::string& id, ProducerEpochOf producer,
                                      bool is_commit, Decisions& decisions) {
  auto& transaction = transactions_[id];
  if (transaction.producer != producer) return ErrorCode::producer_fenced;
  switch (transaction.state) {
    case State::ongoing:
      decide(id, transaction, is_commit, decisions);
      return ErrorCode::none;
    case State::prepare_commit:
    case State::prepare_abort:
      return transaction.was_commit == is_commit ? ErrorCode::concurrent_transactions
                                                 : ErrorCode::invalid_txn_state;
    case State::complete:
      return transaction.was_commit == is_commit ? ErrorCode::none : ErrorCode::invalid_txn_state;
    case State::empty:
      return ErrorCode::invalid_txn_state;
  }
  return ErrorCode::invalid_txn_state;
}

ErrorCode TransactionCoordinator::verify(ProducerEpochOf producer,
                                         const TopicPartition& partition) const {
  for (const auto& [id, transaction] : transactions_) {
    if (transaction.producer.id != producer.id) continue;
    if (transaction.producer.epoch != producer.epoch) return ErrorCode::producer_fenced;
    const bool is_open =
        transaction.state == State::ongoing && transaction.partitions.contains(partition);
    return is_open ? ErrorCode::none : ErrorCode::invalid_txn_state;
  }
  return ErrorCode::invalid_txn_state;
}

void TransactionCoordinator::expire(std::int64_t now_ns, Decisions& decisions) {
  for (auto& [id, transaction] : transactions_) {
    if (transaction.state != State::ongoing || now_ns < transaction.deadline_ns) continue;
    ++transaction.producer.epoch;
    decide(id, transaction, false, decisions);
  }
}

bool TransactionCoordinator::is_any_open() const {
  for (const auto& [id, transaction] : transactions_) {
    if (transaction.state != State::empty && transaction.state != State::complete) return true;
  }
  return false;
}

void TransactionCoordinator::marker_written(const std::string& id,
                                            const TopicPartition& partition) {
  auto& transaction = transactions_[id];
  transaction.partitions.erase(partition);
  complete_if_done(transaction);
}

void TransactionCoordinator::offsets_written(const std::string& id, const std::string& group) {
  auto& transaction = transactions_[id];
  transaction.groups.erase(group);
  complete_if_done(transaction);
}

}  // namespace millrace::kafka_model
