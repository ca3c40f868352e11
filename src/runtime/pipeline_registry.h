#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "log/log.h"
#include "runtime/pipeline_upgrade.h"

namespace millrace::runtime {

// Which version of each pipeline is in force: the newest record per pipeline in topic
// millrace.pipelines.
struct RegisteredPipeline {
  std::string name;
  std::int32_t version = 0;
  Hash128 file;
  std::int32_t source_partition_count = 0;
  std::string text;
  std::vector<LostState> lost = {};  // of the version before, when this one took over
};

// A record of the registry: its key is the pipeline's name.
Result<RegisteredPipeline> decode_registered(std::string_view name, std::string_view value);

// `overloaded`: again, see make_needed_topic().
Status create_registry(log::Log& log);
// Nothing when there is no registry yet.
Result<std::optional<RegisteredPipeline>> find_registered(const log::Log& log,
                                                          const std::string& name);
// The newest value of any record of the registry.
Result<std::optional<std::string>> find_registry_record(const log::Log& log, std::string_view key);
// For the commit that puts the version in force. `beside`: further records, key and value.
log::AppendBatch registration_batch(
    const RegisteredPipeline& pipeline, WallTime now,
    const std::vector<std::pair<std::string, std::string>>& beside = {});
Status register_pipeline(log::Log& log, const RegisteredPipeline& pipeline, WallTime now);

// The first differing lines of two texts, for people.
std::string describe_difference(const std::string& before, const std::string& after);

}  // namespace millrace::runtime
