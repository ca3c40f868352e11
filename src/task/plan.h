#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/json_schema.h"
#include "expr/expr.h"
#include "model/row.h"
#include "task/aggregate.h"
#include "task/outputs.h"
#include "task/watermark.h"

// What a stage does, as data: made once from a checked pipeline file (pipeline/build.h), immutable,
// shared by all tasks of the stage. Names of topics are indexes into `outputs`.

namespace millrace::task {

struct Rule {
  std::string name;
  std::string message;  // what a dead letter says when the rule does not hold
  expr::Program program;
};

struct ComputedField {
  std::size_t slot = 0;  // in the row
  expr::Program program;
};

struct AggregateCall {
  std::string name;  // of the result's member
  AggregateKind kind = AggregateKind::count;
  int digits = 4;                         // avg only
  std::optional<expr::Program> argument;  // over the row; none for count()
};

// A member of a window's result computed from the others: fields of its environment are the key,
// window_start, window_end, the aggregates in order.
struct ResultField {
  std::string name;
  expr::Program program;
};

// Outputs of a window's results.
struct WindowResults {
  std::size_t results_output = 0;
  std::optional<std::size_t> feature_output;  // the feature group's log topic
};

struct Window {
  std::string name;
  std::string key_name;              // the result's member that holds the key
  std::optional<expr::Program> key;  // over the row; none: one window for everything
  std::int64_t length_us = 0;
  std::int64_t every_us = 0;  // == length_us for tumbling
  std::int64_t allowed_lateness_us = 0;
  // Keys over all open panes of one task; an event that needs more is dead-lettered.
  std::size_t open_keys_max = 1'000'000;
  // window_start and window_end of results: milliseconds since 1970 instead of RFC 3339 texts. Only
  // where length_us and every_us are whole milliseconds.
  bool is_time_in_ms = false;
  std::vector<AggregateCall> aggregates;
  std::vector<ResultField> fields;
  // Set where the window's key is the partition key: results leave from the source task. Otherwise
  // partial results go to `partials_output`, and a merging task makes the results.
  std::optional<WindowResults> local;
  std::size_t partials_output = 0;
};

struct DedupPlan {
  expr::Program id;
  std::int64_t ttl_us = 0;
  bool is_dead_lettered = true;  // else dropped and counted
  std::uint64_t hash_secret = 0;
};

// Of what the ids depend on, but for the secret.
std::uint64_t definition_hash(const DedupPlan& dedup);

struct SourcePlan {
  std::string pipeline;  // "ticks@1", the value of header millrace-pipeline
  std::int32_t version = 1;
  std::string source_topic;
  std::int32_t source_partition_count = 1;
  std::string dead_letter_id_name;  // an alias under which attempted_id appears, too; may be empty

  RowLayout layout;  // schema fields, then computed fields
  std::size_t schema_field_count = 0;
  std::shared_ptr<const codec::JsonSchema> schema;
  std::optional<std::size_t> key_slot;
  std::size_t event_time_slot = 0;
  std::vector<Rule> rules;
  std::int64_t max_ahead_us = 3'600'000'000;
  WatermarkConfig watermark;
  std::optional<DedupPlan> dedup;
  std::vector<std::string> tables;
  std::vector<ComputedField> computed;
  std::vector<Window> windows;

  std::vector<OutputTopic> outputs;
  std::vector<std::size_t> enriched_outputs;
  std::size_t dead_letter_output = 0;
};

// A merging stage: one window whose key is not the partition key. `window.local` says where results
// go.
struct MergePlan {
  std::string pipeline;
  std::int32_t version = 1;
  std::string repartition_topic;
  std::int32_t upstream_partition_count = 1;  // source tasks whose watermarks are awaited
  Window window;
  std::vector<OutputTopic> outputs;
  // For partial results that find no room; none in plans that never refuse any.
  std::optional<std::size_t> dead_letter_output;
};

}  // namespace millrace::task
