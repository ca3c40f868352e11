#include <algorithm>

#include "broker/transaction_coordinator_internal.h"

// What administrators may do and see (KIP-664).

namespace millrace::broker {

using kafka_wire::DescribeProducersRequest;
using kafka_wire::DescribeProducersResponse;
using kafka_wire::DescribeTransactionsRequest;
using kafka_wire::DescribeTransactionsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::ListTransactionsRequest;
using kafka_wire::ListTransactionsResponse;
using kafka_wire::WriteTxnMarkersRequest;
using kafka_wire::WriteTxnMarkersResponse;

namespace {

constexpr TransactionState kStates[] = {TransactionState::empty, TransactionState::ongoing,
                                        TransactionState::complete_commit,
                                        TransactionState::complete_abort};
// Kafka's other states, which a filter may name.
constexpr std::string_view kStatesNeverHere[] = {"PrepareCommit", "PrepareAbort",
                                                 "PrepareEpochFence", "Dead"};

bool is_state(std::string_view name) {
  for (const TransactionState state : kStates) {
    if (to_string(state) == name) return true;
  }
  return std::find(std::begin(kStatesNeverHere), std::end(kStatesNeverHere), name) !=
         std::end(kStatesNeverHere);
}

template <typename List, typename Value>
bool passes(const List& filter, const Value& value) {
  return filter.empty() || std::find(filter.begin(), filter.end(), value) != filter.end();
}

}  // namespace

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::write_marker(
    const log::TransactionMarker& marker) {
  const std::lock_guard lock(mutex_);
  if (!is_started_) return {.error = ErrorCode::coordinator_not_available};
  if (marker.producer.id.value < 0 || marker.producer.epoch.value < 0) {
    return {.error = ErrorCode::invalid_request};
  }
  const ErrorCode error = check_partition(marker.partition);
  if (error != ErrorCode::none) return {.error = error};
  log::Commit commit;
  commit.markers.push_back(marker);
  const auto appended = ports_.log.commit(std::move(commit));
  if (appended.status().code() == StatusCode::fenced) {
    return {.error = ErrorCode::invalid_producer_epoch};
  }
  if (!appended.is_ok()) return {.error = error_of_commit(appended.status())};
  return {.sequence = appended->sequence};
}

void TransactionCoordinator::write_markers(const WriteTxnMarkersRequest& request,
                                           const Answer<WriteTxnMarkersResponse>& answer) {
  WriteTxnMarkersResponse response;
  Impl::Outcome all;
  for (const auto& marker : request.markers) {
    auto& out = response.markers.emplace_back();
    out.producer_id = marker.producer_id;
    for (const auto& topic : marker.topics) {
      auto& errors = out.topics.emplace_back();
      errors.name = topic.name;
      for (const std::int32_t index : topic.partition_indexes) {
        const auto outcome = impl_->write_marker(
            {.partition = {topic.name, index},
             .producer = {ProducerId(marker.producer_id), ProducerEpoch(marker.producer_epoch)},
             .is_commit = marker.transaction_result});
        all.sequence = std::max(all.sequence, outcome.sequence);
        errors.partitions.push_back({index, outcome.error});
      }
    }
  }
  impl_->answer_when_durable(all, answer, [response](ErrorCode error) mutable {
    if (error == ErrorCode::none) return response;
    for (auto& marker : response.markers) {
      for (auto& topic : marker.topics) {
        for (auto& partition : topic.partitions) partition.error_code = error;
      }
    }
    return response;
  });
}

void TransactionCoordinator::describe_producers(
    const DescribeProducersRequest& request,
    const Answer<DescribeProducersResponse>& answer) const {
  DescribeProducersResponse response;
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    for (const std::int32_t index : topic.partition_indexes) {
      auto& partition = out.partitions.emplace_back();
      partition.partition_index = index;
      const auto producers = impl_->ports().log.producers({topic.name, index});
      if (!producers.is_ok()) {
        partition.error_code = ErrorCode::unknown_topic_or_partition;
        partition.error_message = std::string(producers.status().message());
        continue;
      }
      for (const auto& producer : *producers) {
        auto& active = partition.active_producers.emplace_back();
        active.producer_id = producer.id.value;
        active.producer_epoch = producer.epoch.value;
        active.last_sequence = producer.last_sequence;
        active.last_timestamp = producer.last_append_time.value;
        if (producer.transaction_start) {
          active.current_txn_start_offset = producer.transaction_start->value;
        }
      }
    }
  }
  answer(std::move(response));
}

