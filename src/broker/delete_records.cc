#include "broker/apis.h"
#include "broker/errors.h"
#include "broker/topic_admin.h"
#include "broker/topic_configs.h"
#include "kafka_wire/topics.h"

namespace millrace::broker {

using kafka_wire::DeleteRecordsRequest;
using kafka_wire::DeleteRecordsResponse;
using kafka_wire::ErrorCode;

namespace {

constexpr std::int64_t kToHighWatermark = -1;

// The new start may stay below what was asked for: pipelines keep what they may have to replay.
ErrorCode delete_records(const Services& services, const TopicPartition& source,
                         std::int64_t before, std::int64_t& low_watermark) {
  const auto topic = services.log->topic(source.topic);
  if (!topic.is_ok()) return error_code_of(topic.status(), ErrorContext::topics);
  if (const auto error = check_writable(*topic)) return error->code;
  // As in Kafka: where the policy is compact alone nothing goes but what newer records replace.
  if (cleanup_policy_of(topic->config) == "compact") return ErrorCode::policy_violation;
  auto offsets = services.log->offsets(source);
  if (!offsets.is_ok()) return error_code_of(offsets.status(), ErrorContext::topics);
  const Offset to = before == kToHighWatermark ? offsets->high_watermark : Offset(before);
  if (to.value < 0 || to > offsets->high_watermark) return ErrorCode::offset_out_of_range;
  if (to > offsets->start) {
    const auto status = services.log->delete_records(source, to);
    if (!status.is_ok()) return error_code_of(status, ErrorContext::topics);
    offsets = services.log->offsets(source);
    if (!offsets.is_ok()) return error_code_of(offsets.status(), ErrorContext::topics);
  }
  low_watermark = offsets->start.value;
  return ErrorCode::none;
}

}  // namespace

void add_delete_records(DispatchTable& table, const Services& services) {
  table.add<DeleteRecordsRequest, DeleteRecordsResponse>(
      [&services](const Call&, DeleteRecordsRequest& request,
                  const Responder<DeleteRecordsResponse>& respond) {
        services.blocking->run([&services, request = std::move(request), respond] {
          DeleteRecordsResponse response;
          for (const auto& topic : request.topics) {
            auto& topic_out = response.topics.emplace_back();
            topic_out.name = topic.name;
            for (const auto& partition : topic.partitions) {
              auto& out = topic_out.partitions.emplace_back();
              out.partition_index = partition.partition_index;
              out.low_watermark = -1;
              out.error_code = delete_records(services, {topic.name, partition.partition_index},
                                              partition.offset, out.low_watermark);
            }
          }
          respond(response);
        });
      });
}

}  // namespace millrace::broker
