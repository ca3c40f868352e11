#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "pipeline/pipeline.h"

namespace millrace::kafka_model {

// The pipeline of every run: deduplication, a window per key where the events are, and one by
// another key that a second stage merges.
std::unique_ptr<pipeline::Pipeline> make_plan(std::int32_t partition_count);

struct Event {
  std::string id;
  std::string key;
  std::string kind;
  std::int64_t time_us = 0;
  std::int64_t x = 0;
  std::int32_t partition = 0;
  bool is_repeat = false;  // of an id that its partition had before
};

// Events whose times go forward, less out of order than the pipeline allows for; some ids twice.
class Workload {
 public:
  Workload(std::uint64_t seed, std::int32_t partition_count, EventTime start)
      : random_(seed ^ 0xfeedULL), partition_count_(partition_count), now_us_(start.value) {}

  // The next few events of one partition as a batch.
  std::string next_batch(std::int32_t& partition);
  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  // Below the time of any event to come: what a watermark from outside may say.
  [[nodiscard]] EventTime safe_watermark() const { return EventTime(now_us_ - 2'000'000); }

 private:
  Random random_;
  const std::int32_t partition_count_;
  std::int64_t now_us_;
  std::vector<Event> events_;
};

}  // namespace millrace::kafka_model
