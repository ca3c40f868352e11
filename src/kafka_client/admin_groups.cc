#include <algorithm>

#include "kafka_client/admin.h"
#include "kafka_client/client_settings.h"
#include "kafka_client/errors.h"

// Groups and their offsets.

namespace millrace::kafka_client {
namespace {

// Of an answer about groups, of which one was asked.
Status status_of_group(const rd_kafka_group_result_t* const* groups, std::size_t count,
                       const std::string& what) {
  if (count != 1) return disconnected_error(what + ": no answer about the group");
  MR_RETURN_IF_ERROR(status_of(rd_kafka_group_result_error(groups[0]), what));
  const auto* partitions = rd_kafka_group_result_partitions(groups[0]);
  for (int i = 0; partitions != nullptr && i < partitions->cnt; ++i) {
    MR_RETURN_IF_ERROR(status_of(partitions->elems[i].err, what));
  }
  return ok_status();
}

}  // namespace

Result<std::vector<std::string>> Admin::groups() {
  const std::string what = "list groups";
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        rd_kafka_ListConsumerGroups(handle_.get(), options, queue);
                      }));
  const auto* result = rd_kafka_event_ListConsumerGroups_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* errors = rd_kafka_ListConsumerGroups_result_errors(result, &count);
  if (count > 0) return status_of(errors[0], what);
  const auto* const* listed = rd_kafka_ListConsumerGroups_result_valid(result, &count);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.emplace_back(rd_kafka_ConsumerGroupListing_group_id(listed[i]));
  }
  std::ranges::sort(out);
  return out;
}

Result<std::vector<log::GroupOffset>> committed_offsets(const Handle& consumer,
                                                        const std::string& group,
                                                        const std::vector<TopicPartition>& of,
                                                        int wait_ms) {
  const std::string what = "offsets of " + group;
  const OwnedPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(of.size())));
  for (const auto& at : of) {
    rd_kafka_topic_partition_list_add(list.get(), at.topic.c_str(), at.partition);
  }
  const auto error = rd_kafka_committed(consumer.get(), list.get(), wait_ms);
  if (error == RD_KAFKA_RESP_ERR__TIMED_OUT) {
    return overloaded_error(what + ": a transaction is open, or the coordinator is being sought");
  }
  MR_RETURN_IF_ERROR(status_of(error, what));
  std::vector<log::GroupOffset> out;
  for (int i = 0; i < list->cnt; ++i) {
    const auto& at = list->elems[i];
    MR_RETURN_IF_ERROR(status_of(at.err, what));
    if (at.offset < 0) continue;  // none
    out.push_back({{at.topic, at.partition},
                   Offset(at.offset),
                   std::string(static_cast<const char*>(at.metadata), at.metadata_size)});
  }
  std::ranges::sort(out, {}, &log::GroupOffset::source);
  return out;
}

Result<std::vector<log::GroupOffset>> Admin::stable_group_offsets(const std::string& group) {
  MR_ASSIGN_OR_RETURN(
      const auto consumer,
      Handle::open(RD_KAFKA_CONSUMER, member_settings(options_, group, ""), options_));
  MR_ASSIGN_OR_RETURN(const auto known, topics());
  std::vector<TopicPartition> all;
  for (const auto& topic : known) {
    for (std::int32_t p = 0; p < topic.config.partition_count; ++p) all.push_back({topic.name, p});
  }
  return committed_offsets(*consumer, group, all, options_.request_timeout_ms);
}

Status Admin::remove_offsets(const std::string& group, const std::vector<TopicPartition>& of) {
  const std::string what = "remove offsets of " + group;
  const auto list = list_of(of);
  const Owned<rd_kafka_DeleteConsumerGroupOffsets_t, rd_kafka_DeleteConsumerGroupOffsets_destroy>
      request(rd_kafka_DeleteConsumerGroupOffsets_new(group.c_str(), list.get()));
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        auto* one = request.get();
                        rd_kafka_DeleteConsumerGroupOffsets(handle_.get(), &one, 1, options, queue);
                      }));
  const auto* result = rd_kafka_event_DeleteConsumerGroupOffsets_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* groups = rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, &count);
  return status_of_group(groups, count, what);
}

Status Admin::delete_group(const std::string& group) {
  const std::string what = "delete group " + group;
  const Owned<rd_kafka_DeleteGroup_t, rd_kafka_DeleteGroup_destroy> request(
      rd_kafka_DeleteGroup_new(group.c_str()));
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        auto* one = request.get();
                        rd_kafka_DeleteGroups(handle_.get(), &one, 1, options, queue);
                      }));
  const auto* result = rd_kafka_event_DeleteGroups_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* groups = rd_kafka_DeleteGroups_result_groups(result, &count);
  return status_of_group(groups, count, what);
}

}  // namespace millrace::kafka_client
