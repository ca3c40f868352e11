#include "ops/task_list.h"

#include <iterator>
#include <utility>

namespace millrace::ops {
namespace {

void add(std::vector<ListedTask>& to, std::vector<ListedTask> more) {
  std::ranges::move(more, std::back_inserter(to));
}

}  // namespace

std::vector<ListedTask> list_tasks(const runtime::PipelineRunner& pipeline) {
  std::vector<ListedTask> all;
  for (const auto& stage : pipeline.stages()) {
    for (const auto& runner : stage.tasks) {
      all.push_back({pipeline.plan().name, stage.name, runner->options().source, runner->report(),
                     runner->processing_duration()});
    }
  }
  return all;
}

std::vector<ListedTask> list_tasks(const std::string& pipeline,
                                   const runtime::SharedPipeline::StageReport& stage) {
  std::vector<ListedTask> all;
  for (const auto& [partition, task] : stage.tasks) {
    if (!task.report) continue;
    all.push_back({pipeline,
                   stage.name,
                   {stage.source_topic, partition},
                   *task.report,
                   task.processing_duration});
  }
  return all;
}

std::vector<ListedTask> list_tasks(const ApiContext& context) {
  std::vector<ListedTask> all;
  if (context.runtime != nullptr) {
    for (const auto& pipeline : context.runtime->pipelines()) add(all, list_tasks(*pipeline));
  }
  if (context.shared != nullptr) {
    for (const auto& pipeline : context.shared->pipelines()) {
      for (const auto& stage : pipeline->report()) {
        add(all, list_tasks(pipeline->plan().name, stage));
      }
    }
  }
  return all;
}

}  // namespace millrace::ops
