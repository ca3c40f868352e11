#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "base/random.h"
#include "broker/group_test_support.h"

// Consumers of all kinds against one coordinator: they join, sync, send heartbeats, commit, leave,
// crash, come back as static members, are slow, ask twice; the broker's process dies, or its
// machine, at any write. What every consumer sees must fit together.

namespace millrace::broker {
namespace {

constexpr const char* kGroup = "g";
constexpr std::int32_t kPartitionCount = 7;
constexpr std::size_t kMembersMax = 5;

using Partitions = std::set<std::int32_t>;

std::string to_bytes(const Partitions& partitions) {
  std::string out;
  for (const auto partition : partitions) out += std::to_string(partition) + ",";
  return out;
}

// What all consumers together have seen.
class Witness {
 public:
  // A member's name for good: a static one's id changes.
  static std::string name_of(const std::string& member_id,
                             const std::optional<std::string>& instance_id) {
    return instance_id ? "instance " + *instance_id : member_id;
  }

  void joined(const kafka_wire::JoinGroupResponse& response, const std::string& name) {
    EXPECT_GE(response.generation_id, latest_generation_) << "a generation came back";
    latest_generation_ = std::max(latest_generation_, response.generation_id);
    if (response.leader != response.member_id) return;
    const auto [leader, is_first] = leaders_.emplace(response.generation_id, name);
    EXPECT_EQ(leader->second, name) << "two leaders of generation " << response.generation_id;
    // Every leader assigns alike, so that what everybody must get is known from its answer.
    std::map<std::string, std::string> ids;
    for (const auto& member : response.members) {
      ids[name_of(member.member_id, member.group_instance_id)] = member.member_id;
    }
    auto& assigned = assigned_[response.generation_id];
    std::map<std::string, Partitions> now;
    for (const auto& [member, id] : ids) now[member];
    for (std::int32_t partition = 0; partition < kPartitionCount; ++partition) {
      auto at = ids.begin();
      std::advance(at, (partition + response.generation_id) % static_cast<int>(ids.size()));
      now[at->first].insert(partition);
    }
    if (!is_first) {
      EXPECT_EQ(assigned, now) << "a generation's members changed";
    }
    assigned = std::move(now);
  }

  [[nodiscard]] const std::map<std::string, Partitions>& assigned(std::int32_t generation) const {
    return assigned_.at(generation);
  }

  void synced(std::int32_t generation, const std::string& name, const std::string& bytes) {
    const auto found = assigned_.find(generation);
    ASSERT_NE(found, assigned_.end()) << "an assignment that no leader has sent";
    const auto mine = found->second.find(name);
    ASSERT_NE(mine, found->second.end()) << name << " is no member of " << generation;
    EXPECT_EQ(bytes, to_bytes(mine->second));
    for (const auto partition : mine->second) {
      const auto [holder, is_first] = holders_.emplace(std::pair(generation, partition), name);
      EXPECT_EQ(holder->second, name) << "two hold partition " << partition;
    }
  }

 private:
  std::int32_t latest_generation_ = 0;
  std::map<std::int32_t, std::string> leaders_;
  std::map<std::int32_t, std::map<std::string, Partitions>> assigned_;
  std::map<std::pair<std::int32_t, std::int32_t>, std::string> holders_;
};

struct Consumer {
  JoinOptions options;
  bool is_up = false;
  std::int32_t generation = -1;
  std::optional<AskedJoin> joining;
  std::optional<kafka_wire::JoinGroupResponse> joined;  // not yet synced
  std::optional<AskedSync> syncing;
  bool is_stable = false;
  std::map<std::int32_t, std::int64_t> positions;  // of the partitions it holds

