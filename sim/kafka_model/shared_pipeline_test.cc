#include "runtime/shared_pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "base/time_text.h"
#include "codec/record_batch.h"
#include "lake/memory_store_for_tests.h"
#include "sim/kafka_model/check.h"
#include "sim/kafka_model/sim_process.h"
#include "sim/scheduler.h"

// Processes that agree, or do not, on what they run together; on simulated time.

namespace millrace::kafka_model {
namespace {

using ::testing::HasSubstr;

constexpr WallTime kStart(1'700'000'000'000);
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr const char* kText = R"yaml(
pipeline: p
source: { topic: in, key: k, event_time: t, out_of_orderness: 2s, partitions: 2, idle_after: 3s }
validate: { schema: s.json }
enrich: { tables: { names: { file: names.csv, key: k } }, fields: { name: "names[k].name" } }
windows:
  - { name: by_k, key: k, tumbling: 10s, emit_to: by_k_out, aggregates: { n: count() } }
  - { name: by_kind, key: kind, tumbling: 10s, emit_to: by_kind_out, aggregates: { n: count() } }
sinks: [{ topic: out }]
dead_letters: { topic: dlq }
)yaml";
constexpr const char* kSchema = R"({"type": "object", "required": ["t", "k", "kind"],
  "properties": {"t": {"type": "string", "format": "date-time"},
                 "k": {"type": "string"}, "kind": {"type": "string"}}})";

struct PlanOptions {
  std::string text = kText;
  std::string table = "k,name\na,Anna\n";
  bool has_standby = false;
};

std::unique_ptr<pipeline::Pipeline> plan_of(const PlanOptions& options = {}) {
  pipeline::BuildOptions build;
  build.file_name = "p.yaml";
  build.text = options.text;
  build.files["s.json"] = kSchema;
  build.files["names.csv"] = options.table;
  build.default_partition_count = 2;
  auto outcome = pipeline::build_pipeline(build);
  for (const auto& error : outcome.errors) ADD_FAILURE() << pipeline::to_string(error);
  return std::move(outcome.pipeline);
}

class World {
 public:
  explicit World(sim::Scheduler& scheduler)
      : scheduler_(scheduler), clock_(scheduler, kStart), cluster_(clock_, 1) {}

  std::unique_ptr<SimProcess> start(const std::string& name, const PlanOptions& plan = {},
                                    std::uint64_t installation = 1) {
    SimProcessOptions options;
    options.name = name;
    options.has_standby = plan.has_standby;
    options.installation = installation;
    return std::make_unique<SimProcess>(cluster_, objects_, clock_, plan_of(plan), options);
  }
  // Until it holds, for at most a minute.
  bool wait_for(const std::function<bool()>& holds) {
    for (int i = 0; i < 600 && !holds(); ++i) scheduler_.sleep_ns(100 * kMillisecond);
    return holds();
  }
  void append(std::int32_t partition, const std::string& key, EventTime time) {
    codec::RecordBatchBuilder builder;
    const auto text =
        R"({"t":")" + format_event_time(time) + R"(","k":")" + key + R"(","kind":"x"})";
    builder.append(WallTime(0), key, text, {});
    log::Commit commit;
    commit.appends.push_back({"in", partition, {}});
    builder.finish(commit.appends[0].bytes);
    ASSERT_TRUE(cluster_.commit_plainly(std::move(commit)).is_ok());
  }
  // The values of what is in a topic, for which read_committed is asked.
  std::vector<std::string> values(const std::string& topic) {
    std::vector<std::string> all;
    const auto info = cluster_.topic(topic);
    for (std::int32_t p = 0; info.is_ok() && p < info->config.partition_count; ++p) {
      for (const auto& batch : cluster_.history({topic, p})) {
        codec::BatchReader reader;
        EXPECT_TRUE(reader.open(batch.bytes.view()).is_ok());
        while (const RecordView* record = reader.next()) {
          all.emplace_back(record->value.value_or(""));
        }
      }
    }
    return all;
  }
  // How often the journals of the source say that something like it happened.
  template <typename Entry>
  int journalled(const std::function<bool(const Entry&)>& is_meant) {
    int count = 0;
    for (std::int32_t p = 0; p < 2; ++p) {
      const auto journal = read_whole_journal(cluster_, {"millrace.p.source.journal", p});
      for (const auto& entry : journal.entries) {
        const auto* event = std::get_if<Entry>(&entry.event);
        count += event != nullptr && is_meant(*event) ? 1 : 0;
      }
    }
    return count;
  }
  Census stop(std::unique_ptr<SimProcess>& process, bool is_orderly = true) {
    Census census;
    process->stop(is_orderly, census);
    process.reset();
    return census;
  }
  Cluster& cluster() { return cluster_; }

