#pragma once

// Only for tests: a coordinator over a log on a disk that can crash.

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "broker/transaction_coordinator.h"
#include "log/embedded_log.h"
#include "log/log_test_support.h"

namespace millrace::broker {

// `Disk`: sim::FaultFileSystem, which production code does not include.
template <typename Disk>
class TransactionWorldOn {
 public:
  using ErrorCode = kafka_wire::ErrorCode;

  explicit TransactionWorldOn(std::uint64_t seed = 1) : files(seed) {
    EXPECT_TRUE(files.make_folders("/data").is_ok());
    EXPECT_TRUE(files.sync_folder("/").is_ok());
    open();
  }
  ~TransactionWorldOn() { drop(); }

  // A disk that dies meanwhile comes back, and it is done again.
  void open() {
    Status status = try_open();
    if (status.code() == StatusCode::io) {
      files.crash();
      drop();
      files.restart();
      status = try_open();
    }
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }
  Status try_open() {
    log::EmbeddedLogOptions log_options;
    log_options.folder = "/data/log";
    log_options.wal_file_bytes = 256 << 10;
    log_options.maintenance_interval_ms = 3'600'000;
    MR_ASSIGN_OR_RETURN(log, log::EmbeddedLog::open(log_options, files, clock));
    durable = std::make_unique<log::DurableAnswers>(*log);
    coordinator = std::make_unique<TransactionCoordinator>(
        options, TransactionCoordinator::Ports{.log = *log,
                                               .durable = *durable,
                                               .clock = clock,
                                               .stage_offsets = stage_offsets,
                                               .wake = nullptr});
    return coordinator->start();
  }
  void drop() {
    if (durable != nullptr) durable->stop();
    coordinator.reset();
    durable.reset();
    log.reset();
  }
  void crash_and_open() {
    files.crash();
    drop();
    files.restart();
    open();
  }
  void close_and_open() {
    ASSERT_TRUE(log->close().is_ok());
    drop();
    open();
  }

  template <typename Response, typename Call>
  Response wait_for(const Call& call) {
    auto promise = std::make_shared<std::promise<Response>>();
    auto answer = promise->get_future();
    call([promise](Response response) { promise->set_value(std::move(response)); });
    return answer.get();
  }

