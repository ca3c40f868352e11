#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "task/source_task_internal.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

constexpr std::uint32_t kSnapshotMagic = 0x324b534d;  // "MSK2"

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
  to.varint(counters_.window_letters);
  to.boolean(dedup_ != nullptr);
  if (!dedup_) return;
  to.u64(dedup_definition());
  to.varint(dedup_->counts().live_ids);
  dedup_->snapshot(to);
}

std::uint64_t SourceTask::dedup_definition() const {
  MR_CHECK(plan_.dedup.has_value());
  return definition_hash(*plan_.dedup);
}

Status SourceTask::restore(std::string_view bytes) {
  Decoder from(bytes);
  MR_RETURN_IF_ERROR(restore_state(from, nullptr));
  return from.finish("source task snapshot");
}

Result<TakenOver> SourceTask::take_over(std::string_view bytes) {
  Decoder from(bytes);
  TakenOver taken_over;
  MR_RETURN_IF_ERROR(restore_state(from, &taken_over));
  if (from.has_failed()) return corrupt_error("source task snapshot: it is cut short");
  return taken_over;
}

Status SourceTask::restore_state(Decoder& from, TakenOver* taken_over) {
  MR_CHECK(counters_.records_in == 0);
  if (from.u32() != kSnapshotMagic) return corrupt_error("not a snapshot of a source task");
  next_offset_ = Offset(from.zigzag());
  watermark_.restore(from);
  sent_watermark_ = decode_event_time(from);
  MR_RETURN_IF_ERROR(restore_tables(from, taken_over != nullptr));
  MR_RETURN_IF_ERROR(restore_windows(from, taken_over));
  counters_.records_in = from.varint();
  counters_.passed = from.varint();
  counters_.dropped_duplicates = from.varint();
  for (auto& count : counters_.dead_letters) count = from.varint();
  counters_.window_letters = from.varint();
  return restore_dedup(from, taken_over);
}

Status SourceTask::restore_tables(Decoder& from, bool is_other_plan) {
  const auto table_count = from.varint();
  for (std::uint64_t i = 0; i < table_count && !from.has_failed(); ++i) {
    const std::string table(from.bytes());
    Hash128 content;
    content.low = from.u64();
    content.high = from.u64();
    if (content == Hash128()) continue;
    auto status = use_table(table, content);
    // The version that was in force may be unreadable by the key and format that another plan
    // gives the table; that plan's own version is put in force before any input.
    const bool is_replaced = is_other_plan && status.code() == StatusCode::not_found;
    if (!status.is_ok() && !is_replaced) return status;
  }
  return ok_status();
}

// By name: a window may stand elsewhere in another version of the file.
Status SourceTask::restore_windows(Decoder& from, TakenOver* taken_over) {
  const auto window_count = from.varint();
  is_beginning_.assign(windows_.size(), true);
  for (std::uint64_t i = 0; i < window_count && !from.has_failed(); ++i) {
    const auto state = decode_window_state(from);
    std::size_t at = 0;
    while (at < windows_.size() && windows_[at].window().name != state.name) ++at;
    const bool is_same = at < windows_.size() && is_beginning_[at] &&
                         definition_hash(windows_[at].window()) == state.definition;
    if (is_same) {
      MR_RETURN_IF_ERROR(windows_[at].restore(state));
      is_beginning_[at] = false;
    } else if (taken_over == nullptr) {
      return invalid_error("the snapshot's window " + std::string(state.name) +
                           " is not in the pipeline, or was defined otherwise");
    } else if (state.open_panes > 0) {
      taken_over->lost.push_back(
          {std::string(state.name), state.open_panes, state.open_keys, 0, 0});
    }
  }
  for (std::size_t w = 0; w < windows_.size() && !from.has_failed(); ++w) {
    if (!is_beginning_[w]) continue;
    const auto& window = windows_[w].window();
    if (taken_over == nullptr) {
      return invalid_error("the snapshot has no window " + window.name);
    }
    taken_over->begun.push_back(window.name);
    if (!window.local) sent_watermark_ = kNoWatermark;
  }
  return ok_status();
}

Status SourceTask::restore_dedup(Decoder& from, TakenOver* taken_over) {
  const bool has_ids = from.boolean();
  std::uint64_t definition = 0;
  std::uint64_t live_ids = 0;
  if (has_ids) {
    definition = from.u64();
    live_ids = from.varint();
  }
  const bool is_same =
      has_ids == (dedup_ != nullptr) && (!has_ids || definition == dedup_definition());
  if (is_same) return dedup_ ? dedup_->restore(from) : ok_status();
  if (taken_over == nullptr) {
    return invalid_error("the snapshot and the pipeline disagree about deduplication");
  }
  if (live_ids > 0) taken_over->lost.push_back({"", 0, 0, live_ids, 0});
  return ok_status();
}

void SourceTask::begin_windows(EventTime merged_from) {
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    if (w >= is_beginning_.size() || !is_beginning_[w]) continue;
    const auto own = watermark_.unseen_from();
    windows_[w].begin(windows_[w].window().local ? own : std::max(own, merged_from));
  }
  is_beginning_.clear();
}

TaskReport SourceTask::report() const {
  TaskReport report;
  report.next_offset = next_offset_;
  report.watermark = watermark_.current();
  report.watermark_if_idle = watermark_.if_nothing_more_comes();
  report.largest_pane_end = kNoWatermark;
  if (dedup_) {
    const auto counts = dedup_->counts();
    report.dedup_definition = dedup_definition();
    report.live_ids = counts.live_ids;
    report.open_ids = counts.open_ids;
    report.id_runs = counts.runs;
    report.fingerprint_bytes = counts.fingerprint_bytes;
    if (counts.fingerprint_bytes_max != FingerprintIndex::kNoBound) {
      report.fingerprint_bytes_max = counts.fingerprint_bytes_max;
    }
    report.compact_ids = counts.compact_ids;
    report.unlisted_ids = counts.unlisted_ids;
    report.run_lookups = counts.run_lookups;
    report.direct_run_lookups = counts.direct_lookups;
  }
  report.unseen_from = watermark_.unseen_from();
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
    report.window_states.push_back(report_of(window.window(), panes));
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
