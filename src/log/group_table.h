#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/thread.h"
#include "log/log.h"

namespace millrace::log {

// Committed offsets of all groups: what is durable, never what is only appended. Thread-safe.
class GroupTable {
 public:
  void commit(const OffsetCommit& offset);
  void remove_group(const std::string& group);
  // Offsets of a deleted topic mean nothing for the next one of its name.
  void remove_topic(const std::string& topic);

  [[nodiscard]] std::vector<std::string> groups() const;
  [[nodiscard]] std::vector<GroupOffset> offsets(const std::string& group) const;
  [[nodiscard]] bool has(const std::string& group) const;

  void encode(Encoder& to) const;
  void decode(Decoder& from);

 private:
  struct Position {
    Offset next_offset;
    std::string metadata;
  };

  mutable Mutex mutex_;
  std::map<std::string, std::map<TopicPartition, Position>> groups_;
};

}  // namespace millrace::log
