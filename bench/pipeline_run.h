#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/tick_generator.h"
#include "pipeline/pipeline.h"

// The ticks pipeline as users run it, in this process: embedded log, runtime, pipelines/ticks.yaml,
// durable commits. The backlog is in the log before the clock starts; the CPU of all threads
// counts, recovery of the empty task, the drain to segments and the firing of every window
// included.

namespace millrace::bench {

struct PipelineRunOptions {
  std::string folder = ".";   // data goes to FOLDER/bench-data, removed at the end
  std::string project = ".";  // where pipelines/ and schemas/ are
  int parallelism = 1;
  bool is_synced = true;
};

struct PipelineRunResult {
  TickTallies tallies;
  std::int64_t produce_cpu_ns = 0;  // of putting the backlog into the log
  std::int64_t cpu_ns = 0;          // of processing it, whole process
  std::int64_t wall_ns = 0;
  std::int64_t sync_count = 0;
  std::int64_t commit_count = 0;
  std::int64_t input_bytes = 0;    // record batches, as stored
  std::int64_t written_bytes = 0;  // WAL and segments, while processing
  std::int64_t memory_bytes_max = 0;

  [[nodiscard]] double events_per_cpu_second() const {
    return static_cast<double>(tallies.event_count) / static_cast<double>(cpu_ns) * 1e9;
  }
};

Result<PipelineRunResult> run_pipeline(const TickInput& input, const PipelineRunOptions& options);

// The shipped pipeline with the input's partition count and table.
Result<std::unique_ptr<pipeline::Pipeline>> build_ticks(const TickInput& input,
                                                        const PipelineRunOptions& options);

// What a part of the tasks' work costs, in nanoseconds of CPU per event.
struct StageCost {
  std::string name;
  double total_ns = 0;  // of everything up to this stage, median of the repeats
  double own_ns = 0;    // the difference to the stage before
};

// The same tasks without log, commits and disk, on one thread, in variants of the plan that do more
// and more; the last is the whole: decode to finished output batches. The variants take turns, so
// that a drifting machine treats them alike; nothing in the tasks is there for measuring.
Result<std::vector<StageCost>> run_stages(const TickInput& input, const PipelineRunOptions& options,
                                          std::int64_t repeat_count);

// Commits of one small batch, each awaited before the next: what a lone writer waits for
// durability.
struct CommitLatency {
  std::int64_t p50_ns = 0;
  std::int64_t p99_ns = 0;
};
Result<CommitLatency> run_commits(const PipelineRunOptions& options, int commit_count);

}  // namespace millrace::bench
