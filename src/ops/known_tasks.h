#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ops/api.h"
#include "runtime/task_replay.h"

// The tasks of the pipelines, on either kind of log, whoever runs them: what audits, replays and
// traces start from.

namespace millrace::ops {

struct KnownStage {
  std::string name;
  std::string source_topic;
  std::vector<runtime::RunnerOptions> tasks;  // by partition
  std::function<std::unique_ptr<task::Task>(std::int32_t partition)> make_task;
};

struct KnownPipeline {
  const pipeline::Pipeline* plan = nullptr;
  std::vector<KnownStage> stages;  // the source stage first
  // One of the two.
  runtime::PipelineRunner* runner = nullptr;
  runtime::SharedPipeline* shared = nullptr;
};

// Outlived by the process' pipelines. `overloaded` while one of a shared log still starts, or has
// given up.
Result<KnownPipeline> known_pipeline(runtime::PipelineRunner& runner);
Result<KnownPipeline> known_pipeline(runtime::SharedPipeline& shared);
Result<std::vector<KnownPipeline>> known_pipelines(const ApiContext& context);

// For a replay of one task; refers to `stage`.
runtime::ReplaySubject replay_subject(const ApiContext& context, const KnownPipeline& pipeline,
                                      const KnownStage& stage, std::size_t partition);

// Finds the table versions that the source's tasks see, and those in force.
task::TableProvider table_provider(const KnownPipeline& pipeline);
std::vector<task::TableVersionEntry> tables_in_force(const KnownPipeline& pipeline);

// Below it, as far as is known here, a source task has committed what it made.
Offset committed_offset(const KnownPipeline& pipeline, std::int32_t partition);

}  // namespace millrace::ops
