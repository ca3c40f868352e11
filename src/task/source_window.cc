#include "task/source_window.h"

#include <algorithm>
#include <new>

#include "base/check.h"

namespace millrace::task {

SourceWindow::SourceWindow(const Window& window, std::int32_t version)
    : window_(&window), panes_(window, window.local.has_value()), results_(window) {
  counters_.since_version = version;
  const auto find = [this](const expr::Program& argument) {
    std::size_t i = 0;
    while (i < arguments_.size() && arguments_[i]->text() != argument.text()) ++i;
    if (i == arguments_.size()) arguments_.push_back(&argument);
    return i;
  };
  for (const auto& call : window.aggregates) {
    if (call.argument) argument_of_.push_back(find(*call.argument));
    if (!call.argument) argument_of_.push_back(std::string::npos);
  }
  for (auto& argument : argument_of_) argument = std::min(argument, arguments_.size());
  values_.resize(arguments_.size() + 1, Value::boolean(true));
}

void SourceWindow::add_to(KeyState& state, const EventPosition& position) {
  MR_CHECK(state.aggregates.size() == argument_of_.size());
  for (std::size_t i = 0; i < state.aggregates.size(); ++i) {
    const Value& value = values_[argument_of_[i]];
    if (value.is_error()) ++counters_.uncounted;
    state.aggregates[i].add(value, position);
  }
  state.is_changed = true;
}

bool SourceWindow::has_room(const PaneSet::Starts& starts, std::string_view key,
                            EventTime watermark) const {
  const auto pane_count = static_cast<std::size_t>(window_->length_us / window_->every_us);
  if (panes_.has_room(pane_count)) return true;
  std::size_t new_keys = 0;
  for (auto start = starts.first_us; start <= starts.last_us; start += window_->every_us) {
    const bool is_kept = EventTime(start) >= begins_at_ && !panes_.is_late(start, watermark) &&
                         (window_->local || !panes_.is_past_end(start, watermark));
    if (is_kept && !panes_.has_key(start, key)) ++new_keys;
  }
  return new_keys == 0 || panes_.has_room(new_keys);
}

SourceWindow::Outcome SourceWindow::add(const expr::EvaluateInput& input, Arena& arena,
                                        const EventPosition& position, EventTime watermark,
                                        const Cause& cause, Outputs& outputs) {
  Outcome outcome;
  Value key = Value::string("");
  if (window_->key) {
    key = window_->key->evaluate(input, arena);
    if (key.kind() != ValueKind::string) {
      ++counters_.failed;
      outcome.error = "the key of window " + window_->name + " is not a string";
      if (key.is_error()) outcome.error += ": " + std::string(key.as_string());
      return outcome;
    }
  }
  for (std::size_t i = 0; i < arguments_.size(); ++i) {
    // In place: assigning a value just made costs a failed store forwarding.
    ::new (&values_[i]) Value(arguments_[i]->evaluate(input, arena));
  }
  const auto starts = panes_.starts_for(position.event_time);
  if (!has_room(starts, key.as_string(), watermark)) {
    ++counters_.failed;
    outcome.error = "window " + window_->name + " holds " + std::to_string(panes_.open_keys()) +
                    " open keys, its max_open_keys is " + std::to_string(window_->open_keys_max);
    return outcome;
  }
  for (auto start = starts.first_us; start <= starts.last_us; start += window_->every_us) {
    if (EventTime(start) < begins_at_) {
      ++counters_.before;
      continue;
    }
    ++counters_.in;
    if (panes_.is_late(start, watermark)) {
      ++counters_.late;
      if (outcome.late_panes++ == 0) outcome.first_late_start_us = start;
      continue;
    }
    ++counters_.counted;
    if (!window_->local && panes_.is_past_end(start, watermark)) {
      // The pane's partial left when the watermark passed its end; this event follows by itself.
      KeyState single;
      single.key = key.as_string();
      for (const auto& call : window_->aggregates) single.aggregates.emplace_back(call.kind);
      add_to(single, position);
      emit_partial(start, single, cause, outputs);
      continue;
    }
    auto& pane = panes_.pane(start);
    auto& state = panes_.key_state(pane, key.as_string());
    add_to(state, position);
    if (pane.is_fired) {
      ++counters_.results;
      results_.emit(pane, state, false, cause, *window_->local, outputs);
    }
  }
  return outcome;
}

void SourceWindow::emit_partial(std::int64_t start_us, const KeyState& state, const Cause& cause,
                                Outputs& outputs) {
  ++counters_.results;
  if (outputs.is_suppressed()) return;
  partial_.clear();
  encode_partial(start_us, state, partial_);
  const auto output = window_->partials_output;
  outputs.append(output, outputs.partition_for(output, state.key, 0),
                 {cause.time, state.key, partial_, {}, cause.headers, {}});
}

void SourceWindow::fire(Pane& pane, bool is_final, const Cause& cause, Outputs& outputs) {
  for (auto& state : pane.keys) {
    if (window_->local) {
      ++counters_.results;
      results_.emit(pane, state, is_final, cause, *window_->local, outputs);
    } else {
      emit_partial(pane.start_us, state, cause, outputs);
    }
  }
}

void SourceWindow::advance(EventTime watermark, const Cause& cause, Outputs& outputs) {
  panes_.advance(
      watermark, [&](Pane& pane) { fire(pane, false, cause, outputs); },
      [&](Pane& pane) {
        if (window_->local) fire(pane, true, cause, outputs);
      });
}

void SourceWindow::snapshot(Encoder& to) const {
  encode_window_state(to, *window_, panes_, counters_, begins_at_);
}

Status SourceWindow::restore(const WindowState& state) {
  begins_at_ = state.begins_at;
  return restore_window_state(state, panes_, counters_);
}

}  // namespace millrace::task
