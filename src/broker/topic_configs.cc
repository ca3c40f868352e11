#include "broker/topic_configs.h"

#include <algorithm>
#include <charconv>

#include "broker/topic_admin.h"

namespace millrace::broker {
namespace {

// ConfigEntry.ConfigType.
constexpr std::int8_t kBoolean = 1;
constexpr std::int8_t kString = 2;
constexpr std::int8_t kInt = 3;
constexpr std::int8_t kLong = 5;
constexpr std::int8_t kDouble = 6;
constexpr std::int8_t kList = 7;

constexpr std::string_view kCleanupPolicy = "cleanup.policy";

// A number that the log has.
struct Number {
  std::string_view name;
  std::int8_t type;
  std::int64_t min;
  std::int64_t max;
  std::int64_t (*get)(const log::TopicConfig&);
  void (*set)(log::TopicConfig&, std::int64_t);
};

constexpr Number kNumbers[] = {
    {"retention.ms", kLong, -1, INT64_MAX,
     [](const log::TopicConfig& config) { return config.retention_ms; },
     [](log::TopicConfig& config, std::int64_t value) { config.retention_ms = value; }},
    {"retention.bytes", kLong, -1, INT64_MAX,
     [](const log::TopicConfig& config) { return config.retention_bytes; },
     [](log::TopicConfig& config, std::int64_t value) { config.retention_bytes = value; }},
    {"segment.bytes", kInt, 1, INT32_MAX,
     [](const log::TopicConfig& config) { return config.segment_bytes; },
     [](log::TopicConfig& config, std::int64_t value) { config.segment_bytes = value; }},
    {"delete.retention.ms", kLong, 0, INT64_MAX,
     [](const log::TopicConfig& config) { return config.delete_retention_ms; },
     [](log::TopicConfig& config, std::int64_t value) { config.delete_retention_ms = value; }},
    {"max.message.bytes", kInt, 0, kMessageBytesMax,
     [](const log::TopicConfig& config) { return std::int64_t{config.batch_bytes_max}; },
     [](log::TopicConfig& config, std::int64_t value) {
       config.batch_bytes_max = static_cast<std::int32_t>(value);
     }},
};

struct Constant {
  std::string_view name;
  std::int8_t type;
  std::string_view value;
  bool is_promise;  // another value asks for something that is not done
};

constexpr Constant kConstants[] = {
    {"compression.type", kString, "producer", false},  // batches are kept as they come
    {"compression.gzip.level", kInt, "-1", false},
    {"compression.lz4.level", kInt, "9", false},
    {"compression.zstd.level", kInt, "3", false},
    {"file.delete.delay.ms", kLong, "60000", false},
    {"flush.messages", kLong, "1", false},  // every acknowledged batch is on the disk
    {"flush.ms", kLong, "0", false},
    {"follower.replication.throttled.replicas", kList, "", false},
    {"index.interval.bytes", kInt, "4096", false},
    {"leader.replication.throttled.replicas", kList, "", false},
    {"local.retention.bytes", kLong, "-2", true},
    {"local.retention.ms", kLong, "-2", true},
    {"max.compaction.lag.ms", kLong, "9223372036854775807", true},
    {"message.downconversion.enable", kBoolean, "false", false},
    {"message.format.version", kString, "3.0-IV1", false},
    {"message.timestamp.after.max.ms", kLong, "9223372036854775807", true},
    {"message.timestamp.before.max.ms", kLong, "9223372036854775807", true},
    {"message.timestamp.difference.max.ms", kLong, "9223372036854775807", true},
    {"message.timestamp.type", kString, "CreateTime", true},
    {"min.cleanable.dirty.ratio", kDouble, "0.5", false},
    {"min.compaction.lag.ms", kLong, "0", true},
    {"min.insync.replicas", kInt, "1", false},
    {"preallocate", kBoolean, "false", false},
    {"remote.storage.enable", kBoolean, "false", true},
    {"segment.index.bytes", kInt, "10485760", false},
    {"segment.jitter.ms", kLong, "0", false},
    {"segment.ms", kLong, "604800000", false},
    {"unclean.leader.election.enable", kBoolean, "false", false},
};

const Number* find_number(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kNumbers), std::end(kNumbers),
                                         [&](const Number& one) { return one.name == name; });
  return found == std::end(kNumbers) ? nullptr : found;
}

const Constant* find_constant(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kConstants), std::end(kConstants),
                                         [&](const Constant& one) { return one.name == name; });
  return found == std::end(kConstants) ? nullptr : found;
}

