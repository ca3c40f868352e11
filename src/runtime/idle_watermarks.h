#pragma once

#include <optional>
#include <span>

#include "base/time.h"
#include "pipeline/pipeline.h"
#include "task/watermark.h"

namespace millrace::runtime {

// What a pipeline knows of one partition of its source.
struct SourceProgress {
  bool is_idle = false;  // everything is consumed, and nothing has come for a while
  EventTime watermark = task::kNoWatermark;
  EventTime watermark_if_idle = task::kNoWatermark;  // TaskReport::watermark_if_idle
};

// Where idle partitions' watermarks are to be put (R13). One thread.
class IdleWatermarks {
 public:
  explicit IdleWatermarks(const pipeline::IdlePolicy& policy) : policy_(policy) {}

  // `sources`: all partitions. Every idle one that is below the result is to be moved there;
  // nullopt: none is. `has_open_panes`: whether some pane still waits for a watermark.
  std::optional<EventTime> target(std::span<const SourceProgress> sources, bool has_open_panes,
                                  WallTime now);

 private:
  std::optional<EventTime> target_of_all_idle(std::span<const SourceProgress> sources,
                                              WallTime now);

  pipeline::IdlePolicy policy_;
  WallTime all_idle_since_{-1};
  EventTime all_idle_watermark_ = task::kNoWatermark;
};

}  // namespace millrace::runtime
