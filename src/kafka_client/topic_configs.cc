#include "kafka_client/topic_configs.h"

#include <charconv>

namespace millrace::kafka_client {
namespace {

constexpr const char* kRetentionMs = "retention.ms";
constexpr const char* kRetentionBytes = "retention.bytes";
constexpr const char* kSegmentBytes = "segment.bytes";
constexpr const char* kCleanupPolicy = "cleanup.policy";
constexpr const char* kDeleteRetentionMs = "delete.retention.ms";
constexpr const char* kMessageBytesMax = "max.message.bytes";

template <typename Int>
Status read_number(const std::map<std::string, std::string>& from, const char* name, Int& to) {
  const auto found = from.find(name);
  if (found == from.end()) return ok_status();
  const auto& text = found->second;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, to);
  if (parsed.ec == std::errc() && parsed.ptr == end) return ok_status();
  return invalid_error(std::string(name) + " is '" + text + "', which is no number");
}

const char* cleanup_policy_of(const log::TopicConfig& config) {
  if (!config.is_compacted) return "delete";
  const bool is_bounded = config.retention_ms >= 0 || config.retention_bytes >= 0;
  return config.is_retention_on && is_bounded ? "compact,delete" : "compact";
}

}  // namespace

std::map<std::string, std::string> to_kafka_configs(const log::TopicConfig& config) {
  return {
      {kRetentionMs, std::to_string(config.retention_ms)},
      {kRetentionBytes, std::to_string(config.retention_bytes)},
      {kSegmentBytes, std::to_string(config.segment_bytes)},
      {kCleanupPolicy, cleanup_policy_of(config)},
      {kDeleteRetentionMs, std::to_string(config.delete_retention_ms)},
      {kMessageBytesMax, std::to_string(config.batch_bytes_max)},
  };
}

Result<log::TopicConfig> from_kafka_configs(const std::map<std::string, std::string>& configs) {
  log::TopicConfig out;
  MR_RETURN_IF_ERROR(read_number(configs, kRetentionMs, out.retention_ms));
  MR_RETURN_IF_ERROR(read_number(configs, kRetentionBytes, out.retention_bytes));
  MR_RETURN_IF_ERROR(read_number(configs, kSegmentBytes, out.segment_bytes));
  MR_RETURN_IF_ERROR(read_number(configs, kDeleteRetentionMs, out.delete_retention_ms));
  MR_RETURN_IF_ERROR(read_number(configs, kMessageBytesMax, out.batch_bytes_max));
  const auto policy = configs.find(kCleanupPolicy);
  if (policy == configs.end()) return out;
  out.is_compacted = policy->second.find("compact") != std::string::npos;
  out.is_retention_on = !out.is_compacted || policy->second.find("delete") != std::string::npos ||
                        (out.retention_ms < 0 && out.retention_bytes < 0);
  return out;
}

}  // namespace millrace::kafka_client
