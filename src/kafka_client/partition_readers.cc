#include "kafka_client/partition_readers.h"

#include <algorithm>
#include <chrono>
#include <mutex>

namespace millrace::kafka_client {
namespace {

constexpr std::size_t kCursorsPerPartitionMax = 4;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
// A cursor that was used more recently is somebody's, who comes back to it.
constexpr std::int64_t kStealAfterNs = 5 * kNanosPerSecond;
constexpr std::int64_t kStopAfterNs = 120 * kNanosPerSecond;
constexpr std::chrono::seconds kSweepInterval{20};

}  // namespace

PartitionReaders::PartitionReaders(const KafkaLogOptions& options, const Clock& clock, Admin& admin)
    : options_(options), clock_(clock), admin_(admin), news_thread_([this] { run_news(); }) {}

PartitionReaders::~PartitionReaders() {
  {
    const std::lock_guard lock(news_mutex_);
    is_stopping_ = true;
  }
  has_news_.notify_all();
  news_thread_.join();
  partitions_.clear();  // before their handles
}

// On a thread of librdkafka with a lock of its queue held, which a fetch takes, too: listeners, who
// may take locks of theirs, are called elsewhere.
void PartitionReaders::arrived(const TopicPartition& source) {
  {
    const std::lock_guard lock(news_mutex_);
    news_.insert(source);
  }
  has_news_.notify_one();
}

void PartitionReaders::run_news() {
  std::unique_lock lock(news_mutex_);
  auto next_sweep = clock_.monotonic_now() + std::chrono::nanoseconds(kSweepInterval).count();
  while (!is_stopping_) {
    const auto news = std::exchange(news_, {});
    lock.unlock();
    for (const auto& source : news) notify(source);
    if (clock_.monotonic_now() >= next_sweep) {
      next_sweep = clock_.monotonic_now() + std::chrono::nanoseconds(kSweepInterval).count();
      stop_idle();
    }
    lock.lock();
    if (news_.empty() && !is_stopping_) has_news_.wait_for(lock, kSweepInterval);
  }
}

// Those nobody comes back to would read ahead, and be told of what arrives, for ever.
void PartitionReaders::stop_idle() {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.monotonic_now();
  for (auto& [source, partition] : partitions_) {
    std::erase_if(partition.slots, [&](const auto& slot) {
      return !slot->is_busy && now - slot->used_at > kStopAfterNs;
    });
  }
}

Result<Handle*> PartitionReaders::channel(std::size_t index) {
  while (channels_.size() <= index) {
    MR_ASSIGN_OR_RETURN(auto handle,
                        Handle::open(RD_KAFKA_CONSUMER, reader_settings(options_), options_));
    channels_.push_back(std::move(handle));
  }
  return channels_[index].get();
}

Result<PartitionReaders::Slot*> PartitionReaders::new_slot(Partition& partition,
                                                           const TopicPartition& source) {
  std::size_t index = 0;
  while (std::ranges::any_of(partition.slots,
                             [&](const auto& slot) { return slot->channel == index; })) {
    ++index;
  }
  MR_ASSIGN_OR_RETURN(auto* handle, channel(index));
  auto slot = std::make_unique<Slot>();
  slot->channel = index;
  slot->cursor = std::make_unique<Cursor>(*handle, source, *this);
  partition.slots.push_back(std::move(slot));
  return partition.slots.back().get();
}

// Busy for the caller: the one that stands at `from`, else a new one or the one idle longest.
Result<PartitionReaders::Slot*> PartitionReaders::take_slot(const TopicPartition& source,
                                                            Offset from) {
  std::unique_lock lock(mutex_);
  while (true) {
    auto& partition = partitions_[source];
    Slot* oldest = nullptr;
    for (const auto& slot : partition.slots) {
      if (slot->is_busy) continue;
      if (slot->cursor->is_started() && slot->cursor->position() == from) {
        slot->is_busy = true;
        return slot.get();
      }
      if (oldest == nullptr || slot->used_at < oldest->used_at) oldest = slot.get();
    }
    const bool is_full = partition.slots.size() >= kCursorsPerPartitionMax;
    const bool may_steal =
        oldest != nullptr && (is_full || !oldest->cursor->is_started() ||
                              clock_.monotonic_now() - oldest->used_at > kStealAfterNs);
    if (!may_steal && is_full) {
      freed_.wait(lock);
      continue;
    }
    if (!may_steal) {
      MR_ASSIGN_OR_RETURN(oldest, new_slot(partition, source));
    }
    oldest->is_busy = true;
    return oldest;
  }
}

Result<log::FetchResult> PartitionReaders::fetch(const TopicPartition& source, Offset from,
                                                 std::size_t bytes_max) {
  Offset known_start;
  Offset known_end;
  bool is_known = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = partitions_.find(source);
    is_known = found != partitions_.end() && !found->second.slots.empty();
    if (found != partitions_.end()) {
      known_start = found->second.start;
      known_end = found->second.known_end;
    }
  }
  if (!is_known) {
    MR_ASSIGN_OR_RETURN(const auto partitions, admin_.partition_count(source.topic));
    if (source.partition < 0 || source.partition >= partitions) {
      return not_found_error("partition " + source.to_string() + " does not exist");
    }
  }
  if (from < known_start) {
    return out_of_range_error(source.to_string() + " starts at " +
                              std::to_string(known_start.value) + ", above " +
                              std::to_string(from.value));
  }
  MR_ASSIGN_OR_RETURN(auto* slot, take_slot(source, from));
  auto& cursor = *slot->cursor;
  Status status;
  if (!cursor.is_started() || cursor.position() != from) status = cursor.start(from);
  Result<std::vector<log::FetchedBatch>> batches = std::vector<log::FetchedBatch>();
  if (status.is_ok()) {
    batches = cursor.read(bytes_max, known_end, options_.request_timeout_ms, clock_);
    if (!batches.is_ok()) status = batches.status();
  }
  const auto high_watermark = cursor.high_watermark();
  const auto position = cursor.position();
  {
    const std::lock_guard lock(mutex_);
    slot->is_busy = false;
    slot->used_at = clock_.monotonic_now();
    auto& partition = partitions_[source];
    if (status.is_ok()) {
      partition.known_end = std::max(partition.known_end, position);
      known_end = partition.known_end;
    } else {
      std::erase_if(partition.slots, [&](const auto& one) { return one.get() == slot; });
    }
  }
  freed_.notify_all();
  if (status.code() == StatusCode::not_found) forget(source.topic);
  MR_RETURN_IF_ERROR(std::move(status));
  log::FetchResult out;
  out.batches = std::move(batches).value();
  out.offsets.start = known_start;
  out.offsets.last_stable = known_end;
  out.offsets.high_watermark = std::max(high_watermark, known_end);
  out.offsets.end = out.offsets.high_watermark;
  return out;
}

void PartitionReaders::note_bounds(const TopicPartition& source, Offset start, Offset end) {
  const std::lock_guard lock(mutex_);
  auto& partition = partitions_[source];
  partition.start = std::max(partition.start, start);
  partition.known_end = std::max(partition.known_end, end);
}

// A partition never begins lower than it did, unless its topic was made again.
void PartitionReaders::set_bounds(const TopicPartition& source, Offset start, Offset end) {
  const std::lock_guard lock(mutex_);
  auto& partition = partitions_[source];
  const bool is_new = start < partition.start;
  partition.start = start;
  partition.known_end = is_new ? end : std::max(partition.known_end, end);
}

void PartitionReaders::forget(const std::string& topic) {
  std::unique_lock lock(mutex_);
  const auto is_in_use = [&] {
    return std::ranges::any_of(partitions_, [&](const auto& entry) {
      return entry.first.topic == topic &&
             std::ranges::any_of(entry.second.slots,
                                 [](const auto& slot) { return slot->is_busy; });
    });
  };
  freed_.wait(lock, [&] { return !is_in_use(); });
  std::erase_if(partitions_, [&](const auto& entry) { return entry.first.topic == topic; });
}

}  // namespace millrace::kafka_client
