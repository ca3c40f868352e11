#include <algorithm>
#include <map>

#include "base/random.h"
#include "broker/consumer_world_for_tests.h"

// Consumers of the consumer protocol against one coordinator: they join, leave, crash, come back as
// static members, lose answers, are slow to give up partitions, subscribe to something else; topics
// grow; the broker's process dies, or its machine, at any write. No partition ever has two owners,
// and in the end each has one.

namespace millrace::broker {
namespace {

constexpr std::int64_t kSessionMs = 45'000;
constexpr std::size_t kMembersMax = 6;

struct Process {
  std::string name;  // the member's id is made of it, another one for each start
  std::optional<std::string> instance_id;
  Heartbeat subscription;  // names, regex, assignor, rebalance time-out
  bool is_up = false;
  int starts = 0;
  std::string member_id;
  std::int32_t epoch = kEpochJoin;
  Assignment assigned;                // as it was told
  Assignment owned;                   // what it reads from
  bool must_say_all = false;          // an answer may have been lost
  bool has_news = false;              // `owned` has changed since it last said so
  std::int64_t heard_at = 0;          // the last answer
  std::optional<std::int64_t> asked;  // when it may have been told to give something up

  // Nobody else may have taken over what it has.
  [[nodiscard]] bool is_safe(std::int64_t now) const {
    return is_up && epoch > 0 && now - heard_at < kSessionMs &&
           (!asked || now - *asked < subscription.rebalance_timeout_ms);
  }
};

GroupCoordinatorOptions limited_options() {
  GroupCoordinatorOptions options;
  options.limits.members_per_group_max = kMembersMax;
  return options;
}

class ConsumerGroupModel {
 public:
  explicit ConsumerGroupModel(std::uint64_t seed) : random_(seed), world_(limited_options(), seed) {
    world_.create_topic("t", 5);
    world_.create_topic("u", 3);
    for (int i = 0; i < 8; ++i) {
      Process& process = processes_.emplace_back();
      process.name = "m" + std::to_string(i);
      if (i % 3 == 0) process.instance_id = "i" + std::to_string(i);
      process.subscription.rebalance_timeout_ms =
          static_cast<std::int32_t>(8'000 + random_.below(20'000));
      if (random_.one_in(4)) process.subscription.server_assignor = "range";
      subscribe(process);
    }
  }

