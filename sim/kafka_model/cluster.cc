#include "sim/kafka_model/cluster.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/hash.h"

namespace millrace::kafka_model {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kScanNs = 100 * kMillisecond;  // for sessions and rounds
// transaction.abort.timed.out.transaction.cleanup.interval.ms: an open transaction may live that
// much longer than its time-out.
constexpr std::int64_t kTransactionScanNs = 10'000 * kMillisecond;

}  // namespace

Cluster::Cluster(const Clock& clock, std::uint64_t seed)
    : clock_(clock), random_(seed ^ 0xca5cadeULL), thread_([this] { run(); }) {}

Cluster::~Cluster() {
  {
    const Lock lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// --- the background actor ---

void Cluster::schedule(std::int64_t delay_ns, std::function<void()> event) {
  events_.emplace(now_ns() + delay_ns, std::move(event));
  changed_.notify_all();
}

void Cluster::run_later(std::int64_t delay_ns, std::function<void()> apply) {
  const Lock lock(mutex_);
  late_.emplace(now_ns() + delay_ns, std::move(apply));
  changed_.notify_all();
}

void Cluster::run() {
  Lock lock(mutex_);
  std::int64_t next_scan = now_ns() + kScanNs;
  std::int64_t next_transaction_scan = now_ns() + kTransactionScanNs;
  while (!is_stopping_) {
    const auto now = now_ns();
    while (!events_.empty() && events_.begin()->first <= now) {
      const auto event = std::move(events_.extract(events_.begin()).mapped());
      event();
    }
    if (now >= next_scan) {
      next_scan = now + kScanNs;
      const auto removed = groups_.expire(now);
      census_["model: member removed"] += static_cast<std::uint64_t>(removed);
    }
    if (now >= next_transaction_scan) {
      next_transaction_scan = now + kTransactionScanNs;
      TransactionCoordinator::Decisions decisions;
      transactions_.expire(now, decisions);
      census_["model: transaction timed out"] += decisions.size();
      spread(decisions);
    }
    if (!late_.empty() && late_.begin()->first <= now) {
      const auto apply = std::move(late_.extract(late_.begin()).mapped());
      lock.unlock();
      apply();
      lock.lock();
      continue;
    }
    if (!due_listeners_.empty()) {
      const auto id = *due_listeners_.begin();
      due_listeners_.erase(due_listeners_.begin());
      const auto known = listeners_.find(id);
      if (known == listeners_.end()) continue;
      ++known->second.running;
      lock.unlock();
      known->second.call();
      lock.lock();
      --known->second.running;
      changed_.notify_all();
      continue;
    }
    auto due = next_scan;
    if (!events_.empty()) due = std::min(due, events_.begin()->first);
    if (!late_.empty()) due = std::min(due, late_.begin()->first);
    changed_.wait_for(lock, std::chrono::nanoseconds(std::max<std::int64_t>(due - now, 1)));
  }
}

void Cluster::notify(const TopicPartition& source) {
  for (const auto& [id, listener] : listeners_) {
    if (listener.source == source) due_listeners_.insert(id);
  }
  changed_.notify_all();
}

std::uint64_t Cluster::add_listener(const TopicPartition& source, std::function<void()> listener) {
  const Lock lock(mutex_);
  listeners_[next_listener_] = {source, std::move(listener)};
  return next_listener_++;
}

void Cluster::call_listeners(const TopicPartition& source) {
  Lock lock(mutex_);
  for (std::uint64_t id = 1; id < next_listener_; ++id) {
    const auto known = listeners_.find(id);
    if (known == listeners_.end() || known->second.source != source) continue;
    ++known->second.running;
    lock.unlock();
    known->second.call();
    lock.lock();
    --known->second.running;
    changed_.notify_all();
  }
}

void Cluster::remove_listener(std::uint64_t id) {
  Lock lock(mutex_);
  changed_.wait(lock, [&] {
    const auto known = listeners_.find(id);
    return known == listeners_.end() || known->second.running == 0;
  });
  listeners_.erase(id);
}

// --- the network and its faults ---

Cluster::Delivery Cluster::draw_delivery() {
  const Lock lock(mutex_);
  const auto strikes = [&](std::uint32_t one_in, const char* what) {
    if (one_in == 0 || !random_.one_in(one_in)) return false;
    ++census_[what];
    return true;
  };
  if (strikes(faults_.lost_one_in, "fault: request lost")) return Delivery::never;
  if (strikes(faults_.reply_lost_one_in, "fault: reply lost")) return Delivery::reply_lost;
  if (strikes(faults_.delayed_one_in, "fault: request delayed")) return Delivery::later;
  return Delivery::now;
}

std::int64_t Cluster::draw_ns(std::int64_t from_ns, std::int64_t to_ns) {
  const Lock lock(mutex_);
  return from_ns + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(to_ns - from_ns)));
}

