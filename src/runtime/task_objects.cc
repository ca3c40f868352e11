#include "runtime/task_objects.h"

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <system_error>

#include "runtime/snapshot_store.h"

namespace millrace::runtime {

std::optional<std::uint64_t> object_journal_sequence(std::string_view key) {
  constexpr int kParts = 4;  // content, life, number, journal sequence
  const auto name = key.substr(key.rfind('/') + 1);
  if (std::ranges::count(name, '-') != kParts - 1) return std::nullopt;
  const auto digits = name.substr(name.rfind('-') + 1);
  std::uint64_t sequence = 0;
  const auto* const end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, sequence);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return sequence;
}

std::string TaskObjects::new_suffix() {
  char text[96];
  std::snprintf(text, sizeof text, "-%016" PRIx64 "-%" PRIu64 "-%" PRIu64, life_, ++name_count_,
                journal_sequence_);
  return text;
}

void TaskObjects::keep(const std::string& snapshot, const std::vector<std::string>& names) {
  kept_[snapshot] = {names.begin(), names.end()};
  known_.insert(names.begin(), names.end());
}

void TaskObjects::keep_unread(const std::string& snapshot, std::uint64_t journal_sequence) {
  kept_[snapshot] = {};
  unread_[snapshot] = journal_sequence;
}

void TaskObjects::forget_all_but(const std::set<std::string>& snapshots) {
  std::erase_if(kept_, [&](const auto& kept) { return !snapshots.contains(kept.first); });
  std::erase_if(unread_, [&](const auto& unread) { return !snapshots.contains(unread.first); });
}

void TaskObjects::release(const std::string& snapshot) {
  kept_.erase(snapshot);
  unread_.erase(snapshot);
  writer_.remove(snapshot);
}

bool TaskObjects::is_needed(const std::string& key, const std::set<std::string>& in_use) const {
  if (in_use.contains(key) || kept_.contains(key)) return true;
  return may_be_named_unread(key) ||
         std::ranges::any_of(kept_, [&](const auto& kept) { return kept.second.contains(key); });
}

bool TaskObjects::may_be_named_unread(const std::string& key) const {
  if (unread_.empty() || snapshot_journal_sequence(key)) return false;
  const auto made_at = object_journal_sequence(key);
  return std::ranges::any_of(
      unread_, [&](const auto& unread) { return !made_at || *made_at <= unread.second; });
}

void TaskObjects::collect(const std::set<std::string>& in_use) {
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
