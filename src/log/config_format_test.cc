#include "log/config_format.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::log {
namespace {

// Behind one byte of partitions, and retention_ms, retention_bytes and segment_bytes, each short
// enough for one byte.
constexpr std::size_t kCleanupAt = 4;

TopicConfig small(bool is_compacted, bool is_retention_on, std::int64_t retention_ms) {
  TopicConfig config;
  config.retention_ms = retention_ms;
  config.segment_bytes = 1;
  config.is_compacted = is_compacted;
  config.is_retention_on = is_retention_on;
  return config;
}

std::string encoded(const TopicConfig& config) {
  std::string out;
  Encoder to(out);
  encode_topic_config(config, to);
  return out;
}

TopicConfig decoded(const std::string& bytes) {
  Decoder from(bytes);
  const auto config = decode_topic_config(from);
  EXPECT_TRUE(from.is_at_end());
  return config;
}

TEST(ConfigFormat, cleanup_is_one_byte_and_read_as_written) {
  const struct {
    TopicConfig config;
    char byte;
  } all[] = {{small(false, true, 7), 0}, {small(true, false, 7), 2}, {small(true, true, 7), 3}};
  for (const auto& [config, byte] : all) {
    const auto bytes = encoded(config);
    EXPECT_EQ(bytes.at(kCleanupAt), byte);
    EXPECT_EQ(decoded(bytes), config);
  }
}

TEST(ConfigFormat, of_older_logs_bounds_of_compacted_topics_are_in_force_where_there_are_any) {
  for (const std::int64_t retention_ms : {-1, 7}) {
    auto bytes = encoded(small(true, true, retention_ms));
    bytes.at(kCleanupAt) = 1;
    EXPECT_EQ(decoded(bytes), small(true, retention_ms >= 0, retention_ms));
  }
}

TEST(ConfigFormat, a_cleanup_nobody_knows_is_refused) {
  auto bytes = encoded(small(true, true, 7));
  bytes.at(kCleanupAt) = 4;
  Decoder from(bytes);
  decode_topic_config(from);
  EXPECT_TRUE(from.has_failed());
}

}  // namespace
}  // namespace millrace::log
