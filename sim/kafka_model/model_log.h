#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/shared_log.h"
#include "sim/kafka_model/process.h"

namespace millrace::kafka_model {

// One process' client of the cluster.
class ModelLog final : public log::SharedLog {
 public:
  explicit ModelLog(Process& process) : process_(process), cluster_(process.cluster()) {}

  [[nodiscard]] std::unique_ptr<log::TransactionalProducer> make_producer(
      const std::string& transactional_id) override;
  [[nodiscard]] std::unique_ptr<log::GroupMember> join(const std::string& group,
                                                       const std::vector<std::string>& topics,
                                                       const std::string& instance_id) override;

  // Commits outside of transactions are not atomic across partitions, and are as durable as
  // anything once they return.
  Result<log::Appended> commit(log::Commit&& commit) override;
  Status wait_durable(log::CommitSequence) override { return ok_status(); }
  [[nodiscard]] log::CommitSequence durable_sequence() const override {
    return log::CommitSequence(UINT64_MAX);
  }
  Result<log::TopicInfo> create_topic(const std::string& name,
                                      const log::TopicConfig& config) override {
    return cluster_.create_topic(name, config);
  }
  Status delete_topic(const std::string& name) override { return cluster_.delete_topic(name); }
  Status alter_topic(const std::string& name, const log::TopicConfig& config) override {
    return cluster_.alter_topic(name, config);
  }
  [[nodiscard]] Result<log::TopicInfo> topic(const std::string& name) const override;
  [[nodiscard]] std::vector<log::TopicInfo> topics() const override { return cluster_.topics(); }
  Result<log::ProducerIdentity> new_producer() override { return cluster_.new_producer(); }
  [[nodiscard]] Result<log::FetchResult> fetch(const TopicPartition& source, Offset from,
                                               std::size_t bytes_max,
                                               log::Visibility visibility) const override;
  [[nodiscard]] Result<log::PartitionOffsets> offsets(const TopicPartition& source) const override;
  [[nodiscard]] Result<Offset> offset_for_time(const TopicPartition& source,
                                               WallTime time) const override {
    return cluster_.offset_for_time(source, time);
  }
  // What only a broker needs; the transactions of this cluster go through make_producer.
  [[nodiscard]] Result<std::optional<log::TimestampedOffset>> first_at_timestamp(
      const TopicPartition&, WallTime) const override {
    return unsupported_error("first_at_timestamp");
  }
  [[nodiscard]] Result<std::optional<log::TimestampedOffset>> max_timestamp(
      const TopicPartition&) const override {
    return unsupported_error("max_timestamp");
  }
  [[nodiscard]] Result<std::vector<log::AbortedTransaction>> aborted_transactions(
      const TopicPartition&, Offset, Offset) const override {
    return unsupported_error("aborted_transactions");
  }
  [[nodiscard]] Result<std::vector<log::ProducerInfo>> producers(
      const TopicPartition&) const override {
    return unsupported_error("producers");
  }
  [[nodiscard]] std::vector<std::string> groups() const override { return cluster_.groups(); }
  [[nodiscard]] std::vector<log::GroupOffset> group_offsets(
      const std::string& group) const override {
    return cluster_.group_offsets(group);
  }
  // `overloaded` while a transaction that carries an offset of the group is open.
  [[nodiscard]] Result<std::vector<log::GroupOffset>> stable_group_offsets(
      const std::string& group) const override;
  Status delete_group(const std::string& group) override { return cluster_.delete_group(group); }
  Status delete_records(const TopicPartition& source, Offset before) override;
  // Only this process' own deletions heed them; the brokers' retention does not (R7).
  void pin(const std::string& holder, const TopicPartition& source, Offset oldest_needed) override;
  void unpin(const std::string& holder, const TopicPartition& source) override;
  std::uint64_t add_listener(const TopicPartition& source, Listener listener) override {
    return cluster_.add_listener(source, std::move(listener));
  }
  void remove_listener(std::uint64_t id) override { cluster_.remove_listener(id); }

 private:
  Status reach(const TopicPartition& source) const;

  Process& process_;
  Cluster& cluster_;
  Mutex mutex_;
  std::map<std::pair<std::string, TopicPartition>, Offset> pins_;  // guarded by mutex_
};

}  // namespace millrace::kafka_model
