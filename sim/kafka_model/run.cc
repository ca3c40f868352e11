#include "sim/kafka_model/run.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "lake/memory_store_for_tests.h"
#include "sim/kafka_model/check.h"
#include "sim/kafka_model/lake_check.h"
#include "sim/kafka_model/sim_process.h"
#include "sim/scheduler.h"

namespace millrace::kafka_model {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kRestMs = 120'000;  // in which everything must come to rest
const WallTime kStart(1'700'000'000'000);

// What one seed's world is like. Most seeds leave most faults out, or hardly anything would get far
// (Groce et al., "Swarm testing", ISSTA 2012).
struct Profile {
  explicit Profile(std::uint64_t seed) : random(seed * 0x9e3779b97f4a7c15ULL + 1) {
    const auto rarely = [&](std::uint32_t one_in_requests) {
      return random.one_in(2) ? one_in_requests : 0U;
    };
    scheduler.seed = random.next();
    scheduler.switch_one_in = std::array<std::uint32_t, 3>{2, 5, 20}[random.below(3)];
    scheduler.step_ns = 1'000;
    processes = 2 + static_cast<int>(random.below(3));
    slots = 1 + static_cast<int>(random.below(2));
    partitions = 2 + static_cast<std::int32_t>(random.below(3));
    seconds = 10 + static_cast<std::int64_t>(random.below(20));
    checkpoint_interval_ms =
        std::array<std::int64_t, 3>{300, 2'000, 1'000'000'000}[random.below(3)];
    has_static_members = random.one_in(2);
    faults.lost_one_in = rarely(150);
    faults.reply_lost_one_in = rarely(150);
    faults.delayed_one_in = rarely(150);
    faults.slow_marker_one_in = rarely(10);
    freezes = random.one_in(2);
    kills = random.one_in(2);
    stops = random.one_in(2);
    brokers_stop = random.one_in(3);
    coordinators_move = random.one_in(3);
    rebalances = random.one_in(2);
    forgets = random.one_in(4);
    drains = random.one_in(2);
    has_standby = random.one_in(2);
    // Few enough that there are runs of ids in the store.
    dedup_open_ids_max = std::array<std::size_t, 3>{8, 50, 1'000}[random.below(3)];
  }

  Random random;
  sim::SchedulerOptions scheduler;
  int processes = 2;
  int slots = 1;
  std::int32_t partitions = 2;
  std::int64_t seconds = 20;
  std::int64_t checkpoint_interval_ms = 1'000;
  bool has_static_members = false;
  ClusterFaults faults;
  bool freezes = false;
  bool kills = false;
  bool stops = false;
  bool brokers_stop = false;
  bool coordinators_move = false;
  bool rebalances = false;
  bool forgets = false;
  bool drains = false;
  bool has_standby = false;
  std::size_t dedup_open_ids_max = 1'000;
};

class World {
 public:
  World(sim::Scheduler& scheduler, Profile& profile, std::uint64_t seed, RunResult& result)
      : scheduler_(scheduler),
        profile_(profile),
        random_(profile.random),
        result_(result),
        clock_(scheduler, kStart),
        plan_(make_plan(profile.partitions)),
        cluster_(clock_, seed),
        workload_(seed, profile.partitions, EventTime(kStart.value * 1'000)) {
    // The processes make the others.
    log::TopicConfig config;
    config.partition_count = profile.partitions;
    MR_CHECK(cluster_.create_topic(plan_->source.source_topic, config).is_ok());
    lives_.resize(static_cast<std::size_t>(profile.processes));
  }

  void run() {
    start(0);
    cluster_.set_faults(profile_.faults);
    const auto end = scheduler_.now_ns() + profile_.seconds * 1'000 * kMillisecond;
    while (scheduler_.now_ns() < end) {
      sleep_ms(20 + static_cast<std::int64_t>(random_.below(200)));
      append();
      if (random_.one_in(6)) post_watermark();
      if (random_.one_in(6)) act();
      restart_due();
    }
    finish();
  }

  // Process 0 dies with a transaction open, right after the coordinator looked for old ones. Its
  // session ends after 6 s; process 1 must have its partitions running before the coordinator looks
  // again, 10 s after the last time.
  void run_takeover() {
    start(0);
    start(1);
    while (scheduler_.now_ns() < 11'000 * kMillisecond) {
      sleep_ms(100);
      append();
    }
    lives_[0].process->process().lose_commits();
    for (int i = 0; i < 20; ++i) append();
    sleep_ms(300);
    stop(lives_[0], false, 3'600'000 * kMillisecond);
    while (scheduler_.now_ns() < 19'500 * kMillisecond) sleep_ms(10);
    for (std::int32_t p = 0; p < profile_.partitions; ++p) {
      const auto journal = read_whole_journal(
          cluster_, {pipeline::journal_topic(plan_->name, std::string(pipeline::kSourceStage)), p});
      const auto* position = journal.entries.empty()
                                 ? nullptr
                                 : std::get_if<task::PositionEntry>(&journal.entries.back().event);
      if (position == nullptr || position->owner.find("process1") == std::string::npos) {
        result_.failures.push_back("partition " + std::to_string(p) +
                                   " still waits for its dead owner's transaction");
      }
    }
    finish();
  }

 private:
  struct Life {
    std::unique_ptr<SimProcess> process;  // null: not running
    std::int64_t due_ns = 0;              // of its next start
  };

  void sleep_ms(std::int64_t ms) { scheduler_.sleep_ns(ms * kMillisecond); }
  std::int64_t draw_ns(std::int64_t ms_max) {
    return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(ms_max))) *
           kMillisecond;
  }
  void note(const std::string& what) { scheduler_.note(what); }

