#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "broker/transaction_coordinator.h"
#include "broker/transaction_record.h"

namespace millrace::broker {

// The parts of the coordinator share this. Requests that change something hold the lock alone, also
// while their commit is appended; transactional appends hold it together with each other.
class TransactionCoordinator::Impl {
 public:
  Impl(const TransactionCoordinatorOptions& options, Ports ports)
      : options_(options), ports_(std::move(ports)) {}

  struct Entry {
    TransactionRecord record;
    // Of the commit that has the record.
    log::CommitSequence sequence{0};
    MonotonicTime deadline{0};  // of an ongoing transaction
  };

  // What a request came to: `sequence` must be durable before the answer goes out.
  struct Outcome {
    ErrorCode error = ErrorCode::none;
    log::CommitSequence sequence{0};
  };

  Status start();
  MonotonicTime run_due();

  Outcome init(const kafka_wire::InitProducerIdRequest& request, log::ProducerIdentity& producer);
  Outcome add_partitions(const kafka_wire::AddPartitionsToTxnRequest& request);
  Outcome add_offsets(const kafka_wire::AddOffsetsToTxnRequest& request);
  Outcome stage_offsets(const kafka_wire::TxnOffsetCommitRequest& request, bool is_joining,
                        const std::map<TopicPartition, StagedOffset>& offsets);
  Outcome end(const kafka_wire::EndTxnRequest& request);
  // KIP-890: `producer` is who the producer is from then on.
  Outcome end_with_next_epoch(const kafka_wire::EndTxnRequest& request,
                              log::ProducerIdentity& producer);

  [[nodiscard]] ErrorCode verify(const std::string& transactional_id,
                                 const log::ProducerIdentity& producer,
                                 const TopicPartition& partition) const;
  // Takes what is in `commit` when the log takes it.
  ErrorCode append(const std::string& transactional_id, const log::ProducerIdentity& producer,
                   log::Commit& commit, Result<log::Appended>& appended) const;
  ErrorCode append_joining(const std::string& transactional_id,
                           const log::ProducerIdentity& producer, log::Commit& commit,
                           Result<log::Appended>& appended);
  [[nodiscard]] bool has_staged(const std::string& group, const TopicPartition& partition) const;

  Outcome write_marker(const log::TransactionMarker& marker);
  Outcome describe(const std::string& transactional_id,
                   kafka_wire::DescribeTransactionsResponse::Transaction& out) const;
  log::CommitSequence list(const kafka_wire::ListTransactionsRequest& request,
                           kafka_wire::ListTransactionsResponse& out) const;
  [[nodiscard]] TransactionCounts counts() const;

  [[nodiscard]] const TransactionCoordinatorOptions& options() const { return options_; }
  [[nodiscard]] const Ports& ports() const { return ports_; }
  [[nodiscard]] ErrorCode check_partition(const TopicPartition& partition) const;

  // Gives `make(error)` when the outcome is durable.
  template <typename Response, typename Make>
  void answer_when_durable(const Outcome& outcome, const Answer<Response>& answer,
                           Make make) const {
    ports_.durable.after(
        outcome.sequence, [answer, make = std::move(make), outcome](const Status& status) mutable {
          answer(make(status.is_ok() ? outcome.error : ErrorCode::coordinator_not_available));
        });
  }

 private:
  struct StagedMark {
    std::size_t ongoing_count = 0;  // transactions that have staged an offset for it
    log::CommitSequence ended{0};   // the newest commit that ended one
  };

  // --- all below with mutex_ held alone, unless const ---
  Status read_all();
  void remember(const std::string& transactional_id, const TransactionRecord& record);
  // The entry of a request that has to be its current producer's, else the error.
  [[nodiscard]] ErrorCode find(const std::string& transactional_id, ProducerId id,
                               ProducerEpoch epoch, ErrorCode wrong_epoch,
                               const Entry*& entry) const;
  // Commits `next` together with `commit` and makes it the id's state; if that fails nothing has
  // changed. The answer is about `commit` alone.
  Result<log::Appended> append_and_store(const std::string& transactional_id,
                                         TransactionRecord next, log::Commit commit);
  Status store(const std::string& transactional_id, TransactionRecord next, log::Commit commit) {
    return append_and_store(transactional_id, std::move(next), std::move(commit)).status();
  }
  // Ends the ongoing transaction: `next` is what the record becomes, apart from the transaction's
  // own fields.
  Status finish(const std::string& transactional_id, const Entry& entry, bool is_commit,
                const log::ProducerIdentity& marker, TransactionRecord next);
  [[nodiscard]] std::vector<log::TransactionMarker> markers_of(const TransactionRecord& record,
                                                               const log::ProducerIdentity& marker,
                                                               bool is_commit,
                                                               bool leaves_out_fenced) const;
  void set_deadline(const std::string& transactional_id, Entry& entry, MonotonicTime deadline);
  // A record that begins a transaction, if it has not begun yet.
  [[nodiscard]] TransactionRecord begun(const Entry& entry) const;
  Outcome init_known(const kafka_wire::InitProducerIdRequest& request, const Entry& entry,
                     const std::optional<log::ProducerIdentity>& fresh,
                     log::ProducerIdentity& producer, bool& needs_fresh);
  Outcome end_known(bool is_commit, const std::string& transactional_id, const Entry& entry,
                    const log::ProducerIdentity& asking,
                    const std::optional<log::ProducerIdentity>& fresh,
                    log::ProducerIdentity& producer, bool& needs_fresh);
  Outcome init_new(const kafka_wire::InitProducerIdRequest& request,
                   const std::optional<log::ProducerIdentity>& fresh,
                   log::ProducerIdentity& producer, bool& needs_fresh);

  void abort_timed_out(MonotonicTime now);
  void forget_expired_ids(WallTime now);
  Status end_hanging();

  const TransactionCoordinatorOptions options_;
  const Ports ports_;

  mutable SharedMutex mutex_;
  bool is_started_ = false;
  std::map<std::string, Entry> entries_;
  std::set<std::pair<MonotonicTime, std::string>> deadlines_;
  std::map<std::pair<std::string, TopicPartition>, StagedMark> staged_;
  MonotonicTime next_cleanup_{0};
  std::optional<MonotonicTime> wake_at_;  // to be told once the lock is given back
  TransactionCounts counts_;

  friend class TransactionCoordinator;
  void wake_if_wanted();
};

inline constexpr log::ProducerIdentity kNobody{kNoProducerId, kNoProducerEpoch};
[[nodiscard]] inline bool is_same(const log::ProducerIdentity& a, const log::ProducerIdentity& b) {
  return a.id == b.id && a.epoch == b.epoch;
}
// Kafka's: the last epoch is for the markers that end what the producer before it left.
inline constexpr ProducerEpoch kEpochGivenMax{INT16_MAX - 1};
[[nodiscard]] ProducerEpoch epoch_after(ProducerEpoch epoch);

// The id's record, or without `value` what removes it, for kTransactionsTopic.
[[nodiscard]] log::AppendBatch record_batch_of(const std::string& transactional_id,
                                               std::optional<std::string_view> value, WallTime now);

// What an answer says when the log did not take a commit.
[[nodiscard]] kafka_wire::ErrorCode error_of_commit(const Status& status);

}  // namespace millrace::broker
