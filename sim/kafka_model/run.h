#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace millrace::kafka_model {

struct RunOptions {
  std::uint64_t seed = 1;
  bool is_tracing = false;
};

using Census = std::map<std::string, std::uint64_t, std::less<>>;

struct RunResult {
  std::vector<std::string> failures;  // empty: everything held
  Census census;
  std::uint64_t trace_hash = 0;  // equal for equal runs
  double simulated_s = 0;
};

// One random run, decided by the seed alone: processes that share a pipeline on a cluster, with
// every kind of fault; then rest, and the checks of check.h.
RunResult run_seed(const RunOptions& options);

// One fixed run for R5: a successor does not wait until the brokers give up what its dead
// predecessor had open.
RunResult run_takeover(bool is_tracing);

// What must have happened in any long series of runs and did not.
std::vector<std::string> missing_in(const Census& census);

}  // namespace millrace::kafka_model
