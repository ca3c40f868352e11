#include "sim/kafka_model/sim_process.h"

#include "base/check.h"
#include "task/source_task.h"

namespace millrace::kafka_model {

SimProcess::SimProcess(Cluster& cluster, objects::ObjectStore& objects, const Clock& clock,
                       const pipeline::Pipeline& plan, const SimProcessOptions& options)
    : process_(cluster, options.name), log_(process_), snapshots_(objects) {
  const runtime::RunnerServices services{&log_, &objects, &clock, &snapshots_, nullptr, nullptr};
  const auto add = [&](const std::string& name, const std::string& topic,
                       const std::vector<task::OutputTopic>& outputs,
                       runtime::SharedStage::TaskMaker make_task) {
    const auto info = cluster.topic(topic);
    MR_CHECK(info.is_ok());
    runtime::SharedStageOptions stage;
    stage.pipeline = plan.name;
    stage.stage = name;
    stage.source_topic = topic;
    stage.source_partition_count = info->config.partition_count;
    stage.journal_topic = pipeline::journal_topic(plan.name, name);
    stage.group = pipeline::consumer_group(plan.name, name);
    stage.process = options.name;
    stage.is_static_member = options.is_static_member;
    stage.slots = options.slots;
    stage.outputs = outputs;
    stage.checkpoint_interval_ms = options.checkpoint_interval_ms;
    stage.first_events = {task::PipelineEntry{plan.name, plan.version, plan.file,
                                              plan.source.source_partition_count}};
    stages_.push_back(
        std::make_unique<runtime::SharedStage>(log_, services, stage, std::move(make_task)));
  };
  add(std::string(pipeline::kSourceStage), plan.source.source_topic, plan.source.outputs,
      [&plan](std::int32_t p) { return task::make_source_task(plan.source, p, {}); });
  for (const auto& merge : plan.merges) {
    add(merge.window.name, merge.repartition_topic, merge.outputs,
        [&merge](std::int32_t p) { return task::make_merge_task(merge, p); });
  }
}

void SimProcess::stop(bool is_orderly, Census& census) {
  if (!is_orderly) process_.kill();
  for (auto& stage : stages_) stage->stop(is_orderly);
  for (auto& stage : stages_) {
    const auto of = stage->counters();
    census["task recovered"] += of.recovered;
    census["revoked -> committed"] += of.revoked_committed;
    census["revoked -> aborted"] += of.revoked_aborted;
    census["lost"] += of.lost;
    census["unstable offset waited"] += of.unstable_waits;
    census["journal waited"] += of.journal_waits;
    census["owner fenced by successor"] += of.owners_fenced;
    census["missing offset restored"] += of.offsets_restored;
    census["refused"] += of.refused;
    census["task restarted"] += of.restarts;
    census["transaction committed"] += of.slots.transactions;
    census["known abort -> resent"] += of.slots.aborted;
    census["unknown -> committed"] += of.slots.unknown_committed;
    census["unknown -> aborted -> resent"] += of.slots.unknown_aborted;
    census["unknown -> lost"] += of.slots.unknown_lost;
    census["fenced"] += of.slots.fenced;
    census["outlived generation -> resent"] += of.slots.outlived_generations;
  }
  stages_.clear();
}

bool SimProcess::post(std::int32_t partition, const task::JournalEvent& event) {
  return !stages_.empty() && stages_.front()->post(partition, event);
}

std::string SimProcess::describe() const {
  std::string out = process_.name() + ":";
  for (const auto& stage : stages_) {
    for (const auto& [partition, task] : stage->tasks()) {
      out += " " + std::to_string(partition) + "=" + std::to_string(static_cast<int>(task.state)) +
             " (" + task.why + ")";
    }
    for (const auto& slot : stage->slots()) {
      out += " [" + std::to_string(static_cast<int>(slot.state)) + " " + slot.last_error + "]";
    }
    out += ";";
  }
  return out;
}

}  // namespace millrace::kafka_model