  void run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      if (random_.one_in(3)) world_.advance(static_cast<std::int64_t>(random_.below(5'000)));
      if (random_.one_in(60)) break_down();
      if (random_.one_in(40)) grow();
      Process& process = processes_[random_.below(processes_.size())];
      disturb(process);
      go_on(process);
      check_bounds();
    }
    calm_down();
    everybody_goes();
  }

 private:
  [[nodiscard]] std::int64_t now() { return world_.clock().wall_now().value; }

  void subscribe(Process& process) {
    auto& names = process.subscription.subscribed_topic_names;
    names.emplace();
    process.subscription.subscribed_topic_regex = "";
    switch (random_.below(4)) {
      case 0:
        names->push_back("t");
        return;
      case 1:
        process.subscription.subscribed_topic_regex = "[tu]";
        return;
      default:
        *names = {"t", "u"};
    }
  }

  // What goes wrong at a process.
  void disturb(Process& process) {
    if (!process.is_up) {
      if (random_.one_in(2)) start(process);
      return;
    }
    switch (random_.below(50)) {
      case 0:  // crashes
        zombies_.push_back(process);
        stop(process);
        return;
      case 1: {  // leaves; a static one says that it comes back
        Heartbeat request = leave_request(process.member_id,
                                          process.instance_id ? kEpochLeaveForAWhile : kEpochLeave,
                                          process.instance_id);
        stop(process);
        (void)world_.consumer_beat(request);
        return;
      }
      case 2:
        subscribe(process);
        process.must_say_all = true;
        return;
      case 3:  // is away for long
        world_.advance(static_cast<std::int64_t>(random_.below(kSessionMs)));
        return;
      case 4:
        if (!zombies_.empty()) haunt(zombies_[random_.below(zombies_.size())]);
        return;
      default:
        return;
    }
  }

  void start(Process& process) {
    process.is_up = true;
    process.member_id = process.name + "-" + std::to_string(++process.starts);
    forget(process);
  }
  static void stop(Process& process) {
    process.is_up = false;
    forget(process);
  }
  static void forget(Process& process) {
    process.epoch = kEpochJoin;
    process.assigned.clear();
    process.owned.clear();
    process.must_say_all = process.has_news = false;
    process.asked.reset();
  }

  // An old request of a process that is gone.
  void haunt(const Process& zombie) {
    (void)world_.consumer_beat(
        beat_request(zombie.member_id, zombie.epoch,
                     random_.one_in(2) ? std::optional(zombie.owned) : std::nullopt));
  }

  void go_on(Process& process) {
    if (!process.is_up) return;
    if (random_.one_in(3)) move_on(process);
    Heartbeat request = beat_request(process.member_id, process.epoch);
    const bool says_all = process.epoch == kEpochJoin || process.must_say_all;
    if (says_all) {
      request = process.subscription;
      request.group_id = "g";
      request.member_id = process.member_id;
      request.member_epoch = process.epoch;
      request.instance_id = process.instance_id;
    }
    if (says_all || process.has_news) request.topic_partitions = to_wire(process.owned);
    // What the coordinator hears with this, as far as it has told it before.
    const bool had_given_up = is_part(process.owned, process.assigned);
    const auto answer = world_.consumer_beat(request);
    const bool is_lost = random_.one_in(12);
    const bool must_give_up = note_revocation(process, answer);
    if (is_lost || answer.error_code == ErrorCode::coordinator_not_available) {
      process.must_say_all = true;
      return;
    }
    take(process, answer, request.topic_partitions.has_value());
    if (!must_give_up && had_given_up) process.asked.reset();
  }

  // From when on the coordinator may count its rebalance time-out: also for what it was to have and
  // never took.
  bool note_revocation(Process& process, const HeartbeatAnswer& answer) {
    if (!answer.assignment) return false;
    const Assignment now_has = from_wire(answer.assignment->topic_partitions);
    if (is_part(process.owned, now_has) && is_part(process.assigned, now_has)) return false;
    if (!process.asked) process.asked = now();
    return true;
  }

  void take(Process& process, const HeartbeatAnswer& answer, bool has_said_what_it_owns) {
    switch (answer.error_code) {
      case ErrorCode::none:
        break;
      case ErrorCode::unknown_member_id:
      case ErrorCode::fenced_member_epoch:
        return forget(process);  // gives up everything and joins anew
      case ErrorCode::unreleased_instance_id:
      case ErrorCode::group_max_size_reached:
      case ErrorCode::group_id_not_found:
      case ErrorCode::fenced_instance_id:
        return stop(process);
      default:
        ADD_FAILURE() << "a member got " << to_string(answer.error_code);
        return;
    }
    EXPECT_GE(answer.member_epoch, process.epoch) << "an epoch came back";
    EXPECT_TRUE(process.epoch != kEpochJoin || answer.assignment) << "a join tells everything";
    process.epoch = answer.member_epoch;
    process.heard_at = now();
    process.must_say_all = false;
    if (has_said_what_it_owns) process.has_news = false;
    if (answer.assignment) process.assigned = from_wire(answer.assignment->topic_partitions);
    if (random_.one_in(2)) move_on(process);
  }

  // First gives up what it must not have, then takes what it may.
  void move_on(Process& process) {
    if (process.owned == process.assigned || process.epoch == kEpochJoin) return;
    process.has_news = true;
    if (!is_part(process.owned, process.assigned)) {
      process.owned = intersection_of(process.owned, process.assigned);
      return;
    }
    // Who has not heard for a session may not believe what it heard. Nor who still waits for the
    // answer after it has said what it has: that it did not have something was enough to give it to
    // others (a hole in the protocol that its epochs close for commits only).
    if (!process.is_safe(now()) || process.must_say_all) return;
    for (const auto& other : processes_) {
      if (&other == &process || !other.is_safe(now())) continue;
      EXPECT_TRUE(are_disjoint(other.owned, process.assigned))
          << process.member_id << " takes what " << other.member_id << " has";
    }
    process.owned = process.assigned;
  }

  void grow() {
    const std::string name = random_.one_in(2) ? "t" : "u";
    auto config = world_.log().topic(name)->config;
    if (config.partition_count >= 12) return;
    ++config.partition_count;
    EXPECT_TRUE(world_.log().alter_topic(name, config).is_ok());
  }

  // The broker dies: its process, or its machine, perhaps in the middle of a write.
  void break_down() {
    const bool loses_power = random_.one_in(2);
    if (random_.one_in(2)) {
      world_.files().die_after(1 + random_.below(8));
      for (int i = 0; i < 6; ++i) go_on(processes_[random_.below(processes_.size())]);
    }
    world_.restart(loses_power);
    // Connections are gone, and after that clients say everything.
    for (auto& process : processes_) process.must_say_all = process.is_up;
    EXPECT_THAT(world_.coordinator().notes(), testing::IsEmpty());
  }

  void check_bounds() {
    const auto counts = world_.coordinator().counts();
    EXPECT_LE(counts.groups, 1U);
    EXPECT_LE(counts.members, kMembersMax);
    EXPECT_LE(counts.bytes, kMembersMax * 200);
  }

  // Nothing goes wrong any more: everything is assigned, and everybody knows.
  void calm_down() {
    zombies_.clear();
    for (auto& process : processes_) stop(process);
    world_.advance(2 * kSessionMs);
    for (std::size_t i = 0; i < 4; ++i) start(processes_[i]);
    *processes_[0].subscription.subscribed_topic_names = {"t", "u"};
    for (int round = 0; round < 40; ++round) {
      for (auto& process : processes_) {
        if (!process.is_up) continue;
        process.must_say_all = true;
        go_on(process);
        move_on(process);
      }
      world_.advance(500);
    }
    Assignment all;
    std::size_t count = 0;
    for (const auto& process : processes_) {
      if (!process.is_up) continue;
      all = union_of(all, process.owned);
      count += partition_count(process.owned);
    }
    std::size_t there = 0;
    for (const char* name : {"t", "u"}) {
      there += static_cast<std::size_t>(world_.log().topic(name)->config.partition_count);
    }
    EXPECT_EQ(partition_count(all), there) << "not everything is assigned";
    EXPECT_EQ(count, there) << "something is assigned twice";
    EXPECT_EQ(world_.consumer_describe("g").group_state, "Stable");
  }

  void everybody_goes() {
    world_.advance(2 * kSessionMs);
    const auto counts = world_.coordinator().counts();
    EXPECT_EQ(counts.members, 0U);
    EXPECT_EQ(counts.bytes, 0U);
    EXPECT_EQ(world_.consumer_describe("g").group_state, "Empty");
  }

  Random random_;
  ConsumerWorld world_;
  std::vector<Process> processes_;
  std::vector<Process> zombies_;
};

TEST(ConsumerGroupModelTest, whatever_happens_no_partition_has_two_owners) {
  for (std::uint64_t seed = 1; seed <= 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ConsumerGroupModel(seed).run(400);
  }
}

}  // namespace
}  // namespace millrace::broker
