#include "kafka_wire/metadata.h"

#include <memory>

#include "broker/apis.h"
#include "broker/authorizer.h"
#include "broker/errors.h"
#include "broker/topic_admin.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::MetadataRequest;
using kafka_wire::MetadataResponse;

namespace {

// Everything; where that is not so, authorization amends it.
std::int32_t all_operations(ResourceType type) {
  return Access(nullptr, {}).operations(type, "");
}

MetadataResponse::Topic describe(const Services& services, const log::TopicInfo& topic,
                                 bool with_operations) {
  MetadataResponse::Topic out;
  out.name = topic.name;
  out.topic_id = services.topic_ids->id_of(topic);
  out.is_internal = topic.config.is_internal;
  out.partitions.resize(static_cast<std::size_t>(topic.config.partition_count));
  const auto node = services.cluster.node_id;
  for (std::int32_t i = 0; i < topic.config.partition_count; ++i) {
    auto& partition = out.partitions[static_cast<std::size_t>(i)];
    partition.partition_index = i;
    partition.leader_id = node;
    partition.leader_epoch = 0;
    partition.replica_nodes = {node};
    partition.isr_nodes = {node};
  }
  if (with_operations) out.topic_authorized_operations = all_operations(ResourceType::topic);
  return out;
}

MetadataResponse::Topic describe_missing(const MetadataRequest::Topic& asked, ErrorCode code) {
  MetadataResponse::Topic out;
  out.name = asked.name;
  out.topic_id = asked.topic_id;
  out.error_code = code;
  return out;
}

bool asks_by_id(const MetadataRequest::Topic& asked) {
  return !asked.name || (asked.name->empty() && !asked.topic_id.is_zero());
}

// `may_create` only on a thread that may block. Sets `is_missing` instead when a topic would have
// to be created.
MetadataResponse::Topic look_up(const Services& services, const MetadataRequest& request,
                                const MetadataRequest::Topic& asked, bool may_create,
                                bool& is_missing) {
  const bool by_id = asks_by_id(asked);
  if (const auto topic = find_topic(services, asked.name, asked.topic_id)) {
    return describe(services, *topic, request.include_topic_authorized_operations);
  }
  if (by_id) return describe_missing(asked, ErrorCode::unknown_topic_id);
  if (const auto error = check_new_name(*asked.name)) return describe_missing(asked, error->code);
  if (!request.allow_auto_topic_creation || !services.defaults.auto_create) {
    return describe_missing(asked, ErrorCode::unknown_topic_or_partition);
  }
  if (!may_create) {
    is_missing = true;
    return {};
  }
  auto created = services.log->create_topic(*asked.name, default_config(services.defaults));
  // Somebody else was faster.
  if (created.status().code() == StatusCode::exists) created = services.log->topic(*asked.name);
  if (!created.is_ok()) {
    return describe_missing(asked, error_code_of(created.status(), ErrorContext::topics));
  }
  return describe(services, *created, request.include_topic_authorized_operations);
}

// False when a topic has to be created first.
bool answer(const Services& services, const Call& call, const MetadataRequest& request,
            const Responder<MetadataResponse>& respond, bool may_create) {
  MetadataResponse response;
  const auto& cluster = services.cluster;
  response.brokers.push_back({cluster.node_id, cluster.host, cluster.port, std::nullopt});
  response.cluster_id = cluster.cluster_id;
  response.controller_id = cluster.node_id;
  if (request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = all_operations(ResourceType::cluster);
  }
  const bool asks_for_all = !request.topics || (call.api_version == 0 && request.topics->empty());
  if (asks_for_all) {
    for (const auto& topic : services.log->topics()) {
      response.topics.push_back(
          describe(services, topic, request.include_topic_authorized_operations));
    }
  } else {
    for (const auto& asked : *request.topics) {
      bool is_missing = false;
      response.topics.push_back(look_up(services, request, asked, may_create, is_missing));
      if (is_missing) return false;
    }
  }
  respond(response);
  return true;
}

}  // namespace

void add_metadata(DispatchTable& table, const Services& services) {
  table.add<MetadataRequest, MetadataResponse>(
      [&services](const Call& call, MetadataRequest& request,
                  const Responder<MetadataResponse>& respond) {
        if (call.api_version < 4) request.allow_auto_topic_creation = true;
        if (answer(services, call, request, respond, false)) return;
        services.blocking->run([&services, call, request = std::move(request), respond] {
          answer(services, call, request, respond, true);
        });
      });
}

}  // namespace millrace::broker
