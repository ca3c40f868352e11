#pragma once

// A coordinator over a log on a disk in memory, in time that stands still. Only for tests.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/asked_for_tests.h"
#include "broker/group_coordinator.h"
#include "log/durable_answers.h"
#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sim/fault_file_system.h"

namespace millrace::broker {

inline constexpr const char* kClusterForTests = "cluster";

class GroupWorld {
 public:
  explicit GroupWorld(GroupCoordinatorOptions options = {}, std::uint64_t seed = 1)
      : options_(options), files_(seed), seed_(seed) {
    EXPECT_TRUE(files_.make_folders("/data").is_ok());
    EXPECT_TRUE(files_.sync_folder("/").is_ok());
    open();
  }
  ~GroupWorld() { close(); }
  GroupWorld(const GroupWorld&) = delete;
  GroupWorld& operator=(const GroupWorld&) = delete;

  void open() {
    log::EmbeddedLogOptions log_options;
    log_options.folder = "/data/log";
    log_options.wal_file_bytes = 8 << 20;
    log_options.maintenance_interval_ms = 3'600'000;
    log_options.on_failure = [](const Status&) {};
    auto opened = log::EmbeddedLog::open(log_options, files_, clock_);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
    durable_ = std::make_unique<log::DurableAnswers>(*log_);
    topic_ids_ = std::make_unique<TopicIds>(*log_, kClusterForTests);
    make_coordinator();
    const Status started = coordinator_->start();
    ASSERT_TRUE(started.is_ok()) << started.to_string();
  }
  void make_coordinator() {
    options_.member_id_seed = ++seed_;
    coordinator_ = std::make_unique<GroupCoordinator>(
        options_, GroupCoordinator::Ports{
                      .log = *log_,
                      .durable = *durable_,
                      .topic_ids = *topic_ids_,
                      .clock = clock_,
                      .logger = Logger("groups", LogLevel::error, clock_, [](std::string_view) {}),
                      .staged = &staged,
                      .wake = [this](MonotonicTime at) { woken.push_back(at); }});
  }
  void close() {
    coordinator_.reset();
    durable_.reset();
    topic_ids_.reset();
    EXPECT_TRUE(ledger_->wait_for_all_but(0)) << "an answer was lost";
    log_.reset();
  }
  // The machine loses power, or only the process dies, and starts again.
  void restart(bool loses_power = false) {
    loses_power ? files_.crash() : files_.kill();
    close();
    files_.restart();
    open();
  }
  // Answers that wait for the disk have come.
  void settle() {
    ASSERT_TRUE(ledger_->wait_for_all_but(coordinator_->counts().waiting_answers))
        << "an answer was lost, or given twice";
  }
  // Time goes on, and the coordinator is called whenever it wanted to be.
  void advance(std::int64_t ms) {
    const MonotonicTime end = after_ms(clock_.monotonic_now(), ms);
    while (true) {
      const MonotonicTime next = coordinator_->run_due();
      settle();
      if (next > end) break;
      clock_.advance_ms(
          std::max<std::int64_t>(0, (next.value - clock_.monotonic_now().value) / 1'000'000));
    }
    clock_.advance_ms((end.value - clock_.monotonic_now().value) / 1'000'000);
    coordinator_->run_due();
    settle();
  }

