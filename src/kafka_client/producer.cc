#include "kafka_client/producer.h"

#include <algorithm>
#include <utility>

#include "kafka_client/backoff.h"
#include "kafka_client/broker_errors.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ErrorCode;
using log::TransactionOutcome;

constexpr std::int64_t kNanosPerMilli = 1'000'000;
// For an abort, whose answer nothing depends on: InitProducerId aborts as well, and so do the
// brokers after the transaction's time-out.
constexpr std::int64_t kAbortNsMax = 500 * kNanosPerMilli;
// After a commit its markers are on their way, mostly for a few milliseconds.
constexpr std::int64_t kMarkersNsMax = 50 * kNanosPerMilli;
constexpr std::int16_t kInitVersion = 5;
constexpr std::int16_t kEnrolVersion = 3;  // later ones are between brokers
constexpr std::int16_t kEndVersion2 = 5;
constexpr std::int16_t kEndVersion1 = 4;
constexpr std::int16_t kTransactionVersion2 = 2;

ErrorCode error_of(const kafka_wire::AddPartitionsToTxnResponse& response) {
  auto out = ErrorCode::none;
  for (const auto& topic : response.results_by_topic_v3_and_below) {
    for (const auto& partition : topic.results_by_partition) {
      const auto error = partition.partition_error_code;
      // What a partition is told when it was another one's fault.
      if (error == ErrorCode::none || error == ErrorCode::operation_not_attempted) continue;
      if (out == ErrorCode::none || kafka_wire::is_retriable(out)) out = error;
    }
  }
  return out;
}

}  // namespace

MonotonicTime Producer::deadline() const {
  return clock_.monotonic_now() + options_.transaction_timeout_ms * kNanosPerMilli;
}

// Without an id and epoch of its own in it, InitProducerId takes over from whoever had the id, this
// producer included: it ends what was open and outdates every request that is still on its way.
Status Producer::initialize() {
  must_initialize_ = true;
  sequences_.clear();
  kafka_wire::InitProducerIdRequest request;
  request.transactional_id = id_;
  request.transaction_timeout_ms = options_.transaction_timeout_ms;
  const auto until = deadline();
  bool had_trouble = false;
  auto status = ask_coordinator(
      cluster_, clock_, {CoordinatorKind::transaction, id_, "InitProducerId of " + id_}, until,
      had_trouble, [&](Connection& to) -> Result<ErrorCode> {
        kafka_wire::InitProducerIdResponse response;
        MR_RETURN_IF_ERROR(to.call(request, kInitVersion, response, until));
        identity_ = {ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch)};
        is_v2_ = to.feature_level("transaction.version") >= kTransactionVersion2 &&
                 to.version(kafka_wire::ApiKey::end_txn, kEndVersion2, kEndVersion2).is_ok();
        return response.error_code;
      });
  if (status.code() == StatusCode::fenced) {  // by somebody who initialises at the same time
    return disconnected_error(std::string(status.message()));
  }
  must_initialize_ = !status.is_ok();
  return status;
}

TransactionOutcome Producer::commit(const log::Commit& commit,
                                    const log::GroupMembership& membership) {
  return run(commit, &membership);
}

TransactionOutcome Producer::commit_unchecked(const log::Commit& commit) {
  return run(commit, nullptr);
}

TransactionOutcome Producer::run(const log::Commit& commit,
                                 const log::GroupMembership* membership) {
  MR_CHECK(commit.markers.empty());
  failure_ = ok_status();
  base_offsets_.clear();
  if (must_initialize_) {
    failure_ = initialize();
    if (!failure_.is_ok()) return TransactionOutcome::aborted;
  }
  if (is_v2_ && clock_.monotonic_now() < markers_until_) {
    await_markers(cluster_, clock_, id_, markers_until_);
  }
  bool had_trouble = false;
  const TransactionScope scope{id_, identity_, is_v2_, deadline(), had_trouble};
  RecordSends records(cluster_, clock_, scope, sequences_);
  OffsetSends offsets(cluster_, clock_, scope, commit, membership);
  for (const auto& batch : commit.appends) {
    if (auto added = records.add(batch); !added.is_ok()) return give_up(std::move(added));
  }
  if (records.empty() && offsets.empty()) return TransactionOutcome::committed;
  if (auto sent = send(scope, records, offsets); !sent.is_ok()) {
    return give_up(std::move(sent));
  }
  const auto outcome = end(scope);
  if (outcome != TransactionOutcome::committed) return outcome;
  // A repeat that is still on its way would be taken for part of the next transaction if that one
  // had the same epoch.
  if (!is_v2_ && had_trouble) must_initialize_ = true;
  if (is_v2_) {
    sequences_.clear();
    markers_until_ = clock_.monotonic_now() + kMarkersNsMax;
  }
  for (const auto& place : records.places()) {
    base_offsets_.push_back(place.base);
    committed_(place.at, place.end);
  }
  return TransactionOutcome::committed;
}

