#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "codec/record_batch.h"
#include "log/log.h"
#include "model/record.h"

namespace millrace::ops {

// A record that a task wrote.
struct TaskOutput {
  RecordView record;                // dies with the next read
  Offset source;                    // of the input record, or the decision, that caused it
  bool is_log_append_time = false;  // its timestamp is the log's, not the task's
};

// Reads forward what one task of a pipeline wrote into one output partition, by the headers
// millrace-pipeline and millrace-source; everything else is passed over. Within a partition the
// sources of one task never go back. One thread; `log` outlives it.
class TaskOutputReader {
 public:
  // Reads [start of the partition, end). `pipeline` is "ticks@1"; "ticks" stands for any version.
  TaskOutputReader(const log::Log& log, TopicPartition at, std::string_view pipeline,
                   const TopicPartition& source, Offset end);

  // Goes to the start, or to a place in front of the first output whose source is at or behind
  // `source`, which it finds by halving.
  Status seek_start();
  Status seek(Offset source);
  // To the first record appended at or after `time`.
  Status seek_time(WallTime time);

  // nullptr at the end.
  Result<const TaskOutput*> next();

  [[nodiscard]] const TopicPartition& at() const { return at_; }
  // Where the partition begins; above 0 retention has cut it.
  [[nodiscard]] Offset start() const { return start_; }

 private:
  [[nodiscard]] std::optional<Offset> source_of(const RecordView& record) const;
  void go_to(Offset offset);

  const log::Log& log_;
  const TopicPartition at_;
  const std::string pipeline_;
  const bool is_exact_version_;
  const std::string source_prefix_;  // "input_topic/3/"
  Offset end_;
  Offset start_;
  Offset next_;
  std::vector<log::FetchedBatch> batches_;
  std::size_t next_batch_ = 0;
  bool is_open_ = false;
  codec::BatchReader reader_;
  TaskOutput output_;
};

}  // namespace millrace::ops
