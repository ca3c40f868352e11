#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/time_text.h"
#include "codec/record_batch.h"
#include "lake/memory_store_for_tests.h"
#include "ops/audit.h"
#include "sim/kafka_model/sim_process.h"
#include "sim/scheduler.h"

// Audits of a pipeline that two processes run, while it works, on simulated time: transactions
// become visible partition by partition, and late.

namespace millrace::kafka_model {
namespace {

using ::testing::HasSubstr;

constexpr WallTime kStart(1'700'000'000'000);
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int32_t kPartitions = 2;
constexpr const char* kText = R"yaml(
pipeline: p
source: { topic: in, key: k, event_time: t, out_of_orderness: 2s, partitions: 2, idle_after: 3s }
validate: { schema: s.json }
dedup: { id: id, ttl: 60s, on_duplicate: drop }
windows:
  - { name: by_k, key: k, tumbling: 10s, emit_to: by_k_out, aggregates: { n: count() } }
  - { name: by_kind, key: kind, tumbling: 10s, emit_to: by_kind_out, aggregates: { n: count() } }
sinks: [{ topic: out }]
dead_letters: { topic: dlq }
)yaml";
constexpr const char* kSchema = R"({"type": "object", "required": ["id", "t", "k", "kind"],
  "properties": {"id": {"type": "string"}, "t": {"type": "string", "format": "date-time"},
                 "k": {"type": "string"}, "kind": {"type": "string"}}})";

std::unique_ptr<pipeline::Pipeline> plan() {
  pipeline::BuildOptions build;
  build.file_name = "p.yaml";
  build.text = kText;
  build.files["s.json"] = kSchema;
  build.default_partition_count = kPartitions;
  auto outcome = pipeline::build_pipeline(build);
  for (const auto& error : outcome.errors) ADD_FAILURE() << pipeline::to_string(error);
  return std::move(outcome.pipeline);
}

class World {
 public:
  World(sim::Scheduler& scheduler, std::uint64_t seed)
      : scheduler_(scheduler), clock_(scheduler, kStart), cluster_(clock_, seed), random_(seed) {}

  std::unique_ptr<SimProcess> start(const std::string& name) {
    SimProcessOptions options;
    options.name = name;
    return std::make_unique<SimProcess>(cluster_, objects_, clock_, plan(), options);
  }
  void stop(std::unique_ptr<SimProcess>& process, bool is_orderly = true) {
    Census census;
    process->stop(is_orderly, census);
    process.reset();
  }
  void sleep_ms(std::int64_t ms) { scheduler_.sleep_ns(ms * kMillisecond); }
  bool wait_for(const std::function<bool()>& holds) {
    for (int i = 0; i < 600 && !holds(); ++i) sleep_ms(100);
    return holds();
  }
  // Some events: good ones, duplicates, bad ones and late ones.
  void feed(int count) {
    for (int i = 0; i < count; ++i) {
      now_us_ += static_cast<std::int64_t>(random_.below(2'000'000));
      const auto kind = random_.below(10);
      const auto id = kind == 0 ? next_id_ / 2 : next_id_++;
      const auto time = EventTime(now_us_ - (kind == 1 ? 60'000'000 : 0));
      auto text = R"({"id":")" + std::to_string(id) + R"(","t":")" + format_event_time(time) +
                  R"(","k":"k)" + std::to_string(id % 3) + R"(","kind":"x"})";
      if (kind == 2) text.resize(text.size() / 2);
      const auto partition = static_cast<std::int32_t>(id % 3 % kPartitions);
      put({"in", partition}, "k" + std::to_string(id % 3), text, {});
    }
  }
  void put(const TopicPartition& to, const std::string& key, const std::string& value,
           const std::vector<codec::HeaderToAppend>& headers) {
    codec::RecordBatchBuilder builder;
    builder.append(WallTime(0), key, value, headers);
    log::Commit commit;
    commit.appends.push_back({to.topic, to.partition, {}});
    builder.finish(commit.appends[0].bytes);
    ASSERT_TRUE(cluster_.commit_plainly(std::move(commit)).is_ok());
  }
  std::vector<ops::AuditCheck> audit(SimProcess& process) {
    ops::ApiContext context;
    context.log = &process.log();
    context.objects = &objects_;
    context.shared = &process.runtime();
    context.clock = &clock_;
    ops::JobProgress progress;
    for (int attempt = 0;; ++attempt) {
      auto checks = ops::run_audit(context, [] { return false; }, progress);
      if (checks.is_ok()) return std::move(checks).value();
      const bool may_pass = checks.status().code() == StatusCode::overloaded && attempt < 20;
      if (!may_pass) {
        ADD_FAILURE() << checks.status().to_string();
        return {};
      }
      sleep_ms(1'000);
    }
  }
  static std::string wrong(const std::vector<ops::AuditCheck>& checks) {
    std::string text = checks.empty() ? "no checks" : "";
    for (const auto& check : checks) {
      if (!check.is_ok) text += check.check + ": " + check.detail + "\n";
    }
    return text;
  }
  Cluster& cluster() { return cluster_; }

 private:
  sim::Scheduler& scheduler_;
  sim::SimClock clock_;
  Cluster cluster_;
  lake::MemoryStore objects_;
  Random random_;
  std::int64_t now_us_ = kStart.value * 1'000;
  std::uint64_t next_id_ = 0;
};