  [[nodiscard]] AskedJoin join(const std::string& group, const JoinOptions& options = {}) {
    kafka_wire::JoinGroupRequest request;
    request.group_id = group;
    request.session_timeout_ms = options.session_ms;
    request.rebalance_timeout_ms = options.rebalance_ms;
    request.member_id = options.member_id;
    request.group_instance_id = options.instance_id;
    request.protocol_type = options.protocol_type;
    for (const auto& [name, metadata] : options.protocols) {
      request.protocols.push_back({name, {metadata}});
    }
    AskedJoin asked(ledger_);
    coordinator_->join(std::move(request), options.version, {options.client_id, "/127.0.0.1"},
                       asked.answer());
    settle();
    return asked;
  }
  // With the two steps of KIP-394.
  [[nodiscard]] AskedJoin join_as_new(const std::string& group, JoinOptions options = {}) {
    options.member_id = join(group, options).get().member_id;
    return join(group, options);
  }
  [[nodiscard]] AskedSync sync(
      const std::string& group, std::int32_t generation, const std::string& member_id,
      const std::vector<std::pair<std::string, std::string>>& assignments = {},
      const std::optional<std::string>& instance_id = {}) {
    kafka_wire::SyncGroupRequest request;
    request.group_id = group;
    request.generation_id = generation;
    request.member_id = member_id;
    request.group_instance_id = instance_id;
    for (const auto& [to, bytes] : assignments) request.assignments.push_back({to, {bytes}});
    return sync(std::move(request));
  }
  [[nodiscard]] AskedSync sync(kafka_wire::SyncGroupRequest request) {
    AskedSync asked(ledger_);
    coordinator_->sync(std::move(request), asked.answer());
    settle();
    return asked;
  }
  ErrorCode heartbeat(const std::string& group, std::int32_t generation,
                      const std::string& member_id,
                      const std::optional<std::string>& instance_id = {}) {
    Asked<kafka_wire::HeartbeatResponse> asked(ledger_);
    coordinator_->heartbeat({group, generation, member_id, instance_id}, asked.answer());
    settle();
    return asked.error();
  }
  kafka_wire::LeaveGroupResponse leave(const kafka_wire::LeaveGroupRequest& request,
                                       std::int16_t version) {
    Asked<kafka_wire::LeaveGroupResponse> asked(ledger_);
    coordinator_->leave(request, version, asked.answer());
    settle();
    return asked.get();
  }
  ErrorCode leave(const std::string& group, const std::string& member_id) {
    return leave({group, member_id, {}}, 0).error_code;
  }
  [[nodiscard]] Asked<kafka_wire::OffsetCommitResponse> commit(
      kafka_wire::OffsetCommitRequest request, std::int16_t version = 8) {
    Asked<kafka_wire::OffsetCommitResponse> asked(ledger_);
    coordinator_->commit_offsets(std::move(request), version, asked.answer());
    settle();
    return asked;
  }
  // One partition; generation -1: without a member.
  ErrorCode commit(const std::string& group, const TopicPartition& source, std::int64_t offset,
                   std::int32_t generation = -1, const std::string& member_id = "",
                   const std::string& metadata = "",
                   const std::optional<std::string>& instance_id = {}) {
    kafka_wire::OffsetCommitRequest request;
    request.group_id = group;
    request.generation_id_or_member_epoch = generation;
    request.member_id = member_id;
    request.group_instance_id = instance_id;
    request.topics = {{source.topic, {{source.partition, offset, -1, metadata}}}};
    return commit(std::move(request)).get().topics.at(0).partitions.at(0).error_code;
  }
  [[nodiscard]] kafka_wire::OffsetFetchResponse fetch(const kafka_wire::OffsetFetchRequest& request,
                                                      std::int16_t version) {
    Asked<kafka_wire::OffsetFetchResponse> asked(ledger_);
    coordinator_->fetch_offsets(request, version, asked.answer());
    settle();
    return asked.get();
  }
  [[nodiscard]] kafka_wire::OffsetFetchResponse::Partition fetch(const std::string& group,
                                                                 const TopicPartition& source,
                                                                 bool require_stable = false) {
    kafka_wire::OffsetFetchRequest request;
    request.group_id = group;
    request.topics = {{source.topic, {source.partition}}};
    request.require_stable = require_stable;
    return fetch(request, 7).topics.at(0).partitions.at(0);
  }
  [[nodiscard]] kafka_wire::DescribeGroupsResponse::Group describe(const std::string& group,
                                                                   std::int16_t version = 5) {
    Asked<kafka_wire::DescribeGroupsResponse> asked_groups(ledger_);
    coordinator_->describe({{group}, false}, version, asked_groups.answer());
    settle();
    return asked_groups.get().groups.at(0);
  }
  // While answers wait for a disk that stands still.
  [[nodiscard]] kafka_wire::DescribeGroupsResponse::Group describe_unsettled(
      const std::string& group) {
    Asked<kafka_wire::DescribeGroupsResponse> asked(ledger_);
    coordinator_->describe({{group}, false}, 5, asked.answer());
    return asked.get().groups.at(0);
  }
  // "a:Stable:consumer" each.
  [[nodiscard]] std::vector<std::string> list(const kafka_wire::ListGroupsRequest& request = {}) {
    Asked<kafka_wire::ListGroupsResponse> asked(ledger_);
    coordinator_->list(request, asked.answer());
    settle();
    std::vector<std::string> out;
    for (const auto& group : asked.get().groups) {
      out.push_back(group.group_id + ":" + group.group_state + ":" + group.protocol_type);
    }
    return out;
  }
  ErrorCode delete_group(const std::string& group) {
    Asked<kafka_wire::DeleteGroupsResponse> asked(ledger_);
    coordinator_->delete_groups({{group}}, asked.answer());
    settle();
    return asked.get().results.at(0).error_code;
  }
  [[nodiscard]] kafka_wire::OffsetDeleteResponse delete_offsets(
      const kafka_wire::OffsetDeleteRequest& request) {
    Asked<kafka_wire::OffsetDeleteResponse> asked(ledger_);
    coordinator_->delete_offsets(request, asked.answer());
    settle();
    return asked.get();
  }
  // What the coordinator has written without anybody waiting for it is durable.
  void flush() {
    if (!log_->topic("flush").is_ok()) create_topic("flush", 1);
    ASSERT_TRUE(
        log::append_and_wait(*log_, log::append_to({"flush", 0}, log::make_batch({"x"}))).is_ok());
  }
  void create_topic(const std::string& name, std::int32_t partition_count = 4) {
    log::TopicConfig config;
    config.partition_count = partition_count;
    ASSERT_TRUE(log_->create_topic(name, config).is_ok());
  }

