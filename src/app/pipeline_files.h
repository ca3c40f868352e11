#pragma once

#include <string>

#include "pipeline/pipeline.h"
#include "sys/file_system.h"

namespace millrace::app {

// Reads a pipeline file and the files it names, and builds it. Names in the file are looked for beside the file,
// then in the folder above it, then in the current folder.
pipeline::BuildOutcome build_pipeline_file(sys::FileSystem& files, const std::string& path,
                                           const pipeline::PartitionCounts& partition_counts,
                                           std::uint64_t hash_secret);

}  // namespace millrace::app
