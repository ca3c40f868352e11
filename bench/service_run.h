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
};

// Prints as it goes.
Status run_service(const ServiceRunOptions& options);

}  // namespace millrace::bench
