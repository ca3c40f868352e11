#include "ops/status_report.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/time_text.h"
#include "ops/shared_report.h"
#include "ops/task_list.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

std::string hex_of(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, value);
  return text;
}

Json watermark_json(EventTime watermark) {
  return watermark == task::kNoWatermark ? Json() : Json(format_event_time(watermark));
}

// What an open pane still needs before it fires or closes.
std::string waits_for(const task::OpenPane& pane, const task::TaskReport& task,
                      std::int32_t partition) {
  if (pane.is_fired) return "late events, until allowed lateness is over";
  const auto behind = [&](EventTime watermark) {
    if (watermark == task::kNoWatermark) return std::string("no event yet");
    const auto seconds = (pane.end - watermark) / kMicrosPerSecond;
    return "watermark " + format_event_time(watermark) + ", " + std::to_string(seconds) +
           " s behind";
  };
  if (task.upstream_watermarks.empty()) {
    return "partition " + std::to_string(partition) + ": " + behind(task.watermark);
  }
  for (std::size_t i = 0; i < task.upstream_watermarks.size(); ++i) {
    if (task.upstream_watermarks[i] == task.watermark) {
      return "partition " + std::to_string(i) + ": " + behind(task.watermark);
    }
  }
  return "its upstream partitions";
}

// What an upgrade compares: how much state there is, and by what definition.
Json state_json(const task::TaskReport& task) {
  Json windows = Json::array();
  for (const auto& state : task.window_states) {
    windows.push_back({{"window", state.window},
                       {"definition", hex_of(state.definition)},
                       {"open_panes", state.open_panes},
                       {"open_keys", state.open_keys}});
  }
  Json deduplication;
  if (task.dedup_definition) {
    deduplication = {{"definition", hex_of(*task.dedup_definition)}, {"ids", task.live_ids}};
  }
  return {{"windows", windows}, {"deduplication", deduplication}};
}

Json duration_json(const Histogram& durations) {
  const auto ms = [](std::int64_t nanos) { return static_cast<double>(nanos) / 1e6; };
  return {{"count", durations.count()},
          {"p50", ms(durations.percentile_ns(50))},
          {"p99", ms(durations.percentile_ns(99))},
          {"max", ms(durations.max_ns())}};
}

Json task_json(const log::Log& log, const ListedTask& listed) {
  const auto& report = listed.report;
  const auto& source = listed.source;
  const auto offsets = log.offsets(source);
  const auto high_watermark = offsets.is_ok() ? offsets->high_watermark.value : -1;
  Json windows = Json::array();
  for (const auto& pane : report.task.open_panes) {
    windows.push_back({{"window", pane.window},
                       {"window_start", format_event_time(pane.start)},
                       {"window_end", format_event_time(pane.end)},
                       {"keys", pane.key_count},
                       {"fired", pane.is_fired},
                       {"waits_for", waits_for(pane, report.task, source.partition)}});
  }
  return {{"partition", source.partition},
          {"next_offset", report.task.next_offset.value},
          {"committed_offset", report.durable_offset.value},
          {"high_watermark", high_watermark},
          {"lag", std::max<std::int64_t>(0, high_watermark - report.durable_offset.value)},
          {"watermark", watermark_json(report.task.watermark)},
          {"commits", report.commits},
          {"snapshots", report.snapshots},
          {"replayed_records", report.replayed_records},
          {"deduplication_ids", report.task.live_ids},
          {"deduplication",
           {{"open_ids", report.task.open_ids},
            {"runs", report.task.id_runs},
            {"fingerprint_bytes", report.task.fingerprint_bytes},
            {"fingerprint_bytes_max", report.task.fingerprint_bytes_max},
            {"compact_ids", report.task.compact_ids},
            {"unlisted_ids", report.task.unlisted_ids},
            {"run_lookups", report.task.run_lookups},
            {"direct_lookups", report.task.direct_run_lookups}}},
          {"open_window_count", report.task.open_pane_count},
          {"open_windows", windows},
          {"processing_duration_ms", duration_json(listed.processing_duration)},
          {"state", state_json(report.task)}};
}

