#include "base/check.h"
#include "base/coding.h"
#include "task/source_task_internal.h"

namespace millrace::task {
namespace {

constexpr std::uint32_t kSnapshotMagic = 0x314b534d;  // "MSK1"

}  // namespace

void SourceTask::snapshot(std::string& out) const {
  Encoder to(out);
  to.u32(kSnapshotMagic);
  to.zigzag(next_offset_.value);
  watermark_.snapshot(to);
  to.zigzag(sent_watermark_.value);
  to.varint(plan_.tables.size());
  for (std::size_t i = 0; i < plan_.tables.size(); ++i) {
    to.bytes(plan_.tables[i]);
    to.u64(table_versions_[i].low);
    to.u64(table_versions_[i].high);
  }
  to.varint(windows_.size());
  for (const auto& window : windows_) window.snapshot(to);
  to.varint(counters_.records_in);
  to.varint(counters_.passed);
  to.varint(counters_.dropped_duplicates);
  for (const auto count : counters_.dead_letters) to.varint(count);
  to.boolean(dedup_ != nullptr);
  if (dedup_) dedup_->snapshot(to);
}

Status SourceTask::restore(std::string_view bytes) {
  MR_CHECK(counters_.records_in == 0);
  Decoder from(bytes);
  if (from.u32() != kSnapshotMagic) return corrupt_error("not a snapshot of a source task");
  next_offset_ = Offset(from.zigzag());
  watermark_.restore(from);
  sent_watermark_ = EventTime(from.zigzag());
  const auto table_count = from.varint();
  for (std::uint64_t i = 0; i < table_count && !from.has_failed(); ++i) {
    const std::string table(from.bytes());
    Hash128 content;
    content.low = from.u64();
    content.high = from.u64();
    if (content != Hash128()) MR_RETURN_IF_ERROR(use_table(table, content));
  }
  if (from.varint() != windows_.size()) {
    return invalid_error("the snapshot has another number of windows than the pipeline");
  }
  for (auto& window : windows_) MR_RETURN_IF_ERROR(window.restore(from));
  counters_.records_in = from.varint();
  counters_.passed = from.varint();
  counters_.dropped_duplicates = from.varint();
  for (auto& count : counters_.dead_letters) count = from.varint();
  const bool has_dedup = from.boolean();
  if (has_dedup != (dedup_ != nullptr)) {
    return invalid_error("the snapshot and the pipeline disagree about deduplication");
  }
  if (dedup_) MR_RETURN_IF_ERROR(dedup_->restore(from));
  return from.finish("source task snapshot");
}

TaskReport SourceTask::report() const {
  TaskReport report;
  report.next_offset = next_offset_;
  report.watermark = watermark_.current();
  report.largest_pane_end = kNoWatermark;
  report.live_ids = dedup_ ? dedup_->live_ids() : 0;
  report.counters = counters_;
  for (std::size_t i = 0; i < plan_.tables.size(); ++i) {
    if (table_owners_[i] == nullptr) continue;
    report.tables.push_back({plan_.tables[i], table_versions_[i]});
  }
  for (const auto& window : windows_) {
    const auto& panes = window.panes();
    report.largest_pane_end = std::max(report.largest_pane_end, panes.largest_end());
    report.open_pane_count += panes.panes().size();
    report.counters.windows.push_back(window.counters());
    for (const auto& [start, pane] : panes.panes()) {
      if (report.open_panes.size() == kOpenPanesReported) break;
      report.open_panes.push_back({window.window().name, EventTime(start),
                                   EventTime(start + window.window().length_us), pane.keys.size(),
                                   pane.is_fired});
    }
  }
  return report;
}

}  // namespace millrace::task
