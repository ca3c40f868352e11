#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "pipeline/pipeline.h"
#include "sim/profile.h"

// The two pipelines of the simulation, small twins of the shipped ones: "ticks" has its window in
// the source task, a lake and a feature group; "orders" has a table, and a window whose key comes
// from it, so that partial results travel through a repartition topic to merging tasks.

namespace millrace::sim {

// What pipelines and oracle agree on. Times in microseconds of event time.
inline constexpr std::int64_t kWindowUs = 200'000;
inline constexpr std::int64_t kLatenessUs = 300'000;
inline constexpr std::int64_t kOutOfOrderUs = 50'000;
inline constexpr std::int64_t kDedupTtlUs = 2'400'000;
inline constexpr std::int64_t kMaxAheadUs = 300'000'000;
inline constexpr std::int64_t kMaxJumpUs = 10'000'000;
inline constexpr std::int32_t kJumpConfirmations = 2;

struct PipelineNames {
  std::string pipeline;
  std::string input;
  std::string enriched;
  std::string results;
  std::string dead_letters;
  std::string window;
};
const PipelineNames& tick_names();
const PipelineNames& order_names();
inline constexpr const char* kFeatureGroup = "tick_features";
inline constexpr const char* kLakeSink = "tick_lake";

// The table of `orders`: which region a key is in, by the table's version.
std::string region_of(int table_version, const std::string& key);
inline constexpr int kKeyCount = 6;
std::string key_name(int index);

struct PipelineVersions {
  int ticks = 1;
  int orders = 1;
  int table = 1;
};
// Both, ready to run. `existing`: partition counts of topics that are there.
struct BuiltPipelines {
  std::unique_ptr<pipeline::Pipeline> ticks;
  std::unique_ptr<pipeline::Pipeline> orders;
};
BuiltPipelines build_pipelines(const Profile& profile, const PipelineVersions& versions,
                               const pipeline::PartitionCounts& existing);
std::string table_text(int table_version);

}  // namespace millrace::sim
