#include "broker/apis.h"
#include "broker/errors.h"
#include "broker/topic_admin.h"
#include "kafka_wire/topics.h"

namespace millrace::broker {

using kafka_wire::CreatePartitionsRequest;
using kafka_wire::CreatePartitionsResponse;
using kafka_wire::ErrorCode;

namespace {

constexpr std::int32_t kPartitionsMax = 10'000;

std::optional<TopicError> grow(const Services& services,
                               const CreatePartitionsRequest::Topic& asked, bool validate_only) {
  const auto topic = services.log->topic(asked.name);
  if (!topic.is_ok()) {
    return TopicError{ErrorCode::unknown_topic_or_partition, message_of(topic.status())};
  }
  if (auto error = check_writable(*topic)) return error;
  if (auto error = check_unused(services, asked.name)) return error;
  const auto now = topic->config.partition_count;
  if (asked.count <= now || asked.count > kPartitionsMax) {
    return TopicError{ErrorCode::invalid_partitions,
                      "topic '" + asked.name + "' has " + std::to_string(now) +
                          " partitions; it can get more, up to " + std::to_string(kPartitionsMax) +
                          ", not fewer"};
  }
  if (asked.assignments && std::ssize(*asked.assignments) != asked.count - now) {
    return TopicError{ErrorCode::invalid_replica_assignment,
                      "there must be one assignment for each new partition"};
  }
  if (validate_only) return std::nullopt;
  auto config = topic->config;
  config.partition_count = asked.count;
  const auto status = services.log->alter_topic(asked.name, config);
  if (status.is_ok()) return std::nullopt;
  return TopicError{error_code_of(status, ErrorContext::topics), message_of(status)};
}

}  // namespace

void add_create_partitions(DispatchTable& table, const Services& services) {
  table.add<CreatePartitionsRequest, CreatePartitionsResponse>(
      [&services](const Call&, CreatePartitionsRequest& request,
                  const Responder<CreatePartitionsResponse>& respond) {
        services.blocking->run([&services, request = std::move(request), respond] {
          CreatePartitionsResponse response;
          for (const auto& topic : request.topics) {
            auto& out = response.results.emplace_back();
            out.name = topic.name;
            if (auto error = grow(services, topic, request.validate_only)) {
              out.error_code = error->code;
              out.error_message = std::move(error->message);
            }
          }
          respond(response);
        });
      });
}

}  // namespace millrace::broker
