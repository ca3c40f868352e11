#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/coding.h"
#include "codec/record_batch.h"
#include "task/partial.h"
#include "task/source_task.h"
#include "task/watermark.h"
#include "task/window_results.h"
#include "task/window_state.h"

namespace millrace::task {
namespace {

constexpr std::uint32_t kSnapshotMagic = 0x324b474d;  // "MGK2"

class MergeTask final : public Task {
 public:
  MergeTask(const MergePlan& plan, std::int32_t partition)
      : plan_(plan),
        panes_(plan.window, true),
        results_(plan.window),
        causes_(plan.repartition_topic, partition, plan.pipeline),
        partition_(partition),
        upstream_(static_cast<std::size_t>(plan.upstream_partition_count), kNoWatermark) {
    MR_CHECK(plan.window.local.has_value());
    MR_CHECK(plan.upstream_partition_count > 0);
    counters_.windows.resize(1);
    counters_.windows.front().since_version = plan.version;
  }

  void start_at(Offset offset) override {
    MR_CHECK(counters_.records_in == 0 && next_offset_ <= offset);
    next_offset_ = offset;
  }
  Status apply(std::string_view batch, WallTime append_time, Outputs& outputs) override;
  void skip_to(Offset next) override { next_offset_ = std::max(next_offset_, next); }
  Status apply_event(const JournalEvent&, WallTime, Outputs&) override {
    return invalid_error("a merging task takes no events from outside");
  }
  [[nodiscard]] Offset next_offset() const override { return next_offset_; }
  void snapshot(std::string& out) const override;
  Status restore(std::string_view bytes) override;
  Result<TakenOver> take_over(std::string_view bytes) override;
  void begin_windows(EventTime) override {}  // what arrives is of panes that the source counts
  [[nodiscard]] TaskReport report() const override;

 private:
  // With `taken_over` for the state of another plan, of which the window may not fit.
  Status restore_state(Decoder& from, TakenOver* taken_over);
  void merge(const PartialView& partial, const RecordView& record, WallTime time, Outputs& outputs);
  void refuse(const RecordView& record, WallTime time, Outputs& outputs);
  void observe(const UpstreamWatermark& upstream, WallTime time, Outputs& outputs);
  const Cause& cause(WallTime time) { return causes_.at(next_offset_, time); }
  void fire(Pane& pane, bool is_final, WallTime time, Outputs& outputs);

  const MergePlan& plan_;
  PaneSet panes_;
  ResultWriter results_;
  CauseWriter causes_;
  const std::int32_t partition_;
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
      merge(*partial, *record, append_time, outputs);
    } else {
      observe(std::get<UpstreamWatermark>(content), append_time, outputs);
    }
    ++next_offset_;
  }
  MR_RETURN_IF_ERROR(reader_.status());
  next_offset_ = std::max(next_offset_, reader_.header().next_offset());
  return ok_status();
}

// A partial result of a key that finds no room goes into the dead letters as it is: binary, in
// full.
void MergeTask::refuse(const RecordView& record, WallTime time, Outputs& outputs) {
  ++counters_.windows.front().failed;
  ++counters_.window_letters;
  ++counters_.dead_letters[static_cast<std::size_t>(ErrorType::business_rule_violation)];
  if (outputs.is_suppressed() || !plan_.dead_letter_output) return;
  const auto& window = plan_.window;
  std::string value;
  append_dead_letter(
      value,
      {ErrorType::business_rule_violation,
       "a partial result of window " + window.name + " finds " +
           std::to_string(panes_.open_keys()) + " open keys, its max_open_keys is " +
           std::to_string(window.open_keys_max),
       "window " + window.name, plan_.pipeline, time, plan_.repartition_topic, partition_, "", ""},
      record);
  const auto because = cause(time);
  const std::array<codec::HeaderToAppend, 3> headers{
      {{"millrace-source", because.source},
       {"millrace-pipeline", because.pipeline},
       {"millrace-error", to_string(ErrorType::business_rule_violation)}}};
  const auto output = *plan_.dead_letter_output;
  outputs.append(output, outputs.partition_for(output, record.key, partition_),
                 {time, record.key, value, headers});
}

