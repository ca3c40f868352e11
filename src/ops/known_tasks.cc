#include "ops/known_tasks.h"

namespace millrace::ops {

Result<KnownPipeline> known_pipeline(runtime::PipelineRunner& runner) {
  KnownPipeline known{&runner.plan(), {}, &runner, nullptr};
  for (const auto& stage : runner.stages()) {
    auto& of = known.stages.emplace_back();
    of.name = stage.name;
    of.source_topic = stage.source_topic;
    for (const auto& task : stage.tasks) of.tasks.push_back(task->options());
    of.make_task = [&stage](std::int32_t partition) {
      return stage.tasks[static_cast<std::size_t>(partition)]->task_maker()();
    };
  }
  return known;
}

Result<KnownPipeline> known_pipeline(runtime::SharedPipeline& shared) {
  if (const auto why = shared.halted()) return overloaded_error("it has stopped: " + *why);
  KnownPipeline known{&shared.plan(), {}, nullptr, &shared};
  for (auto& stage : shared.stage_tasks()) {
    known.stages.push_back({std::move(stage.name), std::move(stage.source_topic),
                            std::move(stage.tasks), std::move(stage.make_task)});
  }
  if (known.stages.empty()) return overloaded_error("it is starting; ask again");
  return known;
}

Result<std::vector<KnownPipeline>> known_pipelines(const ApiContext& context) {
  std::vector<KnownPipeline> all;
  const auto add = [&all](auto& runtime) -> Status {
    for (const auto& pipeline : runtime.pipelines()) {
      auto known = known_pipeline(*pipeline);
      if (!known.is_ok()) {
        return std::move(known).take_status().with_context("pipeline " + pipeline->plan().name);
      }
      all.push_back(std::move(known).value());
    }
    return ok_status();
  };
  if (context.runtime != nullptr) MR_RETURN_IF_ERROR(add(*context.runtime));
  if (context.shared != nullptr) MR_RETURN_IF_ERROR(add(*context.shared));
  return all;
}

runtime::ReplaySubject replay_subject(const ApiContext& context, const KnownPipeline& pipeline,
                                      const KnownStage& stage, std::size_t partition) {
  runtime::ReplaySubject subject;
  subject.log = context.log;
  subject.objects = context.objects;
  subject.task = &stage.tasks[partition];
  subject.make_task = [&stage, partition] {
    return stage.make_task(static_cast<std::int32_t>(partition));
  };
  if (pipeline.runner != nullptr) {
    subject.catalog = &context.runtime->catalog();
    subject.dedup_memory = &context.runtime->dedup_memory();
  } else {
    subject.dedup_memory = pipeline.shared->dedup_memory();
  }
  return subject;
}

task::TableProvider table_provider(const KnownPipeline& pipeline) {
  return pipeline.runner != nullptr ? pipeline.runner->table_provider()
                                    : pipeline.shared->table_provider();
}

std::vector<task::TableVersionEntry> tables_in_force(const KnownPipeline& pipeline) {
  if (pipeline.shared != nullptr) return pipeline.shared->newest_tables();
  return pipeline.runner->stages().front().tasks.front()->report().task.tables;
}

Offset committed_offset(const KnownPipeline& pipeline, std::int32_t partition) {
  if (pipeline.runner != nullptr) {
    const auto& tasks = pipeline.runner->stages().front().tasks;
    return tasks[static_cast<std::size_t>(partition)]->report().durable_offset;
  }
  const auto stages = pipeline.shared->report();
  if (stages.empty()) return Offset(0);
  const auto& source = stages.front();
  if (const auto ours = source.tasks.find(partition);
      ours != source.tasks.end() && ours->second.report) {
    return ours->second.report->durable_offset;
  }
  const auto told = source.elsewhere.find(partition);
  return told == source.elsewhere.end() ? Offset(0) : told->second.done;
}

}  // namespace millrace::ops
