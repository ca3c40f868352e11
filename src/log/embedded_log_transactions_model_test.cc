// Random transactions of several producers, interrupted by crashes, against a twin that is a list
// of batches per partition and looks everything up by walking it. After any crash the log is what
// it was after some commit; what a reader sees of it follows from the list alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sim/fault_file_system.h"

namespace millrace::log {
namespace {

using sim::FaultFileSystem;

struct TwinBatch {
  enum class Kind : std::uint8_t { plain, transactional, commit, abort };
  Kind kind = Kind::plain;
  std::int64_t producer = -1;
  std::int16_t epoch = -1;
  std::int64_t base = 0;
  std::vector<TestRecord> records;  // one that says nothing for a marker

  [[nodiscard]] bool is_marker() const { return kind == Kind::commit || kind == Kind::abort; }
  [[nodiscard]] std::int64_t next() const {
    return base + static_cast<std::int64_t>(records.size());
  }
};

struct TwinPartition {
  std::int64_t start = 0;
  std::vector<TwinBatch> batches;

  [[nodiscard]] std::int64_t end() const { return batches.empty() ? 0 : batches.back().next(); }

  // The marker that ends the transaction of a batch, below `limit`.
  [[nodiscard]] const TwinBatch* outcome(const TwinBatch& of, std::int64_t limit) const {
    for (const auto& batch : batches) {
      const bool is_it = batch.is_marker() && batch.producer == of.producer &&
                         batch.base > of.base && batch.next() <= limit;
      if (is_it) return &batch;
    }
    return nullptr;
  }
  [[nodiscard]] std::int64_t last_stable(std::int64_t limit) const {
    for (const auto& batch : batches) {
      if (batch.base >= limit) break;
      const bool is_open =
          batch.kind == TwinBatch::Kind::transactional && outcome(batch, limit) == nullptr;
      if (is_open) return std::max(start, batch.base);
    }
    return std::max(start, limit);
  }
  [[nodiscard]] bool is_in_transaction(std::int64_t producer) const {
    return std::any_of(batches.begin(), batches.end(), [&](const TwinBatch& batch) {
      return batch.kind == TwinBatch::Kind::transactional && batch.producer == producer &&
             outcome(batch, end()) == nullptr;
    });
  }
  [[nodiscard]] std::int16_t epoch(std::int64_t producer) const {
    std::int16_t newest = -1;
    for (const auto& batch : batches) {
      if (batch.producer == producer) newest = std::max(newest, batch.epoch);
    }
    return newest;
  }
  [[nodiscard]] std::int32_t next_sequence(std::int64_t producer, std::int16_t epoch) const {
    std::int32_t next = 0;
    for (const auto& batch : batches) {
      if (batch.is_marker() || batch.producer != producer || batch.epoch != epoch) continue;
      next += static_cast<std::int32_t>(batch.records.size());
    }
    return next;
  }
  [[nodiscard]] std::vector<ReadRecord> readable(std::int64_t limit, bool is_committed_only) const {
    std::vector<ReadRecord> out;
    for (const auto& batch : batches) {
      if (batch.is_marker() || batch.base >= limit) continue;
      if (is_committed_only && batch.kind == TwinBatch::Kind::transactional) {
        const TwinBatch* marker = outcome(batch, end());
        if (marker == nullptr || marker->kind == TwinBatch::Kind::abort) continue;
      }
      for (std::size_t i = 0; i < batch.records.size(); ++i) {
        const std::int64_t offset = batch.base + static_cast<std::int64_t>(i);
        if (offset >= start && offset < limit)
          out.push_back({Offset(offset), batch.records[i], {}});
      }
    }
    return out;
  }
};

struct Twin {
  std::map<TopicPartition, TwinPartition> partitions;
  std::int64_t group_offset = -1;
};

class TransactionsModelRun {
 public:
  explicit TransactionsModelRun(std::uint64_t seed) : random_(seed), files_(seed ^ 0x7a11) {
    EXPECT_TRUE(files_.make_folders("/data").is_ok());
    EXPECT_TRUE(files_.sync_folder("/").is_ok());
    states_.emplace_back();
  }

  void run(int steps) {
    reopen();
    for (const bool is_compacted : {false, true}) {
      TopicConfig config;
      config.segment_bytes = 1500;
      config.partition_count = 2;
      config.is_compacted = is_compacted;
      const std::string name = is_compacted ? "compacted" : "plain";
      ASSERT_TRUE(log_->create_topic(name, config).is_ok());
      Twin next = states_.back();
      next.partitions[{name, 0}];
      next.partitions[{name, 1}];
      states_.push_back(next);
      acknowledged_ = states_.size() - 1;
    }
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      if (random_.one_in(50)) files_.die_after(1 + random_.below(60));
      step();
      if (has_died_ && log_ != nullptr) crash_and_check();
    }
    if (!testing::Test::HasFailure()) crash_and_check();
  }

