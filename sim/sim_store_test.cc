#include "sim/sim_store.h"

#include <gtest/gtest.h>

#include "sim/sim_online_store.h"

namespace millrace::sim {
namespace {

SchedulerOptions options_of(std::uint64_t seed) {
  SchedulerOptions options;
  options.seed = seed;
  return options;
}

TEST(SimStore, a_failed_put_is_applied_at_once_later_or_never) {
  int at_once = 0;
  int later = 0;
  int never = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Scheduler scheduler(options_of(seed));
    Census census;
    ObjectWorld world;
    scheduler.run([&] {
      SimStore store(scheduler, census, world, nullptr, seed);
      StoreFaults faults;
      faults.error_one_in = 1;
      store.set_faults(faults);
      const auto status = store.put("a", "bytes", false);
      EXPECT_TRUE(status.code() == StatusCode::io || status.code() == StatusCode::disconnected);
      const bool is_there = world.objects.contains("a");
      scheduler.sleep_ns(60'000'000'000);
      world.late.deliver(scheduler.now_ns());
      const bool has_come = world.objects.contains("a");
      at_once += is_there ? 1 : 0;
      later += !is_there && has_come ? 1 : 0;
      never += has_come ? 0 : 1;
    });
  }
  EXPECT_GT(at_once, 5);
  EXPECT_GT(later, 5);
  EXPECT_GT(never, 5);
}

TEST(SimStore, a_request_may_come_once_more_after_another_undid_it) {
  int back = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Scheduler scheduler(options_of(seed));
    Census census;
    ObjectWorld world;
    scheduler.run([&] {
      SimStore store(scheduler, census, world, nullptr, seed);
      StoreFaults faults;
      faults.duplicate_one_in = 1;
      store.set_faults(faults);
      EXPECT_TRUE(store.put("a", "bytes", false).is_ok());
      store.set_faults({});
      EXPECT_TRUE(store.remove("a").is_ok());
      scheduler.sleep_ns(60'000'000'000);
      world.late.deliver(scheduler.now_ns());
      back += world.objects.contains("a") ? 1 : 0;
    });
  }
  EXPECT_GT(back, 15);
}

TEST(SimStore, a_dead_process_gets_no_answer_but_what_it_sent_may_arrive) {
  Scheduler scheduler(options_of(1));
  Census census;
  ObjectWorld world;
  scheduler.run([&] {
    auto store = std::make_unique<SimStore>(scheduler, census, world, nullptr, 1);
    world.late.add(5, [&world] { world.objects["late"] = "x"; });
    scheduler.sleep_ns(1'000);
    store->die();
    EXPECT_EQ(store->put("a", "bytes", false).code(), StatusCode::io);
    store.reset();
  });
  EXPECT_TRUE(world.objects.contains("late"));
  EXPECT_FALSE(world.objects.contains("a"));
}

TEST(SimStore, an_upload_is_complete_once_and_its_name_taken_once) {
  Scheduler scheduler(options_of(1));
  Census census;
  ObjectWorld world;
  scheduler.run([&] {
    SimStore store(scheduler, census, world, nullptr, 1);
    const auto first = store.start_upload("a").value();
    const auto second = store.start_upload("a").value();
    const auto part = store.put_part("a", first, 1, "one").value();
    EXPECT_TRUE(store.put_part("a", second, 1, "two").is_ok());
    EXPECT_TRUE(store.complete_upload("a", first, {part}, true).is_ok());
    EXPECT_EQ(store.complete_upload("a", first, {part}, true).code(), StatusCode::not_found);
    EXPECT_EQ(store.complete_upload("a", second, {part}, true).code(), StatusCode::exists);
    EXPECT_EQ(store.get("a").value(), "one");
  });
}

features::StoreChange put(const std::string& key) {
  features::StoreChange change;
  change.puts.push_back({key, "value"});
  return change;
}

TEST(OnlineStoreWorld, a_power_loss_keeps_a_beginning_of_the_changes) {
  bool has_lost = false;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    OnlineStoreWorld world(seed);
    for (int i = 0; i < 10; ++i) world.apply(put(std::to_string(i)));
    world.lose_power();
    const auto kept = world.entries.size();
    for (std::size_t i = 0; i < kept; ++i) EXPECT_TRUE(world.entries.contains(std::to_string(i)));
    has_lost |= kept < 10;
  }
  EXPECT_TRUE(has_lost);
}

TEST(Census, counts_survive_the_way_through_text) {
  Census census;
  census.count("crash.power", 3);
  census.count("stop.clean");
  Census again;
  again.parse(census.to_text());
  again.add(census);
  EXPECT_EQ(again.counts().at("crash.power"), 6u);
  EXPECT_EQ(again.counts().at("stop.clean"), 2u);
  EXPECT_FALSE(again.missing().empty());
}

}  // namespace
}  // namespace millrace::sim
