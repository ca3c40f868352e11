#include "broker/apis.h"
#include "broker/errors.h"
#include "broker/topic_admin.h"
#include "kafka_wire/topics.h"

namespace millrace::broker {

using kafka_wire::DeleteTopicsRequest;
using kafka_wire::DeleteTopicsResponse;
using kafka_wire::ErrorCode;

namespace {

std::optional<TopicError> delete_topic(const Services& services, const log::TopicInfo& topic) {
  if (auto error = check_writable(topic)) return error;
  if (auto error = check_unused(services, topic.name)) return error;
  const auto status = services.log->delete_topic(topic.name);
  if (status.is_ok()) return std::nullopt;
  return TopicError{error_code_of(status, ErrorContext::topics), message_of(status)};
}

void answer(const Services& services, const std::optional<std::string>& name,
            const kafka_wire::Uuid& id, DeleteTopicsResponse::Topic& out) {
  out.name = name;
  out.topic_id = id;
  const auto topic = find_topic(services, name, id);
  if (!topic) {
    out.error_code = name ? ErrorCode::unknown_topic_or_partition : ErrorCode::unknown_topic_id;
    out.error_message = "there is no such topic";
    return;
  }
  out.name = topic->name;
  out.topic_id = services.topic_ids->id_of(*topic);
  if (auto error = delete_topic(services, *topic)) {
    out.error_code = error->code;
    out.error_message = std::move(error->message);
  }
}

}  // namespace

void add_delete_topics(DispatchTable& table, const Services& services) {
  table.add<DeleteTopicsRequest, DeleteTopicsResponse>(
      [&services](const Call&, DeleteTopicsRequest& request,
                  const Responder<DeleteTopicsResponse>& respond) {
        services.blocking->run([&services, request = std::move(request), respond] {
          DeleteTopicsResponse response;
          for (const auto& name : request.topic_names) {
            answer(services, name, {}, response.responses.emplace_back());
          }
          for (const auto& topic : request.topics) {
            answer(services, topic.name, topic.topic_id, response.responses.emplace_back());
          }
          respond(response);
        });
      });
}

}  // namespace millrace::broker
