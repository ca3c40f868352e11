#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "ops/api.h"
#include "ops/audit_scan.h"
#include "ops/audit_subject.h"
#include "ops/audit_windows.h"
#include "runtime/journal_reader.h"

namespace millrace::ops {

// The audit of one pipeline. Takes what its tasks report at the start, waits (briefly) until that
// is durable, and compares the log with it; counters that go on meanwhile are asked again. On a
// shared log the first reports are the cut, and what was committed later is left to the next audit.
class PipelineAudit {
 public:
  PipelineAudit(const log::Log& log, AuditSubject& subject, const Clock& clock,
                const IsCancelled& is_cancelled);

  Status run(std::vector<AuditCheck>& checks);

 private:
  using Reports = AuditSubject::Reports;
  using GroupOffsets = std::map<TopicPartition, Offset>;

  // Polls until `is_done`; false when it took too long or was cancelled.
  Result<bool> wait_until(const std::function<Result<bool>()>& is_done) const;
  Result<GroupOffsets> group_offsets(const std::string& group) const;
  void compare_position(const runtime::RunnerOptions& task, const GroupOffsets& before,
                        const runtime::JournalState& journal, const GroupOffsets& after,
                        Findings& findings) const;

  Status check_positions();
  void check_conservation();
  Status check_rows();
  Status check_merging();
  Status check_windows();
  Status check_window_topic(const std::string& topic);
  // What a window's results in its topic should be as many as; empty when they are.
  Result<std::string> compare_results(const WindowsReport& report, std::size_t index,
                                      std::size_t window);
  [[nodiscard]] AuditCut cut_of(std::size_t stage) const;
  Status check_features();
  // In the source stage every event that passed is in each of its panes counted or late, or in
  // none for want of a key.
  void check_panes(const task::TaskCounters& counters, const std::string& where,
                   Findings& findings) const;
  // Results that left so far, of a window of the plan.
  [[nodiscard]] static std::uint64_t results_of(const Reports& reports, std::size_t window,
                                                std::size_t stage);
  // The stage whose tasks make the window's results: 0 where the source's tasks do.
  [[nodiscard]] std::size_t stage_of(std::size_t window) const;
  [[nodiscard]] const std::string& topic_of(std::size_t window) const;
  void add(std::string check, const Findings& findings, std::string found,
           const std::vector<std::string>& notes = {});

  const log::Log& log_;
  AuditSubject& subject_;
  const std::vector<KnownStage>& stages_;
  const pipeline::Pipeline& plan_;
  const Clock& clock_;
  const IsCancelled& is_cancelled_;
  Reports begin_;  // when the audit began; has settled
  std::vector<AuditCheck>* checks_ = nullptr;
};

}  // namespace millrace::ops
