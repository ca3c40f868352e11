#include <nlohmann/json.hpp>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/installed_pipeline.h"
#include "app/pipeline_explanation.h"
#include "app/pipeline_files.h"
#include "app/printing.h"
#include "app/verbs.h"
#include "base/check.h"
#include "pipeline/spec.h"
#include "pipeline/yaml_document.h"
#include "sys/file_system.h"

// Pipeline files, looked at without running them.

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

// How the file stands to the version that an installation runs.
enum class Comparison : std::uint8_t { absent, same, newer, older, changed };

std::string_view to_string(Comparison comparison) {
  switch (comparison) {
    case Comparison::absent:
      return "absent";
    case Comparison::same:
      return "same";
    case Comparison::newer:
      return "newer";
    case Comparison::older:
      return "older";
    case Comparison::changed:
      return "changed";
  }
  return "unknown";
}

Comparison compare(const pipeline::Pipeline& plan, const Installation& installation) {
  const auto& known = installation.pipeline;
  if (!known) return Comparison::absent;
  if (plan.version > known->version) return Comparison::newer;
  if (plan.version < known->version) return Comparison::older;
  return plan.file == known->file ? Comparison::same : Comparison::changed;
}

std::string in_words(Comparison comparison, const pipeline::Pipeline& plan,
                     const Installation& installation) {
  auto name = "pipeline " + plan.name + " version " + std::to_string(plan.version);
  switch (comparison) {
    case Comparison::absent:
      return name + " has never run there";
    case Comparison::same:
      return name + " is in force there, with this content";
    case Comparison::newer:
      return name + " would follow version " + std::to_string(installation.pipeline->version);
    case Comparison::older:
      return "version " + std::to_string(installation.pipeline->version) +
             " is in force there; give the file a version above it";
    case Comparison::changed: {
      auto difference = runtime::describe_difference(installation.pipeline->text, plan.text);
      if (difference.empty()) difference = " its schema is another one";
      return name + " is in force there with another content; raise its version:" + difference;
    }
  }
  return name;
}

Json diagnostics_json(const std::vector<pipeline::Diagnostic>& errors) {
  Json list = Json::array();
  for (const auto& error : errors) {
    list.push_back({{"file", error.file},
                    {"line", error.line},
                    {"column", error.column},
                    {"path", error.path},
                    {"message", error.message}});
  }
  return list;
}

Json topics_json(const pipeline::Pipeline& plan, const Installation& installation) {
  Json topics = Json::array();
  for (const auto& need : plan.topics) {
    topics.push_back({{"topic", need.name},
                      {"partitions", need.partition_count},
                      {"internal", need.is_internal},
                      {"exists", installation.partition_counts.contains(need.name)}});
  }
  return topics;
}

Json takeover_json(const ForeseenTakeover& foreseen, const std::string& name) {
  Json lost = Json::array();
  for (const auto& [stage, what] : foreseen.takeover.lost) {
    lost.push_back({{"stage", stage},
                    {"window", what.window.empty() ? Json() : Json(what.window)},
                    {"open_panes", what.open_panes},
                    {"open_keys", what.open_keys},
                    {"ids", what.ids},
                    {"records", what.records}});
  }
  return {{"from_version", foreseen.takeover.from_version},
          {"lost", lost},
          {"begins_empty", foreseen.takeover.begun},
          {"needs_clean_stop", foreseen.is_running},
          {"accept_with", lost.empty() ? Json() : Json("--accept-state-loss " + name)}};
}

std::string takeover_in_words(const ForeseenTakeover& foreseen) {
  std::string text;
  if (foreseen.fault.empty()) text = "its state is compatible: all of it would be taken over";
  const auto begun = runtime::begun_in_words(foreseen.takeover.begun);
  if (!begun.empty()) text += (text.empty() ? "" : "\n") + begun;
  if (foreseen.is_running) {
    text += std::string(text.empty() ? "" : "\n") +
            "it runs: the new version can start once it was stopped with SIGTERM";
  }
  return text;
}

// What `--against` adds. `fault` is what `up` would refuse.
struct Against {
  Json json;
  std::string words;
  std::string fault;
};

