#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "model/topic.h"
#include "task/dead_letter.h"
#include "task/journal.h"
#include "task/outputs.h"

namespace millrace::task {

// What a task has done since its first record; part of its state, so a replay restores it.
// Conservation (R24): records_in == passed + dropped + the dead letters of row stages, which are
// all but LATE_EVENT and those counted as `failed`; per window, in == counted + late.
struct WindowCounters {
  std::uint64_t in = 0;  // event and pane, once for each pane the event belongs to
  std::uint64_t counted = 0;
  std::uint64_t late = 0;
  std::uint64_t results = 0;  // results or partials that left
  std::uint64_t failed = 0;   // events whose key could not be computed: dead-lettered, in no pane
};
struct TaskCounters {
  std::uint64_t records_in = 0;
  std::uint64_t passed = 0;
  std::uint64_t dropped_duplicates = 0;
  std::array<std::uint64_t, kErrorTypeCount> dead_letters{};
  std::vector<WindowCounters> windows;
};

// One open pane, for `status`.
struct OpenPane {
  std::string window;
  EventTime start;
  EventTime end;
  std::size_t key_count = 0;
  bool is_fired = false;
};

struct TaskReport {
  Offset next_offset;
  EventTime watermark;                         // kNoWatermark before the first event
  EventTime largest_pane_end;                  // kNoWatermark when no pane is open
  std::vector<EventTime> upstream_watermarks;  // merging tasks only
  std::vector<OpenPane> open_panes;            // at most kOpenPanesReported, oldest first
  std::size_t open_pane_count = 0;
  std::size_t live_ids = 0;
  std::vector<TableVersionEntry> tables;  // in force
  TaskCounters counters;
};
inline constexpr std::size_t kOpenPanesReported = 20;

// A task is a pure function of its snapshot and its log (rule: no clock, no I/O, no randomness,
// nothing that depends on where a batch or a commit ends). One thread at a time.
class Task {
 public:
  virtual ~Task() = default;

  // For a fresh task: records below are not its own, though a stored batch may hold some of them.
  virtual void start_at(Offset offset) = 0;

  // Applies the records of one stored batch that are at or after next_offset(). `append_time` is
  // the batch's: their processing time. `corrupt` when the batch is not readable; the task is then
  // of no more use.
  virtual Status apply(std::string_view batch, WallTime append_time, Outputs& outputs) = 0;

  // Applies a decision from outside, at next_offset(). Only events with is_task_input().
  virtual Status apply_event(const JournalEvent& event, WallTime wall_time, Outputs& outputs) = 0;

  [[nodiscard]] virtual Offset next_offset() const = 0;

  // The whole state. restore() only on a fresh task of the same plan; `corrupt` or `invalid`
  // otherwise.
  virtual void snapshot(std::string& out) const = 0;
  virtual Status restore(std::string_view bytes) = 0;

  [[nodiscard]] virtual TaskReport report() const = 0;
};

}  // namespace millrace::task
