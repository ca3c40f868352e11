#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"
#include "task/task.h"

namespace millrace::runtime {

// State of one stage, all partitions together, that a new version cannot go on with. `window` is
// empty for deduplication.
struct LostState {
  std::string stage;
  task::StateLostEntry what;
};

// What a version of a pipeline makes of the state that the one before it left.
struct Takeover {
  std::int32_t from_version = 0;
  std::vector<LostState> lost;
  std::vector<std::string> begun;  // windows that begin with nothing

  // Adds up by stage and window.
  void add(const std::string& stage, const task::StateLostEntry& what);
  void add_begun(const std::string& window);
};

// "window ticks_1m (stage source): 11 open panes with 11 keys"
std::string in_words(const LostState& lost);
// Each of `lost` on a line of its own, indented.
std::string in_words(const std::vector<LostState>& lost);
// What to do about it, and the flag that accepts it: "ticks@2".
std::string refusal_of(const pipeline::Pipeline& plan, const Takeover& takeover);
// What the windows in `begun` do. Empty for none.
std::string begun_in_words(const std::vector<std::string>& begun);

// What is known of a stage's state without its snapshots: what a running instance reports.
struct StageState {
  std::string stage;
  std::vector<task::WindowStateReport> windows;
  std::optional<std::uint64_t> dedup_definition;
  std::uint64_t live_ids = 0;
};
// What `plan` would make of it.
Takeover foresee(const pipeline::Pipeline& plan, std::int32_t from_version,
                 const std::vector<StageState>& stages);

}  // namespace millrace::runtime
