#include <algorithm>

#include "base/check.h"
#include "millrace_pipeline_embedded.h"
#include "pipeline/compile.h"
#include "pipeline/yaml_document.h"

namespace millrace::pipeline {
namespace {

constexpr std::string_view kPublishedSchema = "../../schemas/pipeline.schema.json";

// "/windows/0/aggregates/avg_price" -> "windows[0].aggregates.avg_price"
std::string readable_path(std::string_view pointer) {
  std::string out;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const auto part = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(part.size());
    const bool is_index = !part.empty() && std::all_of(part.begin(), part.end(),
                                                       [](char c) { return c >= '0' && c <= '9'; });
    if (is_index) {
      out += "[" + std::string(part) + "]";
    } else {
      out += (out.empty() ? "" : ".") + std::string(part);
    }
  }
  return out;
}

void add_names(const Value& document, std::string_view outer, std::string_view inner,
               std::vector<std::string>& names) {
  if (document.kind() != ValueKind::map) return;
  for (const auto& entry : document.as_map()) {
    if (entry.key.as_string() != outer || entry.value.kind() != ValueKind::map) continue;
    for (const auto& member : entry.value.as_map()) {
      if (member.key.as_string() != inner) continue;
      if (member.value.kind() == ValueKind::string) {
        names.emplace_back(member.value.as_string());
      } else if (member.value.kind() == ValueKind::map) {
        for (const auto& table : member.value.as_map()) {
          if (table.value.kind() != ValueKind::map) continue;
          for (const auto& field : table.value.as_map()) {
            if (field.key.as_string() == "file" && field.value.kind() == ValueKind::string) {
              names.emplace_back(field.value.as_string());
            }
          }
        }
      }
    }
  }
}

}  // namespace

std::string to_string(const Diagnostic& diagnostic) {
  std::string out = diagnostic.file;
  if (diagnostic.line > 0) {
    out += ":" + std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column);
  }
  const auto path = readable_path(diagnostic.path);
  if (!path.empty()) out += ": " + path;
  return out + ": " + diagnostic.message;
}

std::vector<std::string> files_named(const std::string& text) {
  std::vector<Diagnostic> errors;
  const auto document = YamlDocument::parse(text, errors);
  std::vector<std::string> names;
  if (document == nullptr) return names;
  add_names(document->value(), "validate", "schema", names);
  add_names(document->value(), "enrich", "tables", names);
  return names;
}

BuildOutcome build_pipeline(const BuildOptions& options) {
  BuildOutcome outcome;
  const auto document = YamlDocument::parse(options.text, outcome.errors);
  if (document != nullptr) {
    const auto text = millrace_pipeline_embedded_file(kPublishedSchema);
    MR_CHECK(text.has_value());
    const auto schema = codec::JsonSchema::compile(*text);
    MR_CHECK(schema.is_ok());
    outcome.errors = validate_yaml(*document, *schema);
    const ReportFault report = [&](const std::string& path, std::string message) {
      const auto position = document->position(path);
      outcome.errors.push_back({"", position.line, position.column, path, std::move(message)});
    };
    if (outcome.errors.empty()) {
      const auto spec = read_spec(document->value(), report);
      if (outcome.errors.empty()) outcome.pipeline = compile_spec(spec, options, report);
    }
  }
  for (auto& error : outcome.errors) error.file = options.file_name;
  if (!outcome.errors.empty()) outcome.pipeline = nullptr;
  MR_CHECK(outcome.pipeline != nullptr || !outcome.errors.empty());
  return outcome;
}

}  // namespace millrace::pipeline