Status Producer::send(const TransactionScope& scope, RecordSends& records, OffsetSends& offsets) {
  if (!is_v2_) {
    if (!records.empty()) MR_RETURN_IF_ERROR(enrol(scope, records));
    MR_RETURN_IF_ERROR(offsets.enrol());
  }
  offsets.start();
  MR_RETURN_IF_ERROR(records.run().with_context("transaction of " + id_));
  return offsets.finish().with_context("transaction of " + id_);
}

Status Producer::enrol(const TransactionScope& scope, const RecordSends& records) {
  kafka_wire::AddPartitionsToTxnRequest request;
  request.v3_and_below_transactional_id = id_;
  request.v3_and_below_producer_id = identity_.id.value;
  request.v3_and_below_producer_epoch = identity_.epoch.value;
  request.v3_and_below_topics = records.partitions();
  return ask_coordinator(
      cluster_, clock_, {CoordinatorKind::transaction, id_, "AddPartitionsToTxn of " + id_},
      scope.deadline, scope.had_trouble, [&](Connection& to) -> Result<ErrorCode> {
        kafka_wire::AddPartitionsToTxnResponse response;
        MR_RETURN_IF_ERROR(to.call(request, kEnrolVersion, response, scope.deadline));
        return error_of(response);
      });
}

Result<kafka_wire::EndTxnResponse> Producer::ask_end(Connection& coordinator, bool is_commit,
                                                     MonotonicTime deadline) {
  kafka_wire::EndTxnRequest request;
  request.transactional_id = id_;
  request.producer_id = identity_.id.value;
  request.producer_epoch = identity_.epoch.value;
  request.committed = is_commit;
  kafka_wire::EndTxnResponse response;
  MR_RETURN_IF_ERROR(
      coordinator.call(request, is_v2_ ? kEndVersion2 : kEndVersion1, response, deadline));
  return response;
}

// `is_in_doubt`: a request was sent of which it is not known whether it was carried out. With an
// epoch per transaction a repeat that succeeds says that this transaction was committed, by
// whichever of the two (KIP-890: the coordinator knows the epoch before the last one again, and
// only beside a commit). Without, and with any other answer, nothing is known.
TransactionOutcome Producer::end(const TransactionScope& scope) {
  Backoff backoff(clock_, scope.deadline);
  bool is_in_doubt = false;
  bool was_sent = false;
  while (true) {
    auto node = cluster_.coordinator(CoordinatorKind::transaction, id_, scope.deadline);
    auto lease = node.is_ok() ? cluster_.brokers().to(node.value(), scope.deadline)
                              : Result<BrokerPool::Lease>(node.status());
    if (lease.is_ok()) {
      was_sent = true;
      const auto answer = ask_end(*lease.value(), true, scope.deadline);
      const auto error = answer.is_ok() ? answer.value().error_code : ErrorCode::network_exception;
      if (error == ErrorCode::none && (is_v2_ || !is_in_doubt)) {
        if (is_v2_) {
          identity_ = {ProducerId(answer.value().producer_id),
                       ProducerEpoch(answer.value().producer_epoch)};
        }
        return TransactionOutcome::committed;
      }
      failure_ = !answer.is_ok()            ? answer.status()
                 : error == ErrorCode::none ? disconnected_error("only a repeat was answered")
                                            : status_of(error, "EndTxn of " + id_);
      if (!kafka_wire::is_retriable(error)) break;
      is_in_doubt = is_in_doubt || error != ErrorCode::concurrent_transactions;
    } else {
      failure_ = lease.status();
    }
    if (!lease.is_ok() || is_in_doubt) {
      cluster_.forget_coordinator(CoordinatorKind::transaction, id_);
    }
    if (!backoff.wait()) break;
  }
  must_initialize_ = true;
  failure_ = std::move(failure_).with_context("end of a transaction of " + id_);
  return was_sent ? TransactionOutcome::unknown : TransactionOutcome::aborted;
}

// Nothing was asked to be committed, and this epoch never will be asked for it. A time-out makes
// the coordinator abort and move the epoch on, so that `fenced` may mean that this producer was
// slow; nothing is visible either way.
TransactionOutcome Producer::give_up(Status why) {
  must_initialize_ = true;
  failure_ = std::move(why);
  if (failure_.code() == StatusCode::fenced) return TransactionOutcome::fenced;
  const auto until = clock_.monotonic_now() + kAbortNsMax;
  const auto node = cluster_.coordinator(CoordinatorKind::transaction, id_, until);
  if (node.is_ok()) {
    auto lease = cluster_.brokers().to(node.value(), until);
    if (lease.is_ok()) (void)ask_end(*lease.value(), false, until);
  }
  return TransactionOutcome::aborted;
}

}  // namespace millrace::kafka_client
