#include "kafka_client/admin.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "kafka_client/errors.h"

// Groups, offsets and records; topics are in admin_topics.cc.

namespace millrace::kafka_client {
namespace {

// librdkafka answers by itself when a broker does not; this is for its own threads.
constexpr int kMarginMs = 2'000;
constexpr std::chrono::milliseconds kSeenPause{10};

OwnedPartitions list_of(const std::vector<TopicPartition>& partitions) {
  OwnedPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& at : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), at.topic.c_str(), at.partition);
  }
  return list;
}

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

Result<OwnedEvent> Admin::ask(std::string_view what, const Start& start, const Prepare& prepare) {
  auto* client = handle_.get();
  const OwnedQueue queue(rd_kafka_queue_new(client));
  const Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy> options(
      rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_ANY));
  std::array<char, 256> why{};
  if (rd_kafka_AdminOptions_set_request_timeout(options.get(), options_.request_timeout_ms,
                                                why.data(), why.size()) != 0) {
    return invalid_error(std::string(what) + ": " + why.data());
  }
  if (prepare) MR_RETURN_IF_ERROR(prepare(options.get()));
  start(options.get(), queue.get());
  OwnedEvent event(rd_kafka_queue_poll(queue.get(), options_.request_timeout_ms + kMarginMs));
  if (event == nullptr) return disconnected_error(std::string(what) + ": no answer");
  const auto error = rd_kafka_event_error(event.get());
  MR_RETURN_IF_ERROR(status_of(error, what, rd_kafka_event_error_string(event.get())));
  return event;
}

Status Admin::wait_until(const std::string& what, const std::function<bool()>& is_seen) {
  const auto attempts = options_.request_timeout_ms / kSeenPause.count();
  for (std::int64_t i = 0; i < attempts; ++i) {
    if (is_seen()) return ok_status();
    pause_for(kSeenPause);
  }
  return disconnected_error(what + ": done, but brokers do not show it yet");
}

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

Result<std::vector<log::GroupOffset>> Admin::group_offsets(
    const std::string& group, const std::optional<TopicPartition>& only, bool must_be_stable) {
  const std::string what = "offsets of " + group;
  OwnedPartitions list;
  if (only) list = list_of({*only});
  Owned<rd_kafka_ListConsumerGroupOffsets_t, rd_kafka_ListConsumerGroupOffsets_destroy> request(
      rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), list.get()));
  const auto start = [&](const auto* options, auto* queue) {
    auto* one = request.get();
    rd_kafka_ListConsumerGroupOffsets(handle_.get(), &one, 1, options, queue);
  };
  const auto prepare = [&](rd_kafka_AdminOptions_t* options) {
    const OwnedError error(
        rd_kafka_AdminOptions_set_require_stable_offsets(options, must_be_stable ? 1 : 0));
    return status_of(error.get(), what);
  };
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, start, prepare));
  const auto* result = rd_kafka_event_ListConsumerGroupOffsets_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
  MR_RETURN_IF_ERROR(status_of_group(groups, count, what));
  const auto* partitions = rd_kafka_group_result_partitions(groups[0]);
  std::vector<log::GroupOffset> out;
  for (int i = 0; partitions != nullptr && i < partitions->cnt; ++i) {
    const auto& at = partitions->elems[i];
    if (at.offset < 0) continue;  // none
    out.push_back({{at.topic, at.partition},
                   Offset(at.offset),
                   std::string(static_cast<const char*>(at.metadata), at.metadata_size)});
  }
  std::ranges::sort(out, {}, &log::GroupOffset::source);
  return out;
}

Result<std::vector<log::GroupOffset>> Admin::stable_group_offsets(const std::string& group) {
  Result<std::vector<log::GroupOffset>> found = std::vector<log::GroupOffset>();
  auto status = wait_until("offsets of " + group, [&] {
    found = group_offsets(group, std::nullopt, true);
    return found.status().code() != StatusCode::overloaded;
  });
  MR_RETURN_IF_ERROR(std::move(status));
  return found;
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

Status Admin::wait_for_leader(const TopicPartition& source, const std::function<Status()>& ask) {
  Status status;
  Status existence;
  auto waited = wait_until(source.to_string(), [&] {
    status = ask();
    if (status.code() != StatusCode::overloaded) return true;
    const auto partitions = partition_count(source.topic);
    existence = partitions.status();
    if (partitions.is_ok() && source.partition >= partitions.value()) {
      existence = not_found_error("partition " + source.to_string() + " does not exist");
    }
    return !existence.is_ok();
  });
  MR_RETURN_IF_ERROR(std::move(waited));
  return existence.is_ok() ? std::move(status) : std::move(existence);
}

Result<std::optional<log::TimestampedOffset>> Admin::list_offset(const TopicPartition& source,
                                                                 std::int64_t spec,
                                                                 IsolationLevel isolation) {
  std::optional<log::TimestampedOffset> out;
  MR_RETURN_IF_ERROR(wait_for_leader(source, [&]() -> Status {
    MR_ASSIGN_OR_RETURN(out, list_offset_once(source, spec, isolation));
    return ok_status();
  }));
  return out;
}

Status Admin::wait_until_visible(const TopicPartition& source, Offset end) {
  return wait_until(source.to_string(), [&] {
    const auto stable = list_offset(source, kOffsetSpecLatest, IsolationLevel::read_committed);
    return stable.is_ok() && stable.value() && stable.value()->offset >= end;
  });
}

Status Admin::delete_records(const TopicPartition& source, Offset before) {
  return wait_for_leader(source, [&] { return delete_records_once(source, before); });
}

Result<std::optional<log::TimestampedOffset>> Admin::list_offset_once(const TopicPartition& source,
                                                                      std::int64_t spec,
                                                                      IsolationLevel isolation) {
  const std::string what = "offsets of " + source.to_string();
  if (source.partition < 0) {
    return not_found_error("partition " + source.to_string() + " does not exist");
  }
  const auto list = list_of({source});
  list->elems[0].offset = spec;
  const auto start = [&](const auto* options, auto* queue) {
    rd_kafka_ListOffsets(handle_.get(), list.get(), options, queue);
  };
  const auto prepare = [&](rd_kafka_AdminOptions_t* options) {
    const OwnedError error(
        rd_kafka_AdminOptions_set_isolation_level(options, static_cast<int>(isolation)));
    return status_of(error.get(), what);
  };
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, start, prepare));
  const auto* result = rd_kafka_event_ListOffsets_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* infos = rd_kafka_ListOffsets_result_infos(result, &count);
  if (count != 1) return disconnected_error(what + ": no answer about the partition");
  const auto* at = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[0]);
  MR_RETURN_IF_ERROR(status_of(at->err, what));
  if (at->offset < 0) return std::optional<log::TimestampedOffset>();
  return std::optional(log::TimestampedOffset{
      Offset(at->offset), WallTime(rd_kafka_ListOffsetsResultInfo_timestamp(infos[0]))});
}

Status Admin::delete_records_once(const TopicPartition& source, Offset before) {
  const std::string what = "delete records of " + source.to_string();
  const auto list = list_of({source});
  list->elems[0].offset = before.value;
  const Owned<rd_kafka_DeleteRecords_t, rd_kafka_DeleteRecords_destroy> request(
      rd_kafka_DeleteRecords_new(list.get()));
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        auto* one = request.get();
                        rd_kafka_DeleteRecords(handle_.get(), &one, 1, options, queue);
                      }));
  const auto* result = rd_kafka_event_DeleteRecords_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  const auto* offsets = rd_kafka_DeleteRecords_result_offsets(result);
  if (offsets->cnt != 1) return disconnected_error(what + ": no answer about the partition");
  return status_of(offsets->elems[0].err, what);
}

}  // namespace millrace::kafka_client