 private:
  sim::Scheduler& scheduler_;
  sim::SimClock clock_;
  Cluster cluster_;
  lake::MemoryStore objects_;
};

void simulate(std::uint64_t seed, const std::function<void(World&)>& body) {
  sim::SchedulerOptions options;
  options.seed = seed;
  options.switch_one_in = 3;
  options.step_ns = 1'000;
  sim::Scheduler scheduler(options);
  scheduler.run([&] {
    World world(scheduler);
    body(world);
  });
}

bool has_owners(World& world) {
  return world.journalled<task::PositionEntry>([](const auto&) { return true; }) >= 2;
}

TEST(SharedPipeline, of_two_files_that_start_together_one_runs_and_the_other_is_refused) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    simulate(seed, [seed](World& world) {
      PlanOptions other;
      other.text += "# another text\n";
      auto a = world.start("a");
      auto b = world.start("b", other);
      ASSERT_TRUE(world.wait_for([&] { return a->has_started() && b->has_started(); })) << seed;
      const auto a_says = a->refusal();
      const auto b_says = b->refusal();
      EXPECT_NE(a_says.empty(), b_says.empty()) << "seed " << seed << a_says << b_says;
      EXPECT_THAT(a_says + b_says, HasSubstr("ran with another content; raise its version"));
      EXPECT_TRUE(world.wait_for([&] { return has_owners(world); })) << seed;
      world.stop(a);
      world.stop(b);
    });
  }
}

TEST(SharedPipeline, another_store_of_objects_is_refused) {
  simulate(1, [](World& world) {
    auto a = world.start("a");
    ASSERT_TRUE(world.wait_for([&] { return a->has_started(); }));
    auto b = world.start("b", {}, 2);
    ASSERT_TRUE(world.wait_for([&] { return b->has_started(); }));
    EXPECT_EQ(a->refusal(), "");
    EXPECT_THAT(b->refusal(), HasSubstr("objects.folder must be the same"));
    world.stop(a);
    world.stop(b);
  });
}

TEST(SharedPipeline, another_version_is_refused_and_changes_nothing) {
  simulate(1, [](World& world) {
    auto a = world.start("a");
    ASSERT_TRUE(world.wait_for([&] { return a->has_started(); }));
    PlanOptions next;
    next.text.replace(next.text.find("pipeline: p"), 11, "pipeline: p\nversion: 2");
    auto b = world.start("b", next);
    ASSERT_TRUE(world.wait_for([&] { return b->has_started(); }));
    EXPECT_THAT(b->refusal(), HasSubstr("cannot be switched to version 2 yet"));
    world.stop(b);
    auto c = world.start("c");
    ASSERT_TRUE(world.wait_for([&] { return c->has_started(); }));
    EXPECT_EQ(c->refusal(), "");
    world.stop(a);
    world.stop(c);
  });
}

TEST(SharedPipeline, a_source_that_is_compacted_or_has_other_partitions_is_refused) {
  simulate(1, [](World& world) {
    log::TopicConfig config;
    config.partition_count = 2;
    config.is_compacted = true;
    ASSERT_TRUE(world.cluster().create_topic("in", config).is_ok());
    auto a = world.start("a");
    ASSERT_TRUE(world.wait_for([&] { return a->has_started(); }));
    EXPECT_THAT(a->refusal(), HasSubstr("cleanup.policy=delete"));
    world.stop(a);
  });
  simulate(1, [](World& world) {
    log::TopicConfig config;
    config.partition_count = 3;
    ASSERT_TRUE(world.cluster().create_topic("in", config).is_ok());
    auto a = world.start("a");
    ASSERT_TRUE(world.wait_for([&] { return a->has_started(); }));
    EXPECT_THAT(a->refusal(), HasSubstr("topic in has 3 partitions"));
    world.stop(a);
  });
}

