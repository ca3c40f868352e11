#include "runtime/runtime.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "codec/compression.h"
#include "runtime/runtime_for_tests.h"
#include "sys/real_clock.h"

// The whole runtime with its threads over a real log.

namespace millrace::runtime {
namespace {

constexpr std::int32_t kPartitions = 4;

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

class RuntimeTest : public testing::Test {
 protected:
  RuntimeTest() : storage_(clock_) {}

  void start() {
    RuntimeOptions options;
    options.owner = "owner";
    options.checkpoint_interval_ms = 50;
    options.on_failure = [](const Status& status) { ADD_FAILURE() << status.to_string(); };
    runtime_ = std::make_unique<Runtime>(storage_.log(), storage_.objects(), clock_, options);
    std::vector<std::unique_ptr<pipeline::Pipeline>> plans;
    plans.push_back(pipeline::shipped_pipeline("ticks"));
    plans.push_back(pipeline::shipped_pipeline("orders"));
    const auto status = runtime_->start(std::move(plans));
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }
  void stop() {
    const auto status = runtime_->stop();
    ASSERT_TRUE(status.is_ok()) << status.to_string();
    runtime_.reset();
  }
  std::uint64_t drain() {
    const auto drained = runtime_->drain(*runtime_->pipelines()[0]);
    EXPECT_TRUE(drained.is_ok()) << drained.status().to_string();
    return drained.is_ok() ? drained->windows_fired : 0;
  }
  // Number of records over all partitions.
  std::int64_t count(const std::string& topic) {
    std::int64_t sum = 0;
    for (std::int32_t p = 0; p < kPartitions; ++p) {
      sum += storage_.log().offsets({topic, p})->high_watermark.value;
    }
    return sum;
  }

  sys::RealClock clock_;
  Storage storage_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(RuntimeTest, a_day_of_trades_goes_through_once_over_restarts) {
  const auto records = trades();
  const TopicPartition input{"input_topic", partition_for_key("AMZN", kPartitions)};
  start();
  const auto half = records.size() / 2;
  for (std::size_t at = 0; at < half; at += 500) {
    storage_.append(input, std::span(records).subspan(at, std::min<std::size_t>(500, half - at)));
  }
  stop();  // in the middle of whatever it does
  storage_.reopen();
  start();
  storage_.append(input, std::span(records).subspan(half));
  const auto fired = drain();
  EXPECT_GT(fired, 0u);
  EXPECT_EQ(count("output_topic"), 11'419);
  EXPECT_EQ(count("dlq_topic"), 0);
  EXPECT_EQ(drain(), 0u);
  stop();
  storage_.crash();
  start();
  for (const auto& stage : runtime_->pipelines()[0]->stages()) {
    for (const auto& task : stage.tasks) EXPECT_EQ(task->report().replayed_records, 0u);
  }
  // Everything again: the state is back, so all of it is known.
  for (std::size_t at = 0; at < records.size(); at += half) {
    storage_.append(input, std::span(records).subspan(at, std::min(half, records.size() - at)));
  }
  drain();
  EXPECT_EQ(count("output_topic"), 11'419);
  EXPECT_EQ(count("dlq_topic"), 11'419);
  stop();
  // As many windows as the day has minutes with a trade; data/README.md.
  std::set<std::string> starts;
  for (std::int32_t p = 0; p < kPartitions; ++p) {
    for (const auto& record : storage_.records({"aggregates_topic", p})) {
      const auto at = record.value->find("\"window_start\"");
      starts.insert(record.value->substr(at, 38));
    }
  }
  EXPECT_EQ(starts.size(), 387u);
}

}  // namespace
}  // namespace millrace::runtime
