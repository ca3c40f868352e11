#include "kafka_client/topic_configs.h"

#include <gtest/gtest.h>

namespace millrace::kafka_client {
namespace {

TEST(TopicConfigs, are_read_as_they_were_written) {
  log::TopicConfig config;
  config.retention_ms = 1'000;
  config.retention_bytes = 2'000;
  config.segment_bytes = 3 << 20;
  config.is_compacted = true;
  config.delete_retention_ms = 4'000;
  config.batch_bytes_max = 5'000;
  const auto written = to_kafka_configs(config);
  EXPECT_EQ(written.at("retention.ms"), "1000");
  EXPECT_EQ(written.at("cleanup.policy"), "compact,delete");
  EXPECT_EQ(written.at("max.message.bytes"), "5000");
  EXPECT_EQ(from_kafka_configs(written).value(), config);
}

TEST(TopicConfigs, keep_bounds_that_are_not_in_force) {
  log::TopicConfig config;
  config.retention_ms = 1'000;
  config.is_compacted = true;
  config.is_retention_on = false;
  const auto written = to_kafka_configs(config);
  EXPECT_EQ(written.at("cleanup.policy"), "compact");
  EXPECT_EQ(from_kafka_configs(written).value(), config);
}

TEST(TopicConfigs, of_brokers_have_more_and_less_than_ours) {
  const auto read =
      from_kafka_configs({{"cleanup.policy", "compact,delete"}, {"min.insync.replicas", "2"}});
  ASSERT_TRUE(read.is_ok()) << read.status().to_string();
  EXPECT_TRUE(read.value().is_compacted);
  EXPECT_EQ(read.value().retention_ms, -1);
}

TEST(TopicConfigs, that_are_no_numbers_are_refused_by_name) {
  for (const auto* text : {"", "x", "1x", "99999999999999999999"}) {
    const auto read = from_kafka_configs({{"retention.ms", text}});
    EXPECT_EQ(read.status().code(), StatusCode::invalid) << text;
    EXPECT_NE(read.status().message().find("retention.ms"), std::string_view::npos);
  }
}

}  // namespace
}  // namespace millrace::kafka_client