  void start(std::size_t index) {
    SimProcessOptions options;
    options.name = "process" + std::to_string(index);
    options.slots = profile_.slots;
    options.checkpoint_interval_ms = profile_.checkpoint_interval_ms;
    options.is_static_member = profile_.has_static_members;
    options.has_standby = profile_.has_standby;
    options.dedup_open_ids_max = profile_.dedup_open_ids_max;
    note("start " + options.name);
    lives_[index].process = std::make_unique<SimProcess>(cluster_, objects_, clock_,
                                                         make_plan(profile_.partitions), options);
  }

  // Kills of a frozen process come when it goes on, as its threads have to end.
  void stop(Life& life, bool is_orderly, std::int64_t pause_ns) {
    note((is_orderly ? "stop " : "kill ") + life.process->process().name());
    ++result_.census[is_orderly ? "fault: process stopped" : "fault: process killed"];
    life.process->stop(is_orderly, result_.census);
    life.process.reset();
    life.due_ns = scheduler_.now_ns() + pause_ns;
  }

  void restart_due() {
    for (std::size_t i = 0; i < lives_.size(); ++i) {
      if (!lives_[i].process && scheduler_.now_ns() >= lives_[i].due_ns) start(i);
    }
  }

  void append() {
    std::int32_t partition = 0;
    auto bytes = workload_.next_batch(partition);
    log::Commit commit;
    commit.appends.push_back({plan_->source.source_topic, partition, std::move(bytes)});
    MR_CHECK(cluster_.commit_plainly(std::move(commit)).is_ok());
  }

  void post_watermark() {
    const auto partition =
        static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(profile_.partitions)));
    for (auto& life : lives_) {
      if (!life.process) continue;
      if (life.process->post(partition, task::WatermarkEntry{workload_.safe_watermark()})) return;
    }
  }

