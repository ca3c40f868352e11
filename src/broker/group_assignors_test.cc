#include "broker/group_assignors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/random.h"

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

kafka_wire::Uuid topic(unsigned char number) {
  kafka_wire::Uuid id;
  id.bytes[15] = number;
  return id;
}

AssignorMember member(const std::string& id, const std::vector<unsigned char>& topics) {
  AssignorMember out;
  out.id = id;
  for (const auto number : topics) out.topics.push_back(topic(number));
  return out;
}

std::vector<std::size_t> loads(const std::vector<Assignment>& assigned) {
  std::vector<std::size_t> out;
  for (const auto& each : assigned) out.push_back(partition_count(each));
  return out;
}

// What must be true of any answer, looked up partition by partition.
void expect_complete(const AssignorInput& input, const std::vector<Assignment>& assigned) {
  ASSERT_EQ(assigned.size(), input.members.size());
  for (const auto& [id, count] : input.partition_counts) {
    const bool has_subscriber =
        std::any_of(input.members.begin(), input.members.end(), [&, which = id](const auto& each) {
          return std::count(each.topics.begin(), each.topics.end(), which) > 0;
        });
    for (std::int32_t partition = 0; partition < count; ++partition) {
      int owners = 0;
      for (const auto& each : assigned) owners += contains(each, id, partition) ? 1 : 0;
      EXPECT_EQ(owners, has_subscriber ? 1 : 0) << "partition " << partition;
    }
  }
  for (std::size_t i = 0; i < assigned.size(); ++i) {
    for (const auto& [id, numbers] : assigned[i]) {
      const auto& topics = input.members[i].topics;
      EXPECT_EQ(std::count(topics.begin(), topics.end(), id), 1) << "not subscribed";
      EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
      EXPECT_GE(numbers.front(), 0);
      EXPECT_LT(numbers.back(), input.partition_counts.at(id));
    }
  }
}

// Nobody has two more than somebody who could take one of them.
void expect_even(const AssignorInput& input, const std::vector<Assignment>& assigned) {
  const auto load = loads(assigned);
  for (std::size_t rich = 0; rich < assigned.size(); ++rich) {
    for (std::size_t poor = 0; poor < assigned.size(); ++poor) {
      if (load[rich] < load[poor] + 2) continue;
      for (const auto& [id, numbers] : assigned[rich]) {
        const auto& topics = input.members[poor].topics;
        EXPECT_EQ(std::count(topics.begin(), topics.end(), id), 0)
            << rich << " has " << load[rich] << ", " << poor << " has " << load[poor];
      }
    }
  }
}

std::size_t moved(const AssignorInput& input, const std::vector<Assignment>& assigned) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < assigned.size(); ++i) {
    count += partition_count(difference_of(assigned[i], input.members[i].before));
  }
  return count;
}

// How many must change hands when all subscribe to the same: what nobody has, and what is above the
// sizes that an even answer has, the larger ones going to those that have most.
std::size_t moves_needed(const AssignorInput& input) {
  std::size_t total = 0;
  for (const auto& [id, count] : input.partition_counts) total += static_cast<std::size_t>(count);
  std::vector<std::size_t> kept;
  std::size_t kept_in_all = 0;
  std::set<std::pair<kafka_wire::Uuid, std::int32_t>> seen;
  for (const auto& each : input.members) {
    std::size_t mine = 0;
    for (const auto& [id, numbers] : each.before) {
      for (const auto number : numbers) {
        const auto count = input.partition_counts.find(id);
        const bool is_there = count != input.partition_counts.end() && number < count->second;
        if (is_there && seen.emplace(id, number).second) ++mine;
      }
    }
    kept.push_back(mine);
    kept_in_all += mine;
  }
  std::sort(kept.rbegin(), kept.rend());
  std::size_t needed = total - kept_in_all;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const std::size_t size = total / kept.size() + (i < total % kept.size() ? 1 : 0);
    if (kept[i] > size) needed += kept[i] - size;
  }
  return needed;
}

AssignorInput random_input(Random& random, bool is_homogeneous) {
  AssignorInput input;
  const auto topics = static_cast<unsigned char>(1 + random.below(5));
  for (unsigned char t = 1; t <= topics; ++t) {
    input.partition_counts[topic(t)] = static_cast<std::int32_t>(random.below(12));
  }
  const std::size_t members = 1 + random.below(7);
  for (std::size_t i = 0; i < members; ++i) {
    std::vector<unsigned char> mine;
    for (unsigned char t = 1; t <= topics; ++t) {
      if (is_homogeneous || random.one_in(2)) mine.push_back(t);
    }
    input.members.push_back(member("m" + std::to_string(i), mine));
  }
  return input;
}

// Members come and go, topics grow and shrink, as in a group's life.
void disturb(Random& random, AssignorInput& input, const std::vector<Assignment>& assigned) {
  for (std::size_t i = 0; i < assigned.size(); ++i) input.members[i].before = assigned[i];
  for (auto& [id, count] : input.partition_counts) {
    if (random.one_in(3)) count = static_cast<std::int32_t>(random.below(14));
  }
  if (input.members.size() > 1 && random.one_in(2)) {
    input.members.erase(input.members.begin() +
                        static_cast<std::ptrdiff_t>(random.below(input.members.size())));
  }
  if (random.one_in(2)) {
    auto fresh = input.members.front();
    fresh.id = "n" + std::to_string(random.next());
    fresh.before.clear();
    input.members.push_back(std::move(fresh));
  }
}

