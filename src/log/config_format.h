#pragma once

#include "base/coding.h"
#include "log/log.h"

namespace millrace::log {

// A TopicConfig as it stands in WAL entries and in the checkpoint.
void encode_topic_config(const TopicConfig& config, Encoder& to);
TopicConfig decode_topic_config(Decoder& from);

// What both ends must agree on before it is written: bounds that later code relies on.
Status check_topic_config(const TopicConfig& config);
// Kafka's rule: 1 to 249 of [a-zA-Z0-9._-], not "." or "..".
Status check_topic_name(std::string_view name);

inline constexpr std::int32_t kPartitionCountMax = 10'000;
inline constexpr std::size_t kTopicNameBytesMax = 249;
inline constexpr std::size_t kGroupNameBytesMax = 1024;
inline constexpr std::size_t kOffsetMetadataBytesMax = 64 << 10;

}  // namespace millrace::log
