// The log over Apache Kafka's brokers, against brokers that run: what every log must do, and what
// one must do that several processes share. Deletes every topic and group it finds there.
//
//   kafka_log_conformance HOST:PORT [--no-log-append-time] [GoogleTest's options]

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/thread.h"
#include "kafka_client/kafka_log.h"
#include "log/log_conformance.h"
#include "sys/real_clock.h"

namespace millrace::log {
namespace {

struct Brokers {
  std::string address;
  bool has_log_append_time = true;
};

// Of the command line; GoogleTest makes harnesses without arguments.
Brokers& brokers() {
  static Brokers instance;
  return instance;
}

class KafkaHarness final : public LogHarness {
 public:
  KafkaHarness() {
    open();
    clear();
  }
  Log& log() override { return *log_; }
  // The processes come and go, the cluster stays.
  void reopen() override { open(); }
  void crash_and_reopen() override { open(); }
  void advance_ms(std::int64_t ms) override { pause_for(std::chrono::milliseconds(ms)); }
  void run_maintenance() override {}
  [[nodiscard]] LogAbilities abilities() const override {
    return {.gives_batches_as_appended = false,
            .has_dense_offsets = false,
            .checks_producers = false,
            .tells_durability_apart = false,
            .forgets_empty_groups = false,
            .keeps_internal_mark = false,
            .has_manual_clock = false};
  }

 private:
  void open() {
    log_.reset();
    kafka_client::KafkaLogOptions options;
    options.bootstrap_servers = brokers().address;
    options.process = "conformance";
    options.is_log_append_time = brokers().has_log_append_time;
    auto opened = kafka_client::open_kafka_log(options, clock_);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
  }
  void clear() {
    for (const auto& topic : log_->topics()) {
      const auto deleted = log_->delete_topic(topic.name);
      ASSERT_TRUE(deleted.is_ok()) << deleted.to_string();
    }
    for (const auto& group : log_->groups()) {
      const auto deleted = log_->delete_group(group);
      ASSERT_TRUE(deleted.is_ok()) << deleted.to_string();
    }
  }

  sys::RealClock clock_;
  std::unique_ptr<SharedLog> log_;
};

std::unique_ptr<LogHarness> make_harness() {
  return std::make_unique<KafkaHarness>();
}

INSTANTIATE_TEST_SUITE_P(Kafka, LogConformance, testing::Values(&make_harness));

}  // namespace
}  // namespace millrace::log

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s HOST:PORT [--no-log-append-time]\n", argv[0]);
    return 2;
  }
  millrace::log::brokers().address = argv[1];
  for (int i = 2; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--no-log-append-time") {
      millrace::log::brokers().has_log_append_time = false;
    }
  }
  std::printf("librdkafka %s\n", millrace::kafka_client::librdkafka_version().c_str());
  return RUN_ALL_TESTS();
}
