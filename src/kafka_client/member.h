#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/thread.h"
#include "kafka_client/admin.h"
#include "kafka_client/handle.h"
#include "kafka_client/partition_readers.h"
#include "log/shared_log.h"

namespace millrace::kafka_client {

// A consumer that is in the group for its partitions alone: what it is assigned is paused, data are
// read elsewhere.
class Member final : public log::GroupMember {
 public:
  // The references outlive it.
  Member(const KafkaLogOptions& options, const Clock& clock, PartitionReaders& readers,
         std::string group, std::vector<std::string> topics, std::string instance_id);
  ~Member() override;
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  Status poll(log::AssignmentHandler& handler) override;
  [[nodiscard]] log::GroupMembership membership() const override;
  Result<std::optional<log::GroupOffset>> committed_offset(const TopicPartition& source) override;

 private:
  Status subscribe();
  Status serve();
  Status give_up(rd_kafka_resp_err_t fatal, const std::string& why);
  void close();
  void set_handle(std::shared_ptr<Handle> handle);
  void rebalanced(rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t& partitions);
  void assign(rd_kafka_topic_partition_list_t& partitions,
              const std::vector<TopicPartition>& added);
  void unassign(const rd_kafka_topic_partition_list_t& partitions,
                const std::vector<TopicPartition>& removed);
  void take_membership();
  void set_membership(std::string member_id, std::int32_t generation);

  const KafkaLogOptions& options_;
  const Clock& clock_;
  PartitionReaders& readers_;
  const std::string group_;
  const std::vector<std::string> topics_;
  const std::string instance_;
  // Of the polling thread, which alone changes handle_, under mutex_.
  std::shared_ptr<Handle> handle_;
  std::set<TopicPartition> owned_;
  log::AssignmentHandler* handler_ = nullptr;  // during poll
  MonotonicTime next_attempt_;
  std::uint64_t seen_trouble_ = 0;
  mutable Mutex mutex_;
  log::GroupMembership membership_;  // guarded by mutex_
};

}  // namespace millrace::kafka_client
