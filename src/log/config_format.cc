#include "log/config_format.h"

#include <algorithm>
#include <string>

#include "codec/record_batch.h"

namespace millrace::log {

namespace {

// What becomes of old records, one byte. The second was the only one of compacted topics before
// the other two were there; bounds were then in force where there were any.
constexpr std::uint8_t kDeleted = 0;
constexpr std::uint8_t kCompactedOnce = 1;
constexpr std::uint8_t kCompacted = 2;
constexpr std::uint8_t kCompactedAndDeleted = 3;

std::uint8_t cleanup_of(const TopicConfig& config) {
  if (!config.is_compacted) return kDeleted;
  return config.is_retention_on ? kCompactedAndDeleted : kCompacted;
}

}  // namespace

void encode_topic_config(const TopicConfig& config, Encoder& to) {
  to.zigzag(config.partition_count);
  to.zigzag(config.retention_ms);
  to.zigzag(config.retention_bytes);
  to.zigzag(config.segment_bytes);
  to.u8(cleanup_of(config));
  to.zigzag(config.delete_retention_ms);
  to.zigzag(config.batch_bytes_max);
  to.boolean(config.is_internal);
}

TopicConfig decode_topic_config(Decoder& from) {
  TopicConfig config;
  config.partition_count = static_cast<std::int32_t>(from.zigzag());
  config.retention_ms = from.zigzag();
  config.retention_bytes = from.zigzag();
  config.segment_bytes = from.zigzag();
  const std::uint8_t cleanup = from.u8();
  if (cleanup > kCompactedAndDeleted) from.fail();
  const bool is_bounded = config.retention_ms >= 0 || config.retention_bytes >= 0;
  config.is_compacted = cleanup != kDeleted;
  config.is_retention_on = cleanup != kCompacted && (cleanup != kCompactedOnce || is_bounded);
  config.delete_retention_ms = from.zigzag();
  config.batch_bytes_max = static_cast<std::int32_t>(from.zigzag());
  config.is_internal = from.boolean();
  return config;
}

Status check_topic_config(const TopicConfig& config) {
  if (config.partition_count < 1 || config.partition_count > kPartitionCountMax) {
    return invalid_error("partition_count is " + std::to_string(config.partition_count) +
                         "; it must be 1 to " + std::to_string(kPartitionCountMax));
  }
  if (config.retention_ms < -1 || config.retention_bytes < -1 || config.delete_retention_ms < 0) {
    return invalid_error(
        "retention_ms and retention_bytes must be -1 (no bound) or more, delete_retention_ms 0 or "
        "more");
  }
  if (!config.is_retention_on && !config.is_compacted) {
    return invalid_error("only a compacted topic can keep its retention bounds out of force");
  }
  if (config.segment_bytes < 1) {
    return invalid_error("segment_bytes is " + std::to_string(config.segment_bytes) +
                         "; it must be at least 1");
  }
  if (config.batch_bytes_max < static_cast<std::int32_t>(codec::kBatchHeaderBytes)) {
    return invalid_error("batch_bytes_max is " + std::to_string(config.batch_bytes_max) +
                         "; an empty batch alone has " + std::to_string(codec::kBatchHeaderBytes));
  }
  return ok_status();
}

Status check_topic_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty() || name.size() > kTopicNameBytesMax || name == "." || name == ".." ||
      !std::all_of(name.begin(), name.end(), is_allowed)) {
    return invalid_error("topic name '" + std::string(name.substr(0, kTopicNameBytesMax)) +
                         "' must be 1 to 249 of letters, digits, '.', '_' and '-', and not '.' or "
                         "'..'");
  }
  return ok_status();
}

}  // namespace millrace::log
