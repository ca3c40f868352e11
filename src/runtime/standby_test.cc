#include "runtime/standby.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(ChooseFollowers, of_two_processes_each_follows_the_other) {
  EXPECT_THAT(choose_followers({{0, "a"}, {1, "b"}, {2, "a"}, {3, "b"}}, {"a", "b"}),
              ElementsAre(Pair(0, "b"), Pair(1, "a"), Pair(2, "b"), Pair(3, "a")));
}

TEST(ChooseFollowers, nobody_follows_itself) {
  EXPECT_THAT(choose_followers({{0, "a"}, {1, "a"}}, {"a"}), IsEmpty());
  EXPECT_THAT(choose_followers({{0, "a"}}, {}), IsEmpty());
}

// a's partitions are 0, 1, 2; b has two and c one: 0 goes to c, and then both have two.
TEST(ChooseFollowers, they_are_dealt_out_to_who_has_fewest) {
  const auto chosen = choose_followers({{0, "a"}, {1, "a"}, {2, "a"}, {3, "b"}, {4, "b"}, {5, "c"}},
                                       {"a", "b", "c"});
  EXPECT_EQ(chosen.at(0), "c");
  EXPECT_EQ(chosen.at(1), "b");
  EXPECT_EQ(chosen.at(2), "c");
}

TEST(ChooseFollowers,
     a_process_that_owns_nothing_takes_followers_and_one_that_does_not_say_so_none) {
  EXPECT_THAT(choose_followers({{0, "a"}, {1, "b"}}, {"a", "idle"}),
              ElementsAre(Pair(0, "idle"), Pair(1, "idle")));
}

}  // namespace
}  // namespace millrace::runtime
