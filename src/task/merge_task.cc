#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "codec/record_batch.h"
#include "task/partial.h"
#include "task/source_task.h"
#include "task/window_results.h"

namespace millrace::task {
namespace {

constexpr std::uint32_t kSnapshotMagic = 0x314b474d;  // "MGK1"

class MergeTask final : public Task {
 public:
  MergeTask(const MergePlan& plan, std::int32_t partition)
      : plan_(plan),
        panes_(plan.window, true),
        results_(plan.window),
        causes_(plan.repartition_topic, partition, plan.pipeline),
        upstream_(static_cast<std::size_t>(plan.upstream_partition_count), kNoWatermark) {
    MR_CHECK(plan.window.local.has_value());
    MR_CHECK(plan.upstream_partition_count > 0);
    counters_.windows.resize(1);
  }

  void start_at(Offset offset) override {
    MR_CHECK(counters_.records_in == 0 && next_offset_ <= offset);
    next_offset_ = offset;
  }
  Status apply(std::string_view batch, WallTime append_time, Outputs& outputs) override;
  Status apply_event(const JournalEvent&, WallTime, Outputs&) override {
    return invalid_error("a merging task takes no events from outside");
  }
  [[nodiscard]] Offset next_offset() const override { return next_offset_; }
  void snapshot(std::string& out) const override;
  Status restore(std::string_view bytes) override;
  [[nodiscard]] TaskReport report() const override;

 private:
  void merge(const PartialView& partial, WallTime time, Outputs& outputs);
  void observe(const UpstreamWatermark& upstream, WallTime time, Outputs& outputs);
  const Cause& cause(WallTime time) { return causes_.at(next_offset_, time); }
  void fire(Pane& pane, bool is_final, WallTime time, Outputs& outputs);

  const MergePlan& plan_;
  PaneSet panes_;
  ResultWriter results_;
  CauseWriter causes_;
  std::vector<EventTime> upstream_;
  EventTime watermark_ = kNoWatermark;  // the minimum of upstream_
  Offset next_offset_;
  TaskCounters counters_;
  codec::BatchReader reader_;
};

Status MergeTask::apply(std::string_view batch, WallTime append_time, Outputs& outputs) {
  MR_RETURN_IF_ERROR(reader_.open(batch));
  while (const RecordView* record = reader_.next()) {
    if (record->offset < next_offset_) continue;
    next_offset_ = record->offset;
    if (!record->value) return corrupt_error("repartition record without a value");
    MR_ASSIGN_OR_RETURN(const auto content,
                        decode_repartition_record(*record->value, plan_.window));
    ++counters_.records_in;
    if (const auto* partial = std::get_if<PartialView>(&content)) {
      merge(*partial, append_time, outputs);
    } else {
      observe(std::get<UpstreamWatermark>(content), append_time, outputs);
    }
    ++next_offset_;
  }
  MR_RETURN_IF_ERROR(reader_.status());
  next_offset_ = std::max(next_offset_, reader_.header().next_offset());
  return ok_status();
}

void MergeTask::merge(const PartialView& partial, WallTime time, Outputs& outputs) {
  auto& counters = counters_.windows.front();
  ++counters.in;
  ++counters.counted;
  auto& pane = panes_.pane(partial.pane_start_us);
  auto& state = panes_.key_state(pane, partial.state.key);
  for (std::size_t i = 0; i < state.aggregates.size(); ++i) {
    state.aggregates[i].merge(partial.state.aggregates[i]);
  }
  state.is_changed = true;
  // A pane past its end was fired already, or fires right now: its upstreams were all past the end
  // before this partial's event came, within lateness.
  if (pane.is_fired) {
    ++counters.results;
    results_.emit(pane, state, false, cause(time), *plan_.window.local, outputs);
  } else if (panes_.is_past_end(pane.start_us, watermark_)) {
    pane.is_fired = true;
    fire(pane, false, time, outputs);
  }
}

void MergeTask::fire(Pane& pane, bool is_final, WallTime time, Outputs& outputs) {
  for (auto& state : pane.keys) {
    ++counters_.windows.front().results;
    results_.emit(pane, state, is_final, cause(time), *plan_.window.local, outputs);
  }
}

void MergeTask::observe(const UpstreamWatermark& upstream, WallTime time, Outputs& outputs) {
  const auto partition = static_cast<std::size_t>(upstream.upstream_partition);
  if (partition >= upstream_.size()) return;  // of a task that a later plan no longer expects
  upstream_[partition] = std::max(upstream_[partition], upstream.watermark);
  watermark_ = *std::min_element(upstream_.begin(), upstream_.end());
  panes_.advance(
      watermark_, [&](Pane& pane) { fire(pane, false, time, outputs); },
      [&](Pane& pane) { fire(pane, true, time, outputs); });
}

void MergeTask::snapshot(std::string& out) const {
  Encoder to(out);
  to.u32(kSnapshotMagic);
  to.zigzag(next_offset_.value);
  to.varint(upstream_.size());
  for (const auto watermark : upstream_) to.zigzag(watermark.value);
  panes_.snapshot(to);
  to.varint(counters_.records_in);
  const auto& counters = counters_.windows.front();
  for (const auto count : {counters.in, counters.counted, counters.late, counters.results}) {
    to.varint(count);
  }
}

Status MergeTask::restore(std::string_view bytes) {
  Decoder from(bytes);
  if (from.u32() != kSnapshotMagic) return corrupt_error("not a snapshot of a merging task");
  next_offset_ = Offset(from.zigzag());
  if (from.varint() != upstream_.size()) {
    return invalid_error("the snapshot is of another number of source partitions");
  }
  for (auto& watermark : upstream_) watermark = EventTime(from.zigzag());
  watermark_ = *std::min_element(upstream_.begin(), upstream_.end());
  MR_RETURN_IF_ERROR(panes_.restore(from));
  counters_.records_in = from.varint();
  auto& counters = counters_.windows.front();
  for (auto* count : {&counters.in, &counters.counted, &counters.late, &counters.results}) {
    *count = from.varint();
  }
  return from.finish("merging task snapshot");
}

TaskReport MergeTask::report() const {
  TaskReport report;
  report.next_offset = next_offset_;
  report.watermark = watermark_;
  report.upstream_watermarks = upstream_;
  report.largest_pane_end = panes_.largest_end();
  report.open_pane_count = panes_.panes().size();
  for (const auto& [start, pane] : panes_.panes()) {
    if (report.open_panes.size() == kOpenPanesReported) break;
    report.open_panes.push_back({plan_.window.name, EventTime(start),
                                 EventTime(start + plan_.window.length_us), pane.keys.size(),
                                 pane.is_fired});
  }
  report.counters = counters_;
  return report;
}

}  // namespace

std::unique_ptr<Task> make_merge_task(const MergePlan& plan, std::int32_t partition) {
  return std::make_unique<MergeTask>(plan, partition);
}

}  // namespace millrace::task
