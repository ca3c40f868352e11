#include "sim/simulation.h"

#include <gtest/gtest.h>

namespace millrace::sim {
namespace {

// What is not the seed's must not count: addresses, hashes of them, the time.
TEST(Simulation, two_runs_of_one_seed_are_the_same_step_for_step) {
  for (const std::uint64_t seed : {1, 5, 14}) {
    const auto first = simulate(seed, false);
    // Other addresses than before.
    const std::vector<std::string> ballast(1000, std::string(77, 'x'));
    const auto again = simulate(seed, false);
    EXPECT_EQ(first.trace_hash, again.trace_hash) << seed;
    EXPECT_EQ(first.steps, again.steps) << seed;
    EXPECT_EQ(first.records, again.records) << seed;
    EXPECT_TRUE(first.violations.empty()) << seed << ": " << first.violations.front();
    EXPECT_EQ(ballast.size(), 1000u);
  }
}

TEST(Simulation, other_seeds_are_other_worlds) {
  EXPECT_NE(simulate(2, false).trace_hash, simulate(3, false).trace_hash);
}

}  // namespace
}  // namespace millrace::sim