Status set_number(const Number& number, const std::string& text, log::TopicConfig& config) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < number.min ||
      value > number.max) {
    return invalid_error(std::string(number.name) + " is a number from " +
                         std::to_string(number.min) + " to " + std::to_string(number.max) +
                         ", not \"" + text + "\"");
  }
  number.set(config, value);
  return ok_status();
}

}  // namespace

std::string cleanup_policy_of(const log::TopicConfig& config) {
  if (!config.is_compacted) return "delete";
  // Internal ones have no bounds.
  return config.is_retention_on && !config.is_internal ? "compact,delete" : "compact";
}

std::vector<TopicConfigEntry> describe_topic_config(const log::TopicConfig& config,
                                                    const TopicDefaults& defaults) {
  const auto standard = default_config(defaults);
  std::vector<TopicConfigEntry> out;
  out.push_back(
      {std::string(kCleanupPolicy), cleanup_policy_of(config), !config.is_compacted, false, kList});
  for (const auto& number : kNumbers) {
    const auto value = number.get(config);
    out.push_back({std::string(number.name), std::to_string(value), value == number.get(standard),
                   false, number.type});
  }
  for (const auto& constant : kConstants) {
    out.push_back(
        {std::string(constant.name), std::string(constant.value), true, true, constant.type});
  }
  return out;
}

TopicConfigChange::TopicConfigChange(log::TopicConfig config, const TopicDefaults& defaults)
    : defaults_(defaults), config_(std::move(config)) {}

Status TopicConfigChange::set(std::string_view name, const std::optional<std::string>& value) {
  if (name == kCleanupPolicy) {
    policy_ = value.value_or("delete");
    return ok_status();
  }
  if (const auto* const number = find_number(name); number != nullptr) {
    if (value) return set_number(*number, *value, config_);
    number->set(config_, number->get(default_config(defaults_)));
    return ok_status();
  }
  const auto* const constant = find_constant(name);
  if (constant == nullptr) {
    return invalid_error("there is no topic configuration \"" + std::string(name) + "\"");
  }
  if (!value || *value == constant->value || !constant->is_promise) return ok_status();
  return invalid_error(std::string(name) + " can only be " + std::string(constant->value) +
                       " here");
}

Status TopicConfigChange::change_list(std::string_view name, const std::string& value,
                                      bool is_added) {
  const auto* const constant = find_constant(name);
  if (constant != nullptr && constant->type == kList) return ok_status();
  if (name != kCleanupPolicy || (value != "compact" && value != "delete")) {
    return invalid_error("\"" + value + "\" cannot be added to or taken from \"" +
                         std::string(name) + "\"; set it instead");
  }
  const std::string now = policy_.value_or(cleanup_policy_of(config_));
  const std::string other = value == "compact" ? "delete" : "compact";
  const bool has_it = now != other;
  if (is_added && !has_it) policy_ = "compact,delete";
  if (!is_added && has_it) {
    if (now == value) return invalid_error("cleanup.policy would be empty");
    policy_ = other;
  }
  return ok_status();
}

Result<log::TopicConfig> TopicConfigChange::finish() const {
  log::TopicConfig config = config_;
  if (!policy_) return config;
  config.is_compacted = policy_->starts_with("compact") || policy_->ends_with("compact");
  if (*policy_ == "delete" || policy_->empty() || *policy_ == "compact,delete" ||
      *policy_ == "delete,compact") {
    config.is_retention_on = true;
  } else if (*policy_ == "compact") {
    config.is_retention_on = false;
  } else {
    return invalid_error("cleanup.policy is delete, compact, or compact,delete, not \"" + *policy_ +
                         "\"");
  }
  return config;
}

std::vector<TopicConfigEntry> describe_broker_config(const Services& services) {
  const auto& defaults = services.defaults;
  std::vector<TopicConfigEntry> out = {
      {"auto.create.topics.enable", defaults.auto_create ? "true" : "false", false, true, kBoolean},
      {"broker.id", std::to_string(services.cluster.node_id), false, true, kInt},
      {"default.replication.factor", "1", true, true, kInt},
      {"log.dirs", services.log_folder, false, true, kString},
      {"log.retention.ms", std::to_string(defaults.retention_ms), false, true, kLong},
      {"message.max.bytes", std::to_string(defaults.batch_bytes_max), false, true, kInt},
      {"min.insync.replicas", "1", true, true, kInt},
      {"num.partitions", std::to_string(defaults.partition_count), false, true, kInt},
      {"offsets.topic.replication.factor", "1", true, true, kInt},
      {"transaction.state.log.replication.factor", "1", true, true, kInt},
  };
  return out;
}

}  // namespace millrace::broker
