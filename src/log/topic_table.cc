#include "log/topic_table.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace millrace::log {

std::shared_ptr<const Topic> TopicTable::find(const std::string& name) const {
  const std::shared_lock lock(mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::shared_ptr<const Topic> TopicTable::find_by_id(std::uint64_t topic_id) const {
  const std::shared_lock lock(mutex_);
  const auto found = by_id_.find(topic_id);
  return found == by_id_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<PartitionLog>> partition_of(const Topic& topic, std::int32_t index) {
  if (index >= 0 && static_cast<std::size_t>(index) < topic.partitions.size()) {
    return topic.partitions[static_cast<std::size_t>(index)];
  }
  return not_found_error("topic '" + topic.info.name + "' has partitions 0 to " +
                         std::to_string(topic.partitions.size() - 1) + ", not " +
                         std::to_string(index));
}

Result<std::shared_ptr<PartitionLog>> TopicTable::partition(const std::string& name,
                                                            std::int32_t index) const {
  const auto topic = find(name);
  if (topic == nullptr) return not_found_error("topic '" + name + "' does not exist");
  return partition_of(*topic, index);
}

std::vector<std::shared_ptr<const Topic>> TopicTable::all() const {
  std::vector<std::shared_ptr<const Topic>> out;
  {
    const std::shared_lock lock(mutex_);
    out.reserve(by_name_.size());
    for (const auto& [name, topic] : by_name_) out.push_back(topic);
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a->info.name < b->info.name; });
  return out;
}

void TopicTable::put(std::shared_ptr<const Topic> topic) {
  const std::unique_lock lock(mutex_);
  by_id_[topic->topic_id] = topic;
  by_name_[topic->info.name] = std::move(topic);
}

void TopicTable::remove(const Topic& topic) {
  const std::unique_lock lock(mutex_);
  by_id_.erase(topic.topic_id);
  by_name_.erase(topic.info.name);
}

}  // namespace millrace::log
