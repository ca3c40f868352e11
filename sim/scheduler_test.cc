#include "sim/scheduler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;

SchedulerOptions options_of(std::uint64_t seed, std::uint32_t switch_one_in = 1) {
  SchedulerOptions options;
  options.seed = seed;
  options.switch_one_in = switch_one_in;
  options.steps_max = 1'000'000;
  return options;
}

// Three threads that note their turns; the order is the seed's.
std::string turns(std::uint64_t seed, std::uint64_t* trace_hash = nullptr) {
  Scheduler scheduler(options_of(seed));
  std::string order;
  scheduler.run([&] {
    std::vector<Thread> threads;
    for (char name = 'a'; name <= 'c'; ++name) {
      threads.emplace_back([&order, &scheduler, name] {
        for (int i = 0; i < 5; ++i) {
          order += name;
          scheduler.yield();
        }
      });
    }
    for (auto& thread : threads) thread.join();
  });
  if (trace_hash != nullptr) *trace_hash = scheduler.trace_hash();
  return order;
}

TEST(Scheduler, one_seed_gives_one_order_and_others_give_others) {
  std::uint64_t first = 0;
  std::uint64_t again = 0;
  EXPECT_EQ(turns(1, &first), turns(1, &again));
  EXPECT_EQ(first, again);
  int different = 0;
  for (std::uint64_t seed = 2; seed < 12; ++seed) different += turns(seed) != turns(1) ? 1 : 0;
  EXPECT_GT(different, 7);
}

TEST(Scheduler, a_lock_keeps_others_out_whoever_is_chosen) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Scheduler scheduler(options_of(seed));
    Mutex mutex;
    int inside = 0;
    int count = 0;
    scheduler.run([&] {
      std::vector<Thread> threads;
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
          for (int i = 0; i < 10; ++i) {
            const std::lock_guard lock(mutex);
            EXPECT_EQ(++inside, 1);
            scheduler.yield();
            --inside;
            ++count;
          }
        });
      }
      for (auto& thread : threads) thread.join();
    });
    EXPECT_EQ(count, 40);
  }
}

TEST(Scheduler, a_race_that_needs_one_switch_is_found) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Scheduler scheduler(options_of(seed));
    int value = 0;
    scheduler.run([&] {
      const auto add = [&] {
        const int read = value;
        scheduler.yield();
        value = read + 1;
      };
      Thread other(add);
      add();
      other.join();
    });
    lost += value == 1 ? 1 : 0;
  }
  EXPECT_GT(lost, 5);
  EXPECT_LT(lost, 50);
}

TEST(Scheduler, time_jumps_to_the_earliest_deadline_when_all_wait) {
  Scheduler scheduler(options_of(1));
  std::vector<int> order;
  scheduler.run([&] {
    Mutex mutex;
    Condition never;
    Thread later([&] {
      std::unique_lock lock(mutex);
      EXPECT_FALSE(never.wait_for(lock, milliseconds(3'600'000), [] { return false; }));
      order.push_back(2);
    });
    Thread sooner([&] {
      std::unique_lock lock(mutex);
      EXPECT_EQ(never.wait_for(lock, milliseconds(1'000)), false);
      order.push_back(1);
    });
    sooner.join();
    EXPECT_GE(scheduler.now_ns(), 1'000'000'000);
    EXPECT_LT(scheduler.now_ns(), 1'010'000'000);
    later.join();
  });
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_GE(scheduler.now_ns(), 3'600'000'000'000);
}

TEST(Scheduler, a_notified_thread_is_told_so_before_its_time) {
  Scheduler scheduler(options_of(3));
  scheduler.run([&] {
    Mutex mutex;
    Condition changed;
    bool is_set = false;
    Thread waiter([&] {
      std::unique_lock lock(mutex);
      EXPECT_TRUE(changed.wait_for(lock, milliseconds(1'000), [&] { return is_set; }));
    });
    scheduler.sleep_ns(5'000'000);
    {
      const std::lock_guard lock(mutex);
      is_set = true;
    }
    changed.notify_all();
    waiter.join();
    EXPECT_LT(scheduler.now_ns(), 100'000'000);
  });
}

TEST(Scheduler, exceptions_stay_within_their_thread) {
  Scheduler scheduler(options_of(4));
  int caught = 0;
  scheduler.run([&] {
    Thread thread([&] {
      try {
        scheduler.yield();
        throw std::runtime_error("for the test");
      } catch (const std::runtime_error&) {
        ++caught;
      }
    });
    thread.join();
  });
  EXPECT_EQ(caught, 1);
}

TEST(Scheduler, a_wall_clock_set_back_leaves_the_monotonic_one_alone) {
  Scheduler scheduler(options_of(5));
  SimClock clock(scheduler, WallTime(1'000'000));
  scheduler.run([&] {
    scheduler.sleep_ns(50'000'000);
    const auto monotonic = clock.monotonic_now();
    clock.skew_ms(-1'000);
    EXPECT_EQ(clock.wall_now().value, 999'050);
    EXPECT_EQ(clock.monotonic_now(), monotonic);
  });
}

using SchedulerDeathTest = testing::Test;

TEST(SchedulerDeathTest, a_deadlock_is_reported_with_every_thread) {
  EXPECT_DEATH(
      {
        Scheduler scheduler(options_of(6));
        scheduler.run([&] {
          Mutex mutex;
          Condition never;
          Thread waiter([&] {
            scheduler.set_name("the waiter");
            std::unique_lock lock(mutex);
            never.wait(lock);
          });
          waiter.join();
        });
      },
      "every thread waits, and for no time.*thread main.*thread the waiter");
}

TEST(SchedulerDeathTest, a_run_without_an_end_is_reported) {
  EXPECT_DEATH(
      {
        Scheduler scheduler(options_of(7));
        scheduler.run([&] {
          while (true) scheduler.yield();
        });
      },
      "it does not come to an end");
}

}  // namespace
}  // namespace millrace::sim
