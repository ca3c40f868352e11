// The log over Apache Kafka's brokers, against brokers that run: what every log must do, and what
// one must do that several processes share. Deletes every topic and group it finds there.
//
//   kafka_log_conformance HOST:PORT [--millrace] [GoogleTest's options]

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/thread.h"
#include "kafka_client/kafka_log.h"
#include "log/log_conformance.h"
#include "log/shared_log_conformance.h"
#include "sys/real_clock.h"

namespace millrace::log {
namespace {

struct Brokers {
  std::string address;
  bool is_millrace = false;  // which has no LogAppendTime and a lower limit of a batch
};

// Of the command line; GoogleTest makes harnesses without arguments.
Brokers& brokers() {
  static Brokers instance;
  return instance;
}

std::unique_ptr<SharedLog> open(const Clock& clock, const std::string& process) {
  kafka_client::KafkaLogOptions options;
  options.bootstrap_servers = brokers().address;
  options.process = process;
  options.is_log_append_time = !brokers().is_millrace;
  auto opened = kafka_client::open_kafka_log(options, clock);
  EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
  return std::move(opened).value();
}

void clear(SharedLog& log) {
  for (const auto& topic : log.topics()) {
    if (kafka_client::is_internal_topic(topic.name)) continue;
    const auto deleted = log.delete_topic(topic.name);
    ASSERT_TRUE(deleted.is_ok()) << deleted.to_string();
  }
  // A static member of the test before stays for the time of its session.
  for (const auto& group : log.groups()) {
    Status deleted;
    ASSERT_TRUE(comes_true([&] {
      deleted = log.delete_group(group);
      return deleted.is_ok() || deleted.code() == StatusCode::not_found;
    })) << deleted.to_string();
  }
}

TopicConfig topic_config_of_brokers() {
  TopicConfig config;
  if (brokers().is_millrace) config.batch_bytes_max = kInputBatchBytesMax;
  return config;
}

class KafkaHarness final : public LogHarness {
 public:
  KafkaHarness() { clear(*log_); }
  Log& log() override { return *log_; }
  // The processes come and go, the cluster stays.
  void reopen() override {
    log_.reset();
    log_ = open(clock_, "conformance");
  }
  void crash_and_reopen() override { reopen(); }
  void advance_ms(std::int64_t ms) override { pause_for(std::chrono::milliseconds(ms)); }
  void run_maintenance() override {}
  [[nodiscard]] LogAbilities abilities() const override {
    return {.gives_batches_as_appended = false,
            .has_dense_offsets = false,
            .checks_producers = false,
            .tells_durability_apart = false,
            .forgets_empty_groups = false,
            .keeps_internal_mark = false,
            .has_append_times = !brokers().is_millrace,
            .has_manual_clock = false};
  }
  [[nodiscard]] TopicConfig topic_config() const override { return topic_config_of_brokers(); }

 private:
  sys::RealClock clock_;
  std::unique_ptr<SharedLog> log_ = open(clock_, "conformance");
};

class SharedKafkaHarness final : public SharedLogHarness {
 public:
  SharedKafkaHarness() { clear(*log_); }
  SharedLog& log() override { return *log_; }
  SharedLog& other() override { return *other_; }
  [[nodiscard]] TopicConfig topic_config() const override { return topic_config_of_brokers(); }

 private:
  sys::RealClock clock_;
  std::unique_ptr<SharedLog> log_ = open(clock_, "first");
  std::unique_ptr<SharedLog> other_ = open(clock_, "second");
};

std::unique_ptr<LogHarness> make_harness() {
  return std::make_unique<KafkaHarness>();
}
std::unique_ptr<SharedLogHarness> make_shared_harness() {
  return std::make_unique<SharedKafkaHarness>();
}

INSTANTIATE_TEST_SUITE_P(Kafka, LogConformance, testing::Values(&make_harness));
INSTANTIATE_TEST_SUITE_P(Kafka, SharedLogConformance, testing::Values(&make_shared_harness));

}  // namespace
}  // namespace millrace::log

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s HOST:PORT [--millrace]\n", argv[0]);
    return 2;
  }
  millrace::log::brokers().address = argv[1];
  for (int i = 2; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--millrace") {
      millrace::log::brokers().is_millrace = true;
    }
  }
  std::printf("librdkafka %s\n", millrace::kafka_client::librdkafka_version().c_str());
  return RUN_ALL_TESTS();
}
