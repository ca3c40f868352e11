#include "broker/topic_admin.h"

#include <algorithm>

namespace millrace::broker {

using kafka_wire::ErrorCode;

namespace {

constexpr std::string_view kReservedPrefix = "millrace.";
constexpr std::size_t kNameBytesMax = 249;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

bool is_reserved_name(const std::string& name) {
  return name.starts_with(kReservedPrefix);
}

std::optional<TopicError> check_new_name(const std::string& name) {
  if (name.empty() || name.size() > kNameBytesMax || name == "." || name == ".." ||
      !std::all_of(name.begin(), name.end(), is_name_character)) {
    return TopicError{ErrorCode::invalid_topic_exception,
                      "a topic's name has 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and "
                      "'-', and is neither \".\" nor \"..\""};
  }
  if (is_reserved_name(name)) {
    return TopicError{ErrorCode::invalid_topic_exception,
                      "names that begin with \"millrace.\" are those of internal topics"};
  }
  return std::nullopt;
}

std::optional<TopicError> check_writable(const log::TopicInfo& topic) {
  if (!topic.config.is_internal && !is_reserved_name(topic.name)) return std::nullopt;
  return TopicError{ErrorCode::invalid_topic_exception,
                    "topic '" + topic.name + "' is internal: it can be read only"};
}

std::optional<TopicError> check_unused(const Services& services, const std::string& topic) {
  if (!services.in_use) return std::nullopt;
  auto reason = services.in_use(topic);
  if (reason.empty()) return std::nullopt;
  return TopicError{ErrorCode::policy_violation, std::move(reason)};
}

log::TopicConfig default_config(const TopicDefaults& defaults) {
  log::TopicConfig config;
  config.partition_count = defaults.partition_count;
  config.retention_ms = defaults.retention_ms;
  config.batch_bytes_max = defaults.batch_bytes_max;
  return config;
}

std::optional<log::TopicInfo> find_topic(const Services& services,
                                         const std::optional<std::string>& name,
                                         const kafka_wire::Uuid& id) {
  const auto wanted = name && !name->empty() ? name : services.topic_ids->name_of(id);
  if (!wanted) return std::nullopt;
  auto topic = services.log->topic(*wanted);
  if (!topic.is_ok()) return std::nullopt;
  return std::move(topic).value();
}

}  // namespace millrace::broker
