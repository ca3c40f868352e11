#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kafka_client/handle.h"
#include "log/shared_log.h"

namespace millrace::kafka_client {

// What the group of this consumer has committed, without those that have nothing. `overloaded` when
// that was not stable, or its coordinator not found, within `wait_ms`.
//
// For this there is a request of administration, too, ListConsumerGroupOffsets; with librdkafka
// 2.16.0 it ends the process or asks the wrong broker for ever when a coordinator has moved.
Result<std::vector<log::GroupOffset>> committed_offsets(const Handle& consumer,
                                                        const std::string& group,
                                                        const std::vector<TopicPartition>& of,
                                                        int wait_ms);

// Requests to the brokers that are no data: one after the other for each caller, each no longer
// than request_timeout_ms. Thread-safe.
class Admin {
 public:
  // `handle` outlives it.
  Admin(const Handle& handle, const KafkaLogOptions& options)
      : handle_(handle), options_(options) {}

  // --- topics; once a call returns its effect is seen by the next ---
  Result<log::TopicInfo> create_topic(const std::string& name, const log::TopicConfig& config);
  Status delete_topic(const std::string& name);
  Status alter_topic(const std::string& name, const log::TopicConfig& config);
  Result<log::TopicInfo> topic(const std::string& name);
  Result<std::vector<log::TopicInfo>> topics();
  // `not_found` when there is no such topic.
  Result<std::int32_t> partition_count(const std::string& topic);

  // --- groups ---
  Result<std::vector<std::string>> groups();
  // Of all partitions, once they are stable.
  Result<std::vector<log::GroupOffset>> stable_group_offsets(const std::string& group);
  Status remove_offsets(const std::string& group, const std::vector<TopicPartition>& of);
  Status delete_group(const std::string& group);

  // --- brokers ---
  // A broker's setting; nullopt when it has none of this name.
  Result<std::optional<std::string>> broker_config(std::int32_t broker, const std::string& name);

  // --- records ---
  // `spec`: a timestamp, or one of kOffsetSpec*. nullopt when no record has it.
  Result<std::optional<log::TimestampedOffset>> list_offset(const TopicPartition& source,
                                                            std::int64_t spec,
                                                            IsolationLevel isolation);
  // Until records below `end` can be read: EndTxn is answered before its markers are written.
  Status wait_until_visible(const TopicPartition& source, Offset end);
  // `out_of_range` above the high watermark.
  Status delete_records(const TopicPartition& source, Offset before);

 private:
  static OwnedPartitions list_of(const std::vector<TopicPartition>& partitions);
  using Start = std::function<void(const rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>;
  using Prepare = std::function<Status(rd_kafka_AdminOptions_t*)>;
  // Waits for the answer to what `start` sends; its error as a whole as a Status.
  Result<OwnedEvent> ask(std::string_view what, const Start& start, const Prepare& prepare = {});
  struct Description {
    std::string name;
    std::uint64_t incarnation = 0;
    std::int32_t partition_count = 0;
  };
  Result<std::vector<Description>> describe(const std::vector<std::string>& names);
  using Settings = std::map<std::string, std::string>;
  // By the name of topic or broker, of those that are there.
  Result<std::map<std::string, Settings>> settings(rd_kafka_ResourceType_t type,
                                                   const std::vector<std::string>& names);
  Result<std::vector<log::TopicConfig>> configs(const std::vector<std::string>& names);
  Result<std::vector<log::TopicInfo>> infos(const std::vector<std::string>& names);
  Status add_partitions(const std::string& name, std::int32_t partition_count);
  Status set_configs(const std::string& name, const log::TopicConfig& config);
  Result<std::optional<log::TimestampedOffset>> list_offset_once(const TopicPartition& source,
                                                                 std::int64_t spec,
                                                                 IsolationLevel isolation);
  Status delete_records_once(const TopicPartition& source, Offset before);
  // While a partition has no leader or its leader moves, as right after its creation.
  Status wait_for_leader(const TopicPartition& source, const std::function<Status()>& ask);
  // Until the brokers that are asked say so, too.
  Status wait_until(const std::string& what, const std::function<bool()>& is_seen);

  const Handle& handle_;
  const KafkaLogOptions& options_;
};

}  // namespace millrace::kafka_client