 private:
  using Run = TransactionsModelRun;
  using Step = void (Run::*)();

  void step() {
    static constexpr Step kSteps[] = {
        &Run::append_some,     &Run::append_some,    &Run::append_some, &Run::append_some,
        &Run::append_some,     &Run::end_some,       &Run::end_some,    &Run::send_refused,
        &Run::check_watermark, &Run::maintain,       &Run::delete_some, &Run::close_and_reopen,
        &Run::kill_and_check,  &Run::crash_and_check};
    std::uint64_t which = random_.below(std::size(kSteps));
    if (which >= 10 && !random_.one_in(4)) which = 0;
    (this->*kSteps[which])();
  }

  void open() {
    EmbeddedLogOptions options;
    options.folder = "/data/log";
    options.wal_file_bytes = 8192 << random_.below(3);
    options.tail_cache_bytes = random_.below(2) * 4000;
    options.maintenance_interval_ms = 1 + static_cast<std::int64_t>(random_.below(50));
    auto opened = EmbeddedLog::open(options, files_, clock_);
    if (opened.status().code() == StatusCode::io) {  // died between close and open
      files_.crash();
      files_.restart();
      opened = EmbeddedLog::open(options, files_, clock_);
    }
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
    has_died_ = false;
  }

  void reopen() {
    open();
    if (log_ == nullptr) return;
    const std::uint64_t found = log_->durable_sequence().value;
    ASSERT_GE(found, acknowledged_) << "acknowledged commits were lost";
    ASSERT_LT(found, states_.size()) << "commits from nowhere";
    states_.resize(found + 1);
    acknowledged_ = found;
    compare(Visibility::durable);
    compare(Visibility::uncommitted);
  }

  bool is_alive(const Status& status) {
    if (status.is_ok()) return true;
    if (status.code() == StatusCode::io || status.code() == StatusCode::overloaded) {
      has_died_ = true;
    } else {
      ADD_FAILURE() << status.to_string();
    }
    return false;
  }

  TopicPartition any_partition() {
    auto at = states_.back().partitions.begin();
    std::advance(at, random_.below(states_.back().partitions.size()));
    return at->first;
  }

  void commit(Commit&& unit, Twin&& next) {
    if (random_.one_in(4)) clock_.advance_ms(static_cast<std::int64_t>(random_.below(1000)));
    const auto appended = log_->commit(std::move(unit));
    if (!is_alive(appended.status())) return;
    ASSERT_EQ(appended.value().sequence.value, states_.size());
    states_.push_back(std::move(next));
    if (random_.one_in(3)) wait_for_all();
    if (random_.one_in(5) && !has_died_) compare(Visibility::appended);
  }

  void wait_for_all() {
    const std::uint64_t last = states_.size() - 1;
    if (is_alive(log_->wait_durable(CommitSequence(last)))) acknowledged_ = last;
  }

  // One to three batches of anybody, wherever they may stand.
  void append_some() {
    Commit unit;
    Twin next = states_.back();
    for (std::uint64_t i = 1 + random_.below(3); i > 0; --i) {
      const TopicPartition to = any_partition();
      TwinPartition& partition = next.partitions.at(to);
      TwinBatch batch;
      batch.base = partition.end();
      for (std::uint64_t k = 1 + random_.below(4); k > 0; --k) {
        TestRecord record{.key = "k" + std::to_string(random_.below(6)), .value = std::nullopt};
        if (!random_.one_in(8)) {
          record.value = std::to_string(next_value_++) + std::string(random_.below(200), '.');
        }
        batch.records.push_back(std::move(record));
      }
      TestProducer sender;
      if (!random_.one_in(4)) {
        batch.producer = static_cast<std::int64_t>(random_.below(kProducers));
        batch.epoch = std::max(epochs_[batch.producer], partition.epoch(batch.producer));
        const bool is_transactional =
            partition.is_in_transaction(batch.producer) || random_.one_in(2);
        if (is_transactional) batch.kind = TwinBatch::Kind::transactional;
        sender = {.id = ProducerId(100 + batch.producer),
                  .epoch = ProducerEpoch(batch.epoch),
                  .base_sequence = partition.next_sequence(batch.producer, batch.epoch),
                  .is_transactional = is_transactional};
      }
      unit.appends.push_back(append_to(to, make_batch(batch.records, sender)));
      partition.batches.push_back(std::move(batch));
    }
    commit(std::move(unit), std::move(next));
  }

