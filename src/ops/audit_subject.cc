#include "ops/audit_subject.h"

#include <chrono>
#include <set>

#include "base/thread.h"
#include "log/decided.h"
#include "runtime/task_replay.h"

namespace millrace::ops {
namespace {

constexpr int kAttemptsMax = 5;
constexpr std::chrono::milliseconds kBetweenAttempts{200};

}  // namespace

Result<AuditSubject::Reports> RunningTasks::reports() {
  Reports all;
  for (const auto& stage : pipeline_.runner->stages()) {
    auto& tasks = all.emplace_back();
    for (const auto& runner : stage.tasks) tasks.push_back(runner->report());
  }
  return all;
}

// Decisions from outside included.
bool RunningTasks::has_settled(const Reports& reports) {
  for (std::size_t s = 0; s < reports.size(); ++s) {
    const auto& tasks = pipeline_.runner->stages()[s].tasks;
    for (std::size_t p = 0; p < tasks.size(); ++p) {
      if (tasks[p]->report().durable_offset < reports[s][p].task.next_offset) return false;
      if (!tasks[p]->has_settled()) return false;
    }
  }
  return true;
}

Result<bool> RunningTasks::has_moved(std::size_t) {
  return true;
}

CommittedTasks::CommittedTasks(const ApiContext& context, KnownPipeline pipeline,
                               const IsCancelled& is_cancelled)
    : context_(context), pipeline_(std::move(pipeline)), is_cancelled_(is_cancelled) {
  for (const auto& stage : pipeline_.stages) {
    newest_.emplace_back(stage.tasks.size(), Known{Offset(-1), {}});
  }
}

Result<AuditSubject::Reports> CommittedTasks::reports() {
  Reports all;
  for (std::size_t s = 0; s < pipeline_.stages.size(); ++s) {
    const auto& stage = pipeline_.stages[s];
    auto& reports = all.emplace_back();
    for (std::size_t p = 0; p < stage.tasks.size(); ++p) {
      MR_ASSIGN_OR_RETURN(
          const auto end,
          log::wait_until_decided(*context_.log, stage.tasks[p].journal, is_cancelled_));
      auto& known = newest_[s][p];
      if (known.journal_end != end) {
        MR_ASSIGN_OR_RETURN(known, replay(stage, p));
        known.journal_end = end;
      }
      reports.push_back(known.report);
    }
  }
  if (first_ends_.empty()) {
    for (const auto& stage : newest_) {
      auto& ends = first_ends_.emplace_back();
      for (const auto& known : stage) ends.push_back(known.journal_end);
    }
  }
  MR_RETURN_IF_ERROR(wait_for_outputs());
  return all;
}

// A running owner retires snapshots and trims journals meanwhile; what is newer is there by then.
Result<CommittedTasks::Known> CommittedTasks::replay(const KnownStage& stage,
                                                     std::size_t partition) {
  for (int attempt = 1;; ++attempt) {
    auto report = replay_once(stage, partition);
    if (report.is_ok()) return Known{Offset(-1), std::move(report).value()};
    const auto code = report.status().code();
    const bool is_final = code == StatusCode::cancelled || code == StatusCode::overloaded;
    if (is_final || attempt >= kAttemptsMax) {
      return std::move(report).take_status().with_context(stage.name + "/" +
                                                          std::to_string(partition));
    }
    pause_for(kBetweenAttempts);
  }
}

Result<runtime::RunnerReport> CommittedTasks::replay_once(const KnownStage& stage,
                                                          std::size_t partition) {
  runtime::ReplayRange range;
  range.is_state_only = true;
  auto opened =
      runtime::TaskReplay::open(replay_subject(context_, pipeline_, stage, partition), range);
  if (opened.status().code() == StatusCode::not_found) {
    return overloaded_error(
        "the task has committed nothing yet, nobody may run it; status says who and why not");
  }
  if (!opened.is_ok()) return std::move(opened).take_status();
  auto& shadow = **opened;
  while (true) {
    if (is_cancelled_()) return cancelled_error("the audit was cancelled");
    MR_ASSIGN_OR_RETURN(const bool has_more, shadow.step());
    if (!has_more) break;
  }
  runtime::RunnerReport report;
  report.task = shadow.task().report();
  report.task.next_offset = shadow.bounds().committed;
  report.durable_offset = report.consumed_offset = shadow.bounds().committed;
  return report;
}

Status CommittedTasks::wait_for_outputs() {
  std::set<TopicPartition> outputs;
  for (const auto& stage : pipeline_.stages) {
    for (const auto& output : stage.tasks.front().outputs) {
      for (std::int32_t p = 0; p < output.partition_count; ++p) outputs.insert({output.topic, p});
    }
  }
  for (const auto& at : outputs) {
    MR_RETURN_IF_ERROR(log::wait_until_decided(*context_.log, at, is_cancelled_).status());
  }
  return ok_status();
}

Result<bool> CommittedTasks::has_moved(std::size_t stage) {
  for (std::size_t p = 0; p < first_ends_[stage].size(); ++p) {
    MR_ASSIGN_OR_RETURN(const auto offsets,
                        context_.log->offsets(pipeline_.stages[stage].tasks[p].journal));
    if (offsets.end != first_ends_[stage][p]) return true;
  }
  return false;
}

}  // namespace millrace::ops
