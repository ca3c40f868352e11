#include "app/pipeline_explanation.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::app {
namespace {

using pipeline::Pipeline;
using pipeline::Spec;

std::string_view name_of(task::AggregateKind kind) {
  switch (kind) {
    case task::AggregateKind::count:
      return "count";
    case task::AggregateKind::sum:
      return "sum";
    case task::AggregateKind::min:
      return "min";
    case task::AggregateKind::max:
      return "max";
    case task::AggregateKind::avg:
      return "avg";
    case task::AggregateKind::first:
      return "first";
    case task::AggregateKind::last:
      return "last";
  }
  return "unknown";
}

std::string counted(std::int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::int32_t partitions_of(const Pipeline& plan, const std::string& topic) {
  for (const auto& need : plan.topics) {
    if (need.name == topic) return need.partition_count;
  }
  return 0;
}

ExplainedStage explain_source(const Spec& spec, const Pipeline& plan) {
  const auto& source = spec.source;
  ExplainedStage stage{"source", {}};
  auto& lines = stage.lines;
  lines.push_back("Reads topic " + source.topic + ", " +
                  counted(plan.source.source_partition_count, "partition") + ", one task each.");
  if (plan.source.key_slot) {
    lines.push_back("A record's key must be the text of its field " + source.key +
                    ", so that all events of one " + source.key +
                    " are in one partition; another key is dead-lettered as SCHEMA_INVALID.");
  }
  lines.push_back("Event time is field " + source.event_time +
                  ". A partition's watermark is its newest event time minus " +
                  duration_text(source.out_of_orderness_us) + ".");
  lines.push_back("An event more than " + duration_text(source.max_ahead_us) +
                  " ahead of processing time is dead-lettered as FUTURE_EVENT; one more than " +
                  duration_text(source.max_jump_us) +
                  " ahead of the watermark moves it only after " +
                  counted(source.jump_confirmations, "further event") +
                  " agree, and as many must follow the first before there is one.");
  using Advance = pipeline::IdlePolicy::Advance;
  const auto idle = duration_text(source.idle.idle_after_ms * 1000);
  lines.push_back("A partition that is quiet for " + idle + " follows the slowest of the others; " +
                  (source.idle.advance == Advance::off ? "if all are quiet, time stands still."
                   : source.idle.advance == Advance::on
                       ? "if all are quiet, time goes on with the clock."
                       : "if all are quiet, time goes on with the clock "
                         "while the newest event is less than an hour old."));
  return stage;
}

ExplainedStage explain_checks(const Spec& spec) {
  ExplainedStage stage{"validate", {}};
  stage.lines.push_back("JSON that is unreadable or does not fit " + spec.schema_file +
                        " is dead-lettered as SCHEMA_INVALID.");
  if (!spec.rules.empty()) {
    stage.lines.emplace_back(
        "Every rule must hold, or the event is dead-lettered as "
        "BUSINESS_RULE_VIOLATION with the messages of all that do not:");
  }
  for (const auto& rule : spec.rules) {
    stage.lines.push_back(rule.name + ": " + rule.expression.text);
  }
  return stage;
}

ExplainedStage explain_dedup(const Spec& spec) {
  MR_CHECK(spec.dedup.has_value());
  return {
      "dedup",
      {"An id (" + spec.dedup->id.text + ") that was seen within " +
           duration_text(spec.dedup->ttl_us) +
           " of event time in the same partition is a duplicate: " +
           (spec.dedup->is_dead_lettered ? "dead-lettered as DUPLICATE." : "dropped and counted."),
       "Every id counts, however many there are: about 3.5 bytes of memory each as long as the "
       "process has processor.dedup_memory_mb left, and slower look-ups on disk beyond that."}};
}

ExplainedStage explain_enrichment(const Spec& spec) {
  ExplainedStage stage{"enrich", {}};
  for (const auto& table : spec.tables) {
    stage.lines.push_back("Table " + table.name + " is file " + table.file + ", looked up by " +
                          table.key + "; a key that is not there gives null.");
  }
  for (const auto& field : spec.fields) {
    stage.lines.push_back(field.name + " = " + field.expression.text);
  }
  return stage;
}

ExplainedStage explain_window(const Spec& spec, const pipeline::WindowSpec& window,
                              const Pipeline& plan) {
  ExplainedStage stage{"window " + window.name, {}};
  auto& lines = stage.lines;
  const std::string per = window.key.text.empty() ? "over everything" : "per " + window.key.text;
  lines.push_back((window.every_us == window.length_us
                       ? "Tumbling windows of " + duration_text(window.length_us)
                       : "Windows of " + duration_text(window.length_us) + " that begin every " +
                             duration_text(window.every_us)) +
                  " of event time, " + per + ".");
  lines.push_back(
      "A window's first result leaves when the watermark passes its end; later events revise "
      "it for " +
      duration_text(window.allowed_lateness_us) +
      ", those after that are dead-lettered as LATE_EVENT.");
  const auto merge = std::find_if(plan.merges.begin(), plan.merges.end(), [&](const auto& known) {
    return known.window.name == window.name;
  });
  if (merge == plan.merges.end()) {
    lines.push_back(
        "Local: the key is the source's key, so each source task has all events of its "
        "keys and writes the results itself.");
  } else {
    const auto count = partitions_of(plan, merge->repartition_topic);
    lines.push_back(
        "Repartitioned: " +
        (window.key.text.empty()
             ? std::string("there is no key")
             : "the key is not the source's key" +
                   (spec.source.key.empty() ? std::string() : " (" + spec.source.key + ")")) +
        ", so each source task sends partial results to " + merge->repartition_topic + ", where " +
        counted(count, "merging task") + " " + (count == 1 ? "adds" : "add") + " them up.");
  }
  for (const auto& aggregate : window.aggregates) {
    std::string call(name_of(aggregate.kind));
    call += "(" + (aggregate.argument ? aggregate.argument->text : "");
    if (aggregate.kind == task::AggregateKind::avg) call += ", " + std::to_string(aggregate.digits);
    lines.push_back(aggregate.name + " = " + call + ")");
  }
  for (const auto& field : window.fields) {
    lines.push_back(field.name + " = " + field.expression.text);
  }
  lines.push_back("Results go to " + window.emit_to + ".");
  return stage;
}

ExplainedStage explain_sinks(const Spec& spec, const Pipeline& plan) {
  ExplainedStage stage{"sinks", {}};
  for (const auto output : plan.source.enriched_outputs) {
    stage.lines.push_back("Every event that passed, with the computed fields, goes to topic " +
                          plan.source.outputs[output].topic + ".");
  }
  for (const auto& lake : plan.lakes) {
    stage.lines.push_back(
        "Lake " + lake.name + " delivers " + lake.topic + " as " +
        (lake.is_parquet ? "Parquet" : "JSON lines") + " (" + lake.compression + ")" +
        (lake.partition_by.empty() ? std::string()
                                   : ", partitioned by " + joined(lake.partition_by)) +
        ", a new file every " + std::to_string(lake.roll_bytes >> 20) + " MiB or " +
        duration_text(lake.roll_interval_ms * 1000) + ".");
  }
  for (const auto& feature : spec.features) {
    stage.lines.push_back("Feature group " + feature.group + " keeps the newest result of window " +
                          feature.from + " for each " + feature.record_id + ", by " +
                          feature.event_time + ".");
  }
  stage.lines.push_back("Dead letters go to " + spec.dead_letter_topic +
                        " with the original record, the cause and the stage.");
  return stage;
}

std::string purpose_of(const std::string& topic, const Spec& spec, const Pipeline& plan) {
  if (topic == spec.source.topic) return "source";
  if (topic == spec.dead_letter_topic) return "dead letters";
  for (const auto output : plan.source.enriched_outputs) {
    if (plan.source.outputs[output].topic == topic) return "enriched events";
  }
  for (const auto& window : spec.windows) {
    if (window.emit_to == topic) return "results of window " + window.name;
    if (pipeline::partials_topic(plan.name, window.name) == topic) {
      return "partial results of window " + window.name;
    }
    if (pipeline::journal_topic(plan.name, window.name) == topic) {
      return "journal of the merging tasks of window " + window.name;
    }
  }
  if (pipeline::journal_topic(plan.name, std::string(pipeline::kSourceStage)) == topic) {
    return "journal of the source tasks";
  }
  if (pipeline::tables_topic(plan.name) == topic) return "versions of look-up tables";
  for (const auto& feature : spec.features) {
    if (pipeline::feature_topic(feature.group) == topic) {
      return "log of feature group " + feature.group;
    }
  }
  return "internal";
}

}  // namespace

std::string duration_text(std::int64_t duration_us) {
  struct Unit {
    std::int64_t us;
    const char* name;
  };
  constexpr Unit kUnits[] = {{86'400'000'000, "d"},
                             {3'600'000'000, "h"},
                             {60'000'000, "m"},
                             {1'000'000, "s"},
                             {1'000, "ms"}};
  for (const auto& unit : kUnits) {
    const bool is_one_day = unit.us == kUnits[0].us && duration_us == unit.us;
    if (duration_us < unit.us || duration_us % unit.us != 0 || is_one_day) continue;
    return std::to_string(duration_us / unit.us) + unit.name;
  }
  return duration_us == 0 ? "0s" : std::to_string(duration_us) + "us";
}

PipelineExplanation explain_pipeline(const Spec& spec, const Pipeline& plan) {
  MR_CHECK(spec.name == plan.name);
  PipelineExplanation out;
  out.stages.push_back(explain_source(spec, plan));
  out.stages.push_back(explain_checks(spec));
  if (spec.dedup) out.stages.push_back(explain_dedup(spec));
  if (!spec.tables.empty() || !spec.fields.empty()) out.stages.push_back(explain_enrichment(spec));
  for (const auto& window : spec.windows) {
    out.stages.push_back(explain_window(spec, window, plan));
  }
  out.stages.push_back(explain_sinks(spec, plan));
  for (const auto& need : plan.topics) {
    out.topics.push_back(
        {need.name, need.partition_count, need.is_internal, purpose_of(need.name, spec, plan)});
  }
  return out;
}

}  // namespace millrace::app
