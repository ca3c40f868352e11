#pragma once

#include <array>
#include <cstdint>
#include <optional>
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

class Dedup;

// What a task has done since its first record; part of its state, so a replay restores it.
// Conservation (R24): records_in == passed + dropped + the dead letters of row stages, which are
// all but `window_letters`; per window, in == counted + late.
struct WindowCounters {
  // The pipeline version under which this window began with nothing; the counts are since then.
  std::int32_t since_version = 1;
  std::uint64_t in = 0;  // event and pane, once for each pane the event belongs to
  std::uint64_t counted = 0;
  std::uint64_t late = 0;
  std::uint64_t results = 0;  // results or partials that left
  std::uint64_t failed = 0;   // events in no pane, dead-lettered: no usable key, or no room for it
  std::uint64_t before = 0;   // event and pane, where the pane started before the window began
  // Aggregates that did not count an event because their argument could not be evaluated.
  std::uint64_t uncounted = 0;
};
struct TaskCounters {
  std::uint64_t records_in = 0;
  std::uint64_t passed = 0;
  std::uint64_t dropped_duplicates = 0;
  std::array<std::uint64_t, kErrorTypeCount> dead_letters{};
  std::uint64_t window_letters = 0;  // of dead_letters: those of windows, whose event has passed
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

// How much state a window has, and by what definition; for `status` and upgrades.
struct WindowStateReport {
  std::string window;
  std::uint64_t definition = 0;
  std::uint64_t open_panes = 0;
  std::uint64_t open_keys = 0;
};

struct TaskReport {
  Offset next_offset;
  EventTime watermark;                         // kNoWatermark before the first believed event
  EventTime watermark_if_idle;                 // of a source task: what its events suggest
  EventTime largest_pane_end;                  // kNoWatermark when no pane is open
  std::vector<EventTime> upstream_watermarks;  // merging tasks only
  std::vector<OpenPane> open_panes;            // at most kOpenPanesReported, oldest first
  std::size_t open_pane_count = 0;
  std::size_t live_ids = 0;
  std::size_t open_ids = 0;  // of these in no run
  std::size_t id_runs = 0;
  std::size_t fingerprint_bytes = 0;
  std::size_t fingerprint_bytes_max = 0;          // the bound; 0: none
  std::size_t compact_ids = 0;                    // because of it, a byte of each
  std::size_t unlisted_ids = 0;                   // because of it, nothing in memory
  std::uint64_t run_lookups = 0;                  // since the start
  std::uint64_t direct_run_lookups = 0;           // of these, because of the bound
  std::optional<std::uint64_t> dedup_definition;  // none: no deduplication
  std::vector<WindowStateReport> window_states;
  EventTime unseen_from;                  // source tasks: Watermark::unseen_from()
  std::vector<TableVersionEntry> tables;  // in force
  TaskCounters counters;
};
inline constexpr std::size_t kOpenPanesReported = 20;

// What a task could not take over from another pipeline version.
struct TakenOver {
  std::vector<StateLostEntry> lost;  // only what there was anything of
  std::vector<std::string> begun;    // windows that begin with nothing
  // Nothing that its source still holds for it is of use: records of another window's definition.
  bool skips_source = false;
};

// A task is a pure function of its snapshot and its log (rule: no clock, no I/O, no randomness,
// nothing that depends on where a batch or a commit ends). One thread at a time.
class Task {
 public:
  virtual ~Task() = default;

  // For a fresh task: records below are not its own, though a stored batch may hold some of them.
  virtual void start_at(Offset offset) = 0;

  // Applies the records of one stored batch that are at or after next_offset(). `append_time` is
  // the batch's: their processing time. `corrupt` when the batch is not readable, any error of a
  // reader of stored ids; the task is then of no more use.
  virtual Status apply(std::string_view batch, WallTime append_time, Outputs& outputs) = 0;

  // What stands below `next` is not for the task: a marker, or records of an aborted transaction.
  virtual void skip_to(Offset next) = 0;

  // Applies a decision from outside, at next_offset(). Only events with is_task_input().
  virtual Status apply_event(const JournalEvent& event, WallTime wall_time, Outputs& outputs) = 0;

  [[nodiscard]] virtual Offset next_offset() const = 0;

  // The whole state. restore() only on a fresh task of the same plan; `corrupt` or `invalid`
  // otherwise.
  virtual void snapshot(std::string& out) const = 0;
  virtual Status restore(std::string_view bytes) = 0;

  // Instead of restore(), for a snapshot of another version of the pipeline: windows go on where
  // name and definition are the same, deduplication where the definition is; the rest begins with
  // nothing. begin_windows() must follow before anything is applied.
  virtual Result<TakenOver> take_over(std::string_view bytes) = 0;
  // Windows that begin with nothing count panes from the first one that starts where the task has
  // seen no event yet, so that every result of theirs is whole; those that are merged, from
  // `merged_from` on, which is the largest unseen_from() of all source tasks.
  virtual void begin_windows(EventTime merged_from) = 0;
  // The task's deduplication, whose runs the caller stores; null without one.
  [[nodiscard]] virtual Dedup* dedup() { return nullptr; }

  [[nodiscard]] virtual TaskReport report() const = 0;
};

}  // namespace millrace::task
