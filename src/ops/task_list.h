#pragma once

#include <string>
#include <vector>

#include "base/histogram.h"
#include "model/topic.h"
#include "ops/api.h"
#include "runtime/runner_options.h"

namespace millrace::ops {

// A task that runs here, as it last reported, whatever kind of log it is on.
struct ListedTask {
  std::string pipeline;
  std::string stage;
  TopicPartition source;
  runtime::RunnerReport report;
  Histogram processing_duration;
};

// Of all pipelines, by stage and partition. The pipelines have been restored.
std::vector<ListedTask> list_tasks(const ApiContext& context);
std::vector<ListedTask> list_tasks(const runtime::PipelineRunner& pipeline);
// Of one process' share.
std::vector<ListedTask> list_tasks(const std::string& pipeline,
                                   const runtime::SharedPipeline::StageReport& stage);

}  // namespace millrace::ops
