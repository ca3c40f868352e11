#include "kafka_wire/list_offsets.h"

#include "broker/apis.h"
#include "broker/errors.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::ListOffsetsRequest;
using kafka_wire::ListOffsetsResponse;

namespace {

constexpr std::int8_t kReadCommitted = 1;

Status look_up(const Services& services, const TopicPartition& source, std::int64_t timestamp,
               bool is_read_committed, ListOffsetsResponse::Partition& out) {
  MR_ASSIGN_OR_RETURN(const auto offsets, services.log->offsets(source));
  const Offset end = is_read_committed ? offsets.last_stable : offsets.high_watermark;
  out.leader_epoch = 0;
  switch (timestamp) {
    case ListOffsetsRequest::kLatest:
      out.offset = end.value;
      return ok_status();
    case ListOffsetsRequest::kEarliest:
    case ListOffsetsRequest::kEarliestLocal:
      out.offset = offsets.start.value;
      return ok_status();
    default:
      break;
  }
  if (timestamp < 0 && timestamp != ListOffsetsRequest::kMaxTimestamp) {
    return invalid_error("no such timestamp: " + std::to_string(timestamp));
  }
  MR_ASSIGN_OR_RETURN(const auto found,
                      timestamp == ListOffsetsRequest::kMaxTimestamp
                          ? services.log->max_timestamp(source)
                          : services.log->first_at_timestamp(source, WallTime(timestamp)));
  // What is not to be seen yet is not there (Kafka's fetchOffsetForTimestamp).
  if (!found || found->offset >= end) {
    out.leader_epoch = -1;
    return ok_status();
  }
  out.offset = found->offset.value;
  out.timestamp = found->timestamp.value;
  return ok_status();
}

ListOffsetsResponse answer(const Services& services, const ListOffsetsRequest& request) {
  ListOffsetsResponse response;
  for (const auto& topic : request.topics) {
    auto& topic_out = response.topics.emplace_back();
    topic_out.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& out = topic_out.partitions.emplace_back();
      out.partition_index = partition.partition_index;
      if (partition.current_leader_epoch > 0) {
        out.error_code = ErrorCode::unknown_leader_epoch;
        continue;
      }
      const auto status =
          look_up(services, {topic.name, partition.partition_index}, partition.timestamp,
                  request.isolation_level == kReadCommitted, out);
      out.error_code = error_code_of(status, ErrorContext::read);
    }
  }
  return response;
}

bool searches(const ListOffsetsRequest& request) {
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.timestamp >= 0 || partition.timestamp == ListOffsetsRequest::kMaxTimestamp) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

void add_list_offsets(DispatchTable& table, const Services& services) {
  table.add<ListOffsetsRequest, ListOffsetsResponse>(
      [&services](const Call&, ListOffsetsRequest& request,
                  const Responder<ListOffsetsResponse>& respond) {
        if (!searches(request)) return respond(answer(services, request));
        // A search by time reads records.
        services.blocking->run([&services, request = std::move(request), respond] {
          respond(answer(services, request));
        });
      });
}

}  // namespace millrace::broker
