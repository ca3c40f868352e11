#include "runtime/shared_pipeline.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/check.h"

// What goes on while a shared pipeline runs; shared_pipeline_start.cc brings it up.

namespace millrace::runtime {
namespace {

constexpr std::chrono::milliseconds kDrainPoll{100};
constexpr std::int64_t kAskAgainNs = 20'000'000'000;
constexpr std::int64_t kLookNs = 2'000'000'000;

bool is_at_end(const log::Log& log, const TopicPartition& source, const RunnerReport& report) {
  const auto offsets = log.offsets(source);
  return offsets.is_ok() && report.consumed_offset >= offsets->end;
}

}  // namespace

SharedPipeline::~SharedPipeline() {
  stop(false);
}

void SharedPipeline::stop(bool is_orderly) {
  for (auto& stage : stages_) stage.tasks->stop(is_orderly);
}

bool SharedPipeline::post(std::int32_t partition, const task::JournalEvent& event) {
  return has_joined_.load() && stages_.front().tasks->post(partition, event);
}

void SharedPipeline::tick() {
  if (!has_joined_.load() || halted()) return;
  const auto now = services_.clock->monotonic_now();
  if (now - looked_at_ >= kLookNs) {
    looked_at_ = now;
    if (!plan_.tables.empty()) (void)tables_.read_on();  // at worst the news come later
    check_partitions();
    if (halted()) return;
  }
  exchange();
  if (options_.has_standby) follow_others();
  auto& source = *stages_.front().tasks;
  post_tables(source);
  move_watermarks(source);
  for (const auto& stage : stages_) note_refusals(stage);
}

// How far our tasks of a stage are.
std::vector<TaskProgress> SharedPipeline::own_progress(
    std::size_t stage, const std::map<std::int32_t, SharedStage::TaskStatus>& tasks) const {
  const auto now = services_.clock->wall_now();
  std::vector<TaskProgress> own;
  for (const auto& [partition, status] : tasks) {
    // What a decision has done is told once it is durable, so that nobody counts on it before.
    if (!status.report || !status.has_settled) continue;
    const auto& report = *status.report;
    TaskProgress progress;
    progress.stage = stages_[stage].plan.name;
    progress.partition = partition;
    progress.process = options_.process;
    const bool is_committed = report.durable_offset >= report.task.next_offset;
    progress.done = is_committed ? report.consumed_offset : report.durable_offset;
    progress.is_idle = stage == 0 && is_committed &&
                       now - report.last_input_time >= plan_.idle.idle_after_ms &&
                       is_at_end(log_, {plan_.source.source_topic, partition}, report);
    progress.watermark = report.task.watermark;
    progress.watermark_if_idle = report.task.watermark_if_idle;
    progress.largest_pane_end = report.task.largest_pane_end;
    const auto& windows = report.task.counters.windows;
    for (std::size_t w = 0; w < windows.size(); ++w) {
      const bool is_partial = stage == 0 && !plan_.source.windows[w].local;
      if (!is_partial) progress.results += windows[w].results;
    }
    own.push_back(std::move(progress));
  }
  return own;
}

// A log that is away is asked again at the next tick; until then the news are old.
void SharedPipeline::exchange() {
  std::vector<TaskProgress> own;
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    for (auto& progress : own_progress(s, stages_[s].tasks->tasks())) {
      own.push_back(std::move(progress));
    }
  }
  const std::lock_guard lock(mutex_);
  (void)progress_.exchange(own);
}

// Followers are where their partitions are likely to go next, as far as all have told.
void SharedPipeline::follow_others() {
  const auto known = places();
  std::set<std::string> processes;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [process, note] : progress_.standbys()) processes.insert(process);
  }
  StandbyNote own{options_.process, {}};
  for (const auto& stage : stages_) {
    std::map<std::int32_t, std::string> owners;
    for (const auto& [place, progress] : known) {
      if (place.first == stage.plan.name) owners[place.second] = progress.process;
    }
    std::set<std::int32_t> wanted;
    for (const auto& [partition, process] : choose_followers(owners, processes)) {
      if (process == options_.process) wanted.insert(partition);
    }
    stage.tasks->follow(wanted);
    for (const auto& [partition, follower] : stage.tasks->followers()) {
      if (follower.has_state) own.followed.emplace(stage.plan.name, partition);
    }
  }
  const std::lock_guard lock(mutex_);
  (void)progress_.tell(own);  // at worst nothing is expected of us for a while
}

// R9. With another number of partitions keys would meet another task than the one that has their
// windows and ids. What a producer has sent there since is read once the number is as before.
void SharedPipeline::check_partitions() {
  const auto& plan = stages_.front().plan;
  const auto topic = log_.topic(plan.source_topic);
  if (!topic.is_ok() || topic->config.partition_count == plan.partition_count) return;
  const auto why = "topic " + plan.source_topic + " has " +
                   std::to_string(topic->config.partition_count) + " partitions now, pipeline " +
                   plan_.name + " was made for " + std::to_string(plan.partition_count) +
                   "; give the pipeline a new name to go on with all of them";
  if (options_.on_notice) options_.on_notice("pipeline " + plan_.name + " has stopped: " + why);
  for (const auto& stage : stages_) stage.tasks->stop(true);
  const std::lock_guard lock(mutex_);
  halted_ = why;
}

std::optional<std::string> SharedPipeline::halted() const {
  const std::lock_guard lock(mutex_);
  return halted_;
}

void SharedPipeline::post_tables(SharedStage& source) {
  const auto newest = tables_.newest();
  if (newest.empty()) return;
  for (const auto& [partition, status] : source.tasks()) {
    if (!status.report || !status.has_settled) continue;
    const auto& in_force = status.report->task.tables;
    for (const auto& table : newest) {
      const bool is_current = std::any_of(in_force.begin(), in_force.end(), [&](const auto& known) {
        return known.table == table.table && known.content == table.content;
      });
      if (!is_current) source.post(partition, table);
    }
  }
}

// R13, and drains. Partitions nobody has spoken of lately hold the others.
void SharedPipeline::move_watermarks(SharedStage& source) {
  const auto known = places();
  std::vector<SourceProgress> all(static_cast<std::size_t>(stages_.front().plan.partition_count));
  bool has_open_panes = false;
  for (const auto& [place, progress] : known) {
    has_open_panes |= progress.largest_pane_end > progress.watermark;
    if (place.first != pipeline::kSourceStage) continue;
    const auto index = static_cast<std::size_t>(place.second);
    if (index >= all.size()) continue;
    all[index] = {progress.is_idle, progress.watermark, progress.watermark_if_idle};
  }
  std::optional<EventTime> idle;
  std::optional<EventTime> drain;
  {
    const std::lock_guard lock(mutex_);
    idle = idle_.target(all, has_open_panes, services_.clock->wall_now());
    drain = progress_.asked_to_drain();
  }
  if (!idle && !drain) return;
  for (const auto& [partition, status] : source.tasks()) {
    const auto index = static_cast<std::size_t>(partition);
    if (!status.report || !status.has_settled || index >= all.size()) continue;
    auto target = status.report->task.watermark;
    if (drain) target = std::max(target, *drain);
    if (idle && all[index].is_idle) target = std::max(target, *idle);
    if (target == status.report->task.watermark) continue;
    source.post(partition, task::WatermarkEntry{target});
  }
}

void SharedPipeline::note_refusals(const Stage& stage) {
  for (const auto& [partition, status] : stage.tasks->tasks()) {
    const bool is_refused = status.state == SharedStage::TaskState::refused;
    if (status.state != SharedStage::TaskState::running && !is_refused) continue;
    auto& told = refusals_[{stage.plan.name, partition}];
    const auto why = is_refused ? status.why : std::string();
    if (std::exchange(told, why) == why || why.empty() || !options_.on_notice) continue;
    options_.on_notice("pipeline " + plan_.name + ": " + stage.plan.name + " partition " +
                       std::to_string(partition) + " does not run: " + why);
  }
}

