#include "sim/simulation.h"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "sim/checks.h"
#include "sim/sink_checks.h"

namespace millrace::sim {
namespace {

constexpr std::int64_t kStartAttempts = 5;
constexpr std::int64_t kFinishMsMax = 600'000;
constexpr std::int64_t kSweepMs = 10'000;  // for requests still on their way, and for removals

}  // namespace

Simulation::Simulation(const Profile& profile, bool is_tracing)
    : world_(profile), flips_(world_), names_(world_) {
  world_.scheduler.set_tracing(is_tracing);
}

Simulation::~Simulation() = default;

Outcome Simulation::run() {
  world_.scheduler.run([this] { run_all(); });
  Outcome outcome;
  outcome.seed = world_.profile.seed;
  outcome.violations = world_.violations();
  outcome.census = world_.census;
  outcome.trace_hash = world_.scheduler.trace_hash();
  outcome.steps = world_.scheduler.steps();
  outcome.crashes = crashes_;
  outcome.records = world_.recorder.count();
  outcome.simulated_ms = world_.scheduler.now_ns() / 1'000'000;
  return outcome;
}

Outcome simulate(std::uint64_t seed, bool is_tracing) {
  return Simulation(make_profile(seed), is_tracing).run();
}

void Simulation::run_all() {
  MR_CHECK(world_.platter.make_folders("/data").is_ok());
  MR_CHECK(world_.platter.sync_folder("/").is_ok());
  start_outsiders();
  for (int life = 1; life <= world_.profile.lives; ++life) {
    live(static_cast<std::uint64_t>(life));
    if (!world_.violations().empty()) break;
  }
  finish();
}

// --- those outside ---

void Simulation::start_outsiders() {
  const auto& profile = world_.profile;
  const auto add = [&](const std::string& topic, int partitions) {
    for (std::int32_t p = 0; p < partitions; ++p) {
      producers_.push_back(std::make_unique<Producer>(world_, TopicPartition{topic, p}, partitions,
                                                      world_.random.next()));
      outsiders_.emplace_back([producer = producers_.back().get()] { producer->run(); });
    }
  };
  add(tick_names().input, profile.tick_partitions);
  add(order_names().input, profile.order_partitions);
  outsiders_.emplace_back([this] { poll_records(); });
  outsiders_.emplace_back([this] { drain_now_and_then(); });
  outsiders_.emplace_back([this] { flush_now_and_then(); });
  outsiders_.emplace_back([this] { read_features(); });
  outsiders_.emplace_back([this] { sabotage(); });
  if (profile.has_names) outsiders_.emplace_back([this] { name_snapshots(); });
}

void Simulation::join_outsiders() {
  for (auto& thread : outsiders_) thread.join();
  outsiders_.clear();
}

void Simulation::poll_records() {
  world_.scheduler.set_name("recorder");
  while (!world_.is_ending) {
    world_.sleep_ms(world_.random_ms(20));
    const World::Visit process(world_);
    if (!process) continue;
    const auto status = world_.recorder.poll(process->log());
    if (status.is_ok() || status.code() == StatusCode::io) continue;
    if (status.code() == StatusCode::cancelled) continue;
    if (!flips_.empty() && status.code() == StatusCode::corrupt) {
      world_.census.count("flip.reported_to_reader");
      continue;
    }
    world_.violation("reading: " + status.to_string());
  }
}

void Simulation::drain_now_and_then() {
  world_.scheduler.set_name("drainer");
  while (!world_.is_ending) {
    world_.sleep_ms(100 + world_.random_ms(1500));
    if (world_.is_finishing) continue;
    const World::Visit process(world_);
    if (!process) continue;
    const auto& pipelines = process->runtime().pipelines();
    const auto drained =
        process->runtime().drain(*pipelines[world_.random.below(pipelines.size())]);
    world_.census.count(drained.is_ok() ? "drain.done" : "drain.cancelled");
  }
}

void Simulation::flush_now_and_then() {
  world_.scheduler.set_name("flusher");
  while (!world_.is_ending) {
    world_.sleep_ms(50 + world_.random_ms(1000));
    const World::Visit process(world_);
    if (!process) continue;
    const auto status = process->lake().flush();
    world_.census.count(status.is_ok() ? "lake.flushed" : "lake.flush_failed");
  }
}

void Simulation::read_features() {
  world_.scheduler.set_name("features");
  while (!world_.is_ending) {
    world_.sleep_ms(20 + world_.random_ms(200));
    const World::Visit process(world_);
    if (!process) continue;
    const auto key = key_name(static_cast<int>(world_.random.below(kKeyCount)));
    const auto found = process->features().get(kFeatureGroup, key);
    if (found.is_ok()) {
      world_.census.count(found->has_value() ? "features.read" : "features.unknown");
      if (found->has_value()) world_.features_seen.insert((*found)->json);
    } else if (found.status().code() == StatusCode::cancelled) {
      world_.census.count("features.still_restoring");
    } else if (found.status().code() != StatusCode::io && flips_.empty()) {
      world_.violation("features: " + found.status().to_string());
    }
  }
}

void Simulation::name_snapshots() {
  world_.scheduler.set_name("namer");
  while (!world_.is_ending) {
    world_.sleep_ms(5 + world_.random_ms(world_.profile.life_ms_max / 3));
    if (world_.is_finishing) continue;
    const World::Visit process(world_);
    if (process) names_.ask(*process.operator->(), !flips_.empty());
  }
}

void Simulation::sabotage() {
  world_.scheduler.set_name("saboteur");
  const auto& profile = world_.profile;
  while (!world_.is_ending && !world_.is_finishing) {
    world_.sleep_ms(20 + world_.random_ms(profile.life_ms_max));
    world_.objects.late.deliver(world_.scheduler.now_ns());
    if (world_.is_finishing) break;
    if (profile.full_disk_one_in > 0 && world_.random.one_in(profile.full_disk_one_in)) {
      world_.platter.set_free_bytes(static_cast<std::int64_t>(world_.random.below(40'000)));
      world_.sleep_ms(world_.random_ms(profile.life_ms_max));
      world_.platter.set_free_bytes(-1);
    }
    if (profile.store_away_one_in > 0 && world_.random.one_in(profile.store_away_one_in)) {
      world_.objects.is_away = true;
      world_.sleep_ms(world_.random_ms(profile.life_ms_max));
      world_.objects.is_away = false;
    }
    if (profile.clock_back_one_in > 0 && world_.random.one_in(profile.clock_back_one_in)) {
      world_.census.count("clock.set_back");
      world_.clock.skew_ms(-world_.random_ms(5000));
    }
    const World::Visit process(world_);
    if (process && world_.random.one_in(3)) {
      const auto status = process->log().run_maintenance();
      if (status.is_ok()) world_.census.count("log.maintained");
    }
  }
}

// --- one life ---

void Simulation::set_faults(bool are_on) {
  world_.disk.set_faults(are_on ? world_.profile.disk : DiskFaults());
  if (process_) process_->set_store_faults(are_on ? world_.profile.store : StoreFaults());
  if (are_on) return;
  world_.platter.set_free_bytes(-1);
  world_.objects.is_away = false;
}

void Simulation::on_failure(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (has_failed_) return;
  world_.scheduler.note("failure: " + status.to_string());
  has_failed_ = true;
  failure_ = status.to_string();
  changed_.notify_all();
}

void Simulation::die(Death death) {
  const std::lock_guard lock(mutex_);
  if (is_dead_) return;
  is_dead_ = true;
  ++crashes_;
  world_.scheduler.note(death == Death::power ? "power loss" : "kill");
  world_.census.count(death == Death::power ? "crash.power" : "crash.kill");
  if (death == Death::power) {
    world_.platter.crash();
    world_.online.lose_power();
  } else {
    world_.platter.kill();
  }
  if (process_) process_->cut_off();
  changed_.notify_all();
}

void Simulation::reap(std::int64_t after_ms, Death death) {
  world_.scheduler.set_name("reaper");
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(after_ms), [this] { return is_life_over_; });
    if (is_life_over_) return;
  }
  die(death);
}

void Simulation::live(std::uint64_t life) {
  auto& random = world_.random;
  const auto& profile = world_.profile;
  const bool wants_stop = random.one_in(profile.clean_stop_one_in);
  auto life_ms = world_.random_ms(profile.life_ms_max);
  if (random.one_in(5)) life_ms /= 20;
  const Death death = random.one_in(2) ? Death::power : Death::kill;
  if (profile.flip_one_in > 0 && random.one_in(profile.flip_one_in)) flips_.flip();
  if (profile.table_change_one_in > 0 && random.one_in(profile.table_change_one_in)) {
    ++versions_.table;
    world_.census.count("table.changed");
  }
  if (profile.store_lost_one_in > 0 && random.one_in(profile.store_lost_one_in)) {
    world_.online.lose_all();
    world_.census.count("features.lost");
  }
  // More often while a pipeline goes over to another version.
  if (!wants_stop && random.one_in(version_before_ ? 2 : 4)) {
    world_.platter.die_after(1 + random.below(version_before_ ? 100 : 300));
  } else if (version_before_ && random.one_in(2)) {
    world_.platter.fail_sync_after(1 + static_cast<int>(random.below(16)));
  }
  // A stop may be cut short, too.
  const auto reap_ms =
      wants_stop ? life_ms + 1 + world_.random_ms(random.one_in(3) ? 20 : 20'000) : life_ms;
  Thread reaper([this, reap_ms, death] { reap(reap_ms, death); });
  if (start_process(life)) {
    world_.open_doors(*process_);
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(wants_stop ? life_ms : reap_ms + 1000),
                        [this] { return is_dead_ || has_failed_; });
    }
    world_.close_doors();
    if (may_stop(wants_stop)) stop_cleanly();
  }
  end_process();
  {
    const std::lock_guard lock(mutex_);
    is_life_over_ = true;
    changed_.notify_all();
  }
  reaper.join();
  world_.platter.fail_sync_after(0);
  flips_.heal();
}

// A process that has failed does not stop tidily, unless it was already about to.
bool Simulation::may_stop(bool wants_stop) {
  const std::lock_guard lock(mutex_);
  if (is_dead_) return false;
  if (!has_failed_) return wants_stop;
  world_.census.count("crash.after_failure");
  if (!world_.random.one_in(3)) return false;
  world_.census.count("stop.failed_meanwhile");
  return true;
}

bool Simulation::start_process(std::uint64_t life) {
  {
    const std::lock_guard lock(mutex_);
    has_failed_ = is_dead_ = is_life_over_ = false;
    failure_.clear();
  }
  world_.scheduler.note("life " + std::to_string(life));
  process_ = std::make_unique<Process>(world_.for_process(), life,
                                       [this](const Status& status) { on_failure(status); });
  set_faults(!world_.is_finishing);
  const auto status =
      process_->start(versions_, [this](log::Log& log) { return check_recovered(log); });
  world_.scheduler.note("start: " + status.to_string());
  if (status.is_ok()) {
    world_.census.count("start.ok");
    if (version_before_) world_.census.count("upgrade.done");
    version_before_.reset();
    names_.check_started(*process_, !flips_.empty());
    if (flips_.empty()) check_versions(world_, *process_);
    return true;
  }
  take_start_failure(status);
  return false;
}

void Simulation::take_start_failure(const Status& status) {
  const std::lock_guard lock(mutex_);
  const auto code = status.code();
  if (is_dead_ || has_failed_) return world_.census.count("start.cut_short");
  if (code == StatusCode::io || code == StatusCode::overloaded ||
      code == StatusCode::disconnected) {
    return world_.census.count("start.failed_by_disk");
  }
  if (code == StatusCode::corrupt && !flips_.empty()) {
    return world_.census.count("flip.reported_at_start");
  }
  if (code == StatusCode::invalid && version_before_ && !flips_.empty()) {
    return world_.census.count("flip.reported_at_upgrade");
  }
  if (code == StatusCode::invalid && version_before_ &&
      status.message().find("did not stop cleanly") != std::string_view::npos) {
    versions_ = *std::exchange(version_before_, std::nullopt);
    return world_.census.count("upgrade.refused");
  }
  world_.violation("a start failed: " + status.to_string());
}

Status Simulation::check_recovered(log::Log& log) {
  MR_RETURN_IF_ERROR(world_.recorder.verify(log));
  MR_RETURN_IF_ERROR(world_.recorder.poll(log));
  std::vector<const Producer*> producers;
  for (const auto& producer : producers_) producers.push_back(producer.get());
  check_after_restart(world_, log, producers);
  check_online_store(world_, log);
  return ok_status();
}

void Simulation::stop_cleanly() {
  const auto status = process_->stop();
  world_.scheduler.note("stop: " + status.to_string());
  const std::lock_guard lock(mutex_);
  if (status.is_ok()) {
    world_.census.count("stop.clean");
    if (world_.profile.upgrade_one_in > 0 && world_.random.one_in(world_.profile.upgrade_one_in)) {
      version_before_ = versions_;
      (world_.random.one_in(2) ? versions_.ticks : versions_.orders) += 1;
    }
    return;
  }
  if (is_dead_ || has_failed_) return world_.census.count("stop.cut_short");
  world_.census.count("stop.failed");
  const auto code = status.code();
  if (code == StatusCode::io || code == StatusCode::overloaded ||
      code == StatusCode::disconnected || (code == StatusCode::corrupt && !flips_.empty())) {
    return;
  }
  world_.violation("a stop failed: " + status.to_string());
}

// Whatever ended it: the process' parts are taken down while their disk refuses them everything.
void Simulation::end_process() {
  world_.close_doors();
  bool was_dead = false;
  {
    const std::lock_guard lock(mutex_);
    was_dead = is_dead_;
    is_dead_ = true;
  }
  if (!was_dead) world_.platter.kill();
  process_->abandon();
  world_.wait_until_empty();
  process_.reset();
  world_.platter.restart();
}

// --- the end ---

void Simulation::finish() {
  world_.is_finishing = true;
  flips_.heal();
  bool is_up = false;
  for (int attempt = 0; attempt < kStartAttempts && !is_up; ++attempt) {
    is_up = start_process(1000 + static_cast<std::uint64_t>(attempt));
    if (!is_up) end_process();
  }
  if (!is_up) {
    world_.violation("the process does not start any more");
    world_.is_ending = true;
    return join_outsiders();
  }
  world_.open_doors(*process_);
  const auto all_done = [&] {
    return std::all_of(producers_.begin(), producers_.end(),
                       [](const auto& producer) { return producer->is_done(); });
  };
  for (std::int64_t ms = 0; !all_done() && ms < kFinishMsMax; ms += 50) world_.sleep_ms(50);
  if (!all_done()) world_.violation("producers do not get through: " + failure_);
  world_.is_ending = true;
  world_.close_doors();
  join_outsiders();
  if (has_failed_) world_.violation("it failed without a fault: " + failure_);
  if (world_.violations().empty()) {
    names_.restore_all(*process_);
    for (const auto& pipeline : process_->runtime().pipelines()) {
      const auto drained = process_->runtime().drain(*pipeline);
      if (!drained.is_ok()) world_.violation("drain: " + drained.status().to_string());
    }
    Status status = process_->lake().flush();
    // A request that is on its way may still be in the way.
    for (int i = 0; i < 20 && !status.is_ok(); ++i) {
      world_.sleep_ms(1000);
      status = process_->lake().flush();
    }
    if (!status.is_ok()) world_.violation("lake flush: " + status.to_string());
    status = process_->features().wait_until_all_applied();
    if (!status.is_ok()) world_.violation("features: " + status.to_string());
    status = world_.recorder.poll(process_->log());
    if (!status.is_ok()) world_.violation("reading: " + status.to_string());
    std::vector<const Producer*> producers;
    for (const auto& producer : producers_) producers.push_back(producer.get());
    check_at_the_end(world_, *process_, producers);
    names_.delete_some(*process_);
    world_.sleep_ms(kSweepMs);
    names_.check_retired(*process_);
    status = process_->stop();
    if (!status.is_ok()) world_.violation("the last stop: " + status.to_string());
  }
  end_process();
  if (world_.violations().empty()) check_second_start();
}

// After a clean stop nothing is replayed, and nothing new appears by itself but what the clock
// does.
void Simulation::check_second_start() {
  world_.sleep_ms(kSweepMs);
  world_.objects.late.deliver(world_.scheduler.now_ns());
  if (!start_process(2000)) {
    world_.violation("no start after a clean stop");
  } else {
    world_.sleep_ms(kSweepMs);
    names_.check_garbage(*process_);
    if (process_->log().recovery().groups_replayed > 0) {
      world_.violation("the log replayed groups after a clean stop");
    }
    if (process_->log().recovery().torn_tail_bytes > 0) {
      world_.violation("the log cut a torn tail after a clean stop");
    }
    for (const auto& pipeline : process_->runtime().pipelines()) {
      for (const auto& stage : pipeline->stages()) {
        for (const auto& runner : stage.tasks) {
          const auto report = runner->report();
          if (report.replayed_records == 0) continue;
          world_.violation("after a clean stop " + stage.name + " " +
                           runner->options().source.to_string() + " replayed " +
                           std::to_string(report.replayed_records) + " records from " +
                           std::to_string(report.restored_offset.value));
        }
      }
    }
  }
  end_process();
}

}  // namespace millrace::sim