  kafka_wire::InitProducerIdResponse init(const std::string& id,
                                          log::ProducerIdentity as = {kNoProducerId,
                                                                      kNoProducerEpoch},
                                          std::int32_t timeout_ms = 60'000) {
    kafka_wire::InitProducerIdRequest request;
    request.transactional_id = id;
    request.transaction_timeout_ms = timeout_ms;
    request.producer_id = as.id.value;
    request.producer_epoch = as.epoch.value;
    return wait_for<kafka_wire::InitProducerIdResponse>(
        [&](auto answer) { coordinator->init_producer_id(request, 4, answer); });
  }
  log::ProducerIdentity must_init(const std::string& id) {
    const auto response = init(id);
    EXPECT_EQ(response.error_code, ErrorCode::none);
    return {ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch)};
  }
  // The first partition's error.
  ErrorCode add(const std::string& id, log::ProducerIdentity producer,
                const std::vector<TopicPartition>& partitions) {
    kafka_wire::AddPartitionsToTxnRequest request;
    request.v3_and_below_transactional_id = id;
    request.v3_and_below_producer_id = producer.id.value;
    request.v3_and_below_producer_epoch = producer.epoch.value;
    for (const auto& partition : partitions) {
      request.v3_and_below_topics.push_back({partition.topic, {partition.partition}});
    }
    const auto response = wait_for<kafka_wire::AddPartitionsToTxnResponse>(
        [&](auto answer) { coordinator->add_partitions(request, 3, answer); });
    return response.results_by_topic_v3_and_below.at(0)
        .results_by_partition.at(0)
        .partition_error_code;
  }
  ErrorCode add_group(const std::string& id, log::ProducerIdentity producer,
                      const std::string& group) {
    kafka_wire::AddOffsetsToTxnRequest request;
    request.transactional_id = id;
    request.producer_id = producer.id.value;
    request.producer_epoch = producer.epoch.value;
    request.group_id = group;
    return wait_for<kafka_wire::AddOffsetsToTxnResponse>(
               [&](auto answer) { coordinator->add_offsets(request, 3, answer); })
        .error_code;
  }
  ErrorCode stage(const std::string& id, log::ProducerIdentity producer, const std::string& group,
                  const TopicPartition& partition, std::int64_t offset, std::int16_t version = 3) {
    kafka_wire::TxnOffsetCommitRequest request;
    request.transactional_id = id;
    request.group_id = group;
    request.producer_id = producer.id.value;
    request.producer_epoch = producer.epoch.value;
    request.topics.push_back(
        {partition.topic, {{partition.partition, offset, -1, std::string("meta")}}});
    return wait_for<kafka_wire::TxnOffsetCommitResponse>(
               [&](auto answer) { coordinator->commit_offsets(request, version, answer); })
        .topics.at(0)
        .partitions.at(0)
        .error_code;
  }
  ErrorCode end(const std::string& id, log::ProducerIdentity producer, bool is_commit) {
    return try_end(id, producer, is_commit, 3).error_code;
  }
  // KIP-890: `producer` becomes who it is from then on.
  ErrorCode end_and_go_on(const std::string& id, log::ProducerIdentity& producer, bool is_commit) {
    const auto response = try_end(id, producer, is_commit, 5);
    if (response.error_code == ErrorCode::none) {
      producer = {ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch)};
    }
    return response.error_code;
  }
  kafka_wire::EndTxnResponse try_end(const std::string& id, log::ProducerIdentity producer,
                                     bool is_commit, std::int16_t version) {
    kafka_wire::EndTxnRequest request;
    request.transactional_id = id;
    request.producer_id = producer.id.value;
    request.producer_epoch = producer.epoch.value;
    request.committed = is_commit;
    return wait_for<kafka_wire::EndTxnResponse>(
        [&](auto answer) { coordinator->end(request, version, answer); });
  }
  kafka_wire::DescribeTransactionsResponse::Transaction describe(const std::string& id) {
    kafka_wire::DescribeTransactionsRequest request;
    request.transactional_ids = {id};
    return wait_for<kafka_wire::DescribeTransactionsResponse>(
               [&](auto answer) { coordinator->describe(request, answer); })
        .transaction_states.at(0);
  }

  log::Commit transactional(const TopicPartition& to, log::ProducerIdentity producer,
                            std::int32_t sequence, const std::string& value) {
    return log::commit_of(
        log::append_to(to, log::make_batch(std::vector<std::string>{value},
                                           {producer.id, producer.epoch, sequence, true})));
  }
  // As Produce does it, waiting until it is durable.
  ErrorCode send(const std::string& id, log::ProducerIdentity producer, const TopicPartition& to,
                 std::int32_t sequence, const std::string& value, bool is_joining = false) {
    Result<log::Appended> appended = cancelled_error("");
    const ErrorCode error = coordinator->append(
        id, producer, transactional(to, producer, sequence, value), is_joining, appended);
    if (error != ErrorCode::none) return error;
    if (appended.status().code() == StatusCode::fenced) return ErrorCode::invalid_producer_epoch;
    if (!appended.is_ok()) return ErrorCode::request_timed_out;
    return log->wait_durable(appended->sequence).is_ok() ? ErrorCode::none
                                                         : ErrorCode::request_timed_out;
  }

  std::vector<std::string> values(const TopicPartition& of,
                                  log::Visibility visibility = log::Visibility::durable) {
    const auto read = log::read_all(*log, of, visibility);
    EXPECT_TRUE(read.is_ok()) << read.status().to_string();
    return read.is_ok() ? log::values_of(read.value()) : std::vector<std::string>();
  }
  std::int64_t group_offset(const std::string& group, const TopicPartition& partition) {
    for (const auto& offset : log->group_offsets(group)) {
      if (offset.source == partition) return offset.next_offset.value;
    }
    return -1;
  }
  bool is_all_stable(const TopicPartition& of) {
    const auto offsets = log->offsets(of).value();
    return offsets.last_stable == offsets.high_watermark;
  }

  Disk files;
  log::ManualClock clock;
  TransactionCoordinatorOptions options;
  std::function<ErrorCode(const kafka_wire::TxnOffsetCommitRequest&,
                          const std::function<ErrorCode()>&)>
      stage_offsets;
  std::unique_ptr<log::EmbeddedLog> log;
  std::unique_ptr<log::DurableAnswers> durable;
  std::unique_ptr<TransactionCoordinator> coordinator;
};

}  // namespace millrace::broker