Json counters_json(const pipeline::Pipeline& plan, const std::vector<ListedTask>& tasks) {
  task::TaskCounters sum;
  task::WindowCounters windows;
  std::uint64_t results = 0;
  for (const auto& task : tasks) {
    const bool is_source = task.stage == pipeline::kSourceStage;
    const auto& counters = task.report.task.counters;
    for (std::size_t w = 0; w < counters.windows.size(); ++w) {
      const bool is_partial = is_source && !plan.source.windows[w].local;
      if (!is_partial) results += counters.windows[w].results;
      if (!is_source) continue;
      windows.in += counters.windows[w].in;
      windows.late += counters.windows[w].late;
    }
    if (!is_source) continue;
    sum.records_in += counters.records_in;
    sum.passed += counters.passed;
    sum.dropped_duplicates += counters.dropped_duplicates;
    for (std::size_t i = 0; i < task::kErrorTypeCount; ++i) {
      sum.dead_letters[i] += counters.dead_letters[i];
    }
  }
  Json letters = Json::object();
  for (std::size_t i = 0; i < task::kErrorTypeCount; ++i) {
    if (sum.dead_letters[i] == 0) continue;
    letters[std::string(to_string(static_cast<task::ErrorType>(i)))] = sum.dead_letters[i];
  }
  const auto duplicate = static_cast<std::size_t>(task::ErrorType::duplicate);
  return {{"in", sum.records_in},
          {"out", sum.passed},
          {"dead_letters", letters},
          {"duplicates", sum.dropped_duplicates + sum.dead_letters[duplicate]},
          {"window_events", windows.in},
          {"late", windows.late},
          {"windows", results}};
}

// Where the pipeline reads and writes, as far as users see it.
Json topics_json(const pipeline::Pipeline& plan) {
  const auto& source = plan.source;
  Json enriched = Json::array();
  for (const auto output : source.enriched_outputs) {
    enriched.push_back(source.outputs[output].topic);
  }
  Json aggregates = Json::array();
  const auto add = [&](const std::string& topic) {
    if (std::find(aggregates.begin(), aggregates.end(), topic) == aggregates.end()) {
      aggregates.push_back(topic);
    }
  };
  for (const auto& window : source.windows) {
    if (window.local) add(source.outputs[window.local->results_output].topic);
  }
  for (const auto& merge : plan.merges) {
    add(merge.outputs[merge.window.local->results_output].topic);
  }
  return {{"source", source.source_topic},
          {"enriched", enriched},
          {"aggregates", aggregates},
          {"dead_letters", source.outputs[source.dead_letter_output].topic}};
}

Json pipeline_json(const pipeline::Pipeline& plan, Json stages,
                   const std::vector<ListedTask>& tasks) {
  return {{"pipeline", plan.name},       {"version", plan.version},
          {"state", "running"},          {"topics", topics_json(plan)},
          {"stages", std::move(stages)}, {"counters", counters_json(plan, tasks)}};
}

Json pipeline_json(const log::Log& log, const runtime::PipelineRunner& pipeline) {
  const auto listed = list_tasks(pipeline);
  Json stages = Json::array();
  for (const auto& stage : pipeline.stages()) {
    Json tasks = Json::array();
    for (const auto& task : listed) {
      if (task.stage == stage.name) tasks.push_back(task_json(log, task));
    }
    stages.push_back({{"stage", stage.name}, {"topic", stage.source_topic}, {"tasks", tasks}});
  }
  return pipeline_json(pipeline.plan(), std::move(stages), listed);
}

