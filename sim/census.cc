#include "sim/census.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace millrace::sim {
namespace {

// Every long run must get to all of these.
constexpr std::array<std::string_view, 78> kExpected{{
    "clock.set_back",
    "commit.stalled",
    "crash.after_failure",
    "crash.kill",
    "crash.power",
    "disk.full",
    "disk.name_error",
    "disk.name_error_after",
    "disk.read_error",
    "disk.stall",
    "disk.sync_error",
    "disk.write_error",
    "drain.cancelled",
    "drain.done",
    "event.bad",
    "event.duplicate",
    "event.future",
    "event.jump_confirmed",
    "event.null_key",
    "event.null_value",
    "event.other_key",
    "features.lost",
    "features.read",
    "features.rebuilt",
    "flip.reported_at_start",
    "flip.segment",
    "flip.snapshot",
    "flip.wal",
    "journal.snapshot_retired",
    "journal.trimmed",
    "journal.watermark_from_outside",
    "lake.attempt_failed",
    "lake.flushed",
    "lake.range_attempted_again",
    "lake.range_delivered",
    "log.maintained",
    "log.nothing_to_replay",
    "log.replayed",
    "log.torn_tail_cut",
    "producer.lost_batch_sent_again",
    "producer.repeat_recognised",
    "producer.told_to_wait",
    "retention.cut_input",
    "snapshot.garbage_checked",
    "snapshot.name_deleted",
    "snapshot.name_survived",
    "snapshot.name_taken",
    "snapshot.named",
    "snapshot.not_named",
    "snapshot.not_restored",
    "snapshot.of_other_version",
    "snapshot.restored",
    "start.cut_short",
    "start.failed_by_disk",
    "start.ok",
    "stop.clean",
    "stop.cut_short",
    "stop.failed",
    "stop.failed_meanwhile",
    "store.answer_lost",
    "store.applied_after_time_out",
    "store.applied_twice",
    "store.away",
    "store.busy",
    "store.late",
    "store.request_lost",
    "store.run_of_ids_put",
    "store.run_of_ids_removed",
    "table.changed",
    "task.began_at_the_start",
    "task.fell_back_to_older_snapshot",
    "task.fell_back_to_the_start",
    "task.replayed",
    "task.restored_from_snapshot",
    "upgrade.done",
    "window.late_event",
    "window.merged_revised",
    "window.revised",
}};

}  // namespace

void Census::count(std::string_view what, std::uint64_t times) {
  const auto at = counts_.find(what);
  if (at == counts_.end()) {
    counts_.emplace(what, times);
  } else {
    at->second += times;
  }
}

void Census::add(const Census& other) {
  for (const auto& [what, times] : other.counts_) count(what, times);
}

std::string Census::to_text() const {
  std::string text;
  for (const auto& [what, times] : counts_) text += std::to_string(times) + " " + what + "\n";
  return text;
}

void Census::parse(std::string_view text) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto space = line.find(' ');
    std::uint64_t times = 0;
    if (space == std::string_view::npos) continue;
    std::from_chars(line.data(), line.data() + space, times);
    count(line.substr(space + 1), times);
  }
}

std::vector<std::string> Census::missing() const {
  std::vector<std::string> out;
  for (const auto what : kExpected) {
    if (!counts_.contains(what)) out.emplace_back(what);
  }
  return out;
}

}  // namespace millrace::sim
