#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <thread>

#include "codec/compression.h"
#include "runtime/runtime.h"
#include "runtime/runtime_for_tests.h"
#include "sys/real_clock.h"

// Named snapshots of a running pipeline: a day of trades, cut in two.

namespace millrace::runtime {
namespace {

constexpr std::int32_t kPartitions = 4;
constexpr std::int64_t kTrades = 11'419;  // data/README.md

std::vector<PlainRecord> trades() {
  std::string text;
  EXPECT_TRUE(codec::decompress(codec::Compression::gzip,
                                pipeline::read_source_file("data/amzn_trades_2012-06-21.jsonl.gz"),
                                10 << 20, text)
                  .is_ok());
  std::vector<PlainRecord> records;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    records.push_back(pipeline::record_of("AMZN", line));
  }
  return records;
}

class NamedSnapshots : public testing::Test {
 protected:
  NamedSnapshots()
      : records_(trades()), input_{"input_topic", partition_for_key("AMZN", kPartitions)} {
    start();
  }
  ~NamedSnapshots() override {
    if (runtime_) stop();
  }

  void start() {
    storage_ ? storage_->reopen() : void(storage_ = std::make_unique<Storage>(clock_));
    RuntimeOptions options;
    options.owner = "owner";
    options.checkpoint_interval_ms = 10;
    options.on_failure = [](const Status& status) { ADD_FAILURE() << status.to_string(); };
    runtime_ = std::make_unique<Runtime>(storage_->log(), storage_->objects(), clock_, options);
    std::vector<std::unique_ptr<pipeline::Pipeline>> plans;
    plans.push_back(pipeline::shipped_pipeline("ticks"));
    const auto status = runtime_->start(std::move(plans));
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }
  void stop() {
    const auto status = runtime_->stop();
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    runtime_.reset();
  }
  PipelineRunner& ticks() { return *runtime_->pipelines()[0]; }
  TaskRunner& busy_task() {
    return *ticks().stages()[0].tasks[static_cast<std::size_t>(input_.partition)];
  }

  void send(std::size_t from, std::size_t to) {
    constexpr std::size_t kBatch = 500;
    for (std::size_t at = from; at < to; at += kBatch) {
      storage_->append(input_, std::span(records_).subspan(at, std::min(kBatch, to - at)));
    }
  }
  void drain() {
    const auto drained = runtime_->drain(ticks());
    ASSERT_TRUE(drained.is_ok()) << drained.status().to_string();
  }
  NamedSnapshot create(const std::string& name) {
    const auto created = runtime_->create_snapshot(ticks(), name);
    EXPECT_TRUE(created.is_ok()) << created.status().to_string();
    return created.is_ok() ? *created : NamedSnapshot{};
  }
  // So many more snapshots of the busy task, with something new for each.
  void take_snapshots(std::uint64_t more) {
    for (std::uint64_t i = 0; i < more; ++i) {
      const auto wanted = busy_task().report().snapshots + 1;
      storage_->append(input_, std::span(records_).first(1));
      while (busy_task().report().snapshots < wanted) std::this_thread::yield();
    }
  }
  [[nodiscard]] std::size_t objects_of(const NamedSnapshot& snapshot) {
    return static_cast<std::size_t>(
        std::count_if(snapshot.parts.begin(), snapshot.parts.end(), [&](const auto& part) {
          return storage_->objects().head(part.snapshot.object_key).is_ok();
        }));
  }
  std::int64_t count(const std::string& topic) {
    std::int64_t sum = 0;
    for (std::int32_t p = 0; p < kPartitions; ++p) {
      sum += storage_->log().offsets({topic, p})->high_watermark.value;
    }
    return sum;
  }

  sys::RealClock clock_;
  std::vector<PlainRecord> records_;
  TopicPartition input_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(NamedSnapshots, retention_and_restarts_leave_them_until_they_are_deleted) {
  send(0, 3000);
  const auto snapshot = create("half");
  ASSERT_EQ(snapshot.parts.size(), static_cast<std::size_t>(kPartitions));
  take_snapshots(5);
  EXPECT_EQ(objects_of(snapshot), 4u);
  stop();
  start();
  take_snapshots(5);
  EXPECT_EQ(objects_of(snapshot), 4u);
  ASSERT_EQ(runtime_->catalog().list().size(), 1u);
  ASSERT_TRUE(runtime_->delete_snapshot("ticks", "half").is_ok());
  EXPECT_TRUE(runtime_->catalog().list().empty());
  const auto& key = snapshot.parts[static_cast<std::size_t>(input_.partition)].snapshot.object_key;
  take_snapshots(3);
  while (storage_->objects().head(key).is_ok()) std::this_thread::yield();
}

TEST_F(NamedSnapshots, a_restore_writes_nothing_again_and_has_the_same_state) {
  send(0, 5000);
  create("half");
  send(5000, records_.size());
  drain();
  const auto results = count("aggregates_topic");
  const auto restored = runtime_->restore_snapshot(ticks(), "half");
  ASSERT_TRUE(restored.is_ok()) << restored.status().to_string();
  ASSERT_EQ(restored->size(), static_cast<std::size_t>(kPartitions));
  const auto& range = (*restored)[static_cast<std::size_t>(input_.partition)].range;
  EXPECT_LE(range.from.value, 5000);
  EXPECT_EQ(range.to.value, kTrades);
  EXPECT_EQ(count("output_topic"), kTrades);
  // Every id is known, every window is there: all of it again changes nothing.
  send(0, records_.size());
  drain();
  EXPECT_EQ(count("output_topic"), kTrades);
  EXPECT_EQ(count("dlq_topic"), kTrades);
  EXPECT_EQ(count("aggregates_topic"), results);
}

TEST_F(NamedSnapshots, one_that_cannot_be_read_is_an_error_and_the_task_goes_on) {
  send(0, 2000);
  const auto snapshot = create("half");
  send(2000, 4000);
  drain();
  const auto& key = snapshot.parts[static_cast<std::size_t>(input_.partition)].snapshot.object_key;
  ASSERT_TRUE(storage_->objects().remove(key).is_ok());
  const auto restored = runtime_->restore_snapshot(ticks(), "half");
  EXPECT_EQ(restored.status().code(), StatusCode::not_found) << restored.status().to_string();
  send(0, 6000);
  drain();
  EXPECT_EQ(count("output_topic"), 6000);
  EXPECT_EQ(count("dlq_topic"), 4000);
}

TEST_F(NamedSnapshots, bad_taken_and_unknown_names_are_refused) {
  create("one");
  EXPECT_EQ(runtime_->create_snapshot(ticks(), "one").status().code(), StatusCode::exists);
  EXPECT_EQ(runtime_->create_snapshot(ticks(), "No Name").status().code(), StatusCode::invalid);
  const auto unknown = runtime_->restore_snapshot(ticks(), "two");
  EXPECT_EQ(unknown.status().message(), "pipeline ticks has no snapshot two; it has one");
  EXPECT_EQ(runtime_->delete_snapshot("gone", "x").code(), StatusCode::not_found);
}

}  // namespace
}  // namespace millrace::runtime
