#include "log/group_table.h"

namespace millrace::log {

void GroupTable::commit(const OffsetCommit& offset) {
  const std::lock_guard lock(mutex_);
  if (offset.next_offset == kNoOffset) {
    const auto group = groups_.find(offset.group);
    if (group == groups_.end()) return;
    group->second.erase(offset.source);
    if (group->second.empty()) groups_.erase(group);
    return;
  }
  groups_[offset.group][offset.source] = {offset.next_offset, offset.metadata};
}

void GroupTable::remove_group(const std::string& group) {
  const std::lock_guard lock(mutex_);
  groups_.erase(group);
}

void GroupTable::remove_topic(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  for (auto at = groups_.begin(); at != groups_.end();) {
    std::erase_if(at->second, [&](const auto& entry) { return entry.first.topic == topic; });
    at = at->second.empty() ? groups_.erase(at) : std::next(at);
  }
}

std::vector<std::string> GroupTable::groups() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  names.reserve(groups_.size());
  for (const auto& [name, positions] : groups_) names.push_back(name);
  return names;
}

std::vector<GroupOffset> GroupTable::offsets(const std::string& group) const {
  const std::lock_guard lock(mutex_);
  std::vector<GroupOffset> out;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return out;
  for (const auto& [source, position] : found->second) {
    out.push_back({source, position.next_offset, position.metadata});
  }
  return out;
}

bool GroupTable::has(const std::string& group) const {
  const std::lock_guard lock(mutex_);
  return groups_.contains(group);
}

void GroupTable::encode(Encoder& to) const {
  const std::lock_guard lock(mutex_);
  to.varint(groups_.size());
  for (const auto& [group, positions] : groups_) {
    to.bytes(group);
    to.varint(positions.size());
    for (const auto& [source, position] : positions) {
      to.bytes(source.topic);
      to.zigzag(source.partition);
      to.zigzag(position.next_offset.value);
      to.bytes(position.metadata);
    }
  }
}

void GroupTable::decode(Decoder& from) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t group_count = from.varint();
  for (std::uint64_t i = 0; i < group_count && !from.has_failed(); ++i) {
    auto& positions = groups_[std::string(from.bytes())];
    const std::uint64_t position_count = from.varint();
    for (std::uint64_t k = 0; k < position_count && !from.has_failed(); ++k) {
      TopicPartition source;
      source.topic = from.bytes();
      source.partition = static_cast<std::int32_t>(from.zigzag());
      auto& position = positions[source];
      position.next_offset = Offset(from.zigzag());
      position.metadata = from.bytes();
    }
  }
}

}  // namespace millrace::log