  // A stable group of so many dynamic members; their ids, the leader first. Everybody's assignment
  // is "p<n>" by its place here.
  std::vector<std::string> stable_group(const std::string& group, std::size_t member_count,
                                        const JoinOptions& options = {}) {
    std::vector<std::string> ids;
    std::vector<AskedJoin> joins{join_as_new(group, options)};
    ids.push_back(joins[0].get().member_id);
    while (ids.size() < member_count) {
      JoinOptions again = options;
      auto next = options;
      next.member_id = join(group, options).get().member_id;
      ids.push_back(next.member_id);
      std::vector<AskedJoin> waiting{join(group, next)};
      // The others join again.
      for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
        again.member_id = ids[i];
        waiting.push_back(join(group, again));
      }
      joins = waiting;
    }
    const auto leader = joins[0].get().leader;
    const auto generation = joins[0].get().generation_id;
    std::vector<std::pair<std::string, std::string>> assignments;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == leader) std::swap(ids[0], ids[i]);
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      assignments.emplace_back(ids[i], "p" + std::to_string(i));
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto synced =
          sync(group, generation, ids[i],
               ids[i] == leader ? assignments : std::vector<std::pair<std::string, std::string>>{});
      EXPECT_EQ(synced.error(), ErrorCode::none);
      EXPECT_EQ(synced.get().assignment.bytes, "p" + std::to_string(i));
    }
    return ids;
  }
  GroupCoordinator& coordinator() { return *coordinator_; }
  log::EmbeddedLog& log() { return *log_; }
  log::ManualClock& clock() { return clock_; }
  sim::FaultFileSystem& files() { return files_; }
  log::DurableAnswers& durable() { return *durable_; }
  GroupCoordinatorOptions& options() { return options_; }
  std::shared_ptr<AnswerLedger> ledger() { return ledger_; }

  FakeStagedOffsets staged;
  std::vector<MonotonicTime> woken;

 private:
  GroupCoordinatorOptions options_;
  sim::FaultFileSystem files_;
  std::uint64_t seed_;
  log::ManualClock clock_;
  std::shared_ptr<AnswerLedger> ledger_ = std::make_shared<AnswerLedger>();
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<log::DurableAnswers> durable_;
  std::unique_ptr<TopicIds> topic_ids_;
  std::unique_ptr<GroupCoordinator> coordinator_;
};

}  // namespace millrace::broker