// Tasks and counters are those of this process.
Json pipeline_json(const log::Log& log, const runtime::SharedPipeline& pipeline,
                   const std::string& process) {
  std::vector<ListedTask> all;
  Json stages = Json::array();
  for (const auto& stage : pipeline.report()) {
    Json tasks = Json::array();
    for (auto& task : list_tasks(pipeline.plan().name, stage)) {
      tasks.push_back(task_json(log, task));
      all.push_back(std::move(task));
    }
    stages.push_back({{"stage", stage.name},
                      {"topic", stage.source_topic},
                      {"tasks", tasks},
                      {"ownership", ownership_json(stage, process)},
                      {"followers", followers_json(stage)},
                      {"commits", slots_json(stage)}});
  }
  auto report = pipeline_json(pipeline.plan(), std::move(stages), all);
  if (const auto why = pipeline.halted()) {
    report["state"] = "stopped";
    report["why"] = *why;
  }
  return report;
}

Json recovery_json(const log::EmbeddedLog& log) {
  const auto& recovery = log.recovery();
  return {{"groups_replayed", recovery.groups_replayed},
          {"batches_replayed", recovery.batches_replayed},
          {"torn_tail_bytes", recovery.torn_tail_bytes},
          {"notes", recovery.notes}};
}

Json log_json(const log::EmbeddedLog& log) {
  const auto counters = log.counters();
  return {{"commits", counters.commits},
          {"syncs", counters.syncs},
          {"wal_bytes", counters.wal_bytes},
          {"segment_bytes", counters.segment_bytes}};
}

}  // namespace

Json status_report(const ApiContext& context, std::int64_t uptime_ns, bool is_ready) {
  Json pipelines = Json::array();
  if (is_ready && context.runtime != nullptr) {
    for (const auto& pipeline : context.runtime->pipelines()) {
      pipelines.push_back(pipeline_json(*context.log, *pipeline));
    }
  }
  if (is_ready && context.shared != nullptr) {
    for (const auto& pipeline : context.shared->pipelines()) {
      pipelines.push_back(pipeline_json(*context.log, *pipeline, context.process));
    }
  }
  Json report = {
      {"version", context.version},         {"pid", context.pid},
      {"data", context.data_folder},        {"kafka_port", context.kafka_port},
      {"uptime_ms", uptime_ns / 1'000'000}, {"state", is_ready ? "running" : "restoring"}};
  if (context.embedded != nullptr) {
    report["recovery"] = recovery_json(*context.embedded);
    report["log"] = log_json(*context.embedded);
  }
  if (context.shared != nullptr) {
    report["kafka_port"] = nullptr;
    report["process"] = context.process;
  }
  report["pipelines"] = std::move(pipelines);
  return report;
}

Json topic_report(const log::Log& log, const log::TopicInfo& topic) {
  Json offsets = Json::array();
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  for (std::int32_t p = 0; p < topic.config.partition_count; ++p) {
    const auto known = log.offsets({topic.name, p});
    if (!known.is_ok()) continue;
    records += known->high_watermark - known->start;
    bytes += known->stored_bytes;
    offsets.push_back({{"partition", p},
                       {"start", known->start.value},
                       {"high_watermark", known->high_watermark.value}});
  }
  return {{"topic", topic.name},
          {"partitions", topic.config.partition_count},
          {"internal", topic.config.is_internal},
          {"compacted", topic.config.is_compacted},
          {"records", records},
          {"bytes", bytes},
          {"offsets", offsets}};
}

Json groups_report(const log::Log& log) {
  Json groups = Json::array();
  for (const auto& group : log.groups()) {
    for (const auto& offset : log.group_offsets(group)) {
      const auto known = log.offsets(offset.source);
      const auto high_watermark = known.is_ok() ? known->high_watermark.value : -1;
      groups.push_back(
          {{"group", group},
           {"topic", offset.source.topic},
           {"partition", offset.source.partition},
           {"offset", offset.next_offset.value},
           {"high_watermark", high_watermark},
           {"lag", std::max<std::int64_t>(0, high_watermark - offset.next_offset.value)}});
    }
  }
  return {{"groups", groups}};
}

}  // namespace millrace::ops