Result<Against> check_against(const PipelineFileOptions& options, const PipelineFile& file,
                              pipeline::BuildOutcome& outcome) {
  MR_CHECK(outcome.pipeline != nullptr);
  MR_ASSIGN_OR_RETURN(const auto installation,
                      read_installation(options.against, outcome.pipeline->name));
  const auto version = outcome.pipeline->version;
  const auto comparison = compare(*outcome.pipeline, installation);
  Against against;
  against.words = in_words(comparison, *outcome.pipeline, installation);
  against.json = {
      {"where", options.against},
      {"state", to_string(comparison)},
      {"version", version},
      {"installed_version", installation.pipeline ? Json(installation.pipeline->version) : Json()},
      {"message", against.words}};
  if (comparison == Comparison::older || comparison == Comparison::changed) {
    against.fault = against.words;
  }
  // Once more, with the partitions that are there.
  PipelineFileContext context;
  context.existing = installation.partition_counts;
  context.hash_secret = installation.hash_secret;
  outcome = build_pipeline_file(file, context);
  if (outcome.pipeline == nullptr) return against;
  against.json["topics"] = topics_json(*outcome.pipeline, installation);
  const auto count = outcome.pipeline->source.source_partition_count;
  if (installation.pipeline && installation.pipeline->source_partition_count != count) {
    against.fault = "topic " + outcome.pipeline->source.source_topic + " has " +
                    std::to_string(count) + " partitions, the pipeline began with " +
                    std::to_string(installation.pipeline->source_partition_count);
    return against;
  }
  if (comparison != Comparison::newer) return against;
  MR_ASSIGN_OR_RETURN(const auto foreseen,
                      foresee_takeover(options.against, *outcome.pipeline, installation));
  against.fault = foreseen.fault;
  against.json["takeover"] = takeover_json(foreseen, outcome.pipeline->source.pipeline);
  const auto words = takeover_in_words(foreseen);
  if (!words.empty()) against.words += "\n" + words;
  against.json["message"] = against.words;
  return against;
}

void print_check(const pipeline::BuildOutcome& outcome, const std::optional<Against>& against) {
  std::string text;
  for (const auto& error : outcome.errors) text += pipeline::to_string(error) + "\n";
  if (outcome.pipeline != nullptr) {
    for (const auto& warning : outcome.pipeline->warnings) text += "warning: " + warning + "\n";
  }
  if (against) {
    text += against->words + "\n";
    if (!against->fault.empty() && against->fault != against->words) text += against->fault + "\n";
    if (against->json.contains("topics")) {
      text += format_table({"topic", "partitions", "exists"}, against->json["topics"]);
    }
  }
  if (outcome.errors.empty() && (!against || against->fault.empty())) text += "no faults\n";
  print_text(text);
}

}  // namespace

int run_pipeline_check(const PipelineFileOptions& options) {
  sys::PosixFileSystem files;
  const auto file = read_pipeline_file(files, options.file);
  if (!file.is_ok()) return report_wrong_use(file.status());
  auto outcome = build_pipeline_file(*file, {});
  std::optional<Against> against;
  if (outcome.pipeline != nullptr && !options.against.empty()) {
    auto checked = check_against(options, *file, outcome);
    if (!checked.is_ok()) return report_failure(checked.status());
    against = std::move(checked).value();
  }
  const bool is_ok = outcome.errors.empty() && (!against || against->fault.empty());
  if (options.output == OutputFormat::json) {
    const auto* plan = outcome.pipeline.get();
    Json json{{"ok", is_ok},
              {"file", options.file},
              {"pipeline", plan == nullptr ? Json() : Json(plan->name)},
              {"version", plan == nullptr ? Json() : Json(plan->version)},
              {"errors", diagnostics_json(outcome.errors)},
              {"warnings", plan == nullptr ? Json::array() : Json(plan->warnings)}};
    if (against) {
      json["against"] = against->json;
      json["against"]["fault"] = against->fault.empty() ? Json() : Json(against->fault);
    }
    print_json(json);
  } else {
    print_check(outcome, against);
  }
  return is_ok ? kExitOk : kExitUsage;
}

int run_pipeline_explain(const PipelineFileOptions& options) {
  sys::PosixFileSystem files;
  const auto file = read_pipeline_file(files, options.file);
  if (!file.is_ok()) return report_wrong_use(file.status());
  const auto outcome = build_pipeline_file(*file, {});
  if (outcome.pipeline == nullptr) {
    print_check(outcome, std::nullopt);
    return kExitUsage;
  }
  std::vector<pipeline::Diagnostic> errors;
  const auto document = pipeline::YamlDocument::parse(file->text, errors);
  MR_CHECK(document != nullptr);  // it was built above
  const auto spec = pipeline::read_spec(document->value(), [](const std::string&, std::string) {});
  const auto explained = explain_pipeline(spec, *outcome.pipeline);
  Json topics = Json::array();
  for (const auto& topic : explained.topics) {
    topics.push_back({{"topic", topic.topic},
                      {"partitions", topic.partitions},
                      {"internal", topic.is_internal},
                      {"purpose", topic.purpose}});
  }
  if (options.output == OutputFormat::json) {
    Json stages = Json::array();
    for (const auto& stage : explained.stages) {
      stages.push_back({{"stage", stage.title}, {"lines", stage.lines}});
    }
    print_json({{"pipeline", spec.name},
                {"version", spec.version},
                {"stages", stages},
                {"topics", topics}});
    return kExitOk;
  }
  std::string text = "pipeline " + spec.name + ", version " + std::to_string(spec.version) + "\n";
  for (const auto& stage : explained.stages) {
    text += "\n" + stage.title + "\n";
    for (const auto& line : stage.lines) text += "  " + line + "\n";
  }
  print_text(text + "\n" + format_table({"topic", "partitions", "purpose"}, topics));
  return kExitOk;
}

}  // namespace millrace::app
