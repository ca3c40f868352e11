#include <algorithm>
#include <array>

#include "base/hash.h"
#include "kafka_client/admin.h"
#include "kafka_client/errors.h"
#include "kafka_client/topic_configs.h"

namespace millrace::kafka_client {
namespace {

// Of an answer about topics, of which one was asked.
Status status_of_topic(const rd_kafka_topic_result_t* const* topics, std::size_t count,
                       const std::string& what) {
  if (count != 1) return disconnected_error(what + ": no answer about the topic");
  const auto* why = rd_kafka_topic_result_error_string(topics[0]);
  return status_of(rd_kafka_topic_result_error(topics[0]), what,
                   why == nullptr ? std::string_view() : std::string_view(why));
}

}  // namespace

Result<log::TopicInfo> Admin::create_topic(const std::string& name,
                                           const log::TopicConfig& config) {
  const std::string what = "create topic " + name;
  if (name.empty()) return invalid_error("a topic's name is 1 to 249 of [a-zA-Z0-9._-]");
  std::array<char, 256> why{};
  const Owned<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy> request(rd_kafka_NewTopic_new(
      name.c_str(), config.partition_count, options_.replication_factor, why.data(), why.size()));
  if (request == nullptr || config.partition_count < 1) {
    return invalid_error(what + ": " +
                         (request == nullptr ? why.data() : "a topic has at least one partition"));
  }
  auto configs = to_kafka_configs(config);
  if (options_.is_log_append_time) configs[kTimestampType] = kLogAppendTime;
  for (const auto& [key, value] : configs) {
    MR_RETURN_IF_ERROR(
        status_of(rd_kafka_NewTopic_set_config(request.get(), key.c_str(), value.c_str()), what));
  }
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        auto* one = request.get();
                        rd_kafka_CreateTopics(handle_.get(), &one, 1, options, queue);
                      }));
  const auto* result = rd_kafka_event_CreateTopics_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* topics = rd_kafka_CreateTopics_result_topics(result, &count);
  MR_RETURN_IF_ERROR(status_of_topic(topics, count, what));
  // Brokers hear of it one after the other.
  Result<log::TopicInfo> made = not_found_error(what);
  MR_RETURN_IF_ERROR(wait_until(what, [&] {
    made = topic(name);
    return made.is_ok() && made->config.partition_count == config.partition_count;
  }));
  return made;
}

Status Admin::delete_topic(const std::string& name) {
  const std::string what = "delete topic " + name;
  const Owned<rd_kafka_DeleteTopic_t, rd_kafka_DeleteTopic_destroy> request(
      rd_kafka_DeleteTopic_new(name.c_str()));
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        auto* one = request.get();
                        rd_kafka_DeleteTopics(handle_.get(), &one, 1, options, queue);
                      }));
  const auto* result = rd_kafka_event_DeleteTopics_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* topics = rd_kafka_DeleteTopics_result_topics(result, &count);
  MR_RETURN_IF_ERROR(status_of_topic(topics, count, what));
  return wait_until(what,
                    [&] { return partition_count(name).status().code() == StatusCode::not_found; });
}

Status Admin::add_partitions(const std::string& name, std::int32_t partitions) {
  const std::string what = "add partitions to " + name;
  std::array<char, 256> why{};
  const Owned<rd_kafka_NewPartitions_t, rd_kafka_NewPartitions_destroy> request(
      rd_kafka_NewPartitions_new(name.c_str(), static_cast<std::size_t>(partitions), why.data(),
                                 why.size()));
  if (request == nullptr) return invalid_error(what + ": " + why.data());
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        auto* one = request.get();
                        rd_kafka_CreatePartitions(handle_.get(), &one, 1, options, queue);
                      }));
  const auto* result = rd_kafka_event_CreatePartitions_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* topics = rd_kafka_CreatePartitions_result_topics(result, &count);
  MR_RETURN_IF_ERROR(status_of_topic(topics, count, what));
  return wait_until(what, [&] {
    const auto now = partition_count(name);
    return now.is_ok() && now.value() == partitions;
  });
}

Status Admin::alter_topic(const std::string& name, const log::TopicConfig& config) {
  MR_ASSIGN_OR_RETURN(const auto now, topic(name));
  if (config.partition_count < now.config.partition_count) {
    return invalid_error("partition count of " + name + " is " +
                         std::to_string(now.config.partition_count) + " and cannot be lowered");
  }
  if (config.partition_count > now.config.partition_count) {
    MR_RETURN_IF_ERROR(add_partitions(name, config.partition_count));
  }
  if (to_kafka_configs(config) == to_kafka_configs(now.config)) return ok_status();
  return set_configs(name, config);
}

