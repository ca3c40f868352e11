#include "ops/trace_outputs.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <variant>

#include "base/hash.h"
#include "task/partial.h"
#include "task/window_results.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kCancelledEvery = 4096;

TracedRecord traced(const TopicPartition& at, const RecordView& record) {
  return {at, record.offset, std::string(record.value.value_or(""))};
}

}  // namespace

std::int32_t OutputTrace::partition_of(std::size_t output, bool is_row) const {
  const auto& source = plan_.source;
  const auto count = source.outputs[output].partition_count;
  // As the source task does it: a row stays in its partition where that is possible.
  if (is_row && count == source.source_partition_count) return record_.at.partition;
  return record_.key ? partition_for_key(*record_.key, count) : record_.at.partition % count;
}

Result<TaskOutputReader> OutputTrace::reader(const TopicPartition& at,
                                             const TopicPartition& source) const {
  MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(at));
  return TaskOutputReader(log_, at, plan_.name, source, offsets.high_watermark);
}

Result<std::vector<TracedRecord>> OutputTrace::caused(const TopicPartition& at) {
  std::vector<TracedRecord> found;
  MR_ASSIGN_OR_RETURN(auto from, reader(at, record_.at));
  MR_RETURN_IF_ERROR(from.seek(record_.offset));
  while (true) {
    MR_ASSIGN_OR_RETURN(const auto* output, from.next());
    if (output == nullptr || output->source > record_.offset) return found;
    if (output->source == record_.offset) found.push_back(traced(at, output->record));
  }
}

Result<std::vector<TracedRecord>> OutputTrace::rows() {
  std::vector<TracedRecord> rows;
  for (const auto output : plan_.source.enriched_outputs) {
    const auto& topic = plan_.source.outputs[output].topic;
    MR_ASSIGN_OR_RETURN(auto found, caused({topic, partition_of(output, true)}));
    for (auto& row : found) rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<TracedRecord>> OutputTrace::letters() {
  const auto output = plan_.source.dead_letter_output;
  return caused({plan_.source.outputs[output].topic, partition_of(output, false)});
}

// A decision from outside carries the wall time it was journalled with, the record its batch's
// append time (R11); where the log puts its own time instead, nothing tells them apart.
bool OutputTrace::is_before(const TaskOutput& output) const {
  return output.source == record_.offset && !output.is_log_append_time &&
         output.record.timestamp != record_.append_time;
}

Status OutputTrace::follow(std::size_t window, const std::string& key,
                           std::vector<TracedPane>& panes) {
  const auto& planned = plan_.source.windows[window];
  std::vector<TracedPane*> wanted;
  for (auto& pane : panes) {
    if (pane.is_counted()) wanted.push_back(&pane);
  }
  if (wanted.empty()) return ok_status();
  if (planned.local) {
    const auto& output = plan_.source.outputs[planned.local->results_output];
    MR_ASSIGN_OR_RETURN(
        auto from,
        reader({output.topic, partition_for_key(key, output.partition_count)}, record_.at));
    MR_RETURN_IF_ERROR(from.seek(record_.offset));
    return find_results(from, planned, key, true, wanted);
  }
  MR_RETURN_IF_ERROR(find_partials(window, key, panes));
  const auto merge = std::find_if(plan_.merges.begin(), plan_.merges.end(), [&](const auto& known) {
    return known.window.name == planned.name;
  });
  if (merge == plan_.merges.end()) return ok_status();
  const auto& output = merge->outputs[merge->window.local->results_output];
  for (auto* pane : wanted) {
    if (!pane->partial) continue;
    MR_ASSIGN_OR_RETURN(
        auto from,
        reader({output.topic, partition_for_key(key, output.partition_count)}, pane->partial->at));
    MR_RETURN_IF_ERROR(from.seek(pane->partial->offset));
    MR_RETURN_IF_ERROR(find_results(from, merge->window, key, false, {pane}));
  }
  return ok_status();
}

// The first partial of the pane and key that left after the event came holds it: events of one key
// go into the open pane's partial, or follow by themselves. At the event's own offset that is the
// last one: one before it is of a decision, taken in the same millisecond.
Status OutputTrace::find_partials(std::size_t window, const std::string& key,
                                  std::vector<TracedPane>& panes) {
  const auto& planned = plan_.source.windows[window];
  const auto& output = plan_.source.outputs[planned.partials_output];
  const TopicPartition at{output.topic, partition_for_key(key, output.partition_count)};
  MR_ASSIGN_OR_RETURN(auto from, reader(at, record_.at));
  MR_RETURN_IF_ERROR(from.seek(record_.offset));
  auto missing = std::count_if(panes.begin(), panes.end(),
                               [](const TracedPane& pane) { return pane.is_counted(); });
  for (std::int64_t read = 0; read < kResultsScanMax; ++read) {
    if (read % kCancelledEvery == 0 && is_cancelled_()) {
      return cancelled_error("the trace was cancelled");
    }
    MR_ASSIGN_OR_RETURN(const auto* sent, from.next());
    if (sent == nullptr || (missing == 0 && sent->source > record_.offset)) return ok_status();
    if (sent->source < record_.offset || is_before(*sent)) continue;
    if (!sent->record.key || *sent->record.key != key || !sent->record.value) continue;
    MR_ASSIGN_OR_RETURN(const auto content,
                        task::decode_repartition_record(*sent->record.value, planned));
    const auto* partial = std::get_if<task::PartialView>(&content);
    if (partial == nullptr) continue;
    for (auto& pane : panes) {
      if (!pane.is_counted() || pane.start_us != partial->pane_start_us) continue;
      if (pane.partial && sent->source > record_.offset) continue;
      if (!pane.partial) --missing;
      pane.partial = traced(at, sent->record);
      pane.partial->value.clear();  // not for people
    }
  }
  return ok_status();
}

Status OutputTrace::find_results(TaskOutputReader& from, const task::Window& window,
                                 const std::string& key, bool is_source,
                                 std::vector<TracedPane*> panes) {
  const auto first = is_source ? record_.offset : panes.front()->partial->offset;
  for (std::int64_t read = 0; !panes.empty() && read < kResultsScanMax; ++read) {
    if (read % kCancelledEvery == 0 && is_cancelled_()) {
      return cancelled_error("the trace was cancelled");
    }
    MR_ASSIGN_OR_RETURN(const auto* output, from.next());
    if (output == nullptr) return ok_status();
    const auto& record = output->record;
    if (output->source < first || (is_source && is_before(*output))) continue;
    if (!record.key || *record.key != key || !record.value) continue;
    const auto result = Json::parse(*record.value, nullptr, false);
    if (!result.is_object()) continue;
    const auto start = result.value("window_start", Json()).dump();
    const auto end = result.value("window_end", Json()).dump();
    const auto pane = std::find_if(panes.begin(), panes.end(), [&](const TracedPane* known) {
      return start == task::result_time(window, known->start_us) &&
             end == task::result_time(window, known->start_us + window.length_us);
    });
    if (pane == panes.end()) continue;
    auto& found = **pane;
    found.is_final = result.value("is_final", false);
    // An event gives one revision that is not final. One before it at its offset is of a decision,
    // taken in the same millisecond.
    if (is_source && output->source == record_.offset && !found.is_final) {
      found.results.clear();
      found.result_count = 0;
    }
    ++found.result_count;
    // The newest one is always shown.
    if (found.results.size() == TracedPane::kResultsMax) found.results.pop_back();
    found.results.push_back(traced(from.at(), record));
    if (found.is_final) panes.erase(pane);
  }
  return ok_status();
}

}  // namespace millrace::ops