SharedPipeline::Places SharedPipeline::places() const {
  const std::lock_guard lock(mutex_);
  return progress_.tasks();
}

// Whether every task of every process has committed all that it can see.
bool SharedPipeline::is_all_done(const Places& places) const {
  for (const auto& stage : stages_) {
    for (std::int32_t p = 0; p < stage.plan.partition_count; ++p) {
      const auto known = places.find({stage.plan.name, p});
      if (known == places.end()) return false;
      const auto offsets = log_.offsets({stage.plan.source_topic, p});
      if (!offsets.is_ok()) return false;
      // What is behind a foreign producer's open transaction is not there yet; our own ones end.
      const bool is_foreign = stage.plan.name == pipeline::kSourceStage;
      if (known->second.done < (is_foreign ? offsets->last_stable : offsets->end)) return false;
    }
  }
  return true;
}

Result<SharedPipeline::Drained> SharedPipeline::drain() {
  const auto given_up = [this]() -> Status {
    if (const auto why = halted()) return wrong_state_error(*why);
    return is_cancelled() ? cancelled_error("drain was cancelled") : ok_status();
  };
  const auto count_results = [](const Places& places) {
    std::uint64_t results = 0;
    for (const auto& [place, progress] : places) results += progress.results;
    return results;
  };
  auto known = places();
  while (!is_all_done(known)) {
    MR_RETURN_IF_ERROR(given_up());
    pause_for(kDrainPoll);
    known = places();
  }
  const auto before = count_results(known);
  EventTime target = task::kNoWatermark;
  for (const auto& [place, progress] : known) target = std::max(target, progress.largest_pane_end);
  if (target == task::kNoWatermark) return Drained{};
  const auto has_fired = [&] {
    const bool is_there = std::all_of(known.begin(), known.end(), [&](const auto& task) {
      return task.first.first != pipeline::kSourceStage || task.second.watermark >= target;
    });
    return is_there && is_all_done(known);
  };
  std::optional<MonotonicTime> asked;
  while (!has_fired()) {
    MR_RETURN_IF_ERROR(given_up());
    const auto now = services_.clock->monotonic_now();
    if (!asked || now - *asked > kAskAgainNs) {
      const std::lock_guard lock(mutex_);
      if (progress_.ask_to_drain(target).is_ok()) asked = now;
    }
    pause_for(kDrainPoll);
    known = places();
  }
  return Drained{count_results(known) - before};
}

std::vector<SharedPipeline::StageReport> SharedPipeline::report() const {
  std::vector<StageReport> all;
  if (!has_joined_.load()) return all;
  const auto known = places();
  std::unique_lock lock(mutex_);
  const auto standbys = progress_.standbys();
  lock.unlock();
  for (const auto& stage : stages_) {
    auto& report = all.emplace_back();
    report.name = stage.plan.name;
    report.source_topic = stage.plan.source_topic;
    report.partition_count = stage.plan.partition_count;
    report.tasks = stage.tasks->tasks();
    report.slots = stage.tasks->slots();
    report.counters = stage.tasks->counters();
    report.followers = stage.tasks->followers();
    for (const auto& [process, note] : standbys) {
      for (const auto& [name, partition] : note.followed) {
        if (name == stage.plan.name) report.followed_by[partition] = process;
      }
    }
    for (const auto& [place, progress] : known) {
      if (place.first != stage.plan.name || report.tasks.contains(place.second)) continue;
      report.elsewhere.emplace(place.second, progress);
    }
  }
  return all;
}

std::vector<SharedPipeline::StageTasks> SharedPipeline::stage_tasks() const {
  std::vector<StageTasks> all;
  if (!has_joined_.load()) return all;
  for (const auto& stage : stages_) {
    auto& known = all.emplace_back();
    known.name = stage.plan.name;
    known.source_topic = stage.plan.source_topic;
    known.make_task = stage.plan.make_task;
    for (std::int32_t p = 0; p < stage.plan.partition_count; ++p) {
      known.tasks.push_back(stage.tasks->runner_options(p));
    }
  }
  return all;
}

}  // namespace millrace::runtime
