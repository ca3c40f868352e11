#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "ops/audit_scan.h"
#include "ops/job_progress.h"
#include "task/explain.h"

namespace millrace::ops {

// A record of a source topic, with its bytes.
struct FoundRecord {
  TopicPartition at;
  Offset offset;
  WallTime append_time;
  WallTime timestamp;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  // Its id cannot be read (no JSON, say), but the text of the id is in it.
  bool is_by_text = false;
};

// Keeps the headers that a RecordView of a FoundRecord needs.
class FoundRecordView {
 public:
  explicit FoundRecordView(const FoundRecord& record);
  [[nodiscard]] const RecordView& view() const { return view_; }

 private:
  std::vector<HeaderView> headers_;
  RecordView view_;
};

struct SearchBounds {
  std::int64_t records_max = 1'000'000;  // of the topic, newest first
  std::optional<WallTime> since;         // appended at or after this
};

struct EventSearch {
  static constexpr std::size_t kFoundMax = 20;

  std::vector<FoundRecord> found;  // the newest kFoundMax, by append time, then place
  std::int64_t scanned = 0;
  bool has_reached_start = false;  // everything that is retained (and not before `since`)
};

// Searches a source topic backwards, newest records of all partitions first, for the records with
// this id. The id's text is searched for in the stored bytes first, so that few records are read;
// an id written with needless JSON escapes is not found. Where the pipeline's id is no plain field
// every record is read. Without deduplication an event's id is any text member of it.
Result<EventSearch> find_event(const log::Log& log, const task::SourcePlan& plan,
                               task::Explainer& explainer, const std::string& id,
                               const SearchBounds& bounds, const IsCancelled& is_cancelled,
                               JobProgress& progress);

// The record at one place; `not_found` when there is none.
Result<FoundRecord> find_record(const log::Log& log, const TopicPartition& at, Offset offset);

}  // namespace millrace::ops
