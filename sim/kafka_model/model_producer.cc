#include "sim/kafka_model/model_producer.h"

#include <algorithm>
#include <memory>
#include <set>

#include "codec/record_batch.h"

namespace millrace::kafka_model {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kRetryNs = 20 * kMillisecond;
constexpr std::int64_t kLostRequestNs = 400 * kMillisecond;

}  // namespace

// Until an answer that is not "later" or "elsewhere", at most the transaction's time-out.
ErrorCode ModelProducer::to_coordinator(int broker, const std::function<ErrorCode()>& apply) {
  const auto give_up = cluster_.now_ns() + TransactionCoordinator::kTransactionTimeoutNs;
  while (true) {
    if (coordinator_epoch_ != cluster_.coordinator_epoch()) {
      const bool is_first = !coordinator_epoch_;
      coordinator_epoch_ = cluster_.coordinator_epoch();
      if (!is_first) process_.sleep_ns(kRetryNs);  // NOT_COORDINATOR, FindCoordinator
    }
    const auto answer = std::make_shared<ErrorCode>(ErrorCode::timed_out);
    const auto sent = process_.send(broker, [answer, apply] { *answer = apply(); });
    if (sent == Process::Sent::timed_out) return ErrorCode::timed_out;
    const bool is_later =
        sent == Process::Sent::disconnected || *answer == ErrorCode::concurrent_transactions;
    if (!is_later) return *answer;
    if (process_.is_dead() || cluster_.now_ns() >= give_up) return ErrorCode::disconnected;
    process_.sleep_ns(kRetryNs);
  }
}

Status ModelProducer::initialize() {
  const auto producer = std::make_shared<ProducerEpochOf>();
  auto& cluster = cluster_;
  const auto error = to_coordinator(
      cluster.transaction_broker(id_),
      [&cluster, id = id_, producer] { return cluster.init_producer_id(id, *producer); });
  if (error != ErrorCode::none) {
    return disconnected_error("InitProducerId of " + id_ + ": " +
                              std::string(kafka_model::to_string(error)));
  }
  producer_ = *producer;
  next_sequence_.clear();
  return ok_status();
}

ErrorCode ModelProducer::send_records(const log::Commit& commit) {
  std::set<TopicPartition> partitions;
  for (const auto& batch : commit.appends) partitions.insert({batch.topic, batch.partition});
  auto& cluster = cluster_;
  const auto producer = producer_;
  auto error =
      to_coordinator(cluster.transaction_broker(id_), [&cluster, id = id_, producer, partitions] {
        return cluster.add_partitions(id, producer, partitions);
      });
  if (error != ErrorCode::none) return error;
  for (const auto& batch : commit.appends) {
    const TopicPartition to{batch.topic, batch.partition};
    const auto header = codec::parse_batch_header(batch.bytes);
    MR_CHECK(header.is_ok());
    auto bytes = batch.bytes;
    set_batch_producer(bytes, producer, next_sequence_[to], true);
    error = to_coordinator(cluster.leader_of(to), [&cluster, to, bytes, producer] {
      return cluster.produce(to, bytes, producer);
    });
    if (error != ErrorCode::none) return error;
    next_sequence_[to] += header->record_count;
  }
  return ErrorCode::none;
}

ErrorCode ModelProducer::send_offsets(const log::Commit& commit,
                                      const log::GroupMembership& membership) {
  auto& cluster = cluster_;
  const auto producer = producer_;
  const GroupCoordinator::Identity identity{membership.group, membership.member_id,
                                            membership.generation};
  std::map<TopicPartition, CommittedOffset> offsets;
  for (const auto& offset : commit.offsets) {
    offsets[offset.source] = {offset.next_offset.value, offset.metadata};
  }
  const auto error = to_coordinator(cluster.transaction_broker(id_),
                                    [&cluster, id = id_, producer, group = membership.group] {
                                      return cluster.add_group(id, producer, group);
                                    });
  if (error != ErrorCode::none) return error;
  return to_coordinator(cluster.group_broker(membership.group),
                        [&cluster, id = id_, producer, identity, offsets] {
                          return cluster.txn_offset_commit(id, producer, identity, offsets);
                        });
}

log::TransactionOutcome ModelProducer::commit(const log::Commit& commit,
                                              const log::GroupMembership& membership) {
  auto error = send_records(commit);
  if (error == ErrorCode::none && !commit.offsets.empty()) {
    error = send_offsets(commit, membership);
  }
  if (error != ErrorCode::none) return abort(error);
  if (process_.is_losing_commits()) {
    process_.sleep_ns(kLostRequestNs);
    return log::TransactionOutcome::unknown;
  }
  auto& cluster = cluster_;
  error =
      to_coordinator(cluster.transaction_broker(id_), [&cluster, id = id_, producer = producer_] {
        return cluster.end_transaction(id, producer, true);
      });
  if (error == ErrorCode::none) return log::TransactionOutcome::committed;
  // INVALID_PRODUCER_EPOCH from EndTxn also follows a time-out: the transaction was aborted then,
  // and the id may be nobody else's.
  if (error == ErrorCode::producer_fenced) return log::TransactionOutcome::fenced;
  return log::TransactionOutcome::unknown;
}

// Nothing was asked to be committed yet, so an abort that is confirmed settles it.
log::TransactionOutcome ModelProducer::abort(ErrorCode because) {
  if (because == ErrorCode::producer_fenced) return log::TransactionOutcome::fenced;
  auto& cluster = cluster_;
  const auto error =
      to_coordinator(cluster.transaction_broker(id_), [&cluster, id = id_, producer = producer_] {
        return cluster.end_transaction(id, producer, false);
      });
  if (error == ErrorCode::producer_fenced) return log::TransactionOutcome::fenced;
  if (error != ErrorCode::none && error != ErrorCode::invalid_txn_state) {
    return log::TransactionOutcome::unknown;
  }
  const bool is_of_another_member =
      because == ErrorCode::illegal_generation || because == ErrorCode::unknown_member_id;
  return is_of_another_member ? log::TransactionOutcome::fenced : log::TransactionOutcome::aborted;
}

// The model's coordinators never answer from before, so that nothing has to be written first.
Result<std::optional<log::GroupOffset>> ModelProducer::decided_offset(
    const std::string& group, const TopicPartition& source) {
  if (!process_.may_read(cluster_.group_broker(group))) {
    return disconnected_error("the coordinator of " + group + " does not answer");
  }
  std::optional<CommittedOffset> offset;
  if (cluster_.fetch_offset(group, source, true, offset) == ErrorCode::unstable_offset_commit) {
    cluster_.count("unstable offset");
    return overloaded_error("a transaction carries an offset of " + source.to_string());
  }
  if (!offset) return std::optional<log::GroupOffset>();
  return std::optional(log::GroupOffset{source, Offset(offset->next_offset), offset->metadata});
}

}  // namespace millrace::kafka_model
