#include "runtime/pipeline_runner.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/thread.h"
#include "runtime/pipeline_registry.h"
#include "task/source_task.h"

namespace millrace::runtime {
namespace {

constexpr std::int64_t kLiveFeedMs = 3'600'000;  // R13: newer events make a feed a live one

// Polls until `is_done`; false when cancelled first.
bool wait_until(const std::function<bool()>& is_done, const std::function<bool()>& is_cancelled) {
  constexpr std::chrono::milliseconds kPollInterval{2};
  Mutex mutex;
  Condition never_notified;
  std::unique_lock lock(mutex);
  while (!is_done()) {
    if (is_cancelled()) return false;
    never_notified.wait_for(lock, kPollInterval);
  }
  return true;
}

}  // namespace

PipelineRunner::PipelineRunner(RunnerServices services, const pipeline::Pipeline& plan,
                               std::string owner, std::int64_t checkpoint_interval_ms)
    : services_(services),
      plan_(plan),
      owner_(std::move(owner)),
      checkpoint_interval_ms_(checkpoint_interval_ms),
      tables_(*services.log, pipeline::tables_topic(plan.name)) {}

PipelineRunner::~PipelineRunner() = default;

Status PipelineRunner::create_topics() {
  for (const auto& need : plan_.topics) {
    auto known = services_.log->topic(need.name);
    if (known.is_ok()) {
      if (known->config.partition_count == need.partition_count) continue;
      return invalid_error("topic " + need.name + " has " +
                           std::to_string(known->config.partition_count) +
                           " partitions, pipeline " + plan_.name + " was made for " +
                           std::to_string(need.partition_count));
    }
    if (known.status().code() != StatusCode::not_found) return known.status();
    log::TopicConfig config;
    config.partition_count = need.partition_count;
    config.is_internal = need.is_internal;
    config.is_compacted = need.is_compacted;
    if (need.name == plan_.source.source_topic) config.batch_bytes_max = log::kInputBatchBytesMax;
    auto created = services_.log->create_topic(need.name, config);
    if (!created.is_ok()) return std::move(created).take_status();
  }
  return ok_status();
}

Result<bool> PipelineRunner::check_version() {
  MR_RETURN_IF_ERROR(create_registry(*services_.log));
  MR_ASSIGN_OR_RETURN(const auto known, find_registered(*services_.log, plan_.name));
  if (!known) return false;
  const std::string name = "pipeline " + plan_.name + " version ";
  if (known->version == plan_.version && known->file == plan_.file) return false;
  if (known->version == plan_.version) {
    auto difference = describe_difference(known->text, plan_.text);
    if (difference.empty()) difference = " its schema is another one";
    return invalid_error(name + std::to_string(plan_.version) +
                         " ran with another content; raise its version:" + difference);
  }
  if (known->version > plan_.version) {
    return invalid_error(name + std::to_string(known->version) + " ran already; the file says " +
                         std::to_string(plan_.version));
  }
  return true;
}

// Only once every task has taken over its state, so that a refused version leaves the one before in
// force.
Status PipelineRunner::register_version() {
  const RegisteredPipeline now{plan_.name, plan_.version, plan_.file,
                               plan_.source.source_partition_count, plan_.text};
  MR_ASSIGN_OR_RETURN(const auto known, find_registered(*services_.log, plan_.name));
  if (known && known->version == now.version && known->file == now.file) return ok_status();
  return register_pipeline(*services_.log, now, services_.clock->wall_now());
}

Status PipelineRunner::make_stage(
    const std::string& name, const std::string& topic, std::int32_t partition_count,
    const std::vector<task::OutputTopic>& outputs,
    const std::function<std::unique_ptr<task::Task>(std::int32_t)>& make_task) {
  const auto journal = pipeline::journal_topic(plan_.name, name);
  Stage stage{name, topic, {}};
  for (std::int32_t p = 0; p < partition_count; ++p) {
    RunnerOptions options;
    options.pipeline = plan_.name;
    options.stage = name;
    options.source = {topic, p};
    options.source_partition_count = partition_count;
    options.journal = {journal, p};
    options.group = pipeline::consumer_group(plan_.name, name);
    options.owner = owner_;
    options.outputs = outputs;
    options.checkpoint_interval_ms = checkpoint_interval_ms_;
    stage.tasks.push_back(std::make_unique<TaskRunner>(services_, std::move(options),
                                                       [make_task, p] { return make_task(p); }));
  }
  stages_.push_back(std::move(stage));
  return ok_status();
}

Status PipelineRunner::start() {
  MR_ASSIGN_OR_RETURN(const bool is_upgrade, check_version());
  MR_RETURN_IF_ERROR(create_topics());
  MR_RETURN_IF_ERROR(tables_.load(plan_.tables));
  std::vector<task::TableVersionEntry> tables;
  for (const auto& file : plan_.tables) {
    MR_ASSIGN_OR_RETURN(const auto content, tables_.publish(file));
    tables.push_back({file.name, content});
  }
  MR_RETURN_IF_ERROR(
      make_stage(std::string(pipeline::kSourceStage), plan_.source.source_topic,
                 plan_.source.source_partition_count, plan_.source.outputs, [this](std::int32_t p) {
                   return task::make_source_task(plan_.source, p, tables_.provider());
                 }));
  for (const auto& merge : plan_.merges) {
    MR_ASSIGN_OR_RETURN(const auto topic, services_.log->topic(merge.repartition_topic));
    MR_RETURN_IF_ERROR(make_stage(
        merge.window.name, merge.repartition_topic, topic.config.partition_count, merge.outputs,
        [&merge](std::int32_t p) { return task::make_merge_task(merge, p); }));
  }
  MR_RETURN_IF_ERROR(recover_tasks(tables, is_upgrade));
  return register_version();
}

Status PipelineRunner::recover_tasks(const std::vector<task::TableVersionEntry>& tables,
                                     bool is_upgrade) {
  const task::PipelineEntry version{plan_.name, plan_.version, plan_.file,
                                    plan_.source.source_partition_count};
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    std::vector<task::JournalEvent> first{version};
    if (s == 0) first.insert(first.end(), tables.begin(), tables.end());
    for (auto& runner : stages_[s].tasks) {
      auto status = runner->recover(first, is_upgrade);
      if (!status.is_ok()) {
        return std::move(status).with_context(stages_[s].name + " partition " +
                                              std::to_string(runner->options().source.partition));
      }
      if (is_upgrade) runner->post(version);
    }
  }
  for (auto& runner : stages_.front().tasks) {
    const auto in_force = runner->report().task.tables;
    for (const auto& table : tables) {
      const bool is_current = std::any_of(in_force.begin(), in_force.end(), [&](const auto& known) {
        return known.table == table.table && known.content == table.content;
      });
      if (!is_current) runner->post(table);
    }
  }
  return ok_status();
}