TransactionCoordinator::Impl::Outcome TransactionCoordinator::Impl::describe(
    const std::string& transactional_id, DescribeTransactionsResponse::Transaction& out) const {
  const std::shared_lock lock(mutex_);
  if (!is_started_) return {.error = ErrorCode::coordinator_not_available};
  if (transactional_id.empty()) return {.error = ErrorCode::invalid_request};
  const auto known = entries_.find(transactional_id);
  if (known == entries_.end()) return {.error = ErrorCode::transactional_id_not_found};
  const TransactionRecord& record = known->second.record;
  out.transaction_state = to_string(record.state);
  out.transaction_timeout_ms = record.timeout_ms;
  out.transaction_start_time_ms =
      record.state == TransactionState::ongoing ? record.started.value : -1;
  out.producer_id = record.producer.id.value;
  out.producer_epoch = record.producer.epoch.value;
  for (const auto& [name, topic] : record.topics) {
    out.topics.push_back({name, {topic.partitions.begin(), topic.partitions.end()}});
  }
  return {.sequence = known->second.sequence};
}

void TransactionCoordinator::describe(const DescribeTransactionsRequest& request,
                                      const Answer<DescribeTransactionsResponse>& answer) const {
  DescribeTransactionsResponse response;
  Impl::Outcome all;
  for (const auto& id : request.transactional_ids) {
    auto& out = response.transaction_states.emplace_back();
    out.transactional_id = id;
    const auto outcome = impl_->describe(id, out);
    out.error_code = outcome.error;
    all.sequence = std::max(all.sequence, outcome.sequence);
  }
  impl_->answer_when_durable(all, answer, [response](ErrorCode error) mutable {
    if (error == ErrorCode::none) return response;
    for (auto& transaction : response.transaction_states) transaction.error_code = error;
    return response;
  });
}

log::CommitSequence TransactionCoordinator::Impl::list(const ListTransactionsRequest& request,
                                                       ListTransactionsResponse& out) const {
  log::CommitSequence newest{0};
  const std::shared_lock lock(mutex_);
  if (!is_started_) out.error_code = ErrorCode::coordinator_not_available;
  const WallTime now = ports_.clock.wall_now();
  for (const auto& [id, entry] : entries_) {
    const TransactionRecord& record = entry.record;
    const bool is_ongoing = record.state == TransactionState::ongoing;
    const bool is_long_enough = request.duration_filter < 0 ||
                                (is_ongoing && now - record.started > request.duration_filter);
    if (!is_long_enough || !passes(request.state_filters, to_string(record.state)) ||
        !passes(request.producer_id_filters, record.producer.id.value)) {
      continue;
    }
    newest = std::max(newest, entry.sequence);
    out.transaction_states.push_back(
        {id, record.producer.id.value, std::string(to_string(record.state))});
  }
  return newest;
}

void TransactionCoordinator::list(const ListTransactionsRequest& request,
                                  const Answer<ListTransactionsResponse>& answer) const {
  ListTransactionsResponse response;
  for (const auto& filter : request.state_filters) {
    if (!is_state(filter)) response.unknown_state_filters.push_back(filter);
  }
  const log::CommitSequence newest = impl_->list(request, response);
  impl_->answer_when_durable(Impl::Outcome{.error = response.error_code, .sequence = newest},
                             answer, [response](ErrorCode error) mutable {
                               response.error_code = error;
                               if (error != ErrorCode::none) response.transaction_states.clear();
                               return response;
                             });
}

}  // namespace millrace::broker