Result<std::vector<Admin::Description>> Admin::describe(const std::vector<std::string>& names) {
  const std::string what = "describe topics";
  std::vector<const char*> raw;
  for (const auto& name : names) raw.push_back(name.c_str());
  const Owned<rd_kafka_TopicCollection_t, rd_kafka_TopicCollection_destroy> request(
      rd_kafka_TopicCollection_of_topic_names(raw.data(), raw.size()));
  MR_ASSIGN_OR_RETURN(const auto event, ask(what, [&](const auto* options, auto* queue) {
                        rd_kafka_DescribeTopics(handle_.get(), request.get(), options, queue);
                      }));
  const auto* result = rd_kafka_event_DescribeTopics_result(event.get());
  if (result == nullptr) return disconnected_error(what + ": another answer");
  std::size_t count = 0;
  const auto* const* topics = rd_kafka_DescribeTopics_result_topics(result, &count);
  std::vector<Description> out;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* topic = topics[i];
    Description found;
    found.name = rd_kafka_TopicDescription_name(topic);
    const auto* error = rd_kafka_TopicDescription_error(topic);
    const bool is_fine =
        error == nullptr || rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!is_fine) return status_of(error, "topic " + found.name);
    const auto* id = rd_kafka_TopicDescription_topic_id(topic);
    found.incarnation = hash64(std::to_string(rd_kafka_Uuid_most_significant_bits(id)) + "/" +
                               std::to_string(rd_kafka_Uuid_least_significant_bits(id)));
    std::size_t partitions = 0;
    (void)rd_kafka_TopicDescription_partitions(topic, &partitions);
    found.partition_count = static_cast<std::int32_t>(partitions);
    out.push_back(std::move(found));
  }
  return out;
}

Result<std::int32_t> Admin::partition_count(const std::string& topic) {
  if (topic.empty()) return not_found_error("a topic without a name");
  MR_ASSIGN_OR_RETURN(const auto found, describe({topic}));
  if (found.size() != 1) return not_found_error("topic " + topic + " does not exist");
  return found.front().partition_count;
}

Result<std::vector<log::TopicInfo>> Admin::infos(const std::vector<std::string>& names) {
  std::vector<log::TopicInfo> out;
  if (names.empty()) return out;
  MR_ASSIGN_OR_RETURN(const auto described, describe(names));
  std::vector<std::string> found;
  for (const auto& one : described) found.push_back(one.name);
  MR_ASSIGN_OR_RETURN(auto configured, configs(found));
  for (std::size_t i = 0; i < described.size(); ++i) {
    auto& config = configured[i];
    config.partition_count = described[i].partition_count;
    config.is_internal = is_internal_topic(described[i].name);
    out.push_back({described[i].name, described[i].incarnation, config});
  }
  std::ranges::sort(out, {}, &log::TopicInfo::name);
  return out;
}

Result<log::TopicInfo> Admin::topic(const std::string& name) {
  if (name.empty()) return not_found_error("a topic without a name");
  MR_ASSIGN_OR_RETURN(auto found, infos({name}));
  if (found.size() != 1) return not_found_error("topic " + name + " does not exist");
  return std::move(found.front());
}

// One that is deleted in between makes the whole fail as not found: asked again.
Result<std::vector<log::TopicInfo>> Admin::topics() {
  for (int attempt = 0;; ++attempt) {
    const struct rd_kafka_metadata* metadata = nullptr;
    MR_RETURN_IF_ERROR(status_of(
        rd_kafka_metadata(handle_.get(), 1, nullptr, &metadata, options_.request_timeout_ms),
        "list topics"));
    std::vector<std::string> names;
    for (int i = 0; i < metadata->topic_cnt; ++i) {
      const std::string_view name = metadata->topics[i].topic;
      if (!name.starts_with("__")) names.emplace_back(name);  // not the brokers' own
    }
    rd_kafka_metadata_destroy(metadata);
    auto found = infos(names);
    constexpr int kAttemptsMax = 5;
    if (found.status().code() != StatusCode::not_found || attempt == kAttemptsMax) return found;
  }
}

}  // namespace millrace::kafka_client
