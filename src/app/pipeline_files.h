#pragma once

#include <map>
#include <string>

#include "pipeline/pipeline.h"
#include "sys/file_system.h"

namespace millrace::app {

struct PipelineFileContext {
  pipeline::PartitionCounts existing;  // of the topics that are there
  pipeline::PartitionCounts
      configured;  // for topics that are to be made; the file's own count wins
  std::uint64_t hash_secret = 0;
  pipeline::LakeDefaults lake;
  bool are_unknown_members_faults = true;  // as in pipeline::BuildOptions
};

// A pipeline file and the files it names. Names in the file are looked for beside the file, then in
// the folder above it, then in the current folder.
struct PipelineFile {
  std::string path;
  std::string text;
  std::map<std::string, std::string> named;  // contents
};
Result<PipelineFile> read_pipeline_file(sys::FileSystem& files, const std::string& path);

pipeline::BuildOutcome build_pipeline_file(const PipelineFile& file,
                                           const PipelineFileContext& context);
// Both; a file that cannot be read is one of the errors.
pipeline::BuildOutcome build_pipeline_file(sys::FileSystem& files, const std::string& path,
                                           const PipelineFileContext& context);

}  // namespace millrace::app
