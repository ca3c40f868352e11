#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "kafka_wire/error_codes.h"
#include "kafka_wire/transaction_admin.h"
#include "kafka_wire/transactions.h"
#include "log/durable_answers.h"
#include "log/log.h"

namespace millrace::broker {

inline constexpr std::string_view kTransactionsTopic = "millrace.broker.transactions";

// Names are Kafka's broker settings, where there is one.
struct TransactionCoordinatorOptions {
  std::int32_t timeout_ms_max = 900'000;             // transaction.max.timeout.ms
  std::int64_t id_expiration_ms = 7 * 86'400'000LL;  // transactional.id.expiration.ms
  std::int64_t cleanup_interval_ms = 60'000;         // of ids, and of hanging transactions
  std::size_t ids_max = 100'000;
  std::size_t id_bytes_max = 1024;
  std::size_t partitions_per_transaction_max = 10'000;
  std::size_t offsets_per_transaction_max = 10'000;
  std::size_t offset_metadata_bytes_max = 4096;  // offset.metadata.max.bytes
};

struct TransactionCounts {
  std::size_t ids = 0;
  std::size_t ongoing = 0;
  std::uint64_t committed = 0;  // since the start, as all below
  std::uint64_t aborted = 0;    // by their producers, by time-out or by their next incarnation
  std::uint64_t timed_out = 0;
  std::uint64_t hanging_ended = 0;
};

// Kafka's transaction coordinator (KIP-98, KIP-360, KIP-447, KIP-664, KIP-890), for both protocols
// of transactions: the first, in which partitions are added by request and the epoch stays from
// transaction to transaction; and the second, in which a partition joins with its first batch and
// every end moves the epoch on. A request's version says which one its producer speaks: EndTxn 5,
// TxnOffsetCommit 5 and Produce 12 are of the second.
//
// The state of a transactional id is one record of the internal compacted topic
// `millrace.broker.transactions` (docs/formats/transaction_record.md), in the same commit of the
// log as what it goes with. So a transaction ends at once: its markers in all partitions, the
// offsets of its groups and its outcome are one commit, and Kafka's prepared states do not exist. A
// producer whose transaction is ended for it (time-out, next incarnation) finds the epoch moved on
// by the markers themselves. Whatever an answer reveals is durable before it goes out.
//
// Threads: every method from any thread. An answer is given exactly once, inline or on the thread
// of DurableAnswers, with no lock of this object held; it must not block. init_producer_id may wait
// for the disk before it returns, once in a thousand times. Before start() every answer is
// COORDINATOR_NOT_AVAILABLE.
class TransactionCoordinator {
 public:
  using ErrorCode = kafka_wire::ErrorCode;
  template <typename Response>
  using Answer = std::function<void(Response)>;

  struct Ports {
    log::Log& log;
    log::DurableAnswers& durable;
    const Clock& clock;
    // The group coordinator's say on who may commit offsets for the group (KIP-447): if the
    // request's member, generation and instance are right, calls `stage` before any other
    // generation can begin and returns what it returned, else the error. Without it all may.
    std::function<ErrorCode(const kafka_wire::TxnOffsetCommitRequest& request,
                            const std::function<ErrorCode()>& stage)>
        stage_offsets;
    // run_due() has to be called by then, earlier than its last return value said. With no lock
    // held.
    std::function<void(MonotonicTime at)> wake;
  };

  TransactionCoordinator(const TransactionCoordinatorOptions& options, Ports ports);
  ~TransactionCoordinator();
  TransactionCoordinator(const TransactionCoordinator&) = delete;
  TransactionCoordinator& operator=(const TransactionCoordinator&) = delete;

  // Creates the topic where it is missing, reads all ids, and aborts what no id knows of. Blocks;
  // once. A record that cannot be read is `corrupt` or `unsupported`: who leaves it out may show
  // what was never committed.
  Status start();

  // Aborts what has timed out, forgets ids, ends hanging transactions. When it has to be called
  // again at the latest.
  MonotonicTime run_due();

  // --- producers. `version` is that of the request ---
  void init_producer_id(const kafka_wire::InitProducerIdRequest& request, std::int16_t version,
                        const Answer<kafka_wire::InitProducerIdResponse>& answer);
  // Versions 0 to 3: one transaction.
  void add_partitions(const kafka_wire::AddPartitionsToTxnRequest& request, std::int16_t version,
                      const Answer<kafka_wire::AddPartitionsToTxnResponse>& answer);
  void add_offsets(const kafka_wire::AddOffsetsToTxnRequest& request, std::int16_t version,
                   const Answer<kafka_wire::AddOffsetsToTxnResponse>& answer);
  // From version 5 on the group joins the transaction with it.
  void commit_offsets(const kafka_wire::TxnOffsetCommitRequest& request, std::int16_t version,
                      const Answer<kafka_wire::TxnOffsetCommitResponse>& answer);
  // From version 5 on the producer goes on with the identity in the answer.
  void end(const kafka_wire::EndTxnRequest& request, std::int16_t version,
           const Answer<kafka_wire::EndTxnResponse>& answer);

  // --- transactional Produce ---
  // Whether the producer may write to the partition within its transaction.
  [[nodiscard]] ErrorCode verify(const std::string& transactional_id,
                                 const log::ProducerIdentity& producer,
                                 const TopicPartition& partition) const;
  // Commits `commit`, whose batches are the producer's, if they all may be written: no transaction
  // ends between the check and the append, so nothing is left hanging. The check's error is
  // returned; the log's result is in `appended`. With `is_joining` (Produce from version 12 on)
  // partitions that are not in the transaction join it, and it begins, in the same commit.
  ErrorCode append(const std::string& transactional_id, const log::ProducerIdentity& producer,
                   log::Commit&& commit, bool is_joining, Result<log::Appended>& appended);

  // Whether the outcome of an offset that a transaction has staged is not durable yet: after
  // `false`, the log's group offsets have what was committed.
  [[nodiscard]] bool has_staged(const std::string& group, const TopicPartition& partition) const;

  // --- administration ---
  void write_markers(const kafka_wire::WriteTxnMarkersRequest& request,
                     const Answer<kafka_wire::WriteTxnMarkersResponse>& answer);
  void describe_producers(const kafka_wire::DescribeProducersRequest& request,
                          const Answer<kafka_wire::DescribeProducersResponse>& answer) const;
  void describe(const kafka_wire::DescribeTransactionsRequest& request,
                const Answer<kafka_wire::DescribeTransactionsResponse>& answer) const;
  // Versions 0 and 1.
  void list(const kafka_wire::ListTransactionsRequest& request,
            const Answer<kafka_wire::ListTransactionsResponse>& answer) const;

  [[nodiscard]] TransactionCounts counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker
