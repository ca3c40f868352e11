#include "kafka_client/admin.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "kafka_client/errors.h"

// Requests, offsets and records; topics are in admin_topics.cc, groups in admin_groups.cc.

namespace millrace::kafka_client {
namespace {

// librdkafka answers by itself when a broker does not; this is for its own threads.
constexpr int kMarginMs = 2'000;
constexpr std::chrono::milliseconds kSeenPause{10};

}  // namespace

OwnedPartitions Admin::list_of(const std::vector<TopicPartition>& partitions) {
  OwnedPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& at : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), at.topic.c_str(), at.partition);
  }
  return list;
}

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
