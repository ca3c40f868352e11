#include "ops/audit_replay.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "ops/known_tasks.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kNanosPerMilli = 1'000'000;

Result<std::optional<Offset>> parse_bound(std::string_view digits, std::string_view text) {
  if (digits.empty()) return std::optional<Offset>();
  std::int64_t offset = 0;
  const auto* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, offset);
  if (parsed.ec == std::errc() && parsed.ptr == end && offset >= 0) {
    return std::optional(Offset(offset));
  }
  return invalid_error("a range is A..B with offsets A < B, as 1000..2000, 1000.. or ..2000, not " +
                       std::string(text));
}

struct Selected {
  const KnownPipeline* pipeline;
  const KnownStage* stage;
  std::size_t partition;
};

bool is_wanted(const ReplayRequest& request, const KnownStage& stage,
               const KnownStage& source_stage) {
  if (!request.stage.empty()) return stage.name == request.stage;
  // Offsets of one topic say nothing about another.
  const bool has_range = request.range.first || request.range.next;
  return !has_range || &stage == &source_stage;
}

Result<std::vector<Selected>> select(const std::vector<KnownPipeline>& pipelines,
                                     const ReplayRequest& request) {
  std::vector<Selected> tasks;
  std::string known;
  for (const auto& pipeline : pipelines) {
    const auto& name = pipeline.plan->name;
    if (!request.pipeline.empty() && name != request.pipeline) {
      known += (known.empty() ? "" : ", ") + name;
      continue;
    }
    for (const auto& stage : pipeline.stages) {
      known += (known.empty() ? "" : ", ") + name + " " + stage.name + " with " +
               std::to_string(stage.tasks.size()) + " partitions";
      if (!is_wanted(request, stage, pipeline.stages.front())) continue;
      for (std::size_t p = 0; p < stage.tasks.size(); ++p) {
        const auto partition = stage.tasks[p].source.partition;
        if (request.partition && partition != *request.partition) continue;
        tasks.push_back({&pipeline, &stage, p});
      }
    }
  }
  if (!tasks.empty()) return tasks;
  return not_found_error("there is no such task to replay; there are: " + known);
}

Result<ReplayedTask> replay_one(const ApiContext& context, const Selected& selected,
                                const runtime::ReplayRange& range, const IsCancelled& is_cancelled,
                                JobProgress& progress) {
  const auto started = context.clock->monotonic_now();
  const auto& options = selected.stage->tasks[selected.partition];
  const auto& plan = *selected.pipeline->plan;
  const auto subject =
      replay_subject(context, *selected.pipeline, *selected.stage, selected.partition);
  MR_ASSIGN_OR_RETURN(const auto replay, runtime::TaskReplay::open(subject, range));
  const auto& bounds = replay->bounds();
  ReplayedTask done{plan.name, options.stage, options.source, bounds, 0, 0, {}, {}, 0};
  ReplayComparison comparison(*context.log, bounds, options.outputs, plan.source.pipeline,
                              options.source);
  MR_RETURN_IF_ERROR(comparison.start());
  progress.begin("replay of " + plan.name + " " + options.stage + "/" +
                     std::to_string(options.source.partition),
                 std::max<std::int64_t>(0, bounds.next - bounds.restored_at));
  while (!bounds.is_empty()) {
    if (is_cancelled()) return cancelled_error("the replay was cancelled");
    MR_ASSIGN_OR_RETURN(const bool has_more, replay->step());
    if (!has_more) break;
    MR_RETURN_IF_ERROR(comparison.add(replay->outputs()));
    progress.set_done(replay->position() - bounds.restored_at);
  }
  if (!bounds.is_empty()) MR_RETURN_IF_ERROR(comparison.finish());
  done.outputs = comparison.matched();
  done.finding_count = comparison.finding_count();
  done.findings = comparison.findings();
  done.notes = comparison.notes();
  done.elapsed_ms = (context.clock->monotonic_now() - started) / kNanosPerMilli;
  return done;
}

Json finding_json(const ReplayFinding& finding) {
  return {{"kind", std::string(to_string(finding.kind))},
          {"topic", finding.at.topic},
          {"partition", finding.at.partition},
          {"offset", finding.offset ? Json(finding.offset->value) : Json()},
          {"source", finding.source},
          {"differs_in", finding.what.empty() ? Json() : Json(finding.what)},
          {"stored", finding.stored.empty() ? Json() : Json(finding.stored)},
          {"replayed", finding.replayed.empty() ? Json() : Json(finding.replayed)},
          {"detail", finding.text()}};
}

}  // namespace

Result<runtime::ReplayRange> parse_replay_range(std::string_view text) {
  runtime::ReplayRange range;
  if (text.empty()) return range;
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) {
    MR_RETURN_IF_ERROR(parse_bound("-", text).status());
  }
  MR_ASSIGN_OR_RETURN(range.first, parse_bound(text.substr(0, dots), text));
  MR_ASSIGN_OR_RETURN(range.next, parse_bound(text.substr(dots + 2), text));
  if (range.first && range.next && *range.first >= *range.next) {
    return invalid_error("the range " + std::string(text) + " is empty: A..B is A <= offset < B");
  }
  return range;
}

Result<std::vector<ReplayedTask>> audit_replay(const ApiContext& context,
                                               const ReplayRequest& request,
                                               const IsCancelled& is_cancelled,
                                               JobProgress& progress) {
  MR_ASSIGN_OR_RETURN(const auto pipelines, known_pipelines(context));
  MR_ASSIGN_OR_RETURN(const auto selected, select(pipelines, request));
  std::vector<ReplayedTask> tasks;
  for (const auto& one : selected) {
    auto task = replay_one(context, one, request.range, is_cancelled, progress);
    progress.end();
    if (!task.is_ok()) return std::move(task).take_status().with_context(one.pipeline->plan->name);
    tasks.push_back(std::move(task).value());
  }
  return tasks;
}

Json replay_json(const std::vector<ReplayedTask>& tasks) {
  Json list = Json::array();
  bool is_exact = true;
  for (const auto& task : tasks) {
    const auto& bounds = task.bounds;
    is_exact &= task.finding_count == 0;
    Json findings = Json::array();
    for (const auto& finding : task.findings) findings.push_back(finding_json(finding));
    const auto first = std::min(bounds.first, bounds.next);
    list.push_back({{"pipeline", task.pipeline},
                    {"stage", task.stage},
                    {"topic", task.source.topic},
                    {"partition", task.source.partition},
                    {"ok", task.finding_count == 0},
                    {"first_offset", first.value},
                    {"next_offset", bounds.next.value},
                    {"committed", bounds.committed.value},
                    {"records", bounds.next - first},
                    {"outputs", task.outputs},
                    {"restored_at", bounds.restored_at.value},
                    {"snapshot", bounds.snapshot.empty() ? Json() : Json(bounds.snapshot)},
                    {"elapsed_ms", task.elapsed_ms},
                    {"finding_count", task.finding_count},
                    {"findings", findings},
                    {"notes", task.notes}});
  }
  return {{"exact", is_exact}, {"tasks", list}};
}

}  // namespace millrace::ops