  void act() {
    auto& life = lives_[random_.below(lives_.size())];
    // Most of those that stand still go on later, as if nothing had happened.
    if (life.process && life.process->process().is_frozen() && !random_.one_in(8)) return;
    switch (random_.below(8)) {
      case 0:
        if (!profile_.freezes || !life.process) return;
        ++result_.census["fault: process frozen"];
        note("freeze " + life.process->process().name());
        return life.process->process().freeze(
            random_.one_in(2) ? draw_ns(1'500) : 6'000 * kMillisecond + draw_ns(8'000));
      case 1:
        if (profile_.kills && life.process) {
          stop(life, false, draw_ns(random_.one_in(2) ? 500 : 12'000));
        }
        return;
      case 2:
        if (profile_.stops && life.process) stop(life, true, draw_ns(8'000));
        return;
      case 3:
        if (!profile_.brokers_stop) return;
        return cluster_.stop_broker(static_cast<int>(random_.below(Cluster::kBrokers)),
                                    draw_ns(2'500));
      case 4:
        if (profile_.coordinators_move) cluster_.move_coordinators();
        return;
      case 5:
        if (!profile_.rebalances) return;
        note("force rebalance");
        return cluster_.force_rebalance(pipeline::consumer_group(plan_->name, "source"));
      case 6:
        if (!profile_.drains || !life.process || !life.process->begin_drain()) return;
        ++result_.census["drain asked for"];
        return;
      default: {
        if (!profile_.forgets) return;
        const TopicPartition source{plan_->source.source_topic, 0};
        if (cluster_.forget_offset(pipeline::consumer_group(plan_->name, "source"), source)) {
          ++result_.census["fault: offset forgotten"];
        }
      }
    }
  }

  void finish() {
    rest();
    for (const auto& [what, times] : cluster_.census()) result_.census[what] += times;
    for (auto& failure : check_outcome(cluster_, *plan_, workload_.events())) {
      result_.failures.push_back(std::move(failure));
    }
    for (auto& failure : check_lake(cluster_, objects_, *plan_)) {
      result_.failures.push_back(std::move(failure));
    }
  }

  // No more faults: everything is consumed, the windows are closed, and all stop in order.
  void rest() {
    note("rest");
    cluster_.set_faults({});
    for (auto& life : lives_) {
      if (life.process) life.process->process().thaw();
      life.due_ns = 0;
    }
    restart_due();
    const auto limit = scheduler_.now_ns() + kRestMs * kMillisecond;
    auto& drained = *lives_.front().process;
    bool has_begun = false;
    while (!has_begun || !has_settled()) {
      sleep_ms(200);
      has_begun = has_begun || drained.begin_drain();
      if (scheduler_.now_ns() < limit) continue;
      result_.failures.emplace_back("it does not come to rest");
      for (const auto& life : lives_) result_.failures.push_back(life.process->describe());
      break;
    }
    for (auto& life : lives_) stop(life, true, 0);
    sleep_ms(6'000);  // the last markers
  }

  bool has_settled() {
    if (!lives_.front().process->has_drained()) return false;
    for (std::int32_t p = 0; p < profile_.partitions; ++p) {
      const auto journal = read_whole_journal(
          cluster_, {pipeline::journal_topic(plan_->name, std::string(pipeline::kSourceStage)), p});
      if (!is_consumed({plan_->source.source_topic, p}, journal)) return false;
    }
    for (const auto& merge : plan_->merges) {
      const auto topic = cluster_.topic(merge.repartition_topic);
      for (std::int32_t p = 0; topic.is_ok() && p < topic->config.partition_count; ++p) {
        const auto journal = read_whole_journal(
            cluster_, {pipeline::journal_topic(plan_->name, merge.window.name), p});
        if (!is_consumed({merge.repartition_topic, p}, journal)) return false;
      }
    }
    return true;
  }

  bool is_consumed(const TopicPartition& source, const JournalView& journal) {
    const auto batches = cluster_.history(source);
    const auto offsets = cluster_.offsets(source);
    if (offsets->high_watermark != offsets->end) return false;
    if (journal.entries.empty()) return false;
    return batches.empty() || journal.entries.back().at >= batches.back().next_offset;
  }

  sim::Scheduler& scheduler_;
  Profile& profile_;
  Random& random_;
  RunResult& result_;
  sim::SimClock clock_;
  std::unique_ptr<pipeline::Pipeline> plan_;
  Cluster cluster_;
  lake::MemoryStore objects_;
  Workload workload_;
  std::vector<Life> lives_;
};

}  // namespace

RunResult run_seed(const RunOptions& options) {
  RunResult result;
  Profile profile(options.seed);
  sim::Scheduler scheduler(profile.scheduler);
  scheduler.set_tracing(options.is_tracing);
  scheduler.run([&] { World(scheduler, profile, options.seed, result).run(); });
  result.trace_hash = scheduler.trace_hash();
  result.simulated_s = static_cast<double>(scheduler.now_ns()) / 1e9;
  return result;
}

RunResult run_takeover(bool is_tracing) {
  RunResult result;
  Profile profile(1);
  profile.processes = 2;
  profile.slots = 1;
  profile.partitions = 4;
  profile.has_static_members = false;
  sim::Scheduler scheduler(profile.scheduler);
  scheduler.set_tracing(is_tracing);
  scheduler.run([&] { World(scheduler, profile, 1, result).run_takeover(); });
  result.trace_hash = scheduler.trace_hash();
  result.simulated_s = static_cast<double>(scheduler.now_ns()) / 1e9;
  return result;
}

std::vector<std::string> missing_in(const Census& census) {
  std::vector<std::string> missing;
  for (const char* what : {"unknown -> committed",
                           "unknown -> aborted -> resent",
                           "unknown -> lost",
                           "known abort -> resent",
                           "fenced",
                           "outlived generation -> resent",
                           "revoked -> committed",
                           "revoked -> aborted",
                           "lost",
                           "unstable offset waited",
                           "journal waited",
                           "owner fenced by successor",
                           "missing offset restored",
                           "model: transaction timed out",
                           "model: open transaction fenced",
                           "model: member removed",
                           "drain asked for",
                           "standby: followed",
                           "standby: handed over",
                           "standby: thrown away",
                           "fault: request lost",
                           "fault: reply lost",
                           "fault: request delayed",
                           "fault: slow marker",
                           "fault: broker restarted",
                           "fault: coordinators moved",
                           "fault: rebalance forced",
                           "fault: process frozen",
                           "fault: process killed",
                           "fault: process stopped"}) {
    const auto known = census.find(what);
    if (known == census.end() || known->second == 0) missing.emplace_back(what);
  }
  return missing;
}

}  // namespace millrace::kafka_model
