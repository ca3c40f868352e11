#include "runtime/standby.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kIntervalMs = 50;  // between two looks at the owner's journal
constexpr std::int64_t kAgainMs = 1'000;  // after an error

}  // namespace

std::map<std::int32_t, std::string> choose_followers(
    const std::map<std::int32_t, std::string>& owners, const std::set<std::string>& processes) {
  std::map<std::string, std::vector<std::int32_t>> owned;
  for (const auto& [partition, owner] : owners) owned[owner].push_back(partition);
  std::map<std::int32_t, std::string> chosen;
  for (const auto& [owner, partitions] : owned) {
    std::vector<std::pair<std::size_t, std::string>> others;  // with how many they have
    for (const auto& process : processes) {
      if (process == owner) continue;
      const auto has = owned.find(process);
      others.emplace_back(has == owned.end() ? 0 : has->second.size(), process);
    }
    if (others.empty()) continue;
    for (const auto partition : partitions) {
      const auto next = std::ranges::min_element(others);
      chosen[partition] = next->second;
      ++next->first;
    }
  }
  return chosen;
}

Standby::Standby(const Clock& clock, RunnerMaker make_runner)
    : clock_(clock), make_runner_(std::move(make_runner)), thread_([this] { run(); }) {}

Standby::~Standby() {
  stop();
}

void Standby::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

void Standby::follow(const std::set<std::int32_t>& wanted, const std::set<std::int32_t>& ended) {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.monotonic_now();
  for (auto& [partition, entry] : entries_) {
    entry.is_ended |= ended.contains(partition);
    if (wanted.contains(partition)) {
      entry.unwanted_since.reset();
    } else if (!entry.unwanted_since) {
      entry.unwanted_since = now;
    }
  }
  end_unwanted();
  for (const auto partition : wanted) {
    if (entries_.size() >= kFollowersMax) break;
    if (is_stopping_ || ended.contains(partition) || entries_.contains(partition)) continue;
    entries_[partition].due = now;
  }
  changed_.notify_all();
}

// With the lock held.
void Standby::end_unwanted() {
  const auto now = clock_.monotonic_now();
  std::erase_if(entries_, [&](const auto& known) {
    const auto& entry = known.second;
    const bool is_over =
        entry.unwanted_since && now - *entry.unwanted_since > kKeptMs * kNanosPerMilli;
    return !entry.is_busy && (entry.is_ended || is_over);
  });
}

Standby::Taken Standby::take(std::int32_t partition) {
  const std::lock_guard lock(mutex_);
  const auto known = entries_.find(partition);
  if (known == entries_.end() || known->second.is_ended) return {};
  if (known->second.is_busy) return {nullptr, true};
  auto runner = std::move(known->second.runner);
  entries_.erase(known);
  return {std::move(runner), false};
}

void Standby::run() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    const auto now = clock_.monotonic_now();
    auto next = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (next == entries_.end() || it->second.due < next->second.due) next = it;
    }
    if (next == entries_.end() || next->second.due > now) {
      const auto pause =
          next == entries_.end() ? kAgainMs * kNanosPerMilli : next->second.due - now;
      changed_.wait_for(lock, std::chrono::nanoseconds(pause));
      continue;
    }
    auto& entry = next->second;  // stays where it is while it is busy
    entry.is_busy = true;
    lock.unlock();
    step(next->first, entry);
    lock.lock();
    entry.is_busy = false;
    end_unwanted();
  }
}

// Without the lock, which guards all of the entry but the runner.
void Standby::step(std::int32_t partition, Entry& entry) {
  if (entry.runner == nullptr) entry.runner = make_runner_(partition);
  const auto worked = entry.runner->follow();
  const auto at = entry.runner->followed();
  const bool is_of_no_use = entry.runner->is_of_no_use();
  if (is_of_no_use) entry.runner.reset();
  const std::lock_guard lock(mutex_);
  const bool has_state = !is_of_no_use && at.position >= Offset(0);
  counters_.begun += has_state && !entry.shown.has_state ? 1 : 0;
  counters_.thrown_away += is_of_no_use ? 1 : 0;
  entry.shown = {has_state, at, worked.is_ok() ? "" : worked.status().to_string()};
  const auto pause_ms = !worked.is_ok() ? kAgainMs : *worked ? 0 : kIntervalMs;
  entry.due = clock_.monotonic_now() + pause_ms * kNanosPerMilli;
}

std::map<std::int32_t, Standby::Follower> Standby::followers() const {
  const std::lock_guard lock(mutex_);
  std::map<std::int32_t, Follower> all;
  for (const auto& [partition, entry] : entries_) all.emplace(partition, entry.shown);
  return all;
}

Standby::Counters Standby::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace millrace::runtime
