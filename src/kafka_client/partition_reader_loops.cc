// How partitions are read ahead: one thread per broker, one Fetch at a time for all of the
// partitions that are read from it.

#include <algorithm>
#include <chrono>
#include <mutex>

#include "kafka_client/partition_readers.h"

namespace millrace::kafka_client {
namespace {

// A cursor that is new must wait for the end of a poll until arrivals at it are told.
constexpr int kPollWaitMs = 100;
constexpr std::int32_t kPollBytesMax = 8 << 20;
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kLocateNs = 200 * kNanosPerMilli;
constexpr std::int64_t kConnectNs = 2 * kNanosPerSecond;
// An answer comes that much later than the broker may wait, or the connection is given up.
constexpr std::int64_t kAnswerNs = 5 * kNanosPerSecond;
constexpr std::chrono::milliseconds kPauseAfterFailure{50};
constexpr std::chrono::seconds kSweepInterval{20};
constexpr std::int64_t kStopAfterNs = 120 * kNanosPerSecond;

}  // namespace

PartitionReaders::~PartitionReaders() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    for (auto& [node, loop] : loops_) {
      if (loop->connection != nullptr) loop->connection->shut_down();
    }
  }
  wants_more_.notify_all();
  for (auto& [node, loop] : loops_) loop->thread.join();
}

// With the lock held.
void PartitionReaders::start_loop(std::int32_t node) {
  auto& loop = loops_[node];
  if (loop != nullptr || is_stopping_) return;
  loop = std::make_unique<Loop>();
  loop->thread = Thread([this, node, &of = *loop] { run_loop(node, of); });
}

// One cursor per partition, since a request names a partition once: the one that has waited
// longest.
std::vector<FetchAsk> PartitionReaders::collect(std::int32_t node, Cursors& of) {
  std::vector<FetchAsk> asks;
  const auto now = clock_.monotonic_now();
  ++round_;
  for (auto& [source, partition] : partitions_) {
    if (partition.node != node) continue;
    if (partition.is_replica && now > partition.replica_until) {
      partition.node = kNoNode;
      continue;
    }
    std::shared_ptr<Cursor> chosen;
    for (const auto& cursor : partition.cursors) {
      if (!cursor->wants_more() || cursor->is_asked_alone || cursor->is_asked) continue;
      if (chosen == nullptr || cursor->asked_in < chosen->asked_in) chosen = cursor;
    }
    if (chosen == nullptr) continue;
    chosen->asked_in = round_;
    chosen->is_asked = true;
    asks.push_back(ask_of(source, partition, *chosen));
    of.push_back(chosen);
  }
  return asks;
}

// Those that nobody waits for; whoever waits for one finds its broker himself.
void PartitionReaders::locate_lost(Lock& lock) {
  std::vector<TopicPartition> lost;
  for (const auto& [source, partition] : partitions_) {
    if (partition.node == kNoNode && !partition.cursors.empty()) lost.push_back(source);
  }
  const auto deadline = clock_.monotonic_now() + kLocateNs;
  for (const auto& source : lost) {
    auto located = locate(lock, source, deadline);
    if (located.is_ok()) continue;
    if (located.code() != StatusCode::not_found) return;  // there are others to read
    const auto found = partitions_.find(source);
    if (found == partitions_.end()) continue;
    for (const auto& cursor : found->second.cursors) cursor->fail(Status(located));
    changed_.notify_all();
    lock.unlock();
    notify(source);
    lock.lock();
  }
}

// Those nobody comes back to would read ahead, and be told of what arrives, for ever.
void PartitionReaders::stop_idle() {
  const auto now = clock_.monotonic_now();
  for (auto& [source, partition] : partitions_) {
    std::erase_if(partition.cursors, [&](const auto& cursor) {
      return !cursor->is_busy && !cursor->is_asked && now - cursor->used_at > kStopAfterNs;
    });
  }
}

Status PartitionReaders::open(Lock& lock, std::int32_t node, Loop& loop, BrokerPool::Lease& lease) {
  if (lease && lease->is_reusable()) return ok_status();
  loop.connection = nullptr;
  lock.unlock();
  lease = {};
  auto opened = cluster_.brokers().to(node, clock_.monotonic_now() + kConnectNs);
  lock.lock();
  MR_RETURN_IF_ERROR(Status(opened.status()));
  lease = std::move(opened).value();
  loop.connection = &*lease;
  if (is_stopping_) loop.connection->shut_down();
  return ok_status();
}

void PartitionReaders::take_answers(Lock& lock, const std::vector<FetchAsk>& asks,
                                    const Cursors& of, Result<std::vector<FetchAnswer>> answers) {
  std::vector<TopicPartition> news;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    auto& cursor = *of[i];
    cursor.is_asked = false;
    if (!is_current(asks[i].at, cursor)) continue;
    if (!answers.is_ok()) {
      lose_node(asks[i].at);
    } else if (take_answer(asks[i].at, cursor, (*answers)[i])) {
      news.push_back(asks[i].at);
    }
  }
  changed_.notify_all();
  if (news.empty()) return;
  lock.unlock();  // listeners may take locks of theirs
  for (const auto& source : news) notify(source);
  lock.lock();
}

void PartitionReaders::read_round(Lock& lock, std::int32_t node, Loop& loop,
                                  BrokerPool::Lease& lease) {
  Cursors of;
  const auto asks = collect(node, of);
  if (asks.empty()) {
    (void)wants_more_.wait_for(lock, kSweepInterval);
    return;
  }
  auto opened = open(lock, node, loop, lease);
  Result<std::vector<FetchAnswer>> answers = std::vector<FetchAnswer>();
  if (opened.is_ok()) {
    lock.unlock();
    const FetchLimits limits{kPollWaitMs, kPollBytesMax, options_.client_rack};
    const auto deadline = clock_.monotonic_now() + kPollWaitMs * kNanosPerMilli + kAnswerNs;
    answers = fetch_batches(*lease, asks, limits, deadline);
    lock.lock();
  } else {
    answers = std::move(opened);
  }
  const bool has_failed = !answers.is_ok();
  take_answers(lock, asks, of, std::move(answers));
  if (!has_failed) return;
  loop.connection = nullptr;
  lease = {};
  if (!is_stopping_) (void)wants_more_.wait_for(lock, kPauseAfterFailure);
}

void PartitionReaders::run_loop(std::int32_t node, Loop& loop) {
  BrokerPool::Lease lease;
  Lock lock(mutex_);
  auto next_sweep = clock_.monotonic_now() + std::chrono::nanoseconds(kSweepInterval).count();
  while (!is_stopping_) {
    locate_lost(lock);
    if (is_stopping_) break;
    if (clock_.monotonic_now() >= next_sweep) {
      next_sweep = clock_.monotonic_now() + std::chrono::nanoseconds(kSweepInterval).count();
      stop_idle();
    }
    read_round(lock, node, loop, lease);
  }
  loop.connection = nullptr;
  lock.unlock();
}

}  // namespace millrace::kafka_client
