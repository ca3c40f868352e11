#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "bench/tick_generator.h"

namespace millrace::bench {

// What clients in other processes see of the real binary: start, memory, exactly-once visible
// latency, feature look-ups.
struct ServiceRunOptions {
  std::string binary = "build/release/millrace";
  std::string folder = ".";
  TickOptions ticks;
  std::int64_t seconds = 10;  // of each rate
  std::int64_t events_per_second = 1'000;
  std::int64_t features_per_second = 5'000;
  std::int64_t ids = 5'000'000;  // of the state that a recovery brings back
  std::string project = ".";     // where schemas/ is
};

// All print as they go.
Status run_start(const ServiceRunOptions& options);     // start to ready; memory of an idle process
Status run_latency(const ServiceRunOptions& options);   // event to answer and reader; features
Status run_load(const ServiceRunOptions& options);      // CPU and memory of a backlog
Status run_recovery(const ServiceRunOptions& options);  // kill -9 to the first new output

}  // namespace millrace::bench
