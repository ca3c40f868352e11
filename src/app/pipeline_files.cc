#include "app/pipeline_files.h"

#include <filesystem>
#include <optional>

#include "pipeline/yaml_document.h"

namespace millrace::app {
namespace {

std::optional<Value> member(const Value& map, std::string_view name) {
  if (map.kind() != ValueKind::map) return std::nullopt;
  for (const auto& entry : map.as_map()) {
    if (entry.key.as_string() == name) return entry.value;
  }
  return std::nullopt;
}

// The source topic, if the file itself says how many partitions it has.
std::optional<std::string> topic_with_own_count(const std::string& text) {
  std::vector<pipeline::Diagnostic> errors;
  const auto document = pipeline::YamlDocument::parse(text, errors);
  if (document == nullptr) return std::nullopt;
  const auto source = member(document->value(), "source");
  if (!source || !member(*source, "partitions")) return std::nullopt;
  const auto topic = member(*source, "topic");
  if (!topic || topic->kind() != ValueKind::string) return std::nullopt;
  return std::string(topic->as_string());
}

}  // namespace

Result<PipelineFile> read_pipeline_file(sys::FileSystem& files, const std::string& path) {
  PipelineFile file;
  file.path = path;
  MR_ASSIGN_OR_RETURN(file.text, files.read_file(path));
  const auto folder = std::filesystem::path(path).parent_path();
  for (const auto& name : pipeline::files_named(file.text)) {
    for (const auto& base : {folder, folder / "..", std::filesystem::path(".")}) {
      auto content = files.read_file((base / name).string());
      if (!content.is_ok()) continue;
      file.named[name] = std::move(content).value();
      break;
    }
  }
  return file;
}

pipeline::BuildOutcome build_pipeline_file(const PipelineFile& file,
                                           const PipelineFileContext& context) {
  pipeline::BuildOptions options;
  options.file_name = file.path;
  options.text = file.text;
  options.files = file.named;
  options.hash_secret = context.hash_secret;
  options.lake = context.lake;
  options.are_unknown_members_faults = context.are_unknown_members_faults;
  options.partition_counts = context.configured;
  if (const auto topic = topic_with_own_count(file.text)) options.partition_counts.erase(*topic);
  for (const auto& [topic, count] : context.existing) options.partition_counts[topic] = count;
  return pipeline::build_pipeline(options);
}

pipeline::BuildOutcome build_pipeline_file(sys::FileSystem& files, const std::string& path,
                                           const PipelineFileContext& context) {
  const auto file = read_pipeline_file(files, path);
  if (file.is_ok()) return build_pipeline_file(*file, context);
  pipeline::BuildOutcome outcome;
  outcome.errors.push_back({path, 0, 0, "", std::string(file.status().message())});
  return outcome;
}

}  // namespace millrace::app