std::vector<TaskRunner*> PipelineRunner::runners() {
  std::vector<TaskRunner*> all;
  for (auto& stage : stages_) {
    for (auto& runner : stage.tasks) all.push_back(runner.get());
  }
  return all;
}

bool PipelineRunner::has_open_panes() const {
  for (const auto& stage : stages_) {
    for (const auto& runner : stage.tasks) {
      const auto report = runner->report();
      // A pane is not fired as long as its end is ahead of the watermark; the list of open panes is
      // cut.
      if (report.task.largest_pane_end > report.task.watermark) return true;
    }
  }
  return false;
}

void PipelineRunner::tick() {
  const auto now = services_.clock->wall_now();
  const auto& tasks = stages_.front().tasks;
  std::vector<bool> is_idle;
  for (const auto& runner : tasks) {
    const auto report = runner->report();
    const auto offsets = services_.log->offsets(runner->options().source);
    const bool is_at_end = offsets.is_ok() && report.task.next_offset >= offsets->end;
    is_idle.push_back(is_at_end && now - report.last_input_time >= plan_.idle.idle_after_ms);
  }
  const auto idle_count =
      static_cast<std::size_t>(std::count(is_idle.begin(), is_idle.end(), true));
  if (idle_count < tasks.size()) all_idle_since_ = WallTime(-1);
  if (idle_count == 0 || !has_open_panes()) return;
  if (idle_count < tasks.size()) return advance_idle(is_idle, idle_count);
  advance_all_idle(now);
}

