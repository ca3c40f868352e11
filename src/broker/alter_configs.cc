#include "broker/apis.h"
#include "broker/errors.h"
#include "broker/topic_admin.h"
#include "broker/topic_configs.h"
#include "kafka_wire/configs.h"

namespace millrace::broker {

using kafka_wire::AlterConfigsRequest;
using kafka_wire::AlterConfigsResponse;
using kafka_wire::AlteredResource;
using kafka_wire::ConfigResourceType;
using kafka_wire::ErrorCode;
using kafka_wire::IncrementalAlterConfigsRequest;
using kafka_wire::IncrementalAlterConfigsResponse;

namespace {

std::optional<TopicError> config_error(const Status& status) {
  return TopicError{ErrorCode::invalid_config, message_of(status)};
}

// As if it had been created with just these; a topic's nature and partitions stay.
Status change(const std::vector<AlterConfigsRequest::Config>& configs, TopicConfigChange& to) {
  for (const auto& config : configs) MR_RETURN_IF_ERROR(to.set(config.name, config.value));
  return ok_status();
}

Status change(const std::vector<IncrementalAlterConfigsRequest::Config>& configs,
              TopicConfigChange& to) {
  using Request = IncrementalAlterConfigsRequest;
  for (const auto& config : configs) {
    switch (config.config_operation) {
      case Request::kSet:
        MR_RETURN_IF_ERROR(to.set(config.name, config.value));
        break;
      case Request::kDelete:
        MR_RETURN_IF_ERROR(to.set(config.name, std::nullopt));
        break;
      case Request::kAppend:
      case Request::kSubtract:
        MR_RETURN_IF_ERROR(to.change_list(config.name, config.value.value_or(""),
                                          config.config_operation == Request::kAppend));
        break;
      default:
        return invalid_error("operations are 0 (set), 1 (delete), 2 (append), 3 (subtract)");
    }
  }
  return ok_status();
}

log::TopicConfig starting_point(const Services& services, const log::TopicConfig& now,
                                const AlterConfigsRequest::Resource&) {
  auto config = default_config(services.defaults);
  config.partition_count = now.partition_count;
  config.is_internal = now.is_internal;
  return config;
}

log::TopicConfig starting_point(const Services&, const log::TopicConfig& now,
                                const IncrementalAlterConfigsRequest::Resource&) {
  return now;
}

template <class Resource>
std::optional<TopicError> alter(const Services& services, const Resource& resource,
                                bool validate_only) {
  if (resource.resource_type != ConfigResourceType::topic) {
    return TopicError{ErrorCode::invalid_request,
                      "only topics can be configured by clients; the broker is configured by the "
                      "file that `millrace up` reads"};
  }
  const auto topic = services.log->topic(resource.resource_name);
  if (!topic.is_ok()) {
    return TopicError{ErrorCode::unknown_topic_or_partition, message_of(topic.status())};
  }
  if (auto error = check_writable(*topic)) return error;
  TopicConfigChange changes(starting_point(services, topic->config, resource), services.defaults);
  if (const auto status = change(resource.configs, changes); !status.is_ok()) {
    return config_error(status);
  }
  const auto config = changes.finish();
  if (!config.is_ok()) return config_error(config.status());
  if (validate_only || *config == topic->config) return std::nullopt;
  const auto status = services.log->alter_topic(topic->name, *config);
  if (status.is_ok()) return std::nullopt;
  if (status.code() == StatusCode::invalid) return config_error(status);
  return TopicError{error_code_of(status, ErrorContext::topics), message_of(status)};
}

template <class Request, class Response>
void add(DispatchTable& table, const Services& services) {
  table.add<Request, Response>(
      [&services](const Call&, Request& request, const Responder<Response>& respond) {
        services.blocking->run([&services, request = std::move(request), respond] {
          Response response;
          for (const auto& resource : request.resources) {
            AlteredResource& out = response.responses.emplace_back();
            out.resource_type = resource.resource_type;
            out.resource_name = resource.resource_name;
            if (auto error = alter(services, resource, request.validate_only)) {
              out.error_code = error->code;
              out.error_message = std::move(error->message);
            }
          }
          respond(response);
        });
      });
}

}  // namespace

void add_alter_configs(DispatchTable& table, const Services& services) {
  add<AlterConfigsRequest, AlterConfigsResponse>(table, services);
}

void add_incremental_alter_configs(DispatchTable& table, const Services& services) {
  add<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>(table, services);
}

}  // namespace millrace::broker
