#include <map>

#include "kafka_client/admin.h"
#include "kafka_client/errors.h"
#include "kafka_client/topic_configs.h"

// What topics and brokers are set to.

namespace millrace::kafka_client {
namespace {

using OwnedResource = Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;

OwnedResource resource_of(const std::string& topic) {
  return OwnedResource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
}

}  // namespace

// What a topic has beside what is ours stays as it is.
Status Admin::set_configs(const std::string& name, const log::TopicConfig& config) {
  const std::string what = "alter topic " + name;
  const auto request = resource_of(name);
  for (const auto& [key, value] : to_kafka_configs(config)) {
    const OwnedError error(rd_kafka_ConfigResource_add_incremental_config(
        request.get(), key.c_str(), kAlterConfigSet, value.c_str()));
    MR_RETURN_IF_ERROR(status_of(error.get(), what));
  }
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        auto* one = request.get();
                        rd_kafka_IncrementalAlterConfigs(handle_.get(), &one, 1, options, queue);
                      }));
  const auto* result = rd_kafka_event_IncrementalAlterConfigs_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* done = rd_kafka_IncrementalAlterConfigs_result_resources(result, &count);
  if (count != 1) return disconnected_error(what + ": no answer about the topic");
  MR_RETURN_IF_ERROR(status_of(rd_kafka_ConfigResource_error(done[0]), what));
  return wait_until(what, [&] {
    const auto now = configs({name});
    if (!now.is_ok()) return false;
    auto seen = now.value().front();
    seen.partition_count = config.partition_count;
    seen.is_internal = config.is_internal;
    return seen == config;
  });
}

Result<std::map<std::string, Admin::Settings>> Admin::settings(
    rd_kafka_ResourceType_t type, const std::vector<std::string>& names) {
  const std::string what = "describe settings";
  std::vector<OwnedResource> owned;
  std::vector<rd_kafka_ConfigResource_t*> raw;
  for (const auto& name : names) {
    owned.emplace_back(rd_kafka_ConfigResource_new(type, name.c_str()));
    raw.push_back(owned.back().get());
  }
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        rd_kafka_DescribeConfigs(handle_.get(), raw.data(), raw.size(), options,
                                                 queue);
                      }));
  const auto* result = rd_kafka_event_DescribeConfigs_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
  std::map<std::string, Settings> out;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = rd_kafka_ConfigResource_name(resources[i]);
    MR_RETURN_IF_ERROR(
        status_of(rd_kafka_ConfigResource_error(resources[i]), what + " of " + name));
    auto& values = out[name];
    std::size_t entries = 0;
    const auto* const* entry = rd_kafka_ConfigResource_configs(resources[i], &entries);
    for (std::size_t e = 0; e < entries; ++e) {
      const auto* value = rd_kafka_ConfigEntry_value(entry[e]);
      if (value != nullptr) values[rd_kafka_ConfigEntry_name(entry[e])] = value;
    }
  }
  return out;
}

Result<std::vector<log::TopicConfig>> Admin::configs(const std::vector<std::string>& names) {
  MR_ASSIGN_OR_RETURN(const auto by_name, settings(RD_KAFKA_RESOURCE_TOPIC, names));
  std::vector<log::TopicConfig> out;
  for (const auto& name : names) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) return not_found_error("topic " + name + " has no configuration");
    MR_ASSIGN_OR_RETURN(auto config, from_kafka_configs(found->second));
    out.push_back(config);
  }
  return out;
}

Result<std::optional<std::string>> Admin::broker_config(std::int32_t broker,
                                                        const std::string& name) {
  const auto id = std::to_string(broker);
  MR_ASSIGN_OR_RETURN(const auto by_broker, settings(RD_KAFKA_RESOURCE_BROKER, {id}));
  const auto of = by_broker.find(id);
  if (of == by_broker.end()) return std::optional<std::string>();
  const auto found = of->second.find(name);
  if (found == of->second.end()) return std::optional<std::string>();
  return std::optional(found->second);
}

}  // namespace millrace::kafka_client
