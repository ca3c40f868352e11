#include "runtime/task_objects.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace millrace::runtime {

std::string TaskObjects::new_suffix() {
  char text[64];
  std::snprintf(text, sizeof text, "-%016" PRIx64 "-%" PRIu64, life_, ++name_count_);
  return text;
}

void TaskObjects::keep(const std::string& snapshot, const std::vector<std::string>& names) {
  kept_[snapshot] = {names.begin(), names.end()};
  known_.insert(names.begin(), names.end());
}

void TaskObjects::keep_unread(const std::string& snapshot) {
  kept_[snapshot] = {};
  unread_.insert(snapshot);
}

void TaskObjects::release(const std::string& snapshot) {
  kept_.erase(snapshot);
  unread_.erase(snapshot);
  writer_.remove(snapshot);
}

bool TaskObjects::is_needed(const std::string& key, const std::set<std::string>& in_use) const {
  if (in_use.contains(key) || kept_.contains(key)) return true;
  return std::ranges::any_of(kept_, [&](const auto& kept) { return kept.second.contains(key); });
}

void TaskObjects::collect(const std::set<std::string>& in_use) {
  if (!unread_.empty()) return;
  std::erase_if(known_, [&](const std::string& key) {
    if (is_needed(key, in_use)) return false;
    writer_.remove(key);
    return true;
  });
}

void TaskObjects::sweep(const std::vector<objects::ObjectInfo>& existing,
                        const std::set<std::string>& in_use, std::uint64_t journal_sequence) {
  for (const auto& object : existing) {
    const auto made_at = snapshot_journal_sequence(object.key);
    if (made_at && *made_at >= journal_sequence) continue;
    if (!is_needed(object.key, in_use)) writer_.remove(object.key);
  }
}

}  // namespace millrace::runtime
