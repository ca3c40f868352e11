#include <algorithm>
#include <set>

#include "broker/apis.h"
#include "broker/errors.h"
#include "broker/topic_admin.h"
#include "broker/topic_configs.h"
#include "kafka_wire/topics.h"

namespace millrace::broker {

using kafka_wire::CreateTopicsRequest;
using kafka_wire::CreateTopicsResponse;
using kafka_wire::ErrorCode;

namespace {

constexpr std::int32_t kPartitionsMax = 10'000;
// DescribeConfigsResponse.ConfigSource.
constexpr std::int8_t kSourceTopic = 1;
constexpr std::int8_t kSourceDefault = 5;

std::optional<TopicError> plan(const Services& services, const CreateTopicsRequest::Topic& asked,
                               log::TopicConfig& config) {
  if (auto error = check_new_name(asked.name)) return error;
  config = default_config(services.defaults);
  if (!asked.assignments.empty()) {
    if (asked.num_partitions != -1 || asked.replication_factor != -1) {
      return TopicError{ErrorCode::invalid_request, "with assignments, both counts must be -1"};
    }
    std::set<std::int32_t> indexes;
    for (const auto& one : asked.assignments) indexes.insert(one.partition_index);
    const auto count = static_cast<std::int32_t>(asked.assignments.size());
    if (std::ssize(indexes) != count || *indexes.begin() != 0 || *indexes.rbegin() != count - 1) {
      return TopicError{ErrorCode::invalid_replica_assignment,
                        "assignments must name the partitions from 0 on, each once"};
    }
    config.partition_count = count;
  } else if (asked.num_partitions != -1) {
    config.partition_count = asked.num_partitions;
  }
  if (config.partition_count < 1 || config.partition_count > kPartitionsMax) {
    return TopicError{ErrorCode::invalid_partitions,
                      "a topic has 1 to " + std::to_string(kPartitionsMax) + " partitions"};
  }
  // Clients ask for 3 by habit. There is one copy, whatever they ask for, and the answer says so.
  if (asked.replication_factor != -1 && asked.replication_factor < 1) {
    return TopicError{ErrorCode::invalid_replication_factor,
                      "the replication factor must be at least 1"};
  }
  TopicConfigChange change(config, services.defaults);
  for (const auto& entry : asked.configs) {
    const auto status = change.set(entry.name, entry.value);
    if (!status.is_ok()) return TopicError{ErrorCode::invalid_config, message_of(status)};
  }
  auto changed = change.finish();
  if (!changed.is_ok()) return TopicError{ErrorCode::invalid_config, message_of(changed.status())};
  config = *changed;
  return std::nullopt;
}

void describe(const Services& services, const log::TopicConfig& config,
              CreateTopicsResponse::Topic& out) {
  out.num_partitions = config.partition_count;
  out.replication_factor = 1;
  out.configs.emplace();
  for (auto& entry : describe_topic_config(config, services.defaults)) {
    out.configs->push_back({std::move(entry.name), std::move(entry.value), entry.is_fixed,
                            entry.is_default ? kSourceDefault : kSourceTopic, false});
  }
}

void create(const Services& services, const CreateTopicsRequest::Topic& asked, bool validate_only,
            CreateTopicsResponse::Topic& out) {
  log::TopicConfig config;
  auto error = plan(services, asked, config);
  if (!error && services.log->topic(asked.name).is_ok()) {
    error = {ErrorCode::topic_already_exists, "topic '" + asked.name + "' exists already"};
  }
  if (!error && !validate_only) {
    const auto created = services.log->create_topic(asked.name, config);
    if (created.is_ok()) {
      out.topic_id = services.topic_ids->id_of(*created);
    } else {
      auto code = error_code_of(created.status(), ErrorContext::topics);
      if (created.status().code() == StatusCode::invalid) code = ErrorCode::invalid_config;
      error = {code, message_of(created.status())};
    }
  }
  if (error) {
    out.error_code = error->code;
    out.error_message = std::move(error->message);
    return;
  }
  describe(services, config, out);
}

}  // namespace

void add_create_topics(DispatchTable& table, const Services& services) {
  table.add<CreateTopicsRequest, CreateTopicsResponse>(
      [&services](const Call&, CreateTopicsRequest& request,
                  const Responder<CreateTopicsResponse>& respond) {
        services.blocking->run([&services, request = std::move(request), respond] {
          CreateTopicsResponse response;
          std::multiset<std::string> names;
          for (const auto& topic : request.topics) names.insert(topic.name);
          std::set<std::string> answered;
          for (const auto& topic : request.topics) {
            if (!answered.insert(topic.name).second) continue;
            auto& out = response.topics.emplace_back();
            out.name = topic.name;
            if (names.count(topic.name) > 1) {
              out.error_code = ErrorCode::invalid_request;
              out.error_message = "the request names this topic more than once";
            } else {
              create(services, topic, request.validate_only, out);
            }
          }
          respond(response);
        });
      });
}

}  // namespace millrace::broker