bool Cluster::is_up(int broker) const {
  const Lock lock(mutex_);
  return now_ns() >= up_again_ns_[broker];
}

int Cluster::leader_of(const TopicPartition& partition) const {
  return static_cast<int>(
      (hash64(partition.topic) + static_cast<std::uint64_t>(partition.partition)) % kBrokers);
}

int Cluster::transaction_broker(const std::string& transactional_id) const {
  const Lock lock(mutex_);
  return static_cast<int>((hash64(transactional_id) + coordinator_epoch_) % kBrokers);
}

int Cluster::group_broker(const std::string& group) const {
  const Lock lock(mutex_);
  return static_cast<int>((hash64(group) + coordinator_epoch_) % kBrokers);
}

std::uint64_t Cluster::coordinator_epoch() const {
  const Lock lock(mutex_);
  return coordinator_epoch_;
}

void Cluster::set_faults(const ClusterFaults& faults) {
  const Lock lock(mutex_);
  faults_ = faults;
}

void Cluster::stop_broker(int broker, std::int64_t for_ns) {
  const Lock lock(mutex_);
  up_again_ns_[broker] = std::max(up_again_ns_[broker], now_ns() + for_ns);
  ++census_["fault: broker restarted"];
}

void Cluster::move_coordinators() {
  const Lock lock(mutex_);
  ++coordinator_epoch_;
  ++census_["fault: coordinators moved"];
}

void Cluster::force_rebalance(const std::string& group) {
  const Lock lock(mutex_);
  groups_.force_rebalance(group, now_ns());
  ++census_["fault: rebalance forced"];
}

void Cluster::count(std::string_view what, std::uint64_t times) {
  const Lock lock(mutex_);
  census_[std::string(what)] += times;
}

std::map<std::string, std::uint64_t, std::less<>> Cluster::census() const {
  const Lock lock(mutex_);
  return census_;
}

// --- transactions ---

