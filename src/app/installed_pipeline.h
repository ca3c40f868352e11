#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "pipeline/pipeline.h"
#include "runtime/pipeline_registry.h"

namespace millrace::app {

// What an installation knows about a pipeline and its topics.
struct Installation {
  pipeline::PartitionCounts partition_counts;
  std::optional<runtime::RegisteredPipeline> pipeline;  // the version in force
};

// `where` is a data folder or HOST:PORT. A running instance is asked; the log of a stopped one is
// opened, which recovers it as a start would. `not_found` when there is no such folder.
Result<Installation> read_installation(const std::string& where, const std::string& pipeline_name);

}  // namespace millrace::app
