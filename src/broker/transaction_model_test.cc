// Random transactions of several clients, zombies among them, with time-outs, restarts and crashes
// in the middle of anything, against a twin that knows of every value which transaction wrote it.
//
// What must hold, whatever happens: values of transactions that were committed are all there, those
// of others never are; a group's offset is the newest that was committed; the last stable offset
// never moves back; and once time has passed, no transaction is open.

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "broker/transactions_for_tests.h"
#include "sim/fault_file_system.h"

namespace millrace::broker {
namespace {

using TransactionWorld = TransactionWorldOn<sim::FaultFileSystem>;
using kafka_wire::ErrorCode;
using log::ProducerIdentity;

const std::vector<TopicPartition> kPartitions{{"a", 0}, {"a", 1}, {"b", 0}};
const TopicPartition kInput{"a", 0};

enum class Fate : std::uint8_t { open, committed, aborted };

struct TwinTransaction {
  Fate fate = Fate::open;
  std::map<std::string, TopicPartition> values;  // that are known to be durable
  // Staged for the group: one of these, -1 for none. Several after a request without an answer.
  std::set<std::int64_t> offsets{-1};
};

struct Client {
  std::string id;
  ProducerIdentity producer{kNoProducerId, kNoProducerEpoch};
  std::optional<ProducerIdentity> zombie;  // the one before it
  std::set<TopicPartition> enlisted;
  std::map<TopicPartition, std::int32_t> next_sequence;  // of this epoch
  bool has_group = false;
  bool is_second = false;                  // speaks the second protocol (KIP-890)
  TwinTransaction* transaction = nullptr;  // the open one
};

class TransactionModelRun {
 public:
  explicit TransactionModelRun(std::uint64_t seed) : random_(seed), world_(seed ^ 0xc0ffee) {
    for (const auto& [name, count] : {std::pair{"a", 2}, std::pair{"b", 1}}) {
      log::TopicConfig config;
      config.partition_count = count;
      config.segment_bytes = 2000;
      MR_CHECK(world_.log->create_topic(name, config).is_ok());
    }
    for (const char* id : {"x", "y", "z"}) {
      clients_.emplace_back().id = id;
      clients_.back().is_second = random_.one_in(2);
    }
    for (auto& client : clients_) init(client);
  }

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      if (random_.one_in(25)) world_.files.die_after(1 + random_.below(12));
      step();
      if (has_died_) crash();
      check_stable();
    }
    if (testing::Test::HasFailure()) return;
    let_time_pass();
    crash();
    check_all();
  }

 private:
  using Run = TransactionModelRun;
  using Step = void (Run::*)(Client&);

  void step() {
    static constexpr Step kSteps[] = {
        &Run::enlist,  &Run::enlist,   &Run::send,          &Run::send,      &Run::send,
        &Run::send,    &Run::stage,    &Run::end,           &Run::end,       &Run::repeat_end,
        &Run::init,    &Run::bump,     &Run::act_as_zombie, &Run::pass_time, &Run::maintain,
        &Run::restart, &Run::crash_now};
    Client& client = clients_[random_.below(clients_.size())];
    std::uint64_t which = random_.below(std::size(kSteps));
    if (which >= 10 && !random_.one_in(3)) which = 2;
    (this->*kSteps[which])(client);
  }

  // Whether the request was answered as expected; one whose outcome nobody knows is followed by a
  // crash.
  bool is_answered(ErrorCode found, ErrorCode expected) {
    if (found == ErrorCode::coordinator_not_available || found == ErrorCode::request_timed_out) {
      has_died_ = true;
      return false;
    }
    EXPECT_EQ(found, expected);
    return found == ErrorCode::none;
  }

  TwinTransaction& transaction_of(Client& client) {
    if (client.transaction == nullptr) client.transaction = &transactions_.emplace_back();
    return *client.transaction;
  }

  void close(Client& client, Fate fate) {
    if (client.transaction != nullptr) {
      client.transaction->fate = fate;
      if (fate == Fate::committed) move_group(client.transaction->offsets);
    }
    client.transaction = nullptr;
    client.enlisted.clear();
    client.has_group = false;
  }

  void move_group(std::set<std::int64_t> to) {
    if (to.erase(-1) == 0) group_offsets_.clear();
    group_offsets_.insert(to.begin(), to.end());
  }

  void enlist(Client& client) {
    if (client.is_second) return send(client);
    const TopicPartition& partition = kPartitions[random_.below(kPartitions.size())];
    const ErrorCode error = world_.add(client.id, client.producer, {partition});
    if (!is_answered(error, ErrorCode::none)) return;
    transaction_of(client);
    client.enlisted.insert(partition);
  }

  void send(Client& client) {
    const TopicPartition& partition = kPartitions[random_.below(kPartitions.size())];
    const std::string value = std::to_string(next_value_++);
    const bool may = client.is_second || client.enlisted.contains(partition);
    std::int32_t& sequence = client.next_sequence[partition];
    const ErrorCode error =
        world_.send(client.id, client.producer, partition, sequence, value, client.is_second);
    if (!is_answered(error, may ? ErrorCode::none : ErrorCode::invalid_txn_state)) return;
    ++sequence;
    client.enlisted.insert(partition);
    transaction_of(client).values[value] = partition;
  }

