#include "ops/audit_replay.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "ops/replay_test_support.h"
#include "runtime/snapshot_store.h"

namespace millrace::ops {
namespace {

using Records = std::vector<PlainRecord>;
using runtime::TaskReplay;
using testing::HasSubstr;

constexpr auto kNever = [] { return false; };

class AuditReplay : public testing::Test {
 protected:
  void use(std::int64_t checkpoint_interval_ms = 1'000'000'000) {
    const std::uint64_t seed = 4711;
    world_ = std::make_unique<ReplayedWorld>(seed, checkpoint_interval_ms);
  }
  [[nodiscard]] ApiContext context() {
    ApiContext context;
    context.log = &world_->storage().log();
    context.objects = &world_->storage().objects();
    context.runtime = &world_->runtime();
    context.clock = &world_->clock();
    return context;
  }
  Result<std::vector<ReplayedTask>> replay(const std::string& range = "",
                                           const std::string& stage = "",
                                           std::optional<std::int32_t> partition = {}) {
    ReplayRequest request;
    request.stage = stage;
    request.partition = partition;
    const auto parsed = parse_replay_range(range);
    EXPECT_TRUE(parsed.is_ok());
    request.range = *parsed;
    return audit_replay(context(), request, kNever, progress_);
  }
  std::vector<ReplayedTask> must_replay(const std::string& range = "",
                                        const std::string& stage = "",
                                        std::optional<std::int32_t> partition = {}) {
    auto tasks = replay(range, stage, partition);
    EXPECT_TRUE(tasks.is_ok()) << tasks.status().to_string();
    if (!tasks.is_ok()) return {};
    for (const auto& task : *tasks) {
      for (const auto& finding : task.findings) {
        ADD_FAILURE() << finding.text() << "\n" << finding.stored << "\n" << finding.replayed;
      }
      EXPECT_TRUE(task.notes.empty()) << task.notes.front();
    }
    return std::move(tasks).value();
  }
  [[nodiscard]] std::uint64_t stored(const std::string& topic) {
    std::uint64_t count = 0;
    const auto info = world_->storage().log().topic(topic);
    for (std::int32_t p = 0; p < info->config.partition_count; ++p) {
      count += world_->storage().records({topic, p}).size();
    }
    return count;
  }

  std::unique_ptr<ReplayedWorld> world_;
  JobProgress progress_;
};

TEST_F(AuditReplay, everything_a_pipeline_ever_wrote_is_given_again) {
  use();
  world_->start();
  world_->feed(120);
  world_->drain();
  world_->feed(40);
  world_->drain();
  const auto tasks = must_replay();
  const auto merging = world_->runner().stages()[1].tasks.size();
  ASSERT_EQ(tasks.size(), 2 + merging);
  std::uint64_t outputs = 0;
  for (const auto& task : tasks) {
    EXPECT_EQ(task.bounds.restored_at.value, 0);
    EXPECT_TRUE(task.bounds.snapshot.empty());
    EXPECT_EQ(task.bounds.next, task.bounds.committed);
    outputs += task.outputs;
  }
  std::uint64_t all = stored("out") + stored("dlq") + stored("results") + stored("groups");
  all += stored(pipeline::partials_topic("p", "g")) + stored(pipeline::feature_topic("f"));
  EXPECT_EQ(outputs, all);
  EXPECT_GT(stored("dlq"), 20U);
  EXPECT_GT(stored("groups"), 20U);
}

TEST_F(AuditReplay, any_range_within_is_exact_whatever_the_batches) {
  use();
  world_->start();
  world_->feed(60);
  world_->drain();
  world_->stop();  // takes a snapshot
  world_->start();
  world_->feed(60);
  world_->drain();
  const auto committed = world_->task(0, 0).report().durable_offset.value;
  Random random(5);
  std::uint64_t with_snapshot = 0;
  for (int i = 0; i < 60; ++i) {
    const auto first =
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(committed)));
    const auto next =
        first + 1 +
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(committed - first)));
    const auto tasks =
        must_replay(std::to_string(first) + ".." + std::to_string(next), "source", 0);
    ASSERT_EQ(tasks.size(), 1U);
    with_snapshot += tasks.front().bounds.snapshot.empty() ? 0 : 1;
    EXPECT_GE(tasks.front().outputs, static_cast<std::uint64_t>(next - first) * 9 / 10);
  }
  EXPECT_GT(with_snapshot, 5U);
}

TEST_F(AuditReplay, a_damaged_snapshot_is_passed_over_for_an_older_one) {
  use();
  world_->start();
  world_->feed(40);
  world_->stop();
  world_->start();
  world_->feed(40);
  const auto committed = [&] { return world_->task(0, 0).report().durable_offset.value; };
  world_->drain();
  const auto at = committed() - 1;
  const auto range = std::to_string(at) + "..";
  const auto before = must_replay(range, "source", 0);
  ASSERT_FALSE(before.front().bounds.snapshot.empty());
  ASSERT_TRUE(world_->storage().objects().put(before.front().bounds.snapshot, "no", false).is_ok());
  const auto after = must_replay(range, "source", 0);
  EXPECT_TRUE(after.front().bounds.snapshot.empty());
}

// The running task would retire it, and delete it with its runs of ids.
TEST_F(AuditReplay, the_snapshot_it_began_with_stays_as_long_as_it_lives) {
  use(1);
  world_->dedup_open_ids_max = 20;
  world_->start();
  const auto& task = world_->task(0, 0);
  const auto take_snapshots = [&] {
    const auto wanted = task.report().snapshots + 6;
    while (task.report().snapshots < wanted) world_->feed(1);
  };
  take_snapshots();
  const runtime::ReplaySubject subject{&world_->storage().log(), &world_->storage().objects(),
                                       &world_->runtime().catalog(), &task.options(),
                                       task.task_maker()};
  auto opened = TaskReplay::open(subject, {task.report().durable_offset + -1, {}});
  ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
  auto replay = std::move(opened).value();
  const auto base = replay->bounds().snapshot;
  ASSERT_FALSE(base.empty());
  const auto object = world_->storage().objects().get(base);
  ASSERT_TRUE(object.is_ok());
  const auto needed = runtime::decode_snapshot(*object)->objects;
  EXPECT_FALSE(needed.empty());
  take_snapshots();
  EXPECT_TRUE(world_->storage().objects().head(base).is_ok());
  for (const auto& key : needed) {
    EXPECT_TRUE(world_->storage().objects().head(key).is_ok()) << key;
  }
  for (bool has_more = true; has_more;) {
    const auto stepped = replay->step();
    ASSERT_TRUE(stepped.is_ok()) << stepped.status().to_string();
    has_more = *stepped;
  }
  replay.reset();
  while (world_->storage().objects().head(base).is_ok()) take_snapshots();
}

TEST_F(AuditReplay, what_no_snapshot_reaches_is_refused_with_the_earliest_offset) {
  use(1);
  world_->start();
  for (int i = 0; i < 30; ++i) {
    world_->feed(6);
    world_->drain();
  }
  ASSERT_GE(world_->task(0, 0).report().snapshots, 3U);
  // The oldest snapshot kept may be of the very end; then there is nothing behind it yet.
  std::string message;
  do {
    world_->feed(6);
    world_->drain();
    const auto refused = replay("0..5", "source", 0);
    ASSERT_FALSE(refused.is_ok());
    EXPECT_EQ(refused.status().code(), StatusCode::out_of_range);
    message = refused.status().message();
    EXPECT_THAT(message, HasSubstr("offset 0 of in/0 cannot be replayed"));
  } while (message.find("the earliest possible is") == std::string::npos);
  const auto named = message.rfind(' ');
  must_replay(message.substr(named + 1) + "..", "source", 0);
  must_replay();
}

TEST_F(AuditReplay, nothing_of_another_version_is_replayed) {
  use();
  world_->start();
  world_->feed(40);
  world_->drain();
  world_->stop();
  const auto cut = world_->storage().log().offsets({"in", 0})->end.value;
  world_->start(ReplayedWorld::text(2));
  world_->feed(40);
  world_->drain();
  const auto tasks = must_replay("", "source", 0);
  EXPECT_EQ(tasks.front().bounds.restored_at.value, cut);
  const auto refused = replay("0..", "source", 0);
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.status().code(), StatusCode::out_of_range);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("the earliest possible is "));
}

TEST_F(AuditReplay, ranges_that_make_no_sense_are_refused) {
  use();
  world_->start();
  world_->feed(10);
  world_->drain();
  EXPECT_THAT(std::string(replay("0..100000", "source").status().message()),
              HasSubstr("committed up to"));
  EXPECT_THAT(std::string(replay("", "nothing").status().message()), HasSubstr("p source with 2"));
  for (const auto* text : {"5", "5..5", "6..5", "a..b", "-1..2", "1...2"}) {
    EXPECT_FALSE(parse_replay_range(text).is_ok()) << text;
  }
  const auto range = parse_replay_range("7..");
  ASSERT_TRUE(range.is_ok());
  EXPECT_EQ(range->first, Offset(7));
  EXPECT_FALSE(range->next.has_value());
}

TEST_F(AuditReplay, is_exact_beside_a_live_feed_with_snapshots) {
  use(2);
  world_->start();
  constexpr int kFeedsMax = 20'000;  // far more than two rounds take
  std::atomic<bool> is_done{false};
  std::atomic<int> rounds{0};
  std::thread feeder([&] {
    for (int i = 0; (i < 150 || rounds.load() < 2) && i < kFeedsMax; ++i) world_->feed(2);
    is_done.store(true);
  });
  while (!is_done.load() || rounds.load() == 0) {
    // Everything may lie before the oldest snapshot by now; an answer there is one, too.
    const auto tasks = replay();
    if (!tasks.is_ok()) {
      EXPECT_EQ(tasks.status().code(), StatusCode::not_found) << tasks.status().to_string();
      continue;
    }
    ++rounds;
    for (const auto& task : *tasks) {
      for (const auto& finding : task.findings) ADD_FAILURE() << finding.text();
    }
  }
  feeder.join();
  EXPECT_GT(rounds.load(), 1);
}

TEST_F(AuditReplay, is_exact_after_a_crash) {
  use(20);
  world_->start();
  for (int life = 0; life < 4; ++life) {
    world_->feed(60);
    world_->crash();
    world_->start();
    must_replay();
  }
  world_->drain();
  must_replay();
}

// A copy of the output topics with a fault, and what a replay says about it.
class ReplayFaults : public AuditReplay {
 protected:
  using Change = std::function<void(const TopicPartition&, Records&)>;

  void SetUp() override {
    use();
    world_->start();
    world_->feed(100);
    world_->drain();
  }
  std::vector<ReplayFinding> find(std::size_t stage, const Change& change) {
    runtime::Storage copy(world_->clock());
    copy.create_topics(world_->runner().plan());
    const auto& task = world_->task(stage, 0);
    const runtime::ReplaySubject subject{&world_->storage().log(), &world_->storage().objects(),
                                         &world_->runtime().catalog(), &task.options(),
                                         task.task_maker()};
    auto opened = TaskReplay::open(subject, {});
    EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
    auto& replay = **opened;
    auto bounds = replay.bounds();
    for (auto& [at, end] : bounds.output_ends) {
      auto records = world_->storage().records(at);
      change(at, records);
      if (!records.empty()) copy.append(at, records);
      end = copy.log().offsets(at)->high_watermark;
    }
    ReplayComparison comparison(copy.log(), bounds, task.options().outputs, "p@1",
                                task.options().source);
    EXPECT_TRUE(comparison.start().is_ok());
    while (true) {
      const auto has_more = replay.step();
      EXPECT_TRUE(has_more.is_ok()) << has_more.status().to_string();
      if (!has_more.is_ok() || !*has_more) break;
      EXPECT_TRUE(comparison.add(replay.outputs()).is_ok());
    }
    EXPECT_TRUE(comparison.finish().is_ok());
    EXPECT_EQ(comparison.finding_count(), comparison.findings().size());
    return comparison.findings();
  }
  // Where the task's nth record stands in a partition.
  static std::size_t nth(const Records& records, const std::string& source, std::size_t n) {
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (records[i].headers[0].second->starts_with(source) && n-- == 0) return i;
    }
    ADD_FAILURE() << "too few records of " << source;
    return 0;
  }
  static std::string source_of(const PlainRecord& record) { return *record.headers[0].second; }
};

TEST_F(ReplayFaults, an_unchanged_copy_has_none) {
  EXPECT_TRUE(find(0, [](const TopicPartition&, Records&) {}).empty());
  EXPECT_TRUE(find(1, [](const TopicPartition&, Records&) {}).empty());
}

TEST_F(ReplayFaults, a_missing_record_is_one_finding_wherever_it_was) {
  for (const auto* topic : {"out", "dlq", "results", "millrace.p.g.partials"}) {
    if (!world_->storage().log().topic(topic).is_ok()) continue;
    std::string source;
    TopicPartition where;
    const auto findings = find(0, [&](const TopicPartition& at, Records& records) {
      if (at.topic != topic || !source.empty() || records.size() < 9) return;
      const auto i = nth(records, "in/0/", 3);
      source = source_of(records[i]);
      where = at;
      records.erase(records.begin() + static_cast<std::ptrdiff_t>(i));
    });
    ASSERT_EQ(findings.size(), 1U) << topic;
    EXPECT_EQ(findings[0].kind, ReplayFinding::Kind::missing);
    EXPECT_EQ(findings[0].source, source);
    EXPECT_EQ(findings[0].text(), where.to_string() + " has no record that " + source + " gives");
  }
}

TEST_F(ReplayFaults, a_repeated_record_is_one_finding_with_its_offset) {
  const auto findings = find(0, [&](const TopicPartition& at, Records& records) {
    if (at != TopicPartition{"out", 0}) return;
    records.push_back(records[5]);
  });
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, ReplayFinding::Kind::extra);
  EXPECT_EQ(findings[0].at.to_string(), "out/0");
  EXPECT_EQ(findings[0].offset->value,
            static_cast<std::int64_t>(world_->storage().records({"out", 0}).size()));
}

TEST_F(ReplayFaults, every_part_of_a_record_counts) {
  const std::vector<std::pair<std::string, std::function<void(PlainRecord&)>>> faults{
      {"value", [](PlainRecord& r) { r.value->back() = ' '; }},
      {"value", [](PlainRecord& r) { r.value.reset(); }},
      {"key", [](PlainRecord& r) { r.key.reset(); }},
      {"headers", [](PlainRecord& r) { r.headers.emplace_back("more", "x"); }},
      {"headers", [](PlainRecord& r) { r.headers.emplace_back("more", std::nullopt); }},
      {"timestamp", [](PlainRecord& r) { r.timestamp = r.timestamp + 1; }},
      {"key and value",
       [](PlainRecord& r) {
         r.key = "";
         *r.value += ' ';
       }},
  };
  for (const auto& [what, damage] : faults) {
    const auto findings = find(0, [&](const TopicPartition& at, Records& records) {
      if (at == TopicPartition{"out", 0}) damage(records[7]);
    });
    ASSERT_EQ(findings.size(), 1U) << what;
    EXPECT_EQ(findings[0].what, what);
    EXPECT_EQ(findings[0].offset->value, 7);
    EXPECT_EQ(findings[0].kind, ReplayFinding::Kind::differs);
  }
}

TEST_F(ReplayFaults, records_in_another_order_are_found) {
  const auto findings = find(0, [&](const TopicPartition& at, Records& records) {
    if (at == TopicPartition{"out", 0}) std::swap(records[4], records[5]);
  });
  EXPECT_FALSE(findings.empty());
}

// An offset that is missing and another that is there twice: equal in number.
TEST_F(ReplayFaults, one_missing_and_one_twice_do_not_cancel_out) {
  const auto findings = find(0, [&](const TopicPartition& at, Records& records) {
    if (at == TopicPartition{"out", 0}) records[20] = records[9];
  });
  ASSERT_EQ(findings.size(), 2U);
}

TEST_F(ReplayFaults, a_merged_result_that_differs_is_found) {
  const auto merging = world_->task(1, 0).options().source.to_string();
  std::string source;
  const auto findings = find(1, [&](const TopicPartition& at, Records& records) {
    if (at.topic != "groups" || records.empty() || !source.empty()) return;
    const auto i = nth(records, merging, 0);
    source = source_of(records[i]);
    *records[i].value += " ";
  });
  if (source.empty()) GTEST_SKIP() << "no group falls into partition 0";
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].source, source);
}

}  // namespace
}  // namespace millrace::ops
