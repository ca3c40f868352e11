#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/thread.h"
#include "base/time.h"
#include "log/log.h"
#include "sim/kafka_model/group_coordinator.h"
#include "sim/kafka_model/partition.h"
#include "sim/kafka_model/transaction_coordinator.h"

namespace millrace::kafka_model {

// One request in so many; 0: never.
struct ClusterFaults {
  std::uint32_t lost_one_in = 0;         // never arrives
  std::uint32_t reply_lost_one_in = 0;   // applied at once, and nobody hears of it
  std::uint32_t delayed_one_in = 0;      // applied up to seconds later, long given up by its sender
  std::uint32_t slow_marker_one_in = 0;  // a marker that takes up to two seconds
};

// Three brokers: partition logs, a transaction coordinator, a group coordinator, and the background
// actor that writes markers and watches time-outs. All methods lock; listeners are called without
// the lock.
class Cluster {
 public:
  static constexpr int kBrokers = 3;

  Cluster(const Clock& clock, std::uint64_t seed);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] std::int64_t now_ns() const { return clock_.monotonic_now().value; }

  // --- the network, as clients use it (process.h) ---
  enum class Delivery : std::uint8_t { now, never, reply_lost, later };
  Delivery draw_delivery();
  std::int64_t draw_ns(std::int64_t from_ns, std::int64_t to_ns);
  void run_later(std::int64_t delay_ns, std::function<void()> apply);
  [[nodiscard]] bool is_up(int broker) const;
  [[nodiscard]] int leader_of(const TopicPartition& partition) const;
  [[nodiscard]] int transaction_broker(const std::string& transactional_id) const;
  [[nodiscard]] int group_broker(const std::string& group) const;
  // Raised by every move of a coordinator; who knows an older one is told not_coordinator.
  [[nodiscard]] std::uint64_t coordinator_epoch() const;

  // --- faults, as a driver makes them ---
  void set_faults(const ClusterFaults& faults);
  void stop_broker(int broker, std::int64_t for_ns);
  void move_coordinators();
  void force_rebalance(const std::string& group);
  void count(std::string_view what, std::uint64_t times = 1);
  [[nodiscard]] std::map<std::string, std::uint64_t, std::less<>> census() const;

  // --- requests, once they have arrived ---
  ErrorCode init_producer_id(const std::string& id, ProducerEpochOf& producer);
  ErrorCode add_partitions(const std::string& id, ProducerEpochOf producer,
                           const std::set<TopicPartition>& partitions);
  ErrorCode add_group(const std::string& id, ProducerEpochOf producer, const std::string& group);
  ErrorCode produce(const TopicPartition& to, const std::string& bytes, ProducerEpochOf producer);
  ErrorCode txn_offset_commit(const std::string& id, ProducerEpochOf producer,
                              const GroupCoordinator::Identity& identity,
                              const std::map<TopicPartition, CommittedOffset>& offsets);
  ErrorCode end_transaction(const std::string& id, ProducerEpochOf producer, bool is_commit);
  ErrorCode join(GroupCoordinator::Identity& identity, const std::string& instance,
                 const std::vector<std::string>& topics, const std::set<TopicPartition>& owned);
  ErrorCode sync(GroupCoordinator::Identity& identity, std::set<TopicPartition>& assignment);
  ErrorCode heartbeat(const GroupCoordinator::Identity& identity);
  void leave(const GroupCoordinator::Identity& identity);
  ErrorCode fetch_offset(const std::string& group, const TopicPartition& source,
                         bool is_stable_required, std::optional<CommittedOffset>& offset) const;

  // --- the rest of log::Log, shared by all clients ---
  Result<log::Appended> commit_plainly(log::Commit&& commit);
  Result<log::TopicInfo> create_topic(const std::string& name, const log::TopicConfig& config);
  Status delete_topic(const std::string& name);
  Status alter_topic(const std::string& name, const log::TopicConfig& config);
  [[nodiscard]] Result<log::TopicInfo> topic(const std::string& name) const;
  [[nodiscard]] std::vector<log::TopicInfo> topics() const;
  [[nodiscard]] log::ProducerIdentity new_producer();
  [[nodiscard]] Result<log::FetchResult> fetch(const TopicPartition& source, Offset from,
                                               std::size_t bytes_max,
                                               log::Visibility visibility) const;
  [[nodiscard]] Result<log::PartitionOffsets> offsets(const TopicPartition& source) const;
  [[nodiscard]] Result<Offset> offset_for_time(const TopicPartition& source, WallTime time) const;
  [[nodiscard]] std::vector<std::string> groups() const;
  [[nodiscard]] std::vector<log::GroupOffset> group_offsets(const std::string& group) const;
  Status delete_group(const std::string& group);
  Status delete_records(const TopicPartition& source, Offset before);
  std::uint64_t add_listener(const TopicPartition& source, std::function<void()> listener);
  void remove_listener(std::uint64_t id);
  // For checks: every batch that read_committed ever showed, deleted ones included.
  [[nodiscard]] std::vector<log::FetchedBatch> history(const TopicPartition& of) const;
  // For a driver: the group forgets one offset, as after its retention; only while no transaction
  // of anybody is open. False when one is.
  bool forget_offset(const std::string& group, const TopicPartition& source);
  void call_listeners(const TopicPartition& source);

 private:
  struct Topic {
    log::TopicInfo info;
    std::vector<Partition> partitions;
  };
  struct Listener {
    TopicPartition source;
    std::function<void()> call;
    int running = 0;
  };
  using Lock = std::unique_lock<Mutex>;

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  [[nodiscard]] Result<Partition*> find(const TopicPartition& source);
  [[nodiscard]] Result<const Partition*> find(const TopicPartition& source) const;
  Status check_append(const log::AppendBatch& batch) const;
  // Markers of decided transactions are written later, each for itself.
  void spread(const TransactionCoordinator::Decisions& decisions);
  void write_marker(const TransactionCoordinator::Decision& decision, const TopicPartition& to);
  void write_offsets_marker(const TransactionCoordinator::Decision& decision,
                            const std::string& group);
  void schedule(std::int64_t delay_ns, std::function<void()> event);
  void notify(const TopicPartition& source);
  void run();

  const Clock& clock_;
  mutable Mutex mutex_;
  Condition changed_;
  Random random_;
  ClusterFaults faults_;
  std::map<std::string, Topic> topics_;
  std::uint64_t next_incarnation_ = 1;
  std::int64_t next_producer_id_ = 1;
  std::uint64_t commits_ = 0;
  std::map<std::uint64_t, Listener> listeners_;
  std::uint64_t next_listener_ = 1;
  std::set<std::uint64_t> due_listeners_;
  TransactionCoordinator transactions_;
  GroupCoordinator groups_;
  std::int64_t up_again_ns_[kBrokers] = {};
  std::uint64_t coordinator_epoch_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> census_;
  // Run with the lock held, by the background actor alone.
  std::multimap<std::int64_t, std::function<void()>> events_;
  // Run without it: requests that arrive late.
  std::multimap<std::int64_t, std::function<void()>> late_;
  bool is_stopping_ = false;
  Thread thread_;
};

}  // namespace millrace::kafka_model