TEST(SharedPipeline, a_source_that_gets_more_partitions_stops_it_in_every_process) {
  simulate(1, [](World& world) {
    auto a = world.start("a");
    auto b = world.start("b");
    ASSERT_TRUE(world.wait_for([&] { return has_owners(world); }));
    EXPECT_EQ(a->halted(), "");
    log::TopicConfig config;
    config.partition_count = 3;
    ASSERT_TRUE(world.cluster().alter_topic("in", config).is_ok());
    ASSERT_TRUE(world.wait_for([&] { return !a->halted().empty() && !b->halted().empty(); }));
    EXPECT_THAT(a->halted(), HasSubstr("topic in has 3 partitions now"));
    const auto commits = [&] {
      return world.journalled<task::PositionEntry>([](const auto&) { return true; });
    };
    const auto before = commits();
    world.append(0, "a", EventTime(kStart.value * 1'000));
    EXPECT_FALSE(world.wait_for([&] { return commits() > before; }));
    world.stop(a);
    world.stop(b);
  });
}

TEST(SharedPipeline, a_table_is_published_once_and_its_newest_version_is_used_everywhere) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    simulate(seed, [seed](World& world) {
      auto a = world.start("a");
      auto b = world.start("b");
      ASSERT_TRUE(world.wait_for([&] { return a->has_started() && b->has_started(); })) << seed;
      EXPECT_EQ(world.values("millrace.p.tables").size(), 1U) << seed;
      ASSERT_TRUE(world.wait_for([&] { return has_owners(world); }));
      PlanOptions newer;
      newer.table = "k,name\na,Berta\n";
      auto c = world.start("c", newer);
      const auto hash = task::table_content_hash(newer.table);
      const auto is_newer = [&](const task::TableVersionEntry& entry) {
        return entry.content == hash;
      };
      // Both tasks, whoever owns them; not again because the next process has the older file.
      ASSERT_TRUE(world.wait_for([&] {
        return world.journalled<task::TableVersionEntry>(is_newer) == 2;
      })) << seed;
      EXPECT_EQ(world.values("millrace.p.tables").size(), 2U) << seed;
      world.stop(a);
      a = world.start("a");
      ASSERT_TRUE(world.wait_for([&] { return a->has_started(); }));
      world.append(0, "a", EventTime(kStart.value * 1'000));
      ASSERT_TRUE(world.wait_for([&] { return !world.values("out").empty(); })) << seed;
      EXPECT_THAT(world.values("out").front(), HasSubstr("Berta")) << seed;
      EXPECT_EQ(world.values("millrace.p.tables").size(), 2U) << seed;
      for (auto* process : {&a, &b, &c}) world.stop(*process);
    });
  }
}

TEST(SharedPipeline, an_idle_partition_follows_a_busy_one_that_another_process_has) {
  simulate(1, [](World& world) {
    auto a = world.start("a");
    auto b = world.start("b");
    ASSERT_TRUE(world.wait_for([&] { return has_owners(world); }));
    // Long ago, so that nothing moves by the wall clock.
    const EventTime begin(1'000'000'000'000'000);
    world.append(1, "a", begin);
    EventTime now = begin;
    const bool has_followed = world.wait_for([&] {
      now = now + 1'000'000;
      world.append(0, "b", now);
      return world.values("by_kind_out").size() > 1;
    });
    EXPECT_TRUE(has_followed);
    const auto moved = world.journalled<task::WatermarkEntry>([](const auto&) { return true; });
    EXPECT_GT(moved, 0);
    world.stop(a);
    world.stop(b);
  });
}

TEST(SharedPipeline, a_drain_asked_for_anywhere_fires_the_windows_of_all_processes) {
  simulate(1, [](World& world) {
    auto a = world.start("a");
    auto b = world.start("b");
    auto c = world.start("c");  // more processes than partitions: one of them owns nothing
    ASSERT_TRUE(world.wait_for([&] { return has_owners(world) && c->has_started(); }));
    const EventTime begin(1'000'000'000'000'000);
    world.append(0, "a", begin);
    world.append(1, "b", begin);
    c->begin_drain();
    ASSERT_TRUE(world.wait_for([&] { return c->has_drained(); }));
    // Each window's result, and again as the last one.
    EXPECT_EQ(world.values("by_k_out").size(), 4U);
    EXPECT_EQ(world.values("by_kind_out").size(), 2U);
    EXPECT_THAT(world.values("by_kind_out").front(), HasSubstr("\"n\":2"));
    for (auto* process : {&a, &b, &c}) world.stop(*process);
  });
}

// Both stages have two partitions; whoever is left goes on with those of the other, from followers.
TEST(SharedPipeline, of_two_that_follow_each_other_one_takes_over_without_a_restore) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    simulate(seed, [seed](World& world) {
      PlanOptions plan;
      plan.has_standby = true;
      auto a = world.start("a", plan);
      auto b = world.start("b", plan);
      ASSERT_TRUE(world.wait_for([&] { return has_owners(world); }));
      EventTime now(1'000'000'000'000'000);
      const auto append = [&] {
        now = now + 1'000'000;
        world.append(0, "a", now);
        world.append(1, "b", now);
      };
      int rounds = 0;
      ASSERT_TRUE(world.wait_for([&] {
        append();
        return ++rounds > 150;  // fifteen seconds
      }));
      (void)world.stop(a, false);
      rounds = 0;  // the session ends after six seconds
      ASSERT_TRUE(world.wait_for([&] {
        append();
        return ++rounds > 150;
      }));
      const auto census = world.stop(b);
      EXPECT_GE(census.at("standby: handed over"), 1U) << seed;
      EXPECT_EQ(census.at("standby: thrown away"), 0U) << seed;
    });
  }
}

}  // namespace
}  // namespace millrace::kafka_model
