#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "log/log.h"
#include "task/watermark.h"

namespace millrace::runtime {

// How far one task is, as its owner last said.
struct TaskProgress {
  std::string stage;
  std::int32_t partition = 0;
  std::string process;   // of its owner
  Offset done;           // everything readers may see below it is applied and committed
  bool is_idle = false;  // of a source task (R13)
  EventTime watermark = task::kNoWatermark;
  EventTime watermark_if_idle = task::kNoWatermark;
  EventTime largest_pane_end = task::kNoWatermark;
  std::uint64_t results = 0;  // of windows, that left

  bool operator==(const TaskProgress&) const = default;
};
void encode_progress(const TaskProgress& progress, std::string& key, std::string& value);
Result<TaskProgress> decode_progress(std::string_view key, std::string_view value);

// Which tasks of others a process keeps ready.
struct StandbyNote {
  std::string process;
  std::set<std::pair<std::string, std::int32_t>> followed;  // stage, partition

  bool operator==(const StandbyNote&) const = default;
};
std::string encode_standby(const StandbyNote& note);
Result<StandbyNote> decode_standby(std::string_view value);

// What the processes of a shared pipeline tell each other, so that idle partitions and drains can
// be decided over all of it: records of the internal topic millrace.PIPELINE.progress, kept for an
// hour (docs/formats/progress.md). Nothing here is a truth: what a decision does to a task is in
// that task's journal. Old news are of no harm, as watermarks and offsets only grow. One thread at
// a time.
class SharedProgress {
 public:
  // What was said longer ago counts for nothing: nobody may own the task.
  static constexpr std::int64_t kFreshMs = 60'000;
  // A process that has not said so for so long follows nothing.
  static constexpr std::int64_t kStandbyFreshMs = 15'000;

  // `log` and `clock` outlive it.
  SharedProgress(log::Log& log, const Clock& clock, std::string topic);

  // Makes the topic where it is missing, and reads the last minute.
  Status open();
  // Tells the others what has changed of our tasks, or was told long ago; then reads what they say.
  Status exchange(const std::vector<TaskProgress>& own);
  // Tells the others that this process follows tasks, when that has changed or was told long ago.
  Status tell(const StandbyNote& own);
  // Asks all owners of source tasks to move their watermarks up to `target`. Holds for a minute.
  Status ask_to_drain(EventTime target);

  // As of the last exchange(): the newest word on each task, none that is not fresh.
  using Place = std::pair<std::string, std::int32_t>;  // stage, partition
  [[nodiscard]] std::map<Place, TaskProgress> tasks() const;
  [[nodiscard]] std::optional<EventTime> asked_to_drain() const;
  // Of every process that follows tasks, which ones, by its name.
  [[nodiscard]] std::map<std::string, StandbyNote> standbys() const;

 private:
  struct Said {
    TaskProgress progress;
    WallTime at;
  };
  void take(std::string_view key, std::string_view value, WallTime at);
  Status read_on();
  Status append(std::string_view key, std::string_view value);
  [[nodiscard]] bool is_fresh(WallTime at) const;

  log::Log& log_;
  const Clock& clock_;
  const TopicPartition topic_;
  Offset next_;
  std::map<Place, Said> said_;
  std::map<Place, Said> told_;  // by us
  std::optional<std::pair<EventTime, WallTime>> drain_;
  std::map<std::string, std::pair<StandbyNote, WallTime>> standbys_;
  std::optional<std::pair<StandbyNote, WallTime>> told_standby_;
};

}  // namespace millrace::runtime
