#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "pipeline/pipeline.h"
#include "runtime/pipeline_registry.h"
#include "runtime/pipeline_upgrade.h"

namespace millrace::app {

// What an installation knows about a pipeline and its topics.
struct Installation {
  pipeline::PartitionCounts partition_counts;
  std::optional<runtime::RegisteredPipeline> pipeline;  // the version in force
  std::uint64_t hash_secret = 0;                        // of a folder that nobody runs
};

// `where` is a data folder or HOST:PORT. A running instance is asked; the log of a stopped one is
// opened, which recovers it as a start would. `not_found` when there is no such folder.
Result<Installation> read_installation(const std::string& where, const std::string& pipeline_name);

// What `plan`, a higher version than the one in force, would make of the state there.
struct ForeseenTakeover {
  bool is_running = false;  // the numbers are of a moment; the switch needs a clean stop
  runtime::Takeover takeover;
  std::string fault;  // why `up` would refuse it; empty: it would not
};
Result<ForeseenTakeover> foresee_takeover(const std::string& where, const pipeline::Pipeline& plan,
                                          const Installation& installation);

}  // namespace millrace::app
