#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/value.h"
#include "pipeline/pipeline.h"
#include "task/aggregate.h"

namespace millrace::pipeline {

// The pipeline file as typed values, before names and expressions are resolved. `path` members are
// JSON pointers into the file, for diagnostics.

struct ExpressionSpec {
  std::string text;
  std::string path;
};

struct SourceSpec {
  std::string topic;
  std::string key;
  std::string event_time;
  std::int64_t out_of_orderness_us = 0;
  std::int64_t max_ahead_us = 3'600'000'000;
  std::int64_t max_jump_us = 86'400'000'000;
  std::int32_t jump_confirmations = 10;
  IdlePolicy idle;
  std::optional<std::int32_t> partitions;
};

struct RuleSpec {
  std::string name;
  std::string message;  // defaults to the name and the expression
  ExpressionSpec expression;
};

struct DedupSpec {
  ExpressionSpec id;
  std::int64_t ttl_us = 86'400'000'000;
  bool is_dead_lettered = true;
};

struct TableSpec {
  std::string name;
  std::string file;
  std::string key;
  task::TableFormat format = task::TableFormat::csv;
  std::string path;
};

struct FieldSpec {
  std::string name;
  ExpressionSpec expression;
  std::string type = {};  // as declared; must be what the expression gives
};

struct AggregateSpec {
  std::string name;
  task::AggregateKind kind = task::AggregateKind::count;
  int digits = 4;
  std::optional<ExpressionSpec> argument;
  std::string path;
};

struct WindowSpec {
  std::string name;
  ExpressionSpec key;  // empty text: no key
  std::int64_t length_us = 0;
  std::int64_t every_us = 0;
  std::int64_t allowed_lateness_us = 0;
  std::int64_t open_keys_max = 1'000'000;
  bool is_time_in_ms = false;  // times: epoch_ms
  std::vector<AggregateSpec> aggregates;
  std::vector<FieldSpec> fields;
  std::string emit_to;
  std::string path;
};

struct LakeSpec {
  std::string name;
  bool is_parquet = true;
  std::string compression;  // empty: as by default
  std::vector<std::string> partition_by;
  std::optional<std::int64_t> roll_bytes;
  std::optional<std::int64_t> roll_interval_ms;
  std::string path;
};

struct FeatureSpec {
  std::string group;
  std::string from;
  std::string record_id;
  std::string event_time = "window_end";
  std::string path;
};

struct Spec {
  std::string name;
  std::int32_t version = 1;
  SourceSpec source;
  std::string schema_file;
  std::vector<RuleSpec> rules;
  std::optional<DedupSpec> dedup;
  std::vector<TableSpec> tables;
  std::vector<FieldSpec> fields;
  std::vector<WindowSpec> windows;
  std::vector<std::string> topics;  // of sinks: topic
  std::vector<LakeSpec> lakes;
  std::vector<FeatureSpec> features;
  std::string dead_letter_topic = "dlq_topic";
  std::string dead_letter_id_name;
};

// Called for each fault: where (JSON pointer) and what would be right.
using ReportFault = std::function<void(const std::string& path, std::string message)>;

// Reads a document that the published schema has accepted; faults that a JSON Schema cannot express
// (units, aggregate calls) are reported.
Spec read_spec(const Value& document, const ReportFault& report);

// Longer durations are refused, so that sums of times and durations stay far from overflow.
inline constexpr std::int64_t kDurationUsMax = std::int64_t{36'500} * 86'400'000'000;

// "30s", "250ms", "24h", "1d" -> microseconds; "64MiB", "1MB", "4096" -> bytes. nullopt when
// malformed or too large for 64 bits.
std::optional<std::int64_t> parse_duration_us(std::string_view text);
std::optional<std::int64_t> parse_bytes(std::string_view text);

}  // namespace millrace::pipeline
