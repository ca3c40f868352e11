#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "log/log.h"

namespace millrace::log {

// Those who want to hear of one partition. Lives as long as the table, so that a topic that is
// deleted and created again keeps its listeners. Thread-safe.
class ListenerSlot {
 public:
  void notify() const;

 private:
  friend class ListenerTable;
  // Held shared while listeners run: removing one waits until no call is under way.
  mutable SharedMutex mutex_;
  std::atomic<std::size_t> count_{0};  // spares a commit the lock when nobody listens
  std::vector<std::pair<std::uint64_t, Log::Listener>> listeners_;
};

// Thread-safe.
class ListenerTable {
 public:
  std::shared_ptr<ListenerSlot> slot(const TopicPartition& source);
  std::uint64_t add(const TopicPartition& source, Log::Listener listener);
  void remove(std::uint64_t id);

 private:
  Mutex mutex_;
  std::uint64_t next_id_ = 1;
  std::map<TopicPartition, std::shared_ptr<ListenerSlot>> slots_;
  std::map<std::uint64_t, std::shared_ptr<ListenerSlot>> by_id_;
};

}  // namespace millrace::log
