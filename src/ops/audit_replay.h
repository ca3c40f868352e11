#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "objects/object_store.h"
#include "ops/api.h"
#include "ops/audit_scan.h"
#include "ops/job_progress.h"
#include "ops/replay_comparison.h"
#include "runtime/task_replay.h"

namespace millrace::ops {

// Which tasks are replayed, and which of their input.
struct ReplayRequest {
  std::string pipeline;                   // empty: all
  std::string stage;                      // empty: the source for a range, else all
  std::optional<std::int32_t> partition;  // of the stage's input
  runtime::ReplayRange range;
};
// "A..B", "A..", "..B" or "" for everything reachable: offsets A <= o < B.
Result<runtime::ReplayRange> parse_replay_range(std::string_view text);

// One task, replayed.
struct ReplayedTask {
  std::string pipeline;
  std::string stage;
  TopicPartition source;
  runtime::ReplayBounds bounds;
  std::uint64_t outputs = 0;  // compared and the same
  std::uint64_t finding_count = 0;
  std::vector<ReplayFinding> findings;  // the first kFindingsShown
  std::vector<std::string> notes;
  std::int64_t elapsed_ms = 0;
};

// Replays every task asked for beside the running ones and compares the outputs with the topics
// (replay_comparison.h). `not_found` for an unknown pipeline, stage or partition; an error for a
// task whose range cannot be replayed.
Result<std::vector<ReplayedTask>> audit_replay(const ApiContext& context,
                                               const ReplayRequest& request,
                                               const IsCancelled& is_cancelled,
                                               JobProgress& progress);

// {"exact","tasks":[{"pipeline","stage","topic","partition","ok","first","next",..}]}
nlohmann::ordered_json replay_json(const std::vector<ReplayedTask>& tasks);

}  // namespace millrace::ops
