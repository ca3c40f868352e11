#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "log/log.h"
#include "model/topic.h"

namespace millrace::sim {

// A record that was durable, and so could be seen by anybody.
struct SeenRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::string source;    // header millrace-source
  std::string pipeline;  // header millrace-pipeline
  std::string error;     // header millrace-error
  WallTime timestamp;
  WallTime append_time;
  bool operator==(const SeenRecord&) const = default;
};

// The reader who forgets nothing: keeps every record of every topic, from its first sight on, and
// says so when one that was visible is gone or is another one. Compacted topics are left out.
class Recorder {
 public:
  using OnViolation = std::function<void(const std::string&)>;
  explicit Recorder(OnViolation on_violation) : on_violation_(std::move(on_violation)) {}

  // Reads on. Keeps its place with a pin, so that retention leaves it what it has not seen.
  Status poll(log::Log& log);
  // After a restart: everything seen is still there, as it was.
  Status verify(log::Log& log);

  // By offset, from 0 on.
  [[nodiscard]] const std::vector<SeenRecord>& records(const TopicPartition& source) const;
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] std::int32_t partition_count(const std::string& topic) const;
  [[nodiscard]] bool has_seen_trim(const std::string& topic_part) const;
  [[nodiscard]] std::string describe() const;

 private:
  using Visit = std::function<void(Offset, SeenRecord)>;
  static Status read(log::Log& log, const TopicPartition& source, Offset from, Offset to,
                     const Visit& visit);
  Status poll_partition(log::Log& log, const TopicPartition& source);
  Status verify_partition(log::Log& log, const TopicPartition& source,
                          const std::vector<SeenRecord>& seen);

  OnViolation on_violation_;
  std::map<TopicPartition, std::vector<SeenRecord>> seen_;
  std::map<TopicPartition, Offset> starts_;
};

}  // namespace millrace::sim
