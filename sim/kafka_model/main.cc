#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "sim/kafka_model/run.h"

// millrace_kafka_sim [--from SEED] [--seeds N] [--trace] [--census] [--keep-going]
//
// Runs the seeds one after the other. Status 1 when a check failed, 2 when --census was given and
// something that must happen over so many seeds never did.
int main(int argc, char** argv) {
  std::uint64_t from = 1;
  std::uint64_t count = 1;
  bool is_tracing = false;
  bool wants_census = false;
  bool keeps_going = false;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--trace") is_tracing = true;
    if (name == "--census") wants_census = true;
    if (name == "--keep-going") keeps_going = true;
    if (i + 1 < argc && name == "--from") from = std::strtoull(argv[++i], nullptr, 10);
    if (i + 1 < argc && name == "--seeds") count = std::strtoull(argv[++i], nullptr, 10);
  }
  using millrace::kafka_model::Census;
  Census census;
  double simulated_s = 0;
  std::uint64_t failed = 0;
  // Seed 0 stands for the fixed run, which comes first.
  for (std::uint64_t i = 0; i <= count; ++i) {
    const auto seed = i == 0 ? 0 : from + i - 1;
    const auto result = seed == 0 ? millrace::kafka_model::run_takeover(is_tracing)
                                  : millrace::kafka_model::run_seed({seed, is_tracing});
    for (const auto& [what, times] : result.census) census[what] += times;
    simulated_s += result.simulated_s;
    if (result.failures.empty()) continue;
    ++failed;
    std::printf("seed %" PRIu64 " failed:\n", seed);
    for (const auto& failure : result.failures) std::printf("  %s\n", failure.c_str());
    std::fflush(stdout);
    if (!keeps_going) break;
  }
  for (const auto& [what, times] : census) std::printf("%10" PRIu64 "  %s\n", times, what.c_str());
  std::printf("%" PRIu64 " seeds, %" PRIu64 " failed, %.0f simulated seconds\n", count, failed,
              simulated_s);
  if (failed > 0) return 1;
  const auto missing = millrace::kafka_model::missing_in(census);
  if (!wants_census || missing.empty()) return 0;
  for (const auto& what : missing) std::printf("never happened: %s\n", what.c_str());
  return 2;
}
