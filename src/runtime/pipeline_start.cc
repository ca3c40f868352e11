#include <algorithm>
#include <atomic>
#include <string_view>

#include "base/check.h"
#include "base/thread.h"
#include "runtime/pipeline_registry.h"
#include "runtime/pipeline_runner.h"
#include "runtime/pipeline_setup.h"
#include "task/source_task.h"

// How a pipeline comes up: which version may follow which, topics, tables, tasks.

namespace millrace::runtime {
namespace {

// What the tasks of a stage, recovered side by side, may have to apply again: a start is to take
// less than a second.
constexpr std::int64_t kStageReplayBudgetNs = 400'000'000;

}  // namespace

PipelineRunner::PipelineRunner(RunnerServices services, const pipeline::Pipeline& plan,
                               PipelineRunnerOptions options)
    : services_(services),
      plan_(plan),
      options_(std::move(options)),
      tables_(*services.log, pipeline::tables_topic(plan.name)),
      idle_(plan.idle) {}

PipelineRunner::~PipelineRunner() = default;

Status PipelineRunner::check() {
  MR_CHECK(stages_.empty());
  MR_ASSIGN_OR_RETURN(const auto known, find_registered(*services_.log, plan_.name));
  if (known) MR_RETURN_IF_ERROR(check_version(*known, plan_));
  MR_RETURN_IF_ERROR(check_topics(*services_.log, plan_));
  make_stages();
  if (!known || known->version == plan_.version) return ok_status();
  takeover_.emplace().from_version = known->version;
  return check_takeover();
}

// What the state of the version before is worth to this one. Leaves no trace but in memory.
Status PipelineRunner::check_takeover() {
  if (services_.log->topic(pipeline::tables_topic(plan_.name)).is_ok()) {
    MR_RETURN_IF_ERROR(tables_.load(plan_.tables));
  }
  for (auto& stage : stages_) {
    for (auto& runner : stage.tasks) {
      if (!services_.log->topic(runner->options().journal.topic).is_ok()) continue;
      MR_RETURN_IF_ERROR(prepare_switch(stage, *runner));
    }
  }
  MR_RETURN_IF_ERROR(add_dropped_stages());
  if (takeover_->lost.empty()) return ok_status();
  const auto accepted = plan_.name + "@" + std::to_string(plan_.version);
  if (options_.accepted_losses.contains(accepted)) return ok_status();
  return invalid_error(refusal_of(plan_, *takeover_));
}

Status PipelineRunner::prepare_switch(const Stage& stage, TaskRunner& runner) {
  auto taken_over = runner.prepare_switch();
  if (!taken_over.is_ok()) {
    return std::move(taken_over)
        .take_status()
        .with_context(stage.name + " partition " +
                      std::to_string(runner.options().source.partition));
  }
  for (const auto& lost : taken_over->lost) takeover_->add(stage.name, lost);
  for (const auto& window : taken_over->begun) takeover_->add_begun(window);
  return ok_status();
}

// Stages of merged windows that no longer are, by the topic that fed them, which goes last.
std::vector<std::string> PipelineRunner::dropped_stages() const {
  const std::string prefix = "millrace." + plan_.name + ".";
  constexpr std::string_view kSuffix = ".partials";
  std::vector<std::string> dropped;
  for (const auto& topic : services_.log->topics()) {
    if (!topic.name.starts_with(prefix) || !topic.name.ends_with(kSuffix)) continue;
    const auto length = topic.name.size() - prefix.size() - kSuffix.size();
    const auto name = topic.name.substr(prefix.size(), length);
    MR_CHECK(topic.name == pipeline::partials_topic(plan_.name, name));
    const bool is_ours = std::any_of(stages_.begin(), stages_.end(),
                                     [&](const Stage& stage) { return stage.name == name; });
    if (!is_ours) dropped.push_back(name);
  }
  return dropped;
}

Status PipelineRunner::add_dropped_stages() {
  for (const auto& name : dropped_stages()) {
    const auto topic = pipeline::journal_topic(plan_.name, name);
    const auto info = services_.log->topic(topic);
    for (std::int32_t p = 0; info.is_ok() && p < info->config.partition_count; ++p) {
      MR_ASSIGN_OR_RETURN(const auto journal, read_journal(*services_.log, {topic, p}));
      if (journal.snapshots.empty()) continue;
      MR_ASSIGN_OR_RETURN(const auto snapshot,
                          get_snapshot(*services_.objects, journal.snapshots.back()));
      MR_ASSIGN_OR_RETURN(const auto state, task::read_merge_state(snapshot.state));
      if (state.open_panes == 0) continue;
      takeover_->add(name, {state.window, state.open_panes, state.open_keys, 0, 0});
    }
  }
  return ok_status();
}

void PipelineRunner::notice(const std::string& text) const {
  if (options_.on_notice) options_.on_notice(text);
}

void PipelineRunner::make_stages() {
  for (const auto& plan : stage_plans(plan_, tables_.provider())) {
    const auto journal = pipeline::journal_topic(plan_.name, plan.name);
    Stage stage{plan.name, plan.source_topic, {}};
    for (std::int32_t p = 0; p < plan.partition_count; ++p) {
      RunnerOptions options;
      options.pipeline = plan_.name;
      options.stage = plan.name;
      options.source = {plan.source_topic, p};
      options.source_partition_count = plan.partition_count;
      options.journal = {journal, p};
      options.group = pipeline::consumer_group(plan_.name, plan.name);
      options.owner = options_.owner;
      options.outputs = plan.outputs;
      options.checkpoint_interval_ms = options_.checkpoint_interval_ms;
      options.dedup_open_ids_max = options_.dedup_open_ids_max;
      options.replay_budget_ns = kStageReplayBudgetNs * options_.parallelism / plan.partition_count;
      stage.tasks.push_back(std::make_unique<TaskRunner>(
          services_, std::move(options), [make = plan.make_task, p] { return make(p); }));
    }
    stages_.push_back(std::move(stage));
  }
}

Status PipelineRunner::start() {
  if (stages_.empty()) MR_RETURN_IF_ERROR(check());
  MR_RETURN_IF_ERROR(create_registry(*services_.log));
  MR_RETURN_IF_ERROR(
      create_topics(*services_.log, plan_, options_.retention_ms, options_.on_notice));
  if (!takeover_) MR_RETURN_IF_ERROR(tables_.load(plan_.tables));
  std::vector<task::TableVersionEntry> tables;
  for (const auto& file : plan_.tables) {
    MR_ASSIGN_OR_RETURN(const auto content, tables_.publish(file));
    tables.push_back({file.name, content});
  }
  MR_RETURN_IF_ERROR(takeover_ ? switch_version() : recover_tasks(tables));
  post_tables(tables);
  return remove_dropped_stages();
}

Status PipelineRunner::recover_tasks(const std::vector<task::TableVersionEntry>& tables) {
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    std::vector<task::JournalEvent> first{version_entry(plan_)};
    if (s == 0) first.insert(first.end(), tables.begin(), tables.end());
    MR_RETURN_IF_ERROR(recover_stage(stages_[s], first));
  }
  MR_ASSIGN_OR_RETURN(const auto known, find_registered(*services_.log, plan_.name));
  if (known) return ok_status();
  return register_pipeline(*services_.log, registration(), services_.clock->wall_now());
}

