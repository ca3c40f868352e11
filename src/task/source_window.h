#pragma once

#include <string>

#include "base/arena.h"
#include "base/coding.h"
#include "expr/expr.h"
#include "task/partial.h"
#include "task/task.h"
#include "task/window.h"
#include "task/window_results.h"
#include "task/window_state.h"

namespace millrace::task {

// One window of a source task: judges lateness, aggregates, and lets results (local key) or partial
// results (key to be repartitioned, R14) leave. One thread. `window` outlives it.
class SourceWindow {
 public:
  // `version` is the pipeline's.
  SourceWindow(const Window& window, std::int32_t version);

  struct Outcome {
    std::size_t late_panes =
        0;  // panes the event came too late for; with sliding windows others may count it
    std::int64_t first_late_start_us = 0;
    std::string error;  // no usable key, or no room for it: nothing was counted
  };
  // `watermark` is the one before this event moved it.
  Outcome add(const expr::EvaluateInput& input, Arena& arena, const EventPosition& position,
              EventTime watermark, const Cause& cause, Outputs& outputs);

  // Lets leave what the watermark makes due.
  void advance(EventTime watermark, const Cause& cause, Outputs& outputs);

  [[nodiscard]] const Window& window() const { return *window_; }
  [[nodiscard]] const PaneSet& panes() const { return panes_; }
  [[nodiscard]] const WindowCounters& counters() const { return counters_; }

  // Panes that start earlier are not counted from now on.
  void begin(EventTime from) { begins_at_ = from; }

  void snapshot(Encoder& to) const;
  Status restore(const WindowState& state);

 private:
  // Whether the key finds a place in every pane of the event, so that it counts in all or in none.
  [[nodiscard]] bool has_room(const PaneSet::Starts& starts, std::string_view key,
                              EventTime watermark) const;
  void add_to(KeyState& state, const EventPosition& position);
  void emit_partial(std::int64_t start_us, const KeyState& state, const Cause& cause,
                    Outputs& outputs);
  void fire(Pane& pane, bool is_final, const Cause& cause, Outputs& outputs);

  const Window* window_;
  PaneSet panes_;
  ResultWriter results_;
  WindowCounters counters_;
  // The aggregates' arguments, each expression once: price stands for four of them in
  // min(price), max(price), avg(price), first(price).
  std::vector<const expr::Program*> arguments_;
  std::vector<std::size_t> argument_of_;  // per aggregate; arguments_.size(): a true, of count()
  std::vector<Value> values_;             // of the event at hand, then the true
  EventTime begins_at_ = kNoWatermark;
  std::string partial_;
};

}  // namespace millrace::task
