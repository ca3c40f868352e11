#include "runtime/pipeline_setup.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "task/source_task.h"

namespace millrace::runtime {

std::vector<StagePlan> stage_plans(const pipeline::Pipeline& plan,
                                   const task::TableProvider& tables) {
  std::vector<StagePlan> stages;
  stages.push_back({std::string(pipeline::kSourceStage), plan.source.source_topic,
                    plan.source.source_partition_count, plan.source.outputs,
                    [&source = plan.source, tables](std::int32_t p) {
                      return task::make_source_task(source, p, tables);
                    }});
  for (const auto& merge : plan.merges) {
    const auto need = std::find_if(
        plan.topics.begin(), plan.topics.end(),
        [&](const pipeline::TopicNeed& known) { return known.name == merge.repartition_topic; });
    MR_CHECK(need != plan.topics.end());
    stages.push_back({merge.window.name, merge.repartition_topic, need->partition_count,
                      merge.outputs,
                      [&merge](std::int32_t p) { return task::make_merge_task(merge, p); }});
  }
  return stages;
}

Status check_topics(const log::Log& log, const pipeline::Pipeline& plan) {
  for (const auto& need : plan.topics) {
    const auto known = log.topic(need.name);
    if (!known.is_ok() && known.status().code() == StatusCode::not_found) continue;
    if (!known.is_ok()) return known.status();
    const auto count = known->config.partition_count;
    if (count == need.partition_count) continue;
    return invalid_error("topic " + need.name + " has " + std::to_string(count) +
                         " partitions, pipeline " + plan.name + " was made for " +
                         std::to_string(need.partition_count));
  }
  return ok_status();
}

Status create_topics(log::Log& log, const pipeline::Pipeline& plan, std::int64_t retention_ms,
                     const Notice& notice) {
  for (const auto& need : plan.topics) {
    if (log.topic(need.name).is_ok()) continue;
    log::TopicConfig config;
    config.partition_count = need.partition_count;
    config.is_internal = need.is_internal;
    config.is_compacted = need.is_compacted;
    if (!need.is_internal) config.retention_ms = retention_ms;
    if (need.name == plan.source.source_topic) config.batch_bytes_max = log::kInputBatchBytesMax;
    auto created = log.create_topic(need.name, config);
    if (!created.is_ok() && created.status().code() == StatusCode::exists) continue;
    if (!created.is_ok()) return std::move(created).take_status();
    if (need.is_internal || !notice) continue;
    notice("created topic " + created->name + " with " +
           std::to_string(created->config.partition_count) + " partitions");
  }
  return ok_status();
}

Status check_version(const RegisteredPipeline& known, const pipeline::Pipeline& plan) {
  const std::string name = "pipeline " + plan.name + " version ";
  if (known.version > plan.version) {
    return invalid_error(name + std::to_string(known.version) + " ran already; the file says " +
                         std::to_string(plan.version));
  }
  if (known.version == plan.version && known.file != plan.file) {
    auto difference = describe_difference(known.text, plan.text);
    if (difference.empty()) difference = " its schema is another one";
    return invalid_error(name + std::to_string(plan.version) +
                         " ran with another content; raise its version:" + difference);
  }
  const auto count = plan.source.source_partition_count;
  if (known.source_partition_count == count) return ok_status();
  return invalid_error(name + std::to_string(known.version) + " ran over " +
                       std::to_string(known.source_partition_count) +
                       " partitions of its source, " + plan.source.source_topic + " has " +
                       std::to_string(count) +
                       ": keys would meet another task than the one that has their windows and "
                       "ids. Keep the number, or give the pipeline a new name");
}

task::PipelineEntry version_entry(const pipeline::Pipeline& plan) {
  return {plan.name, plan.version, plan.file, plan.source.source_partition_count};
}

RegisteredPipeline registration_of(const pipeline::Pipeline& plan, std::vector<LostState> lost) {
  return {plan.name, plan.version,   plan.file, plan.source.source_partition_count,
          plan.text, std::move(lost)};
}

}  // namespace millrace::runtime
