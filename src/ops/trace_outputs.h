#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "ops/audit_scan.h"
#include "ops/task_outputs.h"
#include "ops/trace_search.h"
#include "pipeline/pipeline.h"

namespace millrace::ops {

// A record that a traced event caused.
struct TracedRecord {
  TopicPartition at;
  Offset offset;
  std::string value;
};

// What is known of a pane that holds the event: where its contribution went.
struct TracedPane {
  static constexpr std::size_t kResultsMax = 20;

  [[nodiscard]] bool is_counted() const { return !is_late && !is_refused; }

  std::int64_t start_us = 0;
  bool is_late = false;
  bool is_refused = false;              // the window took the event into no pane
  std::optional<TracedRecord> partial;  // of windows that are merged
  std::vector<TracedRecord> results;    // revisions with the event in them: the first kResultsMax
  std::uint64_t result_count = 0;
  bool is_final = false;  // the last one was seen
};

// Finds what one record of a source topic caused, by the header millrace-source: halving finds the
// place in each output partition. One thread; all outlive it.
class OutputTrace {
 public:
  // Results of a pane are looked for in at most that many records behind the event.
  static constexpr std::int64_t kResultsScanMax = 2'000'000;

  OutputTrace(const log::Log& log, const pipeline::Pipeline& plan, const FoundRecord& record,
              const IsCancelled& is_cancelled)
      : log_(log), plan_(plan), record_(record), is_cancelled_(is_cancelled) {}

  Result<std::vector<TracedRecord>> rows();     // one per enriched topic, as far as they are there
  Result<std::vector<TracedRecord>> letters();  // of row stages and windows
  // Fills in the panes of one window of the source plan; those that did not count the event
  // are left as they are.
  Status follow(std::size_t window, const std::string& key, std::vector<TracedPane>& panes);

 private:
  [[nodiscard]] std::int32_t partition_of(std::size_t output, bool is_row) const;
  Result<TaskOutputReader> reader(const TopicPartition& at, const TopicPartition& source) const;
  Result<std::vector<TracedRecord>> caused(const TopicPartition& at);
  // Whether an output at the record's own offset is of a decision taken before it.
  [[nodiscard]] bool is_before(const TaskOutput& output) const;
  Status find_partials(std::size_t window, const std::string& key, std::vector<TracedPane>& panes);
  Status find_results(TaskOutputReader& from, const task::Window& window, const std::string& key,
                      bool is_source, std::vector<TracedPane*> panes);

  const log::Log& log_;
  const pipeline::Pipeline& plan_;
  const FoundRecord& record_;
  const IsCancelled& is_cancelled_;
};

}  // namespace millrace::ops
