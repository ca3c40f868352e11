#include "task/window_state.h"

#include <string>

#include "task/watermark.h"

namespace millrace::task {

void encode_window_state(Encoder& to, const Window& window, const PaneSet& panes,
                         const WindowCounters& counters, EventTime begins_at) {
  to.bytes(window.name);
  to.zigzag(begins_at.value);
  to.varint(panes.open_keys());
  std::string content;
  Encoder inner(content);
  panes.snapshot(inner);
  inner.zigzag(counters.since_version);
  for (const auto count : {counters.in, counters.counted, counters.late, counters.results,
                           counters.failed, counters.before, counters.uncounted}) {
    inner.varint(count);
  }
  to.bytes(content);
}

WindowState decode_window_state(Decoder& from) {
  WindowState state;
  state.name = from.bytes();
  state.begins_at = decode_event_time(from);
  state.open_keys = from.varint();
  state.content = from.bytes();
  Decoder head(state.content);  // both stand first in what PaneSet::snapshot() writes
  state.definition = head.u64();
  state.open_panes = head.varint();
  return state;
}

Status restore_window_state(const WindowState& state, PaneSet& panes, WindowCounters& counters) {
  Decoder from(state.content);
  MR_RETURN_IF_ERROR(panes.restore(from));
  counters.since_version = static_cast<std::int32_t>(from.zigzag());
  for (auto* count : {&counters.in, &counters.counted, &counters.late, &counters.results,
                      &counters.failed, &counters.before, &counters.uncounted}) {
    *count = from.varint();
  }
  return from.finish("window state");
}

WindowStateReport report_of(const Window& window, const PaneSet& panes) {
  return {window.name, definition_hash(window), panes.panes().size(), panes.open_keys()};
}

}  // namespace millrace::task
