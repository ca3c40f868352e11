#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "ops/task_outputs.h"
#include "runtime/task_replay.h"
#include "task/outputs.h"

namespace millrace::ops {

// A record that a replay and an output topic disagree about.
struct ReplayFinding {
  enum class Kind : std::uint8_t { missing, extra, differs };
  Kind kind = Kind::differs;
  TopicPartition at;             // the output partition
  std::optional<Offset> offset;  // of the stored record; none where it is missing
  std::string source;            // "input_topic/3/17": what caused it
  std::string what;              // differs: "value", "key and headers", ...
  std::string stored;            // excerpts, where there are any
  std::string replayed;

  [[nodiscard]] std::string text() const;
};
std::string_view to_string(ReplayFinding::Kind kind);

// Compares what a replay gives, batch after batch, with what stands in the output topics: key,
// value, headers and timestamp, byte for byte and in order. After a difference it looks a few
// records ahead on both sides, so that one missing record is one finding. Memory: one batch of the
// replay, one fetch per output partition, kLookahead records of each. One thread.
class ReplayComparison {
 public:
  static constexpr std::size_t kFindingsShown = 20;
  static constexpr std::size_t kLookahead = 64;

  // `outputs_log` holds the output topics; `pipeline` is "ticks@1".
  ReplayComparison(const log::Log& outputs_log, const runtime::ReplayBounds& bounds,
                   const std::vector<task::OutputTopic>& topics, std::string pipeline,
                   TopicPartition source);

  Status start();
  // What the replay has made since.
  Status add(task::Outputs& outputs);
  // The replay is at its end; what is left over in the topics is too much.
  Status finish();

  [[nodiscard]] const std::vector<ReplayFinding>& findings() const { return findings_; }
  [[nodiscard]] std::uint64_t finding_count() const { return finding_count_; }
  [[nodiscard]] std::uint64_t matched() const { return matched_; }
  // Why less than everything could be compared.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  struct Produced {
    Offset offset;  // in the output partition, of a stored one
    Offset source;
    WallTime timestamp;
    // A leading byte tells null from empty.
    std::string key;
    std::string value;
    std::string headers;
    bool is_log_append_time = false;

    [[nodiscard]] bool has_time_of(const Produced& other) const {
      return timestamp == other.timestamp || is_log_append_time || other.is_log_append_time;
    }
    bool operator==(const Produced& other) const {
      return has_time_of(other) && value == other.value && key == other.key &&
             headers == other.headers;
    }
  };
  // One output partition.
  struct Lane {
    std::unique_ptr<TaskOutputReader> reader;
    std::deque<Produced> stored;
    std::deque<Produced> replayed;
    bool is_at_end = false;
    bool is_compacted = false;
    Offset judged_from;  // of sources before it retention may have taken outputs
    std::uint64_t not_judged = 0;
    bool is_log_append_time = false;  // of any record
  };

  static Produced produced(const RecordView& record, Offset source);
  Status find_judged_from(Lane& lane, const TopicPartition& at);
  Status fill(Lane& lane, std::size_t count);
  Status settle(Lane& lane, bool is_last);
  Status resolve(Lane& lane);
  void drop_pairs(Lane& lane, std::size_t missing, std::size_t extra);
  void note_missing(Lane& lane, const Produced& replayed);
  void note(ReplayFinding::Kind kind, const Lane& lane, const Produced* stored,
            const Produced* replayed);

  const log::Log& log_;
  const runtime::ReplayBounds& bounds_;
  const std::vector<task::OutputTopic>& topics_;
  const std::string pipeline_;
  const TopicPartition source_;
  std::map<TopicPartition, Lane> lanes_;
  codec::BatchReader reader_;
  std::vector<ReplayFinding> findings_;
  std::uint64_t finding_count_ = 0;
  std::uint64_t matched_ = 0;
};

}  // namespace millrace::ops
