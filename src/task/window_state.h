#pragma once

#include <cstdint>
#include <string_view>

#include "base/coding.h"
#include "base/status.h"
#include "base/time.h"
#include "task/task.h"
#include "task/window.h"

// The state of one window as a section of a task's snapshot. A section says what it is of and how
// long it is, so that a task of another pipeline version can tell what is in it, take it over by
// name, or pass over it (docs/formats/snapshot.md).

namespace millrace::task {

// A section as read; views into the snapshot.
struct WindowState {
  std::string_view name;
  EventTime begins_at = kNoWatermark;  // panes that start earlier are not counted
  std::uint64_t definition = 0;        // definition_hash() of the window it was written by
  std::uint64_t open_panes = 0;
  std::uint64_t open_keys = 0;
  std::string_view content;
};

void encode_window_state(Encoder& to, const Window& window, const PaneSet& panes,
                         const WindowCounters& counters, EventTime begins_at);
// Zeros and empty views after a malformed read, as `from` has it.
WindowState decode_window_state(Decoder& from);
// `invalid` when the state is of another definition.
Status restore_window_state(const WindowState& state, PaneSet& panes, WindowCounters& counters);

// What the report and an upgrade say of it.
WindowStateReport report_of(const Window& window, const PaneSet& panes);

}  // namespace millrace::task