// Idle partitions follow the slowest of the busy ones (R13).
void PipelineRunner::advance_idle(const std::vector<bool>& is_idle, std::size_t idle_count) {
  MR_CHECK(idle_count < is_idle.size());
  const auto& tasks = stages_.front().tasks;
  std::optional<EventTime> slowest;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (is_idle[i]) continue;
    const auto watermark = tasks[i]->report().task.watermark;
    slowest = slowest ? std::min(*slowest, watermark) : watermark;
  }
  if (*slowest == task::kNoWatermark) return;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (!is_idle[i] || !tasks[i]->has_settled()) continue;
    if (tasks[i]->report().task.watermark < *slowest) {
      tasks[i]->post(task::WatermarkEntry{*slowest});
    }
  }
}

// With nothing coming at all a live feed's clock goes on with the wall; that of a paused replay
// stands.
void PipelineRunner::advance_all_idle(WallTime now) {
  using Advance = pipeline::IdlePolicy::Advance;
  if (plan_.idle.advance == Advance::off) return;
  const auto& tasks = stages_.front().tasks;
  EventTime newest = task::kNoWatermark;
  for (const auto& runner : tasks) newest = std::max(newest, runner->report().task.watermark);
  if (newest == task::kNoWatermark) return;
  if (plan_.idle.advance == Advance::automatic &&
      newest.value < (now.value - kLiveFeedMs) * kMicrosPerMilli) {
    return;
  }
  if (all_idle_since_.value < 0) {
    all_idle_since_ = now;
    all_idle_watermark_ = newest;
  }
  const auto target = all_idle_watermark_ + (now - all_idle_since_) * kMicrosPerMilli;
  for (const auto& runner : tasks) {
    if (runner->has_settled() && runner->report().task.watermark < target) {
      runner->post(task::WatermarkEntry{target});
    }
  }
}

bool PipelineRunner::has_caught_up(const Stage& stage) const {
  return std::all_of(stage.tasks.begin(), stage.tasks.end(), [&](const auto& runner) {
    const auto offsets = services_.log->offsets(runner->options().source);
    return offsets.is_ok() && runner->report().durable_offset >= offsets->end &&
           runner->has_settled();
  });
}

Result<PipelineRunner::Drained> PipelineRunner::drain(const std::function<bool()>& is_cancelled) {
  const auto all_caught_up = [&] {
    return std::all_of(stages_.begin(), stages_.end(),
                       [&](const Stage& stage) { return has_caught_up(stage); });
  };
  if (!wait_until(all_caught_up, is_cancelled)) return cancelled_error("drain was cancelled");
  const auto count_results = [&] {
    std::uint64_t results = 0;
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      for (const auto& runner : stages_[s].tasks) {
        const auto windows = runner->report().task.counters.windows;
        for (std::size_t w = 0; w < windows.size(); ++w) {
          const bool is_partial = s == 0 && !plan_.source.windows[w].local;
          if (!is_partial) results += windows[w].results;
        }
      }
    }
    return results;
  };
  const auto before = count_results();
  EventTime target = task::kNoWatermark;
  for (const auto& stage : stages_) {
    for (const auto& runner : stage.tasks) {
      target = std::max(target, runner->report().task.largest_pane_end);
    }
  }
  if (target == task::kNoWatermark) return Drained{};
  for (auto& runner : stages_.front().tasks) {
    if (runner->report().task.watermark < target) runner->post(task::WatermarkEntry{target});
  }
  if (!wait_until(all_caught_up, is_cancelled)) return cancelled_error("drain was cancelled");
  return Drained{count_results() - before};
}

Status PipelineRunner::finish() {
  for (auto& stage : stages_) {
    for (auto& runner : stage.tasks) MR_RETURN_IF_ERROR(runner->finish());
  }
  return ok_status();
}

}  // namespace millrace::runtime