  // A producer's transactions in some partitions, in one commit with a group's offset; sometimes
  // as its next incarnation does it.
  void end_some() {
    const auto producer = static_cast<std::int64_t>(random_.below(kProducers));
    const bool is_commit = random_.one_in(2);
    const bool is_fencing = random_.one_in(4);
    Commit unit;
    Twin next = states_.back();
    std::int16_t epoch = epochs_[producer];
    for (const auto& [of, partition] : next.partitions) {
      epoch = std::max(epoch, partition.epoch(producer));
    }
    epoch = static_cast<std::int16_t>(epoch + (is_fencing ? 1 : 0));
    epochs_[producer] = epoch;
    for (auto& [of, partition] : next.partitions) {
      if (random_.one_in(3)) continue;
      unit.markers.push_back(
          {.partition = of,
           .producer = {.id = ProducerId(100 + producer), .epoch = ProducerEpoch(epoch)},
           .is_commit = is_commit});
      partition.batches.push_back(
          {.kind = is_commit ? TwinBatch::Kind::commit : TwinBatch::Kind::abort,
           .producer = producer,
           .epoch = epoch,
           .base = partition.end(),
           .records = {{}}});
    }
    next.group_offset = static_cast<std::int64_t>(random_.below(1000));
    unit.offsets.push_back({"g", {"source", 0}, Offset(next.group_offset), ""});
    commit(std::move(unit), std::move(next));
  }

  void send_refused() {
    const TopicPartition to = any_partition();
    const TwinPartition& partition = states_.back().partitions.at(to);
    const auto producer = static_cast<std::int64_t>(random_.below(kProducers));
    const std::int16_t epoch = partition.epoch(producer);
    if (epoch < 0) return;
    const auto send = [&](std::int16_t of_epoch, std::int32_t sequence, bool is_transactional) {
      const TestProducer sender{.id = ProducerId(100 + producer),
                                .epoch = ProducerEpoch(of_epoch),
                                .base_sequence = sequence,
                                .is_transactional = is_transactional};
      return log_->commit(commit_of(append_to(to, make_batch({"refused"}, sender))))
          .status()
          .code();
    };
    const std::int32_t next = partition.next_sequence(producer, epoch);
    const auto expect = [&](StatusCode found, StatusCode expected) {
      if (found == StatusCode::io || found == StatusCode::overloaded) has_died_ = true;
      if (!has_died_) ASSERT_EQ(found, expected);
    };
    if (epoch > 0) expect(send(static_cast<std::int16_t>(epoch - 1), 0, true), StatusCode::fenced);
    expect(send(epoch, next + 1, true), StatusCode::out_of_sequence);
    if (partition.is_in_transaction(producer)) {
      expect(send(epoch, next, false), StatusCode::wrong_state);
    }
  }

  // What outside readers may see while commits are on their way to the disk.
  void check_watermark() {
    const TopicPartition of = any_partition();
    const std::uint64_t before = log_->durable_sequence().value;
    const auto offsets = log_->offsets(of);
    const auto read = log_->fetch(of, offsets.value().start, 1 << 20, Visibility::durable);
    const std::uint64_t after = log_->durable_sequence().value;
    if (!is_alive(read.status()) || before != after) return;
    const TwinPartition& twin = states_.at(before).partitions.at(of);
    ASSERT_EQ(offsets.value().high_watermark.value, std::max(twin.start, twin.end()));
    ASSERT_EQ(offsets.value().last_stable.value,
              std::max(offsets.value().start.value, twin.last_stable(twin.end())));
    for (const auto& batch : read.value().batches) {
      ASSERT_LE(batch.next_offset.value, read.value().offsets.last_stable.value);
    }
  }

  void maintain() { is_alive(log_->run_maintenance()); }

