#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "task/plan.h"
#include "task/table.h"

namespace millrace::pipeline {

// A topic the pipeline needs, and what it is made with if it is not there yet.
struct TopicNeed {
  std::string name;
  std::int32_t partition_count = 1;
  bool is_internal = false;
  bool is_compacted = false;
};

struct TableFile {
  std::string name;
  task::TableFormat format = task::TableFormat::csv;
  std::string key;
  std::string content;
};

// A lake delivery: the enriched events of `topic` as files.
struct LakeSink {
  std::string name;
  std::string topic;
  bool is_parquet = true;   // else JSON lines
  std::string compression;  // parquet: zstd, snappy, gzip, none; json: gzip, zstd, none
  std::vector<std::string>
      partition_by;  // year, month, day, hour of the event time, or field names
  std::int64_t roll_bytes = 64 << 20;
  std::int64_t roll_interval_ms = 60'000;
  std::size_t event_time_slot = 0;  // in layout
};

struct FeatureSink {
  std::string group;
  std::string topic;       // the group's log
  std::string record_id;   // member of the window's result
  std::string event_time;  // member of the window's result
  std::int32_t partition_count = 1;
};

// Durations that only the runtime needs.
struct IdlePolicy {
  enum class Advance : std::uint8_t { automatic, on, off };
  Advance advance = Advance::automatic;
  std::int64_t idle_after_ms = 30'000;
};

// A checked pipeline, ready to run. Immutable; the plans are shared by all its tasks.
struct Pipeline {
  std::string name;
  std::int32_t version = 1;
  std::string text;  // of the file, as written
  Hash128 file;      // of everything that gives the pipeline its meaning: text, schema, operators
  task::SourcePlan source;
  std::vector<task::MergePlan> merges;
  IdlePolicy idle;
  std::vector<TopicNeed> topics;
  std::vector<TableFile> tables;
  std::vector<LakeSink> lakes;
  std::vector<FeatureSink> features;
  std::vector<std::string> warnings;
};

// Names of what belongs to a pipeline, made in one place.
std::string journal_topic(const std::string& pipeline, const std::string& stage);
std::string consumer_group(const std::string& pipeline, const std::string& stage);
std::string partials_topic(const std::string& pipeline, const std::string& window);
std::string tables_topic(const std::string& pipeline);
std::string progress_topic(const std::string& pipeline);
std::string feature_topic(const std::string& group);
inline constexpr std::string_view kSourceStage = "source";
// Where every pipeline version in force was filed, keyed by pipeline.
inline constexpr std::string_view kRegistryTopic = "millrace.pipelines";

// One fault of a pipeline file; line and column are 1-based, 0 where there is none.
struct Diagnostic {
  std::string file;
  int line = 0;
  int column = 0;
  std::string path;  // "/windows/0/aggregates/avg_price"
  std::string message;
};
// "pipelines/ticks.yaml:12:7: windows[0].tumblin: unknown key; did you mean tumbling?"
std::string to_string(const Diagnostic& diagnostic);

// Existing partition counts by topic, so that the plan fits what is there.
using PartitionCounts = std::map<std::string, std::int32_t>;

// What a lake sink takes where the file says nothing: the installation's buffer settings.
struct LakeDefaults {
  std::int64_t roll_bytes = 64 << 20;
  std::int64_t roll_interval_ms = 60'000;
  std::string compression;  // empty: zstd for Parquet, gzip for JSON lines
};

struct BuildOptions {
  std::string file_name;  // for diagnostics
  std::string text;       // the YAML
  // Contents of files the pipeline names (schema, tables), by the name as written.
  std::map<std::string, std::string> files;
  PartitionCounts partition_counts;
  std::int32_t default_partition_count = 4;
  std::uint64_t hash_secret = 0;  // of the installation
  LakeDefaults lake;
  // Whether columns that a table's file does not have, and fields that a closed object of the
  // schema cannot have, are faults of the expressions that name them; else warnings. They are
  // warnings for a version that is in force: it goes on with whatever table it is given.
  bool are_unknown_members_faults = true;
};

struct BuildOutcome {
  std::unique_ptr<Pipeline> pipeline;  // null when there are errors
  std::vector<Diagnostic> errors;
};

// Files that the pipeline text names, so that the caller can read them. Empty on unreadable YAML.
std::vector<std::string> files_named(const std::string& text);

// Parses, checks and compiles. Pure: no I/O.
BuildOutcome build_pipeline(const BuildOptions& options);

}  // namespace millrace::pipeline
