#pragma once

#include <cstdint>
#include <string>

#include "bench/tick_generator.h"

// The ceiling: the ticks job as a program would do it that can do nothing else. One thread decodes
// the input batches, checks, deduplicates, enriches, keeps one-minute windows and writes output,
// result and dead-letter batches into one write-ahead log; a second thread writes and syncs that
// log. No topics, no recovery, no snapshots, no configuration. What the whole system does for an
// event is judged as a share of what this does.

namespace millrace::bench {

struct CeilingOptions {
  std::string folder = ".";  // the log is FOLDER/ceiling.wal, removed at the end
  bool is_lz4 = true;        // of the output
  bool is_synced = true;
  bool keeps_log = false;  // for tests: leaves ceiling.wal behind
};

struct CeilingResult {
  TickTallies tallies;
  std::int64_t result_count = 0;  // window results, revisions included
  std::int64_t output_bytes = 0;  // of enriched JSON
  std::int64_t log_bytes = 0;
  std::int64_t sync_count = 0;
  std::int64_t worker_cpu_ns = 0;
  std::int64_t writer_cpu_ns = 0;
  std::int64_t wall_ns = 0;

  [[nodiscard]] double events_per_cpu_second() const {
    const auto cpu_ns = static_cast<double>(worker_cpu_ns + writer_cpu_ns);
    return static_cast<double>(tallies.event_count) / cpu_ns * 1e9;
  }
};

// `result.tallies == input.expected` unless the program is wrong; the caller checks it.
CeilingResult run_ceiling(const TickInput& input, const CeilingOptions& options);

}  // namespace millrace::bench