void Cluster::spread(const TransactionCoordinator::Decisions& decisions) {
  const auto draw_delay = [&] {
    if (faults_.slow_marker_one_in > 0 && random_.one_in(faults_.slow_marker_one_in)) {
      ++census_["fault: slow marker"];
      return static_cast<std::int64_t>(below(2'000 * kMillisecond));
    }
    return static_cast<std::int64_t>(below(15 * kMillisecond));
  };
  for (const auto& decision : decisions) {
    for (const auto& to : decision.partitions) {
      schedule(draw_delay(), [this, decision, to] { write_marker(decision, to); });
    }
    for (const auto& group : decision.groups) {
      schedule(draw_delay(), [this, decision, group] { write_offsets_marker(decision, group); });
    }
  }
}

void Cluster::write_marker(const TransactionCoordinator::Decision& decision,
                           const TopicPartition& to) {
  const auto up_again = up_again_ns_[leader_of(to)];
  if (now_ns() < up_again) {
    return schedule(up_again - now_ns(), [this, decision, to] { write_marker(decision, to); });
  }
  if (const auto partition = find(to); partition.is_ok()) {
    (*partition)->append_marker(decision.producer, decision.is_commit, clock_.wall_now());
  }
  transactions_.marker_written(decision.transactional_id, to);
  notify(to);
}

void Cluster::write_offsets_marker(const TransactionCoordinator::Decision& decision,
                                   const std::string& group) {
  groups_.complete_offsets(decision.producer.id, group, decision.is_commit);
  transactions_.offsets_written(decision.transactional_id, group);
}

ErrorCode Cluster::init_producer_id(const std::string& id, ProducerEpochOf& producer) {
  const Lock lock(mutex_);
  TransactionCoordinator::Decisions decisions;
  const auto error = transactions_.init_producer_id(id, producer, decisions);
  census_["model: open transaction fenced"] += decisions.size();
  spread(decisions);
  return error;
}

ErrorCode Cluster::add_partitions(const std::string& id, ProducerEpochOf producer,
                                  const std::set<TopicPartition>& partitions) {
  const Lock lock(mutex_);
  return transactions_.add_partitions(id, producer, partitions, now_ns());
}

ErrorCode Cluster::add_group(const std::string& id, ProducerEpochOf producer,
                             const std::string& group) {
  const Lock lock(mutex_);
  return transactions_.add_group(id, producer, group, now_ns());
}

ErrorCode Cluster::produce(const TopicPartition& to, const std::string& bytes,
                           ProducerEpochOf producer) {
  const Lock lock(mutex_);
  auto partition = find(to);
  if (!partition.is_ok()) return ErrorCode::unknown_topic_or_partition;
  const auto error = transactions_.verify(producer, to);
  if (error != ErrorCode::none) return error;
  const auto answer = (*partition)->append(bytes, clock_.wall_now(), false);
  if (answer.error == ErrorCode::none) notify(to);
  return answer.error;
}

ErrorCode Cluster::txn_offset_commit(const std::string& id, ProducerEpochOf producer,
                                     const GroupCoordinator::Identity& identity,
                                     const std::map<TopicPartition, CommittedOffset>& offsets) {
  const Lock lock(mutex_);
  // The first part of KIP-890 verifies these like batches: an add of the same group says whether
  // the producer is still the newest and its transaction open.
  const auto error = transactions_.add_group(id, producer, identity.group, now_ns());
  if (error != ErrorCode::none) return error;
  return groups_.txn_offset_commit(producer.id, identity, offsets);
}

ErrorCode Cluster::end_transaction(const std::string& id, ProducerEpochOf producer,
                                   bool is_commit) {
  const Lock lock(mutex_);
  TransactionCoordinator::Decisions decisions;
  const auto error = transactions_.end(id, producer, is_commit, decisions);
  spread(decisions);
  return error;
}

// --- groups ---

ErrorCode Cluster::join(GroupCoordinator::Identity& identity, const std::string& instance,
                        const std::vector<std::string>& topics,
                        const std::set<TopicPartition>& owned) {
  const Lock lock(mutex_);
  std::vector<TopicPartition> all;
  for (const auto& name : topics) {
    const auto known = topics_.find(name);
    if (known == topics_.end()) continue;
    for (std::int32_t p = 0; p < known->second.info.config.partition_count; ++p) {
      all.push_back({name, p});
    }
  }
  return groups_.join(identity, instance, all, owned, now_ns());
}

ErrorCode Cluster::sync(GroupCoordinator::Identity& identity,
                        std::set<TopicPartition>& assignment) {
  const Lock lock(mutex_);
  return groups_.sync(identity, assignment, now_ns());
}

ErrorCode Cluster::heartbeat(const GroupCoordinator::Identity& identity) {
  const Lock lock(mutex_);
  return groups_.heartbeat(identity, now_ns());
}

void Cluster::leave(const GroupCoordinator::Identity& identity) {
  const Lock lock(mutex_);
  groups_.leave(identity, now_ns());
}

ErrorCode Cluster::fetch_offset(const std::string& group, const TopicPartition& source,
                                bool is_stable_required,
                                std::optional<CommittedOffset>& offset) const {
  const Lock lock(mutex_);
  return groups_.fetch_offset(group, source, is_stable_required, offset);
}

}  // namespace millrace::kafka_model
