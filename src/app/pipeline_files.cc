#include "app/pipeline_files.h"

#include <filesystem>

namespace millrace::app {

pipeline::BuildOutcome build_pipeline_file(sys::FileSystem& files, const std::string& path,
                                           const pipeline::PartitionCounts& partition_counts,
                                           std::uint64_t hash_secret) {
  pipeline::BuildOptions options;
  options.file_name = path;
  options.partition_counts = partition_counts;
  options.hash_secret = hash_secret;
  auto text = files.read_file(path);
  if (!text.is_ok()) {
    pipeline::BuildOutcome outcome;
    outcome.errors.push_back({path, 0, 0, "", std::string(text.status().message())});
    return outcome;
  }
  options.text = std::move(text).value();
  const auto folder = std::filesystem::path(path).parent_path();
  for (const auto& name : pipeline::files_named(options.text)) {
    for (const auto& base : {folder, folder / "..", std::filesystem::path(".")}) {
      auto content = files.read_file((base / name).string());
      if (!content.is_ok()) continue;
      options.files[name] = std::move(content).value();
      break;
    }
  }
  return pipeline::build_pipeline(options);
}

}  // namespace millrace::app
