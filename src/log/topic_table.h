#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/thread.h"
#include "log/log.h"
#include "log/partition_log.h"

namespace millrace::log {

// A topic as of one moment; replaced as a whole when it is altered.
struct Topic {
  TopicInfo info;
  std::uint64_t topic_id = 0;
  std::vector<std::shared_ptr<PartitionLog>> partitions;
};

// `not_found` when the topic has no such partition.
Result<std::shared_ptr<PartitionLog>> partition_of(const Topic& topic, std::int32_t index);

// Thread-safe; changed only under the commit lock.
class TopicTable {
 public:
  [[nodiscard]] std::shared_ptr<const Topic> find(const std::string& name) const;
  [[nodiscard]] std::shared_ptr<const Topic> find_by_id(std::uint64_t topic_id) const;
  // `not_found`, saying whether the topic or only the partition is missing.
  [[nodiscard]] Result<std::shared_ptr<PartitionLog>> partition(const std::string& name,
                                                                std::int32_t index) const;
  [[nodiscard]] std::vector<std::shared_ptr<const Topic>> all() const;  // sorted by name
  void put(std::shared_ptr<const Topic> topic);
  void remove(const Topic& topic);

 private:
  mutable SharedMutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Topic>> by_name_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Topic>> by_id_;
};

}  // namespace millrace::log
