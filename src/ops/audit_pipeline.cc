#include "ops/audit_pipeline.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/check.h"
#include "base/thread.h"
#include "ops/audit_features.h"
#include "ops/audit_rows.h"
#include "ops/audit_windows.h"
#include "runtime/journal_reader.h"

namespace millrace::ops {
namespace {

constexpr std::chrono::milliseconds kPollInterval{5};
constexpr std::int64_t kSettleNs = 10'000'000'000;

std::string counted(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::optional<Offset> group_offset(const log::Log& log, const runtime::RunnerOptions& options) {
  for (const auto& known : log.group_offsets(options.group)) {
    if (known.source == options.source) return known.next_offset;
  }
  return std::nullopt;
}

}  // namespace

PipelineAudit::PipelineAudit(const log::Log& log, const runtime::PipelineRunner& pipeline,
                             const Clock& clock, const IsCancelled& is_cancelled)
    : log_(log),
      pipeline_(pipeline),
      plan_(pipeline.plan()),
      clock_(clock),
      is_cancelled_(is_cancelled) {}

PipelineAudit::Reports PipelineAudit::reports() const {
  Reports all;
  for (const auto& stage : pipeline_.stages()) {
    auto& tasks = all.emplace_back();
    for (const auto& runner : stage.tasks) tasks.push_back(runner->report());
  }
  return all;
}

bool PipelineAudit::wait_until(const std::function<bool()>& is_done) const {
  const auto give_up = clock_.monotonic_now() + kSettleNs;
  while (!is_done()) {
    if (is_cancelled_() || clock_.monotonic_now() >= give_up) return false;
    pause_for(kPollInterval);
  }
  return true;
}

void PipelineAudit::add(std::string check, const Findings& findings, std::string found,
                        const std::vector<std::string>& notes) {
  auto detail = findings.empty() ? std::move(found) : findings.text();
  for (const auto& note : notes) detail += "; " + note;
  checks_->push_back({std::move(check), plan_.name, findings.empty(), std::move(detail)});
}

Status PipelineAudit::run(std::vector<AuditCheck>& checks) {
  checks_ = &checks;
  begin_ = reports();
  if (!settle()) {
    if (is_cancelled_()) return cancelled_error("the audit was cancelled");
    Findings findings;
    findings.add("the tasks' work did not become durable within " +
                 std::to_string(kSettleNs / 1'000'000'000) + " s");
    add("positions", findings, "");
    return ok_status();
  }
  MR_RETURN_IF_ERROR(check_positions());
  check_conservation();
  MR_RETURN_IF_ERROR(check_rows());
  check_merging();
  MR_RETURN_IF_ERROR(check_windows());
  MR_RETURN_IF_ERROR(check_features());
  return is_cancelled_() ? cancelled_error("the audit was cancelled") : ok_status();
}

// Until what the tasks reported at the start is durable, decisions from outside included.
bool PipelineAudit::settle() {
  return wait_until([&] {
    for (std::size_t s = 0; s < begin_.size(); ++s) {
      const auto& tasks = pipeline_.stages()[s].tasks;
      for (std::size_t p = 0; p < tasks.size(); ++p) {
        if (tasks[p]->report().durable_offset < begin_[s][p].task.next_offset) return false;
        if (!tasks[p]->has_settled()) return false;
      }
    }
    return true;
  });
}

// Both only grow, and in one commit: read in this order the journal's position lies between what
// the group had before and after.
Status PipelineAudit::check_positions() {
  Findings findings;
  std::uint64_t tasks = 0;
  std::uint64_t entries = 0;
  for (std::size_t s = 0; s < begin_.size(); ++s) {
    for (const auto& runner : pipeline_.stages()[s].tasks) {
      const auto& options = runner->options();
      const auto where = "group " + options.group + ", " + options.source.to_string();
      const auto before = group_offset(log_, options);
      const auto journal = runtime::read_journal(log_, options.journal);
      const auto after = group_offset(log_, options);
      if (is_cancelled_()) return cancelled_error("the audit was cancelled");
      ++tasks;
      if (!journal.is_ok()) {
        findings.add(std::string(journal.status().message()));
        continue;
      }
      entries += journal->entries.size();
      if (!journal->last_position || !before || !after) {
        findings.add(where + ": has no " +
                     (journal->last_position ? "offset" : "journalled position"));
        continue;
      }
      const auto position = journal->last_position->at;
      if (position < *before || position > *after) {
        findings.add(where + ": the group stands at " + std::to_string(before->value) +
                     ", the journal at " + std::to_string(position.value));
      }
    }
  }
  add("positions", findings,
      counted(tasks, "task") + ", group offsets as journalled, " + std::to_string(entries) +
          " journal entries without a gap");
  return ok_status();
}

void PipelineAudit::check_conservation() {
  Findings findings;
  std::uint64_t records = 0;
  for (std::size_t s = 0; s < begin_.size(); ++s) {
    for (std::size_t p = 0; p < begin_[s].size(); ++p) {
      const auto& counters = begin_[s][p].task.counters;
      const auto where = pipeline_.stages()[s].name + " task " + std::to_string(p);
      for (std::size_t w = 0; w < counters.windows.size(); ++w) {
        const auto& window = counters.windows[w];
        // A merging task refuses what came in, a source task what did not get that far.
        const auto refused = s > 0 ? window.failed : 0;
        if (window.in == window.counted + window.late + refused) continue;
        findings.add(where + ": window " + std::to_string(w) + " took " +
                     std::to_string(window.in) + " events, " + std::to_string(window.counted) +
                     " counted and " + std::to_string(window.late) + " late");
      }
      if (s > 0) continue;  // a merging task refuses nothing
      check_panes(counters, where, findings);
      records += counters.records_in;
      std::uint64_t letters = 0;
      for (const auto count : counters.dead_letters) letters += count;
      // Those of windows stand beside the event's row.
      const auto of_rows = letters - counters.window_letters;
      if (counters.records_in == counters.passed + counters.dropped_duplicates + of_rows) continue;
      findings.add(where + ": " + std::to_string(counters.records_in) + " records in, " +
                   std::to_string(counters.passed) + " passed, " + std::to_string(of_rows) +
                   " dead-lettered and " + std::to_string(counters.dropped_duplicates) +
                   " dropped");
    }
  }
  add("conservation", findings,
      counted(records, "record") +
          " in = passed + dead-lettered + dropped; windows: in = counted + "
          "late");
}

void PipelineAudit::check_panes(const task::TaskCounters& counters, const std::string& where,
                                Findings& findings) const {
  for (std::size_t w = 0; w < counters.windows.size(); ++w) {
    const auto& window = plan_.source.windows[w];
    // One that began with a later pipeline version has not seen all that passed.
    if (counters.windows[w].since_version > 1) continue;
    const auto panes = static_cast<std::uint64_t>(window.length_us / window.every_us);
    const auto expected = (counters.passed - counters.windows[w].failed) * panes;
    if (counters.windows[w].in + counters.windows[w].before == expected) continue;
    findings.add(where + ": window " + window.name + " took " +
                 std::to_string(counters.windows[w].in) + " events, but " +
                 std::to_string(counters.passed) + " passed, which is " + std::to_string(expected) +
                 " with " + std::to_string(panes) + " panes each");
  }
}

Status PipelineAudit::check_rows() {
  std::vector<AuditedTask> tasks;
  for (std::size_t p = 0; p < begin_.front().size(); ++p) {
    tasks.push_back({pipeline_.stages().front().tasks[p]->options().source,
                     begin_.front()[p].task.next_offset, begin_.front()[p].task.counters});
  }
  MR_ASSIGN_OR_RETURN(auto report,
                      audit_rows(log_, plan_.source, plan_.name, tasks, is_cancelled_));
  auto found = counted(report.offsets, "source offset") + " in " +
               counted(tasks.size(), "partition") + ": " + counted(report.rows, "row") + ", " +
               counted(report.dead_letters, "dead letter");
  if (report.dropped > 0)
    found += ", " + std::to_string(report.dropped) +
             " duplicates dropped, by the tasks' counters (audit --replay proves each)";
  if (report.window_letters > 0) {
    found += "; " + counted(report.window_letters, "more dead letter") + " of windows";
  }
  if (report.foreign > 0) {
    report.notes.push_back(counted(report.foreign, "record") + " of others in the same topics");
  }
  add("rows", report.findings, std::move(found), report.notes);
  return ok_status();
}

std::size_t PipelineAudit::stage_of(std::size_t window) const {
  const auto& name = plan_.source.windows[window].name;
  for (std::size_t m = 0; m < plan_.merges.size(); ++m) {
    if (plan_.merges[m].window.name == name) return m + 1;
  }
  return 0;
}

const std::string& PipelineAudit::topic_of(std::size_t window) const {
  const auto stage = stage_of(window);
  if (stage == 0) {
    const auto& local = plan_.source.windows[window].local;
    MR_CHECK(local.has_value());
    return plan_.source.outputs[local->results_output].topic;
  }
  const auto& merge = plan_.merges[stage - 1];
  return merge.outputs[merge.window.local->results_output].topic;
}

std::uint64_t PipelineAudit::results_of(const Reports& reports, std::size_t window,
                                        std::size_t stage) {
  std::uint64_t results = 0;
  for (const auto& report : reports[stage]) {
    const auto& windows = report.task.counters.windows;
    results += windows[stage == 0 ? window : 0].results;
  }
  return results;
}

void PipelineAudit::check_merging() {
  if (plan_.merges.empty()) return;
  Findings findings;
  std::uint64_t arrived = 0;
  for (std::size_t w = 0; w < plan_.source.windows.size(); ++w) {
    const auto stage = stage_of(w);
    if (stage == 0) continue;
    const auto sent = results_of(begin_, w, 0);
    const auto merged = [&] {
      const auto all = reports();
      std::uint64_t in = 0;
      for (const auto& report : all[stage]) in += report.task.counters.windows.front().in;
      return in;
    };
    std::uint64_t in = 0;
    if (!wait_until([&] { return (in = merged()) >= sent; })) {
      findings.add("window " + plan_.source.windows[w].name + ": " + counted(sent, "partial") +
                   " left, " + std::to_string(in) + " arrived");
    } else if (!wait_until([&] { return results_of(reports(), w, 0) >= in; })) {
      findings.add("window " + plan_.source.windows[w].name + ": " + counted(in, "partial") +
                   " arrived, " + std::to_string(results_of(reports(), w, 0)) + " left");
    }
    arrived += in;
  }
  add("merging", findings, counted(arrived, "partial result") + " left and arrived");
}

Status PipelineAudit::check_windows() {
  std::set<std::string> topics;
  for (std::size_t w = 0; w < plan_.source.windows.size(); ++w) topics.insert(topic_of(w));
  for (const auto& topic : topics) MR_RETURN_IF_ERROR(check_window_topic(topic));
  return ok_status();
}

// What was counted when the audit began is there, and nothing is there that is not counted by now.
Status PipelineAudit::check_window_topic(const std::string& topic) {
  std::vector<AuditedWindow> audited;
  std::vector<std::size_t> indexes;
  for (std::size_t w = 0; w < plan_.source.windows.size(); ++w) {
    if (topic_of(w) != topic) continue;
    const auto& window = plan_.source.windows[w];
    const auto& task = begin_[stage_of(w)].front().task.counters;
    const auto since = task.windows[stage_of(w) == 0 ? w : 0].since_version;
    audited.push_back({window.name, window.key ? window.key_name : "", window.length_us, since});
    indexes.push_back(w);
  }
  MR_ASSIGN_OR_RETURN(
      auto report, audit_windows(log_, topic, plan_.name, plan_.version, audited, is_cancelled_));
  if (report.earlier > 0) {
    report.notes.push_back(counted(report.earlier, "result") + " of windows of earlier versions");
  }
  std::uint64_t results = 0;
  for (std::size_t i = 0; i < audited.size(); ++i) {
    results += report.results[i];
    if (!report.is_whole) continue;
    const auto stage = stage_of(indexes[i]);
    const auto found = report.results[i];
    const auto before = results_of(begin_, indexes[i], stage);
    const bool is_counted =
        wait_until([&] { return results_of(reports(), indexes[i], stage) >= found; });
    if (found >= before && is_counted) continue;
    report.findings.add(
        "window " + audited[i].name + ": " + counted(found, "result") + " in " + topic +
        ", the tasks have counted " +
        std::to_string(is_counted ? before : results_of(reports(), indexes[i], stage)));
  }
  add("windows", report.findings,
      counted(report.windows, "window") + " with " + counted(results, "result") + " in " + topic +
          ", revisions without hole or repeat",
      report.notes);
  return ok_status();
}

Status PipelineAudit::check_features() {
  Findings findings;
  std::vector<std::string> notes;
  std::uint64_t records = 0;
  bool has_any = false;
  for (std::size_t w = 0; w < plan_.source.windows.size(); ++w) {
    const auto stage = stage_of(w);
    const auto& local =
        stage == 0 ? plan_.source.windows[w].local : plan_.merges[stage - 1].window.local;
    const auto& outputs = stage == 0 ? plan_.source.outputs : plan_.merges[stage - 1].outputs;
    if (!local || !local->feature_output) continue;
    has_any = true;
    AuditedFeature audited{outputs[local->results_output].topic,
                           outputs[*local->feature_output].topic,
                           pipeline_.stages()[stage].source_topic,
                           {}};
    for (const auto& report : begin_[stage]) audited.source_next.push_back(report.task.next_offset);
    MR_ASSIGN_OR_RETURN(const auto report,
                        audit_features(log_, audited, plan_.name, is_cancelled_));
    records += report.records;
    notes.insert(notes.end(), report.notes.begin(), report.notes.end());
    if (!report.findings.empty()) findings.add(report.findings.text());
  }
  if (has_any) {
    add("features", findings, counted(records, "result") + " also in the feature group's topic",
        notes);
  }
  return ok_status();
}

}  // namespace millrace::ops
