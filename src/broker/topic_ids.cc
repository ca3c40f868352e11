#include "broker/topic_ids.h"

#include "base/bytes.h"
#include "base/hash.h"

namespace millrace::broker {

// Never zero: Kafka keeps the ids with an empty first half for itself.
TopicIds::TopicIds(const log::Log& log, const std::string& cluster_id)
    : log_(log), cluster_(hash64(cluster_id) | 1) {}

kafka_wire::Uuid TopicIds::id_of(const log::TopicInfo& topic) const {
  kafka_wire::Uuid id;
  char bytes[16];
  store_big(bytes, cluster_);
  store_big(bytes + 8, topic.incarnation);
  std::memcpy(id.bytes.data(), bytes, sizeof bytes);
  return id;
}

std::optional<std::string> TopicIds::name_of(const kafka_wire::Uuid& id) const {
  const char* const bytes = reinterpret_cast<const char*>(id.bytes.data());
  if (load_big<std::uint64_t>(bytes) != cluster_) return std::nullopt;
  const auto incarnation = load_big<std::uint64_t>(bytes + 8);
  const std::lock_guard lock(mutex_);
  if (const auto known = names_.find(incarnation); known != names_.end()) {
    const auto topic = log_.topic(known->second);
    if (topic.is_ok() && topic->incarnation == incarnation) return known->second;
  }
  names_.clear();
  for (const auto& topic : log_.topics()) names_.emplace(topic.incarnation, topic.name);
  const auto found = names_.find(incarnation);
  return found == names_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace millrace::broker
