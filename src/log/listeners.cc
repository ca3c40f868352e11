#include "log/listeners.h"

namespace millrace::log {

void ListenerSlot::notify() const {
  if (count_.load(std::memory_order_acquire) == 0) return;
  const std::shared_lock lock(mutex_);
  for (const auto& [id, listener] : listeners_) listener();
}

std::shared_ptr<ListenerSlot> ListenerTable::slot(const TopicPartition& source) {
  const std::lock_guard lock(mutex_);
  auto& slot = slots_[source];
  if (slot == nullptr) slot = std::make_shared<ListenerSlot>();
  return slot;
}

std::uint64_t ListenerTable::add(const TopicPartition& source, Log::Listener listener) {
  auto to = slot(source);
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_id_++;
    by_id_.emplace(id, to);
  }
  const std::unique_lock lock(to->mutex_);
  to->listeners_.emplace_back(id, std::move(listener));
  to->count_.store(to->listeners_.size(), std::memory_order_release);
  return id;
}

void ListenerTable::remove(std::uint64_t id) {
  std::shared_ptr<ListenerSlot> from;
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return;
    from = found->second;
    by_id_.erase(found);
  }
  const std::unique_lock lock(from->mutex_);
  std::erase_if(from->listeners_, [&](const auto& entry) { return entry.first == id; });
  from->count_.store(from->listeners_.size(), std::memory_order_release);
}

}  // namespace millrace::log