// After an error nobody begins another one; of several the first by partition is given.
Status PipelineRunner::recover_stage(Stage& stage,
                                     const std::vector<task::JournalEvent>& first_events) {
  std::vector<Status> outcomes(stage.tasks.size());
  std::atomic<std::size_t> next{0};
  const auto recover_some = [&] {
    for (auto i = next.fetch_add(1); i < outcomes.size(); i = next.fetch_add(1)) {
      outcomes[i] = stage.tasks[i]->recover(first_events);
      if (!outcomes[i].is_ok()) next.store(outcomes.size());
    }
  };
  std::vector<Thread> others;
  const auto thread_count =
      std::min(static_cast<std::size_t>(options_.parallelism), outcomes.size());
  for (std::size_t i = 1; i < thread_count; ++i) others.emplace_back(recover_some);
  recover_some();
  for (auto& thread : others) thread.join();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].is_ok()) continue;
    return std::move(outcomes[i])
        .with_context(stage.name + " partition " +
                      std::to_string(stage.tasks[i]->options().source.partition));
  }
  return ok_status();
}

RegisteredPipeline PipelineRunner::registration() const {
  return registration_of(plan_, takeover_ ? takeover_->lost : std::vector<LostState>());
}

// All tasks and the registry in one commit: whatever happens, one version is in force everywhere.
Status PipelineRunner::switch_version() {
  for (auto& stage : stages_) {
    for (auto& runner : stage.tasks) {
      if (runner->is_switching()) continue;
      MR_RETURN_IF_ERROR(prepare_switch(stage, *runner));
    }
  }
  EventTime merged_from = task::kNoWatermark;
  for (const auto& runner : stages_.front().tasks) {
    merged_from = std::max(merged_from, runner->report().task.unseen_from);
  }
  log::Commit commit;
  for (auto& stage : stages_) {
    for (auto& runner : stage.tasks) {
      MR_RETURN_IF_ERROR(runner->add_switch(version_entry(plan_), merged_from, commit));
    }
  }
  commit.appends.push_back(registration_batch(registration(), services_.clock->wall_now()));
  log::CommitPort& commits = services_.commits != nullptr ? *services_.commits : *services_.log;
  MR_ASSIGN_OR_RETURN(const auto appended, commits.commit(std::move(commit)));
  MR_RETURN_IF_ERROR(commits.wait_durable(appended.sequence));
  for (auto& stage : stages_) {
    for (auto& runner : stage.tasks) runner->finish_switch(appended.sequence);
  }
  // So that merging tasks that begin with nothing hear where the sources stand.
  for (auto& runner : stages_.front().tasks) {
    const auto watermark = runner->report().task.watermark;
    if (watermark != task::kNoWatermark) runner->post(task::WatermarkEntry{watermark});
  }
  const auto name = "pipeline " + plan_.name + " version " + std::to_string(plan_.version);
  notice(name + " follows version " + std::to_string(takeover_->from_version));
  for (const auto& lost : takeover_->lost) notice(name + ": lost " + in_words(lost));
  if (!takeover_->begun.empty()) notice(name + ": " + begun_in_words(takeover_->begun));
  return ok_status();
}

void PipelineRunner::post_tables(const std::vector<task::TableVersionEntry>& tables) {
  for (auto& runner : stages_.front().tasks) {
    const auto in_force = runner->report().task.tables;
    for (const auto& table : tables) {
      const bool is_current = std::any_of(in_force.begin(), in_force.end(), [&](const auto& known) {
        return known.table == table.table && known.content == table.content;
      });
      if (!is_current) runner->post(table);
    }
  }
}

// Only once the version without them is in force; what a crash leaves, the next start removes.
Status PipelineRunner::remove_dropped_stages() {
  const auto ignore_missing = [](Status status) {
    return status.code() == StatusCode::not_found ? ok_status() : std::move(status);
  };
  auto& log = *services_.log;
  for (const auto& name : dropped_stages()) {
    const auto group = pipeline::consumer_group(plan_.name, name);
    MR_RETURN_IF_ERROR(ignore_missing(log.delete_topic(pipeline::journal_topic(plan_.name, name))));
    MR_RETURN_IF_ERROR(ignore_missing(log.delete_group(group)));
    MR_RETURN_IF_ERROR(
        ignore_missing(log.delete_topic(pipeline::partials_topic(plan_.name, name))));
  }
  return ok_status();
}

}  // namespace millrace::runtime
