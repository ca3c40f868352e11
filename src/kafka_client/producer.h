#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kafka_client/batch_rebuild.h"
#include "kafka_client/errors.h"
#include "kafka_client/handle.h"
#include "kafka_client/partition_readers.h"
#include "log/shared_log.h"

namespace millrace::kafka_client {

// Transactions under one transactional id. One thread at a time.
class Producer final : public log::TransactionalProducer {
 public:
  // `options`, `clock` and `readers` outlive it; the readers are told what was committed.
  Producer(const KafkaLogOptions& options, const Clock& clock, PartitionReaders& readers,
           std::string transactional_id)
      : options_(options), clock_(clock), readers_(readers), id_(std::move(transactional_id)) {}

  Status initialize() override;
  log::TransactionOutcome commit(const log::Commit& commit,
                                 const log::GroupMembership& membership) override;
  [[nodiscard]] const std::string& transactional_id() const override { return id_; }

  // The same with offsets of any group, whose coordinator is told no member and so checks none.
  log::TransactionOutcome commit_unchecked(const log::Commit& commit);
  // Of the last commit: why it failed; of one that did not, where its batches came to lie.
  [[nodiscard]] const Status& failure() const { return failure_; }
  [[nodiscard]] const std::vector<Offset>& base_offsets() const { return base_offsets_; }

 private:
  using Offsets = std::vector<const log::OffsetCommit*>;
  void delivered(const rd_kafka_message_t& message);
  log::TransactionOutcome run(const log::Commit& commit, const log::GroupMembership* membership);
  bool begin();
  bool send_records(const log::Commit& commit);
  bool send_batch(const log::AppendBatch& batch, std::size_t index);
  bool send_record(rd_kafka_topic_t& topic, std::int32_t partition, const ReadMessage& record,
                   std::size_t index);
  bool send_offsets(const log::Commit& commit, const log::GroupMembership* membership);
  bool send_group_offsets(const Offsets& offsets,
                          const std::function<OwnedMembership()>& membership);
  bool flush();
  log::TransactionOutcome give_up(TransactionStep step);
  // Nothing is sent any more, no repeat either.
  void stop();
  // Keeps the first failure. False, to be returned.
  bool fail(rd_kafka_resp_err_t error, std::string_view detail = {});
  bool fail(const rd_kafka_error_t* error);
  [[nodiscard]] int left_ms() const;

  const KafkaLogOptions& options_;
  const Clock& clock_;
  PartitionReaders& readers_;
  const std::string id_;
  std::shared_ptr<Handle> handle_;
  bool must_initialize_ = true;
  // Of the transaction under way.
  MonotonicTime deadline_;
  std::vector<Offset> base_offsets_;
  std::vector<std::int32_t> record_counts_;
  rd_kafka_resp_err_t error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  Status failure_;
};

}  // namespace millrace::kafka_client
