#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "pipeline/pipeline.h"
#include "runtime/pipeline_registry.h"
#include "task/journal.h"
#include "task/outputs.h"
#include "task/task.h"

// What a pipeline needs before its tasks can run, on a log of one process or of several.

namespace millrace::runtime {

using Notice = std::function<void(const std::string&)>;  // takes a sentence for the program's log

// A stage as the plan has it.
struct StagePlan {
  std::string name;
  std::string source_topic;
  std::int32_t partition_count = 1;
  std::vector<task::OutputTopic> outputs;
  std::function<std::unique_ptr<task::Task>(std::int32_t partition)> make_task;
};
// The source stage first. `plan` and what `tables` refers to outlive the tasks.
std::vector<StagePlan> stage_plans(const pipeline::Pipeline& plan,
                                   const task::TableProvider& tables);

// Whether the topics that are there have the partitions that the plan was made for (R9).
Status check_topics(const log::Log& log, const pipeline::Pipeline& plan);
// Makes those that are missing; one that somebody else makes meanwhile is fine. `retention_ms` is
// of those that users see.
Status create_topics(log::Log& log, const pipeline::Pipeline& plan, std::int64_t retention_ms,
                     const Notice& notice);

// Whether the plan may follow `known`, or be the same.
Status check_version(const RegisteredPipeline& known, const pipeline::Pipeline& plan);

task::PipelineEntry version_entry(const pipeline::Pipeline& plan);
RegisteredPipeline registration_of(const pipeline::Pipeline& plan, std::vector<LostState> lost);

}  // namespace millrace::runtime
