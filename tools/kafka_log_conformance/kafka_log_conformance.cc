// The log over Apache Kafka's brokers, against brokers that run: what every log must do, and what
// one must do that several processes share. Deletes every topic and group it finds there.
//
//   kafka_log_conformance HOST:PORT PID [--millrace] [--ca FILE] [--sasl MECHANISM USER PASSWORD]
//                         [GoogleTest's options]
//
// PID is the broker's process, which a test stops for a while. --ca: over TLS.

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/thread.h"
#include "kafka_client/kafka_log.h"
#include "kafka_client/librdkafka.h"
#include "log/log_conformance.h"
#include "log/shared_log_conformance.h"
#include "sys/real_clock.h"

namespace millrace::log {
namespace {

struct Brokers {
  std::string address;
  int pid = 0;
  bool is_millrace = false;  // which has no LogAppendTime and a lower limit of a batch
  kafka_client::KafkaSecurity security;
};

// Of the command line; GoogleTest makes harnesses without arguments.
Brokers& brokers() {
  static Brokers instance;
  return instance;
}

std::unique_ptr<SharedLog> open(const Clock& clock, const std::string& process,
                                std::int32_t transaction_timeout_ms = 5'000) {
  kafka_client::KafkaLogOptions options;
  options.bootstrap_servers = brokers().address;
  options.process = process;
  options.transaction_timeout_ms = transaction_timeout_ms;
  options.is_log_append_time = !brokers().is_millrace;
  options.security = brokers().security;
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
    return {.has_dense_offsets = false,
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

class KafkaLog : public testing::Test {
 protected:
  void SetUp() override {
    auto config = harness_.topic_config();
    ASSERT_TRUE(log().create_topic("in", config).is_ok());
    ASSERT_TRUE(log().create_topic("out", config).is_ok());
    member_ = log().join("g", {"in"}, "");
    RecordedAssignment seen;
    ASSERT_TRUE(comes_true([&] {
      (void)member_->poll(seen);
      return !seen.owned.empty();
    }));
  }
  SharedLog& log() { return harness_.log(); }

  const sys::RealClock clock_;
  const TopicPartition in_{"in", 0};
  const TopicPartition out_{"out", 0};
  SharedKafkaHarness harness_;
  std::unique_ptr<GroupMember> member_;
};

TEST_F(KafkaLog, brokers_that_do_not_verify_transactions_are_warned_of) {
  kafka_client::KafkaLogOptions options;
  options.bootstrap_servers = brokers().address;
  options.security = brokers().security;
  Mutex mutex;
  std::string said;
  options.on_log_line = [&](int, std::string_view line) {
    const std::lock_guard lock(mutex);
    said += line;
  };
  const sys::RealClock clock;
  {
    ASSERT_TRUE(kafka_client::open_kafka_log(options, clock).is_ok());
  }
  EXPECT_EQ(said.find("torn transactions") != std::string::npos, brokers().is_millrace) << said;
}

TEST_F(KafkaLog, where_nobody_listens_opening_says_so_in_time) {
  kafka_client::KafkaLogOptions options;
  options.bootstrap_servers = "127.0.0.1:1";
  options.request_timeout_ms = 300;
  const auto opened = kafka_client::open_kafka_log(options, clock_);
  EXPECT_EQ(opened.status().code(), StatusCode::disconnected);
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("127.0.0.1:1"));
}

// Through librdkafka itself, as TransactionalProducer has no transactions that stay open.
TEST_F(KafkaLog, an_open_transaction_makes_offsets_unstable_until_its_id_is_taken_over) {
  if (brokers().security.protocol != kafka_client::KafkaSecurity::Protocol::plaintext) {
    GTEST_SKIP() << "its producer logs in nowhere";
  }
  auto* conf = rd_kafka_conf_new();
  char why[256];
  rd_kafka_conf_set(conf, "bootstrap.servers", brokers().address.c_str(), why, sizeof why);
  rd_kafka_conf_set(conf, "transactional.id", "open", why, sizeof why);
  auto* raw = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  ASSERT_NE(raw, nullptr) << why;
  ASSERT_EQ(rd_kafka_init_transactions(raw, 5000), nullptr);
  ASSERT_EQ(rd_kafka_begin_transaction(raw), nullptr);
  auto* topic = rd_kafka_topic_new(raw, "out", nullptr);
  char value[] = "open";
  ASSERT_EQ(rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, value, 4, nullptr, 0, nullptr), 0);
  auto* offsets = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(offsets, "in", 0)->offset = 5;
  auto* membership = rd_kafka_consumer_group_metadata_new("g");
  ASSERT_EQ(rd_kafka_send_offsets_to_transaction(raw, offsets, membership, 5000), nullptr);
  ASSERT_EQ(rd_kafka_flush(raw, 5000), RD_KAFKA_RESP_ERR_NO_ERROR);

  EXPECT_EQ(member_->committed_offset(in_).status().code(), StatusCode::overloaded);
  const auto at = log().offsets(out_);
  ASSERT_TRUE(at.is_ok()) << at.status().to_string();
  EXPECT_EQ(at.value().last_stable, Offset(0));
  EXPECT_EQ(at.value().high_watermark, Offset(1));
  const auto read = log().fetch(out_, Offset(0), 1 << 20, Visibility::durable);
  ASSERT_TRUE(read.is_ok()) << read.status().to_string();
  EXPECT_THAT(read.value().batches, IsEmpty());

  auto successor = log().make_producer("open");
  EXPECT_TRUE(comes_true([&] { return successor->initialize().is_ok(); }));
  EXPECT_TRUE(comes_true([&] { return member_->committed_offset(in_).is_ok(); }));
  EXPECT_EQ(member_->committed_offset(in_).value(), std::nullopt);
  ASSERT_TRUE(append_and_wait(log(), append_to(out_, make_batch({"next"}))).is_ok());
  EXPECT_THAT(values_of(read_all(log(), out_).value()), ElementsAre("next"));

  rd_kafka_consumer_group_metadata_destroy(membership);
  rd_kafka_topic_partition_list_destroy(offsets);
  rd_kafka_topic_destroy(topic);
  rd_kafka_purge(raw, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_destroy(raw);
}

// As runtime::SlotCommitter does it (R4): an abort is sent again; after an outcome that is not
// known the group's offset says whether it was ours.
TEST_F(KafkaLog, commits_lose_and_double_nothing_while_the_broker_stands_still) {
  constexpr int kPauses = 12;
  constexpr int kCommitsPerPause = 5;
  constexpr int kCommits = (kPauses + 1) * kCommitsPerPause;
  constexpr std::int32_t kTransactionMs = 1'000;
  const auto seed = static_cast<std::uint64_t>(clock_.wall_now().value);
  SCOPED_TRACE("seed " + std::to_string(seed));
  const auto impatient = open(clock_, "impatient", kTransactionMs);
  auto slot = impatient->make_producer("slot");
  ASSERT_TRUE(comes_true([&] { return slot->initialize().is_ok(); }));
  std::atomic<int> done{0};
  Thread pauses([&] {
    Random random(seed);
    for (int pause = 1; pause <= kPauses; ++pause) {
      while (done < pause * kCommitsPerPause) pause_for(std::chrono::microseconds(100));
      // Anywhere within a transaction: its records, its offsets, its end.
      pause_for(std::chrono::microseconds(random.below(50'000)));
      ::kill(brokers().pid, SIGSTOP);
      pause_for(std::chrono::milliseconds(kTransactionMs + 500));
      ::kill(brokers().pid, SIGCONT);
    }
  });
  std::map<TransactionOutcome, int> outcomes;
  for (int i = 1; i <= kCommits; ++i) {
    const auto mine = "m" + std::to_string(i);
    Commit unit;
    unit.appends.push_back(append_to(out_, make_batch({std::to_string(i).c_str()})));
    unit.offsets.push_back({"g", in_, Offset(i), mine});
    for (bool is_done = false; !is_done;) {
      const auto outcome = slot->commit(unit, {"g", "", -1});
      ++outcomes[outcome];
      is_done = outcome == TransactionOutcome::committed;
      if (is_done) continue;
      // Slow is what this process was if it is fenced: nobody else has its id.
      ASSERT_TRUE(comes_true([&] { return slot->initialize().is_ok(); }));
      Result<std::optional<GroupOffset>> offset = std::optional<GroupOffset>();
      ASSERT_TRUE(comes_true([&] {
        offset = member_->committed_offset(in_);
        return offset.is_ok();
      })) << offset.status().to_string();
      is_done = offset.value() && offset.value()->metadata == mine;
      if (is_done) EXPECT_EQ(outcome, TransactionOutcome::unknown);
    }
    done = i;
  }
  pauses.join();
  std::vector<std::string> wanted;
  for (int i = 1; i <= kCommits; ++i) wanted.push_back(std::to_string(i));
  EXPECT_EQ(values_of(read_all(log(), out_).value()), wanted);
  for (const auto& [outcome, count] : outcomes) {
    std::printf("outcome %d: %d times\n", static_cast<int>(outcome), count);
  }
}

INSTANTIATE_TEST_SUITE_P(Kafka, LogConformance, testing::Values(&make_harness));
INSTANTIATE_TEST_SUITE_P(Kafka, SharedLogConformance, testing::Values(&make_shared_harness));

}  // namespace
}  // namespace millrace::log

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s HOST:PORT PID [--millrace]\n", argv[0]);
    return 2;
  }
  millrace::log::brokers().address = argv[1];
  millrace::log::brokers().pid = std::atoi(argv[2]);
  for (int i = 3; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--millrace") {
      millrace::log::brokers().is_millrace = true;
    }
    using Protocol = millrace::kafka_client::KafkaSecurity::Protocol;
    auto& security = millrace::log::brokers().security;
    if (std::string_view(argv[i]) == "--ca" && i + 1 < argc) {
      security.ca_path = argv[i + 1];
      security.protocol = Protocol::ssl;
    }
    if (std::string_view(argv[i]) == "--sasl" && i + 3 < argc) {
      security.sasl_mechanism = argv[i + 1];
      security.user = argv[i + 2];
      security.password = argv[i + 3];
      const bool has_tls = security.protocol == Protocol::ssl;  // --ca comes first
      security.protocol = has_tls ? Protocol::sasl_ssl : Protocol::sasl_plaintext;
    }
  }
  std::printf("librdkafka %s\n", millrace::kafka_client::librdkafka_version().c_str());
  return RUN_ALL_TESTS();
}
