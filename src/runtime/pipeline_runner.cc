#include "runtime/pipeline_runner.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/thread.h"

namespace millrace::runtime {
namespace {

// Polls until `is_done`; false when cancelled first.
bool wait_until(const std::function<bool()>& is_done, const std::function<bool()>& is_cancelled) {
  constexpr std::chrono::milliseconds kPollInterval{2};
  while (!is_done()) {
    if (is_cancelled()) return false;
    pause_for(kPollInterval);
  }
  return true;
}

}  // namespace

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
  std::vector<SourceProgress> sources;
  bool has_idle = false;
  for (const auto& runner : tasks) {
    const auto report = runner->report();
    const auto offsets = services_.log->offsets(runner->options().source);
    const bool is_at_end = offsets.is_ok() && report.task.next_offset >= offsets->end;
    const bool is_idle = is_at_end && now - report.last_input_time >= plan_.idle.idle_after_ms;
    has_idle |= is_idle;
    sources.push_back({is_idle, report.task.watermark, report.task.watermark_if_idle});
  }
  const auto target = idle_.target(sources, has_idle && has_open_panes(), now);
  if (!target) return;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (!sources[i].is_idle || !tasks[i]->has_settled()) continue;
    if (tasks[i]->report().task.watermark < *target) tasks[i]->post(task::WatermarkEntry{*target});
  }
}

bool PipelineRunner::has_caught_up(const Stage& stage) const {
  return std::all_of(stage.tasks.begin(), stage.tasks.end(), [&](const auto& runner) {
    const auto offsets = services_.log->offsets(runner->options().source);
    if (!offsets.is_ok() || !runner->has_settled()) return false;
    // What is behind a foreign producer's open transaction is not there yet.
    const bool is_held_up = offsets->last_stable < offsets->high_watermark;
    return runner->report().durable_offset >= (is_held_up ? offsets->last_stable : offsets->end);
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

Status PipelineRunner::finish(DiskPatience& patience) {
  Status first;
  for (auto& stage : stages_) {
    for (auto& runner : stage.tasks) {
      auto status = runner->finish(patience);
      if (first.is_ok()) first = std::move(status);
    }
  }
  return first;
}

}  // namespace millrace::runtime
