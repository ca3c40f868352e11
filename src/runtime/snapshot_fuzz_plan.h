#pragma once

#include <cstdio>
#include <memory>

#include "base/check.h"
#include "pipeline/pipeline.h"

// For fuzzing only: the pipeline whose tasks' states are restored, a window of each kind in it.

namespace millrace::runtime {

inline constexpr const char* kFuzzPipeline = R"yaml(
pipeline: p
source: { topic: in, key: k, event_time: t, partitions: 2 }
validate: { schema: s.json }
dedup: { id: id, ttl: 1h }
windows:
  - { name: w, key: k, tumbling: 1m, allowed_lateness: 1m, emit_to: out,
      aggregates: { n: count(), low: min(x), total: sum(x), mean: avg(x), last: last(x) } }
  - { name: all, sliding: { size: 2m, every: 1m }, emit_to: totals, aggregates: { n: count() } }
)yaml";
inline constexpr const char* kFuzzSchema = R"({"type":"object","properties":{
  "id":{"type":"string"},"k":{"type":"string"},"t":{"type":"string","format":"date-time"},
  "x":{"type":"string","format":"decimal"}}})";

inline std::unique_ptr<pipeline::Pipeline> snapshot_fuzz_plan() {
  pipeline::BuildOptions options;
  options.file_name = "p.yaml";
  options.text = kFuzzPipeline;
  options.files["s.json"] = kFuzzSchema;
  auto outcome = pipeline::build_pipeline(options);
  for (const auto& error : outcome.errors) std::fprintf(stderr, "%s\n", to_string(error).c_str());
  MR_CHECK(outcome.pipeline != nullptr && !outcome.pipeline->merges.empty());
  return std::move(outcome.pipeline);
}

}  // namespace millrace::runtime
