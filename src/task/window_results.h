#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "task/cause.h"
#include "task/outputs.h"
#include "task/plan.h"
#include "task/window.h"

namespace millrace::task {

// Writes window results as JSON (R15): the key, window_start, window_end, revision, is_final, the
// aggregates, the computed fields. One thread; reuses its buffers.
class ResultWriter {
 public:
  explicit ResultWriter(const Window& window) : window_(&window) {}

  // Emits the next revision of the key's result to the topics of `to`.
  void emit(const Pane& pane, KeyState& state, bool is_final, const Cause& cause,
            const WindowResults& to, Outputs& outputs);

 private:
  const Window* window_;
  Arena arena_;
  std::vector<Value> row_;
  std::string json_;
};

// The JSON of a result's window_start or window_end, as the window writes them.
std::string result_time(const Window& window, std::int64_t time_us);

// Row of a ResultField's environment: key, window_start, window_end, then the aggregates.
inline constexpr std::size_t kResultRowAggregatesAt = 3;

// The environment's variables, in this order, for expressions over rows and over results.
inline constexpr std::string_view kProcessingTimeVariable = "processing_time";

}  // namespace millrace::task
