#include "ops/audit_offset_set.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace millrace::ops {
namespace {

using Outcome = OffsetSet::Outcome;

TEST(OffsetSet, tells_new_repeated_and_foreign_offsets_apart) {
  OffsetSet set(Offset(100), Offset(300));
  EXPECT_EQ(set.add(Offset(100)), Outcome::added);
  EXPECT_EQ(set.add(Offset(299)), Outcome::added);
  EXPECT_EQ(set.add(Offset(100)), Outcome::repeated);
  EXPECT_EQ(set.add(Offset(99)), Outcome::outside);
  EXPECT_EQ(set.add(Offset(300)), Outcome::outside);
  EXPECT_EQ(set.count(), 2U);
  EXPECT_EQ(set.span(), 200U);
}

TEST(OffsetSet, an_empty_range_holds_nothing) {
  OffsetSet a(Offset(5), Offset(5));
  EXPECT_EQ(a.add(Offset(5)), Outcome::outside);
  EXPECT_FALSE(first_in_neither(a, a).has_value());
}

TEST(OffsetSet, bits_behind_the_end_are_no_missing_offsets) {
  OffsetSet a(Offset(10), Offset(13));
  const OffsetSet none(Offset(10), Offset(13));
  for (int i = 10; i < 13; ++i) a.add(Offset(i));
  EXPECT_FALSE(first_in_neither(a, none).has_value());
  EXPECT_EQ(first_only_in(a, none), Offset(10));
}

// Against std::set, over ranges that cross words and blocks.
TEST(OffsetSet, agrees_with_an_ordered_set) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    const auto first = static_cast<std::int64_t>(random.below(1'000'000));
    const auto span = static_cast<std::int64_t>(1 + random.below(200'000));
    OffsetSet a(Offset(first), Offset(first + span));
    OffsetSet b(Offset(first), Offset(first + span));
    std::set<std::int64_t> twin_a;
    std::set<std::int64_t> twin_b;
    for (int i = 0; i < 500; ++i) {
      const auto offset = first + static_cast<std::int64_t>(random.below(span));
      const bool is_a = random.below(2) == 0;
      const auto outcome = (is_a ? a : b).add(Offset(offset));
      const bool is_new = (is_a ? twin_a : twin_b).insert(offset).second;
      ASSERT_EQ(outcome, is_new ? Outcome::added : Outcome::repeated) << "seed " << seed;
    }
    std::optional<Offset> common;
    std::optional<Offset> only_a;
    std::optional<Offset> neither;
    for (auto offset = first; offset < first + span; ++offset) {
      const bool in_a = twin_a.contains(offset);
      const bool in_b = twin_b.contains(offset);
      ASSERT_EQ(a.contains(Offset(offset)), in_a);
      if (in_a && in_b && !common) common = Offset(offset);
      if (in_a && !in_b && !only_a) only_a = Offset(offset);
      if (!in_a && !in_b && !neither) neither = Offset(offset);
    }
    ASSERT_EQ(a.count(), twin_a.size());
    ASSERT_EQ(first_common(a, b), common) << "seed " << seed;
    ASSERT_EQ(first_only_in(a, b), only_a) << "seed " << seed;
    ASSERT_EQ(first_in_neither(a, b), neither) << "seed " << seed;
  }
}

}  // namespace
}  // namespace millrace::ops
