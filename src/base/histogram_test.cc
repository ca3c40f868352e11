#include "base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/random.h"

namespace millrace {
namespace {

TEST(Histogram, small_values_are_exact) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile_ns(50), 0);
  for (int i = 0; i < 64; ++i) histogram.record(i);
  EXPECT_EQ(histogram.count(), 64u);
  EXPECT_EQ(histogram.sum_ns(), 64u * 63 / 2);
  EXPECT_EQ(histogram.percentile_ns(0), 0);
  EXPECT_EQ(histogram.percentile_ns(50), 31);
  EXPECT_EQ(histogram.percentile_ns(100), 63);
  EXPECT_EQ(histogram.count_at_most(31), 32u);
  EXPECT_EQ(histogram.min_ns(), 0);
  EXPECT_EQ(histogram.max_ns(), 63);
}

TEST(Histogram, what_lies_outside_counts_as_the_bound) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.min_ns(), 0);
  EXPECT_EQ(histogram.max_ns(), Histogram::kNanosMax);
  EXPECT_EQ(histogram.percentile_ns(100), Histogram::kNanosMax);
  EXPECT_EQ(histogram.count_at_most(INT64_MAX), 2u);
}

TEST(Histogram, merging_keeps_the_smallest_and_the_largest_of_both) {
  Histogram small, large;
  small.record(5);
  large.record(7);
  for (auto [first, second] : {std::pair(small, large), std::pair(large, small)}) {
    first.merge(second);
    first.merge(Histogram());
    EXPECT_EQ(first.min_ns(), 5);
    EXPECT_EQ(first.max_ns(), 7);
    EXPECT_EQ(first.count(), 2u);
  }
}

TEST(Histogram, percentiles_are_at_most_a_32nd_above_the_sorted_list_s) {
  constexpr std::uint64_t kSeed = 99;
  Random random(kSeed);
  for (int round = 0; round < 30; ++round) {
    Histogram histogram, left, right;
    std::vector<std::int64_t> sorted;
    std::uint64_t sum = 0;
    for (auto left_over = 1 + random.below(2000); left_over > 0; --left_over) {
      const auto value = static_cast<std::int64_t>((random.next() >> 22) >> random.below(42));
      sorted.push_back(value);
      sum += static_cast<std::uint64_t>(value);
      histogram.record(value);
      (random.one_in(2) ? left : right).record(value);
    }
    std::sort(sorted.begin(), sorted.end());
    left.merge(right);
    EXPECT_EQ(left.count(), sorted.size());
    EXPECT_EQ(left.sum_ns(), sum);
    EXPECT_EQ(left.min_ns(), sorted.front());
    EXPECT_EQ(left.max_ns(), sorted.back());
    for (const double percent : {0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
      const auto rank =
          std::max(1.0, std::ceil(percent / 100 * static_cast<double>(sorted.size())));
      const std::int64_t exact = sorted[static_cast<std::size_t>(rank) - 1];
      const std::int64_t answer = histogram.percentile_ns(percent);
      EXPECT_GE(answer, exact) << "seed " << kSeed << " percent " << percent;
      EXPECT_LE(answer, exact + exact / 32) << "seed " << kSeed << " percent " << percent;
      EXPECT_EQ(left.percentile_ns(percent), answer);
    }
    for (int bit = 0; bit <= 42; ++bit) {
      const std::int64_t bound = (std::int64_t{1} << bit) - 1;
      const auto exact = std::upper_bound(sorted.begin(), sorted.end(), bound) - sorted.begin();
      EXPECT_EQ(histogram.count_at_most(bound), static_cast<std::uint64_t>(exact)) << bound;
    }
  }
}

}  // namespace
}  // namespace millrace