TEST(UniformAssignor, equal_subscriptions_differ_by_one_and_move_no_more_than_must) {
  for (std::uint64_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    AssignorInput input = random_input(random, true);
    for (int round = 0; round < 6; ++round) {
      const auto assigned = assign_uniform(input);
      expect_complete(input, assigned);
      const auto load = loads(assigned);
      const auto [least, most] = std::minmax_element(load.begin(), load.end());
      EXPECT_LE(*most - *least, 1U);
      EXPECT_EQ(moved(input, assigned), moves_needed(input));
      disturb(random, input, assigned);
    }
  }
}

TEST(UniformAssignor, different_subscriptions_are_as_even_as_single_moves_make_them) {
  for (std::uint64_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    AssignorInput input = random_input(random, false);
    for (int round = 0; round < 6; ++round) {
      const auto assigned = assign_uniform(input);
      expect_complete(input, assigned);
      expect_even(input, assigned);
      // Asked again with what it said: the same.
      for (std::size_t i = 0; i < assigned.size(); ++i) input.members[i].before = assigned[i];
      EXPECT_EQ(assign_uniform(input), assigned);
      disturb(random, input, assigned);
    }
  }
}

TEST(UniformAssignor, a_partition_that_two_claim_stays_with_the_first) {
  AssignorInput input{{member("a", {1}), member("b", {1})}, {{topic(1), 2}}};
  input.members[0].before = {{topic(1), {0}}};
  input.members[1].before = {{topic(1), {0, 1, 7}}};
  EXPECT_THAT(assign_uniform(input),
              ElementsAre(Assignment{{topic(1), {0}}}, Assignment{{topic(1), {1}}}));
}

TEST(RangeAssignor, neighbours_go_to_members_in_the_order_of_their_names) {
  AssignorInput input{{member("b", {1, 2}), member("a", {1, 2})}, {{topic(1), 5}, {topic(2), 5}}};
  const auto assigned = assign_range(input);
  // "a" is first; both topics are cut alike.
  EXPECT_EQ(assigned[1], (Assignment{{topic(1), {0, 1, 2}}, {topic(2), {0, 1, 2}}}));
  EXPECT_EQ(assigned[0], (Assignment{{topic(1), {3, 4}}, {topic(2), {3, 4}}}));
  // A static member comes before them, by the name of its instance.
  input.members.push_back(member("z", {1}));
  input.members[2].instance_id = "zz";
  const auto again = assign_range(input);
  EXPECT_EQ(again[2], (Assignment{{topic(1), {0, 1}}}));
  EXPECT_EQ(again[1], (Assignment{{topic(1), {2, 3}}, {topic(2), {0, 1, 2}}}));
  EXPECT_EQ(again[0], (Assignment{{topic(1), {4}}, {topic(2), {3, 4}}}));
}

TEST(RangeAssignor, every_topic_is_even_and_in_one_piece_each) {
  for (std::uint64_t seed = 1; seed <= 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const AssignorInput input = random_input(random, random.one_in(2));
    const auto assigned = assign_range(input);
    expect_complete(input, assigned);
    for (const auto& [id, count] : input.partition_counts) {
      std::set<std::size_t> sizes;
      for (std::size_t i = 0; i < assigned.size(); ++i) {
        const auto& topics = input.members[i].topics;
        if (std::count(topics.begin(), topics.end(), id) == 0) continue;
        const auto mine = assigned[i].find(id);
        if (mine == assigned[i].end()) {
          sizes.insert(0);
          continue;
        }
        sizes.insert(mine->second.size());
        EXPECT_EQ(mine->second.back() - mine->second.front() + 1,
                  static_cast<std::int32_t>(mine->second.size()));
      }
      EXPECT_TRUE(sizes.empty() || *sizes.rbegin() - *sizes.begin() <= 1);
    }
  }
}

TEST(Assignors, nobody_and_nothing_are_answered) {
  for (const auto name : {kUniformAssignor, kRangeAssignor}) {
    EXPECT_THAT(assign(name, {}), IsEmpty());
    EXPECT_THAT(assign(name, {{member("a", {})}, {}}), ElementsAre(Assignment()));
    EXPECT_THAT(assign(name, {{member("a", {1})}, {{topic(1), 0}}}), ElementsAre(Assignment()));
  }
  EXPECT_FALSE(is_assignor("sticky"));
}

TEST(AssignmentSets, agree_with_sets_of_pairs) {
  using Pairs = std::set<std::pair<kafka_wire::Uuid, std::int32_t>>;
  const auto pairs_of = [](const Assignment& partitions) {
    Pairs out;
    for (const auto& [id, numbers] : partitions) {
      EXPECT_FALSE(numbers.empty());
      for (const auto number : numbers) out.emplace(id, number);
    }
    EXPECT_EQ(out.size(), partition_count(partitions));
    return out;
  };
  Random random(5);
  const auto any = [&random] {
    Assignment out;
    for (std::uint64_t i = random.below(9); i > 0; --i) {
      out[topic(static_cast<unsigned char>(random.below(3)))].push_back(
          static_cast<std::int32_t>(random.below(5)));
    }
    normalise(out);
    return out;
  };
  for (int round = 0; round < 2'000; ++round) {
    const Assignment a = any();
    const Assignment b = any();
    const Pairs x = pairs_of(a);
    const Pairs y = pairs_of(b);
    Pairs both;
    Pairs rest;
    Pairs all = x;
    all.insert(y.begin(), y.end());
    for (const auto& each : x) (y.contains(each) ? both : rest).insert(each);
    EXPECT_EQ(pairs_of(intersection_of(a, b)), both);
    EXPECT_EQ(pairs_of(difference_of(a, b)), rest);
    EXPECT_EQ(pairs_of(union_of(a, b)), all);
    EXPECT_EQ(are_disjoint(a, b), both.empty());
    EXPECT_EQ(is_part(a, b), rest.empty());
  }
}

}  // namespace
}  // namespace millrace::broker
