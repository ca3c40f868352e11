#include "ops/audit_pipeline.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/check.h"
#include "base/thread.h"
#include "log/decided.h"
#include "ops/audit_features.h"
#include "ops/audit_rows.h"

namespace millrace::ops {
namespace {

constexpr std::chrono::milliseconds kPollInterval{5};

std::string counted(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

PipelineAudit::PipelineAudit(const log::Log& log, AuditSubject& subject, const Clock& clock,
                             const IsCancelled& is_cancelled)
    : log_(log),
      subject_(subject),
      stages_(subject.pipeline().stages),
      plan_(*subject.pipeline().plan),
      clock_(clock),
      is_cancelled_(is_cancelled) {}

Result<bool> PipelineAudit::wait_until(const std::function<Result<bool>()>& is_done) const {
  const auto give_up = clock_.monotonic_now() + subject_.patience_ns();
  while (true) {
    MR_ASSIGN_OR_RETURN(const bool is_now, is_done());
    if (is_now) return true;
    if (is_cancelled_() || clock_.monotonic_now() >= give_up) return false;
    pause_for(kPollInterval);
  }
}

void PipelineAudit::add(std::string check, const Findings& findings, std::string found,
                        const std::vector<std::string>& notes) {
  auto detail = findings.empty() ? std::move(found) : findings.text();
  for (const auto& note : notes) detail += "; " + note;
  checks_->push_back({std::move(check), plan_.name, findings.empty(), std::move(detail)});
}

Status PipelineAudit::run(std::vector<AuditCheck>& checks) {
  checks_ = &checks;
  MR_ASSIGN_OR_RETURN(begin_, subject_.reports());
  MR_ASSIGN_OR_RETURN(const bool has_settled,
                      wait_until([&]() -> Result<bool> { return subject_.has_settled(begin_); }));
  if (!has_settled) {
    if (is_cancelled_()) return cancelled_error("the audit was cancelled");
    Findings findings;
    findings.add("the tasks' work did not become durable within " +
                 std::to_string(subject_.patience_ns() / 1'000'000'000) + " s");
    add("positions", findings, "");
    return ok_status();
  }
  MR_RETURN_IF_ERROR(check_positions());
  check_conservation();
  MR_RETURN_IF_ERROR(check_rows());
  MR_RETURN_IF_ERROR(check_merging());
  MR_RETURN_IF_ERROR(check_windows());
  MR_RETURN_IF_ERROR(check_features());
  return is_cancelled_() ? cancelled_error("the audit was cancelled") : ok_status();
}

// On a shared log the offsets of a transaction whose outcome is open are waited for (R3).
Result<PipelineAudit::GroupOffsets> PipelineAudit::group_offsets(const std::string& group) const {
  GroupOffsets offsets;
  Status failure;
  MR_ASSIGN_OR_RETURN(const bool is_known, wait_until([&]() -> Result<bool> {
                        const auto known = log_.stable_group_offsets(group);
                        failure = known.status();
                        if (failure.code() == StatusCode::overloaded) return false;
                        if (!known.is_ok()) return failure;
                        for (const auto& one : *known) offsets[one.source] = one.next_offset;
                        return true;
                      }));
  if (is_known) return offsets;
  if (is_cancelled_()) return cancelled_error("the audit was cancelled");
  return failure;
}

// Both only grow, and in one commit: read in this order the journal's position lies between what
// the group had before and after.
Status PipelineAudit::check_positions() {
  Findings findings;
  std::uint64_t tasks = 0;
  std::uint64_t entries = 0;
  for (const auto& stage : stages_) {
    MR_ASSIGN_OR_RETURN(const auto before, group_offsets(stage.tasks.front().group));
    std::vector<std::pair<const runtime::RunnerOptions*, runtime::JournalState>> journals;
    for (const auto& task : stage.tasks) {
      if (is_cancelled_()) return cancelled_error("the audit was cancelled");
      ++tasks;
      MR_RETURN_IF_ERROR(log::wait_until_decided(log_, task.journal, is_cancelled_).status());
      auto journal = runtime::read_journal(log_, task.journal);
      if (!journal.is_ok()) {
        findings.add(std::string(journal.status().message()));
        continue;
      }
      entries += journal->entries.size();
      journal->entries.clear();
      journals.emplace_back(&task, std::move(journal).value());
    }
    MR_ASSIGN_OR_RETURN(const auto after, group_offsets(stage.tasks.front().group));
    for (const auto& [task, journal] : journals) {
      compare_position(*task, before, journal, after, findings);
    }
  }
  add("positions", findings,
      counted(tasks, "task") + ", group offsets as journalled, " + std::to_string(entries) +
          " journal entries without a gap");
  return ok_status();
}

void PipelineAudit::compare_position(const runtime::RunnerOptions& task, const GroupOffsets& before,
                                     const runtime::JournalState& journal,
                                     const GroupOffsets& after, Findings& findings) const {
  const auto where = "group " + task.group + ", " + task.source.to_string();
  const auto from = before.find(task.source);
  const auto to = after.find(task.source);
  if (!journal.last_position || from == before.end() || to == after.end()) {
    findings.add(where + ": has no " + (journal.last_position ? "offset" : "journalled position"));
    return;
  }
  const auto position = journal.last_position->at;
  if (position >= from->second && position <= to->second) return;
  findings.add(where + ": the group stands at " + std::to_string(from->second.value) +
               ", the journal at " + std::to_string(position.value));
}

void PipelineAudit::check_conservation() {
  Findings findings;
  std::uint64_t records = 0;
  for (std::size_t s = 0; s < begin_.size(); ++s) {
    for (std::size_t p = 0; p < begin_[s].size(); ++p) {
      const auto& counters = begin_[s][p].task.counters;
      const auto where = stages_[s].name + " task " + std::to_string(p);
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
    tasks.push_back({stages_.front().tasks[p].source, begin_.front()[p].task.next_offset,
                     begin_.front()[p].task.counters});
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

Status PipelineAudit::check_merging() {
  if (plan_.merges.empty()) return ok_status();
  Findings findings;
  std::uint64_t arrived = 0;
  for (std::size_t w = 0; w < plan_.source.windows.size(); ++w) {
    const auto stage = stage_of(w);
    if (stage == 0) continue;
    const auto sent = results_of(begin_, w, 0);
    std::uint64_t in = 0;
    MR_ASSIGN_OR_RETURN(const bool has_arrived, wait_until([&]() -> Result<bool> {
                          MR_ASSIGN_OR_RETURN(const auto all, subject_.reports());
                          in = 0;
                          for (const auto& report : all[stage]) {
                            in += report.task.counters.windows.front().in;
                          }
                          return in >= sent;
                        }));
    std::uint64_t left = 0;
    MR_ASSIGN_OR_RETURN(const bool has_left, wait_until([&]() -> Result<bool> {
                          MR_ASSIGN_OR_RETURN(const auto all, subject_.reports());
                          left = results_of(all, w, 0);
                          return left >= in || !has_arrived;
                        }));
    arrived += in;
    if (has_arrived && has_left) continue;
    findings.add("window " + plan_.source.windows[w].name + ": " +
                 counted(has_arrived ? left : sent, "partial") + " left, " + std::to_string(in) +
                 " arrived");
  }
  add("merging", findings, counted(arrived, "partial result") + " left and arrived");
  return ok_status();
}

AuditCut PipelineAudit::cut_of(std::size_t stage) const {
  AuditCut cut{stages_[stage].source_topic, {}};
  for (const auto& report : begin_[stage]) cut.next.push_back(report.task.next_offset);
  return cut;
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
    if (subject_.is_shared()) audited.back().cut = cut_of(stage_of(w));
    indexes.push_back(w);
  }
  MR_ASSIGN_OR_RETURN(
      auto report, audit_windows(log_, topic, plan_.name, plan_.version, audited, is_cancelled_));
  if (report.earlier > 0) {
    report.notes.push_back(counted(report.earlier, "result") + " of windows of earlier versions");
  }
  std::uint64_t results = 0;
  for (std::size_t i = 0; i < audited.size(); ++i) {
    results += report.results[i] + report.at_cut[i];
    if (!report.is_whole) continue;
    MR_ASSIGN_OR_RETURN(const auto wrong, compare_results(report, i, indexes[i]));
    if (wrong.empty()) continue;
    report.findings.add("window " + audited[i].name + ": " + wrong + " in " + topic);
  }
  add("windows", report.findings,
      counted(report.windows, "window") + " with " + counted(results, "result") + " in " + topic +
          ", revisions without hole or repeat",
      report.notes);
  return ok_status();
}

// On a shared log decisions taken after the cut may have made results of its very position.
Result<std::string> PipelineAudit::compare_results(const WindowsReport& report, std::size_t index,
                                                   std::size_t window) {
  const auto stage = stage_of(window);
  const auto before = results_of(begin_, window, stage);
  const auto found = report.results[index];
  if (subject_.is_shared()) {
    MR_ASSIGN_OR_RETURN(const bool has_moved, subject_.has_moved(stage));
    const auto most = found + report.at_cut[index];
    if (before <= most && before >= (has_moved ? found : most)) return std::string();
    return counted(most, "result") + " up to the tasks' positions, which counted " +
           std::to_string(before) + " (audit --replay names them),";
  }
  std::uint64_t now = 0;
  MR_ASSIGN_OR_RETURN(const bool is_counted, wait_until([&]() -> Result<bool> {
                        MR_ASSIGN_OR_RETURN(const auto all, subject_.reports());
                        now = results_of(all, window, stage);
                        return now >= found;
                      }));
  if (found >= before && is_counted) return std::string();
  return counted(found, "result") + ", the tasks have counted " +
         std::to_string(is_counted ? before : now) + ",";
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
                           outputs[*local->feature_output].topic, cut_of(stage)};
    if (subject_.is_shared()) {
      audited.has_moved = [this, stage] { return subject_.has_moved(stage); };
    }
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
