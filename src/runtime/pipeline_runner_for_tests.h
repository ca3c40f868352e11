#pragma once

// A pipeline over two partitions whose tasks a test steps by hand under a manual clock.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/time_text.h"
#include "runtime/pipeline_runner.h"
#include "runtime/runtime_for_tests.h"

namespace millrace::runtime {

inline constexpr const char* kSchema = R"({
  "type": "object", "required": ["t", "k"],
  "properties": {"t": {"type": "string", "format": "date-time"}, "k": {"type": "string"}}})";
inline constexpr std::int64_t kMinute = 60'000'000;

inline std::unique_ptr<pipeline::Pipeline> plan_of(const std::string& text,
                                                   const std::string& schema = kSchema) {
  return pipeline::build_or_fail(pipeline::options_for(text, {{"s.json", schema}}));
}

class PipelineRunnerTest : public testing::Test {
 protected:
  PipelineRunnerTest() : storage_(clock_) {}

  Status start(const std::string& text, const std::string& schema = kSchema) {
    runner_.reset();
    plan_ = plan_of(text, schema);
    PipelineRunnerOptions options;
    options.owner = "owner";
    options.checkpoint_interval_ms = 1'000'000'000;
    options.accepted_losses = accepted_;
    runner_ = std::make_unique<PipelineRunner>(storage_.services(), *plan_, options);
    return runner_->start();
  }
  void must_start(const std::string& text) {
    const auto status = start(text);
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }
  // Lets every task come to the end of its input, in rounds because stages feed each other.
  void settle() {
    for (int idle_rounds = 0; idle_rounds < 3;) {
      bool is_busy = false;
      for (auto* task : runner_->runners()) {
        const auto did_work = task->step();
        ASSERT_TRUE(did_work.is_ok()) << did_work.status().to_string();
        const auto end = storage_.log().offsets(task->options().source)->end;
        is_busy |= *did_work || !task->has_settled() || task->report().durable_offset < end;
      }
      idle_rounds = is_busy ? 0 : idle_rounds + 1;
      std::this_thread::yield();
    }
  }
  void append(std::int32_t partition, EventTime time, const std::string& key) {
    storage_.append({"in", partition},
                    std::vector{pipeline::record_of(
                        key, R"({"t":")" + format_event_time(time) + R"(","k":")" + key + "\"}")});
  }
  [[nodiscard]] EventTime watermark(std::int32_t partition) const {
    return runner_->stages()[0].tasks[static_cast<std::size_t>(partition)]->report().task.watermark;
  }
  [[nodiscard]] std::size_t results_in(const std::string& topic) {
    return storage_.records({topic, 0}).size() + storage_.records({topic, 1}).size();
  }
  [[nodiscard]] EventTime now() const { return EventTime(clock_.wall_now().value * 1000); }
  [[nodiscard]] static std::string message(const Status& status) {
    return std::string(status.message());
  }

  log::ManualClock clock_;
  Storage storage_;
  std::set<std::string> accepted_;
  std::unique_ptr<pipeline::Pipeline> plan_;
  std::unique_ptr<PipelineRunner> runner_;
};

}  // namespace millrace::runtime
