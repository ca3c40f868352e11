#include "task/window_results.h"

#include <array>

#include "base/check.h"
#include "base/json_text.h"
#include "base/time_text.h"
#include "codec/json.h"

namespace millrace::task {
namespace {

void append_name(std::string& json, std::string_view name) {
  json += ',';
  append_json_string(json, name);
  json += ':';
}

}  // namespace

std::string result_time(const Window& window, std::int64_t time_us) {
  if (window.is_time_in_ms) return std::to_string(time_us / kMicrosPerMilli);
  return '"' + format_event_time(EventTime(time_us)) + '"';
}

void ResultWriter::emit(const Pane& pane, KeyState& state, bool is_final, const Cause& cause,
                        const WindowResults& to, Outputs& outputs) {
  MR_CHECK(state.aggregates.size() == window_->aggregates.size());
  ++state.revision;
  state.is_changed = false;
  if (outputs.is_suppressed()) return;
  arena_.reset();
  row_.clear();
  row_.push_back(Value::string(state.key));
  row_.push_back(Value::timestamp_micros(pane.start_us));
  row_.push_back(Value::timestamp_micros(pane.start_us + window_->length_us));
  for (std::size_t i = 0; i < state.aggregates.size(); ++i) {
    row_.push_back(state.aggregates[i].result(window_->aggregates[i].digits));
  }

  json_ = "{";
  if (window_->key) {
    append_json_string(json_, window_->key_name);
    json_ += ':';
    append_json_string(json_, state.key);
    json_ += ',';
  }
  json_ += "\"window_start\":" + result_time(*window_, pane.start_us);
  json_ += ",\"window_end\":" + result_time(*window_, pane.start_us + window_->length_us);
  json_ += ",\"revision\":" + std::to_string(state.revision);
  json_ += is_final ? ",\"is_final\":true" : ",\"is_final\":false";
  for (std::size_t i = 0; i < state.aggregates.size(); ++i) {
    append_name(json_, window_->aggregates[i].name);
    codec::append_json(json_, row_[kResultRowAggregatesAt + i]);
  }
  const auto variables = std::array{Value::timestamp_micros(cause.time.value * kMicrosPerMilli)};
  for (const auto& field : window_->fields) {
    const Value value = field.program.evaluate({row_, {}, variables}, arena_);
    append_name(json_, field.name);
    codec::append_json(json_, value.is_error() ? Value::null() : value);
  }
  json_ += '}';

  const OutputRecord record{cause.time, state.key, json_, {}, cause.headers, {}};
  outputs.append(to.results_output, outputs.partition_for(to.results_output, state.key, 0), record);
  if (to.feature_output) {
    outputs.append(*to.feature_output, outputs.partition_for(*to.feature_output, state.key, 0),
                   record);
  }
}

}  // namespace millrace::task