  void stage(Client& client) {
    if (!client.has_group && !client.is_second) {
      const ErrorCode error = world_.add_group(client.id, client.producer, "g");
      if (!is_answered(error, ErrorCode::none)) return;
      client.has_group = true;
      transaction_of(client);
    }
    const auto offset = static_cast<std::int64_t>(random_.below(10'000));
    const ErrorCode error =
        world_.stage(client.id, client.producer, "g", kInput, offset, client.is_second ? 5 : 3);
    transaction_of(client).offsets.insert(offset);
    if (!is_answered(error, ErrorCode::none)) return;
    transaction_of(client).offsets = {offset};
    EXPECT_TRUE(world_.coordinator->has_staged("g", kInput));
  }

  void end_and_go_on(Client& client, bool is_commit) {
    ProducerIdentity producer = client.producer;
    const ErrorCode error = world_.end_and_go_on(client.id, producer, is_commit);
    if (!is_answered(error, ErrorCode::none)) return;
    EXPECT_TRUE(producer.id == client.producer.id && producer.epoch > client.producer.epoch);
    client.zombie = client.producer;
    client.producer = producer;
    client.next_sequence.clear();
    close(client, is_commit ? Fate::committed : Fate::aborted);
    if (random_.one_in(2)) return;
    ProducerIdentity again = *client.zombie;
    if (!is_answered(world_.end_and_go_on(client.id, again, is_commit), ErrorCode::none)) return;
    EXPECT_EQ(again.epoch, producer.epoch);
  }

  void end(Client& client) {
    if (client.is_second) {
      const bool is_commit = client.transaction != nullptr && random_.below(3) > 0;
      return end_and_go_on(client, is_commit);
    }
    if (client.transaction == nullptr) return;
    const bool is_commit = random_.below(3) > 0;
    const ErrorCode error = world_.end(client.id, client.producer, is_commit);
    if (is_answered(error, ErrorCode::none)) {
      close(client, is_commit ? Fate::committed : Fate::aborted);
    }
  }

  void repeat_end(Client& client) {
    if (client.transaction != nullptr || client.is_second) return;
    const std::string state = world_.describe(client.id).transaction_state;
    if (state == "Empty" || state.empty()) return;
    const bool was_commit = state == "CompleteCommit";
    is_answered(world_.end(client.id, client.producer, was_commit), ErrorCode::none);
    is_answered(world_.end(client.id, client.producer, !was_commit), ErrorCode::invalid_txn_state);
  }

  void take_over(Client& client, const kafka_wire::InitProducerIdResponse& response) {
    const ProducerIdentity producer{ProducerId(response.producer_id),
                                    ProducerEpoch(response.producer_epoch)};
    EXPECT_TRUE(client.producer.id != producer.id || client.producer.epoch < producer.epoch);
    if (client.producer.id != kNoProducerId) client.zombie = client.producer;
    client.producer = producer;
    client.next_sequence.clear();
    close(client, Fate::aborted);
  }

  void init(Client& client) {
    const auto response = world_.init(client.id);
    if (is_answered(response.error_code, ErrorCode::none)) take_over(client, response);
  }

  // The same client, after an error of its own (KIP-360); perhaps twice.
  void bump(Client& client) {
    const ProducerIdentity before = client.producer;
    const auto response = world_.init(client.id, before);
    if (!is_answered(response.error_code, ErrorCode::none)) return;
    take_over(client, response);
    if (random_.one_in(2)) return;
    const auto again = world_.init(client.id, before);
    if (!is_answered(again.error_code, ErrorCode::none)) return;
    EXPECT_EQ(again.producer_epoch, response.producer_epoch);
  }

  void act_as_zombie(Client& client) {
    if (!client.zombie) return;
    const TopicPartition& partition = kPartitions[random_.below(kPartitions.size())];
    is_answered(world_.add(client.id, *client.zombie, {partition}), ErrorCode::producer_fenced);
    is_answered(world_.end(client.id, *client.zombie, random_.one_in(2)),
                ErrorCode::producer_fenced);
    is_answered(world_.send(client.id, *client.zombie, partition, 0, "zombie", client.is_second),
                ErrorCode::invalid_producer_epoch);
    is_answered(world_.add_group(client.id, *client.zombie, "g"), ErrorCode::producer_fenced);
  }

  void pass_time(Client&) {
    if (random_.one_in(4)) return let_time_pass();
    world_.clock.advance_ms(static_cast<std::int64_t>(random_.below(2'000)));
    world_.coordinator->run_due();
    find_out();
  }

  void let_time_pass() {
    world_.clock.advance_ms(60'000);
    world_.coordinator->run_due();
    // So that what the coordinator did is durable.
    const auto last =
        log::append_and_wait(*world_.log, log::append_to({"b", 0}, log::make_batch({"plain"})));
    if (!last.is_ok()) {
      has_died_ = true;
      return;
    }
    find_out();
    for (const auto& partition : kPartitions) {
      EXPECT_TRUE(world_.is_all_stable(partition)) << partition.to_string();
    }
    for (const auto& client : clients_) EXPECT_EQ(client.transaction, nullptr);
  }

  void maintain(Client&) {
    if (!world_.log->run_maintenance().is_ok()) has_died_ = true;
  }

  void restart(Client&) {
    if (!world_.log->close().is_ok()) {
      has_died_ = true;
      return;
    }
    world_.drop();
    world_.open();
    find_out();
    check_all();
  }

  void crash_now(Client&) { crash(); }

  void crash() {
    world_.crash_and_open();
    has_died_ = false;
    find_out();
    check_all();
  }

  // What came of the transactions that were open: time-outs, and a request without an answer.
  void find_out() {
    for (auto& client : clients_) {
      const auto found = world_.describe(client.id);
      if (found.error_code == ErrorCode::coordinator_not_available) {
        has_died_ = true;
        return;
      }
      if (found.error_code != ErrorCode::none) continue;  // its very first request was lost
      const ProducerIdentity now{ProducerId(found.producer_id),
                                 ProducerEpoch(found.producer_epoch)};
      const bool has_moved = now.id != client.producer.id || now.epoch != client.producer.epoch;
      if (found.transaction_state == "Ongoing") {
        transaction_of(client);  // begun by a request without an answer, perhaps
        client.enlisted.clear();
        for (const auto& topic : found.topics) {
          for (const auto index : topic.partitions) client.enlisted.insert({topic.topic, index});
        }
      } else {
        const bool is_committed = found.transaction_state == "CompleteCommit";
        close(client, is_committed ? Fate::committed : Fate::aborted);
      }
      if (!has_moved) {
        find_sequences(client);
        continue;
      }
      if (client.producer.id != kNoProducerId) client.zombie = client.producer;
      client.producer = now;
      client.next_sequence.clear();
    }
  }

  // A batch without an answer may be there or not.
  void find_sequences(Client& client) {
    for (const auto& partition : kPartitions) {
      const auto producers = world_.log->producers(partition);
      ASSERT_TRUE(producers.is_ok());
      client.next_sequence[partition] = 0;
      for (const auto& producer : producers.value()) {
        const bool is_it =
            producer.id == client.producer.id && producer.epoch == client.producer.epoch;
        if (is_it) client.next_sequence[partition] = producer.last_sequence + 1;
      }
    }
  }

  void check_stable() {
    for (const auto& partition : kPartitions) {
      const auto offsets = world_.log->offsets(partition);
      ASSERT_TRUE(offsets.is_ok()) << offsets.status().to_string();
      ASSERT_GE(offsets->last_stable, last_stable_[partition]) << partition.to_string();
      last_stable_[partition] = offsets->last_stable;
    }
  }

  void check_all() {
    if (has_died_) return;
    check_stable();
    for (const auto& partition : kPartitions) check_partition(partition);
    const std::int64_t found = world_.group_offset("g", kInput);
    ASSERT_TRUE(group_offsets_.contains(found)) << found;
    group_offsets_ = {found};
  }

  void check_partition(const TopicPartition& partition) {
    std::set<std::string> found;
    for (const auto& value : world_.values(partition)) found.insert(value);
    std::set<std::string> hidden;  // behind an open transaction
    for (const auto& value : world_.values(partition, log::Visibility::uncommitted)) {
      if (!found.contains(value)) hidden.insert(value);
    }
    const bool is_stable = world_.is_all_stable(partition);
    for (const auto& transaction : transactions_) {
      for (const auto& [value, at] : transaction.values) {
        if (at != partition) continue;
        const bool is_visible = found.contains(value);
        ASSERT_TRUE(is_visible || hidden.contains(value)) << "value " << value << " was lost";
        if (transaction.fate != Fate::committed) {
          ASSERT_FALSE(is_visible) << "value " << value << " was not committed";
        } else if (is_stable) {
          ASSERT_TRUE(is_visible) << "value " << value << " was committed";
        }
      }
    }
    ASSERT_FALSE(found.contains("zombie") || hidden.contains("zombie"));
  }

  Random random_;
  TransactionWorld world_;
  std::vector<Client> clients_;
  std::deque<TwinTransaction> transactions_;
  std::map<TopicPartition, Offset> last_stable_;
  std::set<std::int64_t> group_offsets_{-1};
  std::uint64_t next_value_ = 0;
  bool has_died_ = false;
};

TEST(TransactionModel, whatever_happens_a_transaction_shows_as_a_whole_or_not_at_all) {
  // Other seeds: --gtest_random_seed=N.
  const auto first = static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed)) * 1000 + 1;
  for (std::uint64_t seed = first; seed < first + 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TransactionModelRun(seed).run(120);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace millrace::broker