void simulate(std::uint64_t seed, const std::function<void(World&)>& body) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  sim::SchedulerOptions options;
  options.seed = seed;
  options.switch_one_in = 3;
  options.step_ns = 1'000;
  sim::Scheduler scheduler(options);
  scheduler.run([&] {
    World world(scheduler, seed);
    body(world);
  });
}

TEST(SharedAudit, is_exact_at_any_moment_whoever_is_asked_and_whoever_dies) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    simulate(seed, [](World& world) {
      auto a = world.start("a");
      auto b = world.start("b");
      ASSERT_TRUE(world.wait_for([&] { return a->has_started() && b->has_started(); }));
      for (int round = 0; round < 6; ++round) {
        world.feed(20);
        EXPECT_EQ(World::wrong(world.audit(round % 2 == 0 ? *a : *b)), "") << "round " << round;
        if (round == 2) {
          world.stop(b, false);
          EXPECT_EQ(World::wrong(world.audit(*a)), "") << "while tasks are nobody's";
          b = world.start("b");
          ASSERT_TRUE(world.wait_for([&] { return b->has_started(); }));
        }
      }
      ASSERT_TRUE(b->begin_drain());
      ASSERT_TRUE(world.wait_for([&] { return b->has_drained(); }));
      const auto checks = world.audit(*a);
      EXPECT_EQ(World::wrong(checks), "");
      ASSERT_GE(checks.size(), 5U);
      EXPECT_THAT(checks[2].detail, HasSubstr("120 source offsets in 2 partitions"));
      world.stop(a);
      world.stop(b);
    });
  }
}

TEST(SharedAudit, names_what_somebody_else_wrote) {
  simulate(1, [](World& world) {
    auto a = world.start("a");
    ASSERT_TRUE(world.wait_for([&] { return a->has_started(); }));
    world.feed(40);
    ASSERT_TRUE(a->begin_drain());
    ASSERT_TRUE(world.wait_for([&] { return a->has_drained(); }));
    EXPECT_EQ(World::wrong(world.audit(*a)), "");
    // A result of a window that there never was, of an offset that was applied long ago.
    const std::vector<codec::HeaderToAppend> headers{{"millrace-source", "in/0/3"},
                                                     {"millrace-pipeline", "p@1"}};
    world.put({"by_k_out", 0}, "k9",
              R"({"k":"k9","window_start":"2001-01-01T00:00:00Z",)"
              R"("window_end":"2001-01-01T00:00:10Z","revision":0,"is_final":false,"n":1})",
              headers);
    const auto by_window = World::wrong(world.audit(*a));
    EXPECT_THAT(by_window, HasSubstr("windows: window by_k: "));
    EXPECT_THAT(by_window, HasSubstr("up to the tasks' positions, which counted"));
    const auto at = world.cluster().offsets({"out", 1})->high_watermark;
    world.put({"out", 1}, "k", "{}", headers);
    EXPECT_THAT(World::wrong(world.audit(*a)), HasSubstr("at out/1/" + std::to_string(at.value)));
    world.stop(a);
  });
}

}  // namespace
}  // namespace millrace::kafka_model