  void delete_some() {
    wait_for_all();
    if (has_died_) return;
    const TopicPartition from = any_partition();
    if (from.topic == "compacted") return;
    Twin next = states_.back();
    TwinPartition& partition = next.partitions.at(from);
    const auto before =
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(partition.end()) + 1));
    partition.start = std::max(partition.start, before);
    const Status status = log_->delete_records(from, Offset(before));
    states_.push_back(std::move(next));
    if (is_alive(status)) acknowledged_ = states_.size() - 1;
  }

  void close_and_reopen() {
    if (!is_alive(log_->close())) return;
    acknowledged_ = states_.size() - 1;
    log_.reset();
    reopen();
  }

  void kill_and_check() {
    acknowledged_ = std::max(acknowledged_, log_->durable_sequence().value);
    files_.kill();
    log_.reset();
    files_.restart();
    reopen();
  }

  void crash_and_check() {
    acknowledged_ = std::max(acknowledged_, log_->durable_sequence().value);
    files_.crash();
    log_.reset();
    files_.restart();
    reopen();
  }

  void compare(Visibility visibility) {
    for (const auto& [of, twin] : states_.back().partitions) {
      SCOPED_TRACE(of.to_string());
      compare_partition(of, twin, visibility);
      if (testing::Test::HasFailure()) return;
    }
    if (visibility != Visibility::durable || states_.back().group_offset < 0) return;
    const auto offsets = log_->group_offsets("g");
    ASSERT_EQ(offsets.size(), 1u);
    ASSERT_EQ(offsets.front().next_offset.value, states_.back().group_offset);
  }

  void compare_partition(const TopicPartition& of, const TwinPartition& twin,
                         Visibility visibility) {
    const auto offsets = log_->offsets(of);
    ASSERT_TRUE(offsets.is_ok()) << offsets.status().to_string();
    ASSERT_EQ(offsets.value().start.value, twin.start);
    ASSERT_EQ(offsets.value().end.value, std::max(twin.start, twin.end()));
    const bool is_committed_only = visibility != Visibility::uncommitted;
    if (visibility == Visibility::durable) {
      ASSERT_EQ(offsets.value().last_stable.value, twin.last_stable(twin.end()));
    }
    const std::int64_t limit = is_committed_only ? twin.last_stable(twin.end()) : twin.end();
    auto read = read_all(*log_, of, visibility, {}, 1 + random_.below(2000));
    if (!is_alive(read.status())) return;
    for (auto& record : *read) record.append_time = {};
    const auto expected = twin.readable(limit, is_committed_only);
    if (of.topic == "plain") {
      ASSERT_EQ(*read, expected);
    } else if (is_committed_only) {
      expect_compacted(*read, expected);
    }
    compare_producers(of, twin);
  }

  // All that is found was appended, and the newest of every key is found.
  static void expect_compacted(const std::vector<ReadRecord>& found,
                               const std::vector<ReadRecord>& expected) {
    std::map<std::int64_t, TestRecord> all;
    std::map<std::string, std::optional<std::string>> table;
    for (const auto& record : expected) {
      all[record.offset.value] = record.record;
      table[*record.record.key] = record.record.value;
    }
    std::map<std::string, std::optional<std::string>> found_table;
    std::int64_t last = -1;
    for (const auto& record : found) {
      ASSERT_GT(record.offset.value, last);
      last = record.offset.value;
      ASSERT_TRUE(all.contains(last)) << "offset " << last << " was never readable";
      ASSERT_EQ(all.at(last), record.record);
      found_table[*record.record.key] = record.record.value;
    }
    ASSERT_EQ(found_table, table);
  }

  void compare_producers(const TopicPartition& of, const TwinPartition& twin) {
    const auto producers = log_->producers(of);
    ASSERT_TRUE(producers.is_ok()) << producers.status().to_string();
    std::set<std::int64_t> expected;
    for (const auto& batch : twin.batches) {
      if (batch.producer >= 0) expected.insert(batch.producer);
    }
    ASSERT_EQ(producers.value().size(), expected.size());
    for (const auto& producer : producers.value()) {
      const std::int64_t id = producer.id.value - 100;
      ASSERT_TRUE(expected.contains(id));
      ASSERT_EQ(producer.epoch.value, twin.epoch(id));
      ASSERT_EQ(producer.last_sequence, twin.next_sequence(id, twin.epoch(id)) - 1);
      ASSERT_EQ(producer.transaction_start.has_value(), twin.is_in_transaction(id));
    }
  }

  static constexpr std::uint64_t kProducers = 3;

  Random random_;
  FaultFileSystem files_;
  ManualClock clock_;
  std::unique_ptr<EmbeddedLog> log_;
  std::vector<Twin> states_;  // by commit sequence
  std::uint64_t acknowledged_ = 0;
  std::uint64_t next_value_ = 0;
  std::map<std::int64_t, std::int16_t> epochs_;
  bool has_died_ = false;
};

TEST(EmbeddedLogTransactionsModel, what_readers_see_follows_from_the_batches_alone) {
  // Other seeds: --gtest_random_seed=N.
  const auto first = static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed)) * 1000 + 1;
  for (std::uint64_t seed = first; seed < first + 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TransactionsModelRun(seed).run(150);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace millrace::log