  [[nodiscard]] std::string name() const {
    return Witness::name_of(options.member_id, options.instance_id);
  }
  void forget_generation() {
    joining.reset();
    joined.reset();
    syncing.reset();
    is_stable = false;
    positions.clear();
  }
};

GroupCoordinatorOptions options_of(std::uint64_t seed) {
  GroupCoordinatorOptions options;
  options.limits.members_per_group_max = kMembersMax;
  options.limits.initial_rebalance_delay_ms = seed % 3 == 0 ? 700 : 0;
  return options;
}

class GroupModel {
 public:
  explicit GroupModel(std::uint64_t seed) : random_(seed), world_(options_of(seed), seed) {
    world_.create_topic("t", kPartitionCount);
    for (std::int32_t p = 0; p < kPartitionCount; ++p) {
      EXPECT_EQ(world_.commit(kGroup, {"t", p}, 0), ErrorCode::none);
      possible_[p] = {0};
    }
    for (int i = 0; i < 7; ++i) {
      Consumer& consumer = consumers_.emplace_back();
      if (i % 3 == 0) consumer.options.instance_id = "i" + std::to_string(i);
      consumer.options.version = static_cast<std::int16_t>(
          consumer.options.instance_id ? 5 + random_.below(5) : random_.below(10));
      consumer.options.session_ms = static_cast<std::int32_t>(6'000 + random_.below(6'000));
      consumer.options.rebalance_ms = static_cast<std::int32_t>(2'000 + random_.below(10'000));
      consumer.options.protocols = {{"range", subscription_to({"t"})}};
      if (random_.one_in(2)) consumer.options.protocols.emplace_back("sticky", "s");
      consumer.options.client_id = "c" + std::to_string(i);
    }
  }