void MergeTask::merge(const PartialView& partial, const RecordView& record, WallTime time,
                      Outputs& outputs) {
  auto& counters = counters_.windows.front();
  ++counters.in;
  if (!panes_.has_room(1) && !panes_.has_key(partial.pane_start_us, partial.state.key)) {
    return refuse(record, time, outputs);
  }
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
  to.varint(counters_.records_in);
  to.varint(counters_.window_letters);
  encode_window_state(to, plan_.window, panes_, counters_.windows.front(), kNoWatermark);
}

Status MergeTask::restore(std::string_view bytes) {
  Decoder from(bytes);
  MR_RETURN_IF_ERROR(restore_state(from, nullptr));
  return from.finish("merging task snapshot");
}

Result<TakenOver> MergeTask::take_over(std::string_view bytes) {
  Decoder from(bytes);
  TakenOver taken_over;
  MR_RETURN_IF_ERROR(restore_state(from, &taken_over));
  MR_RETURN_IF_ERROR(from.finish("merging task snapshot"));
  return taken_over;
}

Status MergeTask::restore_state(Decoder& from, TakenOver* taken_over) {
  if (from.u32() != kSnapshotMagic) return corrupt_error("not a snapshot of a merging task");
  next_offset_ = Offset(from.zigzag());
  if (from.varint() != upstream_.size()) {
    return invalid_error("the snapshot is of another number of source partitions");
  }
  for (auto& watermark : upstream_) watermark = decode_event_time(from);
  watermark_ = *std::min_element(upstream_.begin(), upstream_.end());
  const auto records_in = from.varint();
  const auto letters = from.varint();
  const auto state = decode_window_state(from);
  const bool is_other = state.definition != definition_hash(plan_.window);
  if (taken_over != nullptr && is_other) {
    if (state.open_panes > 0) {
      taken_over->lost.push_back({plan_.window.name, state.open_panes, state.open_keys, 0, 0});
    }
    taken_over->begun.push_back(plan_.window.name);
    taken_over->skips_source = true;
    return ok_status();
  }
  MR_RETURN_IF_ERROR(restore_window_state(state, panes_, counters_.windows.front()));
  counters_.records_in = records_in;
  counters_.window_letters = letters;
  counters_.dead_letters[static_cast<std::size_t>(ErrorType::business_rule_violation)] = letters;
  return ok_status();
}

TaskReport MergeTask::report() const {
  TaskReport report;
  report.next_offset = next_offset_;
  report.watermark = watermark_;
  report.upstream_watermarks = upstream_;
  report.largest_pane_end = panes_.largest_end();
  report.open_pane_count = panes_.panes().size();
  report.window_states.push_back(report_of(plan_.window, panes_));
  report.unseen_from = kNoWatermark;
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

Result<WindowStateReport> read_merge_state(std::string_view snapshot) {
  Decoder from(snapshot);
  if (from.u32() != kSnapshotMagic) return corrupt_error("not a snapshot of a merging task");
  from.zigzag();  // next offset
  const auto upstream_count = from.varint();
  for (std::uint64_t i = 0; i < upstream_count && !from.has_failed(); ++i) from.zigzag();
  from.varint();  // records in
  from.varint();  // dead letters
  const auto state = decode_window_state(from);
  MR_RETURN_IF_ERROR(from.finish("merging task snapshot"));
  return WindowStateReport{std::string(state.name), state.definition, state.open_panes,
                           state.open_keys};
}

std::unique_ptr<Task> make_merge_task(const MergePlan& plan, std::int32_t partition) {
  return std::make_unique<MergeTask>(plan, partition);
}

}  // namespace millrace::task
