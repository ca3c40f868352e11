#include <algorithm>

#include "broker/apis.h"
#include "broker/errors.h"
#include "broker/topic_configs.h"
#include "kafka_wire/configs.h"

namespace millrace::broker {

using kafka_wire::ConfigResourceType;
using kafka_wire::DescribeConfigsRequest;
using kafka_wire::DescribeConfigsResponse;
using kafka_wire::ErrorCode;

namespace {

// ConfigEntry.ConfigSource of Kafka's clients.
constexpr std::int8_t kSourceTopic = 1;
constexpr std::int8_t kSourceBroker = 4;
constexpr std::int8_t kSourceDefault = 5;

bool is_asked_for(const DescribeConfigsRequest::Resource& resource, const std::string& name) {
  if (!resource.configuration_keys) return true;
  const auto& keys = *resource.configuration_keys;
  return std::find(keys.begin(), keys.end(), name) != keys.end();
}

void add_entries(const DescribeConfigsRequest& request,
                 const DescribeConfigsRequest::Resource& resource,
                 std::vector<TopicConfigEntry> entries, std::int8_t source,
                 DescribeConfigsResponse::Result& out) {
  for (auto& entry : entries) {
    if (!is_asked_for(resource, entry.name)) continue;
    auto& config = out.configs.emplace_back();
    config.name = entry.name;
    config.value = entry.value;
    config.read_only = entry.is_fixed;
    config.config_source = entry.is_default ? kSourceDefault : source;
    config.config_type = entry.type;
    if (request.include_synonyms) {
      config.synonyms.push_back({entry.name, entry.value, config.config_source});
    }
  }
}

void describe(const Services& services, const DescribeConfigsRequest& request,
              const DescribeConfigsRequest::Resource& resource,
              DescribeConfigsResponse::Result& out) {
  out.resource_type = resource.resource_type;
  out.resource_name = resource.resource_name;
  switch (resource.resource_type) {
    case ConfigResourceType::topic: {
      const auto topic = services.log->topic(resource.resource_name);
      if (topic.is_ok()) {
        return add_entries(request, resource,
                           describe_topic_config(topic->config, services.defaults), kSourceTopic,
                           out);
      }
      out.error_code = ErrorCode::unknown_topic_or_partition;
      out.error_message = message_of(topic.status());
      return;
    }
    case ConfigResourceType::broker:
      // Without a name: what holds for all brokers. Nothing was ever set for them together.
      if (resource.resource_name.empty()) return;
      if (resource.resource_name == std::to_string(services.cluster.node_id)) {
        return add_entries(request, resource, describe_broker_config(services), kSourceBroker, out);
      }
      out.error_code = ErrorCode::invalid_request;
      out.error_message = "the only broker here is " + std::to_string(services.cluster.node_id);
      return;
    case ConfigResourceType::broker_logger:
    case ConfigResourceType::client_metrics:
    case ConfigResourceType::group:
    case ConfigResourceType::unknown:
      break;
  }
  out.error_code = ErrorCode::invalid_request;
  out.error_message = "topics (2) and brokers (4) have configurations here, nothing else";
}

}  // namespace

void add_describe_configs(DispatchTable& table, const Services& services) {
  table.add<DescribeConfigsRequest, DescribeConfigsResponse>(
      [&services](const Call&, DescribeConfigsRequest& request,
                  const Responder<DescribeConfigsResponse>& respond) {
        DescribeConfigsResponse response;
        for (const auto& resource : request.resources) {
          describe(services, request, resource, response.results.emplace_back());
        }
        respond(response);
      });
}

}  // namespace millrace::broker