  void run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      Consumer& consumer = consumers_[random_.below(consumers_.size())];
      if (random_.one_in(4)) world_.advance(static_cast<std::int64_t>(random_.below(4'000)));
      if (random_.one_in(60)) break_down();
      disturb(consumer);
      go_on(consumer);
      collect();
      check_bounds();
    }
    calm_down();
    everybody_goes();
  }

 private:
  // What goes wrong at a client.
  void disturb(Consumer& consumer) {
    if (!consumer.is_up) {
      consumer.is_up = random_.one_in(2);
      return;
    }
    switch (random_.below(40)) {
      case 0:  // crashes; whoever comes next knows nothing
        consumer.forget_generation();
        consumer.options.member_id.clear();
        consumer.is_up = random_.one_in(2);
        return;
      case 1:  // leaves; a static one only goes away
        if (!consumer.options.instance_id && !consumer.options.member_id.empty()) {
          (void)world_.leave(kGroup, consumer.options.member_id);
        }
        consumer.forget_generation();
        consumer.options.member_id.clear();
        consumer.is_up = false;
        return;
      case 2:  // loses its connection while it waits, and asks again
        consumer.joining.reset();
        consumer.syncing.reset();
        return;
      case 3:  // wants to join anew for no reason
        consumer.forget_generation();
        return;
      case 4:  // subscribes to something else
        consumer.options.protocols[0].second =
            subscription_to({"t", random_.one_in(2) ? "u" : "v"});
        consumer.forget_generation();
        return;
      case 5:  // somebody uses its old id
        zombies_.push_back(consumer);
        return;
      default:
        return;
    }
  }

  void go_on(Consumer& consumer) {
    if (!consumer.is_up || random_.one_in(10)) return;  // slow
    if (consumer.joining || consumer.syncing) return;
    if (consumer.joined) return start_sync(consumer);
    if (!consumer.is_stable) {
      consumer.joining = world_.join(kGroup, consumer.options);
      return;
    }
    if (random_.one_in(2)) {
      follow(consumer, world_.heartbeat(kGroup, consumer.generation, consumer.options.member_id,
                                        consumer.options.instance_id));
    } else {
      commit(consumer);
    }
    if (!zombies_.empty()) haunt(zombies_[random_.below(zombies_.size())]);
  }

  void start_sync(Consumer& consumer) {
    std::vector<std::pair<std::string, std::string>> assignments;
    const auto& joined = *consumer.joined;
    if (joined.leader == joined.member_id && !joined.skip_assignment) {
      for (const auto& member : joined.members) {
        const auto name = Witness::name_of(member.member_id, member.group_instance_id);
        assignments.emplace_back(member.member_id,
                                 to_bytes(witness_.assigned(joined.generation_id).at(name)));
      }
    }
    consumer.syncing = world_.sync(kGroup, joined.generation_id, joined.member_id, assignments,
                                   consumer.options.instance_id);
    consumer.joined.reset();
  }

  // As clients do upon an error.
  void follow(Consumer& consumer, ErrorCode error) {
    switch (error) {
      case ErrorCode::none:
      case ErrorCode::coordinator_not_available:
        return;
      case ErrorCode::unknown_member_id:
        consumer.options.member_id.clear();
        return consumer.forget_generation();
      case ErrorCode::fenced_instance_id:
        consumer.options.member_id.clear();
        consumer.is_up = false;
        return consumer.forget_generation();
      case ErrorCode::rebalance_in_progress:
      case ErrorCode::illegal_generation:
        return consumer.forget_generation();
      default:
        ADD_FAILURE() << "a consumer got " << to_string(error);
    }
  }

  // In the order in which the answers were given.
  void collect() {
    std::map<std::size_t, Consumer*> given;
    for (auto& consumer : consumers_) {
      if (consumer.joining && consumer.joining->is_given()) {
        given[consumer.joining->order()] = &consumer;
      }
      if (consumer.syncing && consumer.syncing->is_given()) {
        given[consumer.syncing->order()] = &consumer;
      }
    }
    for (const auto& [order, consumer] : given) take_answer(*consumer);
  }

  void take_answer(Consumer& consumer) {
    if (consumer.joining) {
      const auto response = consumer.joining->get();
      consumer.joining.reset();
      return take_joined(consumer, response);
    }
    const auto response = consumer.syncing->get();
    consumer.syncing.reset();
    if (response.error_code == ErrorCode::none) {
      witness_.synced(consumer.generation, consumer.name(), response.assignment.bytes);
      return take_partitions(consumer);
    }
    consumer.forget_generation();
    follow(consumer, response.error_code);
  }

  void take_joined(Consumer& consumer, const kafka_wire::JoinGroupResponse& response) {
    if (response.error_code == ErrorCode::member_id_required ||
        response.error_code == ErrorCode::group_max_size_reached) {
      consumer.options.member_id = response.member_id;
      return;
    }
    if (response.error_code != ErrorCode::none) return follow(consumer, response.error_code);
    consumer.options.member_id = response.member_id;
    consumer.generation = response.generation_id;
    witness_.joined(response, consumer.name());
    consumer.joined = response;
  }

  void take_partitions(Consumer& consumer) {
    consumer.is_stable = true;
    for (const auto partition : witness_.assigned(consumer.generation).at(consumer.name())) {
      consumer.positions[partition] = check_committed(partition);
    }
  }

  // The committed offset is one that it can be.
  std::int64_t check_committed(std::int32_t partition) {
    const auto fetched = world_.fetch(kGroup, {"t", partition});
    EXPECT_EQ(fetched.error_code, ErrorCode::none);
    auto& possible = possible_[partition];
    EXPECT_TRUE(possible.contains(fetched.committed_offset))
        << "partition " << partition << " is committed to " << fetched.committed_offset;
    possible = {fetched.committed_offset};
    return fetched.committed_offset;
  }

  void commit(Consumer& consumer) {
    if (consumer.positions.empty()) return;
    auto at = consumer.positions.begin();
    std::advance(at, static_cast<std::int64_t>(random_.below(consumer.positions.size())));
    const std::int64_t next = at->second + 1 + static_cast<std::int64_t>(random_.below(5));
    const ErrorCode error = try_commit(consumer, at->first, next);
    // It may be committed, and no consumer's position goes back because it does not know.
    const bool may_count =
        error == ErrorCode::none || error == ErrorCode::coordinator_not_available;
    if (may_count) at->second = next;
    follow(consumer, error);
  }

  ErrorCode try_commit(const Consumer& consumer, std::int32_t partition, std::int64_t next) {
    const ErrorCode error =
        world_.commit(kGroup, {"t", partition}, next, consumer.generation,
                      consumer.options.member_id, "", consumer.options.instance_id);
    auto& possible = possible_[partition];
    if (error == ErrorCode::none) {
      EXPECT_GE(next, *possible.rbegin()) << "a commit went back";
      possible = {next};
    } else if (error == ErrorCode::coordinator_not_available) {
      possible.insert(next);
    }
    return error;
  }

  // An old process that does not know that it is dead. Its commits count only as long as it is a
  // member of the generation, whose partitions nobody else has by then.
  void haunt(Consumer& zombie) {
    if (zombie.positions.empty()) return;
    const auto& [partition, position] = *zombie.positions.begin();
    const bool is_alone =
        std::none_of(consumers_.begin(), consumers_.end(), [&](const auto& other) {
          return other.generation == zombie.generation && other.name() == zombie.name();
        });
    const auto& possible = possible_[partition];
    const std::int64_t next = is_alone ? *possible.rbegin() : position;
    if (!is_alone && next < *possible.rbegin()) return;  // the same member, twice: its own affair
    (void)try_commit(zombie, partition, next);
  }

  // The broker dies: its process, or its machine, perhaps in the middle of a write.
  void break_down() {
    const bool loses_power = random_.one_in(2);
    if (random_.one_in(2)) {
      world_.files().die_after(1 + random_.below(8));
      for (int i = 0; i < 6; ++i) {
        Consumer& consumer = consumers_[random_.below(consumers_.size())];
        go_on(consumer);
        collect();
      }
    }
    world_.restart(loses_power);
    EXPECT_THAT(world_.coordinator().notes(), testing::IsEmpty());
    collect();
    for (std::int32_t p = 0; p < kPartitionCount; ++p) (void)check_committed(p);
  }

  void check_bounds() {
    const auto counts = world_.coordinator().counts();
    EXPECT_LE(counts.groups, 1U);
    // While members join again, others may take the places of those that have not.
    EXPECT_LE(counts.members, 2 * kMembersMax);
    EXPECT_LE(counts.pending_members, kMembersMax);
    EXPECT_LE(counts.waiting_answers, 2 * kMembersMax);
    EXPECT_LE(counts.bytes, 2 * kMembersMax * 1'000);
  }

  // Nothing goes wrong any more: the group becomes stable and every partition is held.
  void calm_down() {
    zombies_.clear();
    for (std::size_t i = kMembersMax - 1; i < consumers_.size(); ++i) consumers_[i].is_up = false;
    for (std::size_t i = 0; i + 1 < kMembersMax; ++i) consumers_[i].is_up = true;
    for (int round = 0; round < 100 && !testing::Test::HasFailure(); ++round) {
      for (auto& consumer : consumers_) {
        if (!consumer.is_up || consumer.joining || consumer.syncing) continue;
        if (consumer.joined) {
          start_sync(consumer);
        } else if (!consumer.is_stable) {
          consumer.joining = world_.join(kGroup, consumer.options);
        } else {
          follow(consumer, world_.heartbeat(kGroup, consumer.generation, consumer.options.member_id,
                                            consumer.options.instance_id));
        }
        collect();
      }
      world_.advance(500);
      collect();
    }
    Partitions held;
    for (const auto& consumer : consumers_) {
      if (!consumer.is_up) continue;
      EXPECT_TRUE(consumer.is_stable) << consumer.options.client_id;
      for (const auto& [partition, position] : consumer.positions) held.insert(partition);
    }
    EXPECT_EQ(held.size(), kPartitionCount);
  }

  void everybody_goes() {
    world_.advance(400'000);
    const auto counts = world_.coordinator().counts();
    EXPECT_EQ(counts.members, 0U);
    EXPECT_EQ(counts.pending_members, 0U);
    EXPECT_EQ(counts.waiting_answers, 0U);
    EXPECT_EQ(counts.bytes, 0U);
    EXPECT_EQ(world_.describe(kGroup).group_state, "Empty");
  }

  Random random_;
  GroupWorld world_;
  Witness witness_;
  std::vector<Consumer> consumers_;
  std::vector<Consumer> zombies_;
  std::map<std::int32_t, std::set<std::int64_t>> possible_;  // what may be committed
};

TEST(GroupModel, whatever_happens_the_members_of_a_generation_agree) {
  for (std::uint64_t seed = 1; seed <= 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    GroupModel(seed).run(400);
  }
}

}  // namespace
}  // namespace millrace::broker
