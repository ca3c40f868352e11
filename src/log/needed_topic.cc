#include "log/needed_topic.h"

#include <utility>

namespace millrace::log {

Status make_needed_topic(Log& log, const std::string& name, const TopicConfig& config) {
  const auto known = log.topic(name);
  if (known.is_ok()) {
    const auto there = known->config.partition_count;
    if (there == config.partition_count) return ok_status();
    return invalid_error("topic " + name + " has " + std::to_string(there) + " partitions, but " +
                         std::to_string(config.partition_count) + " are needed");
  }
  if (known.status().code() != StatusCode::not_found) return known.status();
  auto created = log.create_topic(name, config);
  if (created.status().code() == StatusCode::exists) {
    return overloaded_error("topic " + name + " was made elsewhere, and is not known here yet");
  }
  return std::move(created).take_status();
}

}  // namespace millrace::log
