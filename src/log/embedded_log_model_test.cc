// Random work on the log, interrupted by crashes, against a model that is a std::map. The rule it
// checks: after any crash the log is exactly what it was after some commit K, with all that was
// acknowledged below K, whichever unsynced writes the disk kept.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sim/fault_file_system.h"

namespace millrace::log {
namespace {

using sim::FaultFileSystem;

struct ModelPartition {
  std::int64_t start = 0;
  std::vector<std::string> values;
  bool operator==(const ModelPartition&) const = default;
};

struct ModelProducer {
  std::int32_t next_sequence = 0;
  std::string last_batch;
  std::int64_t last_offset = 0;
};

struct Model {
  std::map<std::string, std::vector<ModelPartition>> topics;
  std::map<std::string, std::map<TopicPartition, std::int64_t>> groups;
  std::map<TopicPartition, ModelProducer> producers;
};

class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : random_(seed), files_(seed ^ 0x5eed) {
    EXPECT_TRUE(files_.make_folders("/data").is_ok());
    EXPECT_TRUE(files_.sync_folder("/").is_ok());
    states_.emplace_back();
  }

  void run(int steps) {
    reopen();
    producer_ = ProducerId(7777);
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      if (random_.one_in(40)) files_.die_after(1 + random_.below(60));
      step();
      if (has_died_ && log_ != nullptr) crash_and_check();
    }
    if (!testing::Test::HasFailure()) crash_and_check();
  }

 private:
  using Step = void (ModelRun::*)();

  void step() {
    static constexpr Step kSteps[] = {
        &ModelRun::commit_some,    &ModelRun::commit_some,    &ModelRun::commit_some,
        &ModelRun::commit_some,    &ModelRun::commit_some,    &ModelRun::commit_some,
        &ModelRun::commit_some,    &ModelRun::repeat_batch,   &ModelRun::wait_for_all,
        &ModelRun::delete_records, &ModelRun::maintain,       &ModelRun::compare_now,
        &ModelRun::change_topic,   &ModelRun::delete_group,   &ModelRun::close_and_reopen,
        &ModelRun::kill_and_check, &ModelRun::crash_and_check};
    // The rare ones only now and then.
    std::uint64_t which = random_.below(std::size(kSteps));
    if (which >= 12 && !random_.one_in(3)) which = 0;
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

  // Opens and finds out how much there is.
  void reopen() {
    open();
    if (log_ == nullptr) return;
    const std::uint64_t found = log_->durable_sequence().value;
    ASSERT_GE(found, acknowledged_) << "acknowledged commits were lost";
    ASSERT_LT(found, states_.size()) << "commits from nowhere";
    states_.resize(found + 1);
    acknowledged_ = found;
    compare(Visibility::durable);
  }

  Model& add_state() { return states_.emplace_back(states_.back()); }

  // False, and to be followed by a crash, when the disk has failed under the log.
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
    const auto& topics = states_.back().topics;
    if (topics.empty()) return {"", -1};
    auto topic = topics.begin();
    std::advance(topic, random_.below(topics.size()));
    return {topic->first, static_cast<std::int32_t>(random_.below(topic->second.size()))};
  }

  void commit_some() {
    Commit unit;
    Model next = states_.back();
    std::vector<std::int64_t> expected;
    const std::uint64_t batch_count = random_.below(4);
    for (std::uint64_t i = 0; i < batch_count; ++i) {
      const TopicPartition to = any_partition();
      if (to.partition < 0) return;
      std::vector<std::string> values;
      for (std::uint64_t k = 1 + random_.below(4); k > 0; --k) {
        values.push_back(std::to_string(next_value_++) + std::string(random_.below(300), '.'));
      }
      auto& partition = next.topics[to.topic][static_cast<std::size_t>(to.partition)];
      const auto base = static_cast<std::int64_t>(partition.values.size());
      expected.push_back(base);
      TestProducer producer;
      if (random_.one_in(2)) {
        auto& known = next.producers[to];
        producer = {producer_, ProducerEpoch(0), known.next_sequence};
        known.last_batch = make_batch(values, producer);
        known.last_offset = base;
        known.next_sequence += static_cast<std::int32_t>(values.size());
      }
      unit.appends.push_back(append_to(to, make_batch(values, producer)));
      partition.values.insert(partition.values.end(), values.begin(), values.end());
    }
    if (random_.one_in(3)) {
      const std::string group = "g" + std::to_string(random_.below(3));
      const TopicPartition source{"source", static_cast<std::int32_t>(random_.below(2))};
      const auto offset = static_cast<std::int64_t>(random_.below(1000));
      unit.offsets.push_back({group, source, Offset(offset), ""});
      next.groups[group][source] = offset;
    }
    if (unit.empty()) return;
    if (random_.one_in(3)) clock_.advance_ms(static_cast<std::int64_t>(random_.below(1000)));
    auto appended = log_->commit(std::move(unit));
    if (!is_alive(appended.status())) return;
    ASSERT_EQ(appended->sequence.value, states_.size());
    states_.push_back(std::move(next));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(appended->batches[i].base_offset.value, expected[i]);
      ASSERT_FALSE(appended->batches[i].is_duplicate);
    }
    if (random_.one_in(3)) wait_for_all();
  }

  void repeat_batch() {
    const TopicPartition to = any_partition();
    const auto known = states_.back().producers.find(to);
    if (known == states_.back().producers.end() || known->second.last_batch.empty()) return;
    const auto appended = log_->commit(commit_of(append_to(to, known->second.last_batch)));
    if (!is_alive(appended.status())) return;
    ASSERT_TRUE(appended.value().batches[0].is_duplicate);
    ASSERT_EQ(appended.value().batches[0].base_offset.value, known->second.last_offset);
  }

  void wait_for_all() {
    const std::uint64_t last = states_.size() - 1;
    if (is_alive(log_->wait_durable(CommitSequence(last)))) acknowledged_ = last;
  }

  // For calls that are durable when they return ok, and in doubt when they fail.
  void after_admin(const Status& status, const Model& next) {
    states_.push_back(next);
    if (is_alive(status)) acknowledged_ = states_.size() - 1;
  }

  void delete_records() {
    const TopicPartition from = any_partition();
    if (from.partition < 0) return;
    wait_for_all();
    if (has_died_) return;
    Model next = states_.back();
    auto& partition = next.topics[from.topic][static_cast<std::size_t>(from.partition)];
    const auto before = static_cast<std::int64_t>(random_.below(partition.values.size() + 1));
    partition.start = std::max(partition.start, before);
    after_admin(log_->delete_records(from, Offset(before)), next);
  }

  void delete_group() {
    wait_for_all();
    if (has_died_ || states_.back().groups.empty()) return;
    Model next = states_.back();
    const std::string group = next.groups.begin()->first;
    next.groups.erase(group);
    after_admin(log_->delete_group(group), next);
  }

  void change_topic() {
    Model next = states_.back();
    const std::string name = "t" + std::to_string(random_.below(3));
    TopicConfig config;
    config.segment_bytes = 2000;
    const auto found = next.topics.find(name);
    if (found == next.topics.end()) {
      config.partition_count = 1 + static_cast<std::int32_t>(random_.below(3));
      next.topics[name].resize(static_cast<std::size_t>(config.partition_count));
      after_admin(log_->create_topic(name, config).status(), next);
    } else if (random_.one_in(3)) {
      next.topics.erase(found);
      std::erase_if(next.producers, [&](const auto& entry) { return entry.first.topic == name; });
      after_admin(log_->delete_topic(name), next);
    } else {
      found->second.resize(found->second.size() + 1);
      config.partition_count = static_cast<std::int32_t>(found->second.size());
      after_admin(log_->alter_topic(name, config), next);
    }
  }

  void maintain() { is_alive(log_->run_maintenance()); }

  void close_and_reopen() {
    if (!is_alive(log_->close())) return;
    acknowledged_ = states_.size() - 1;
    log_.reset();
    reopen();
    if (log_ != nullptr) EXPECT_EQ(log_->recovery().groups_replayed, 0u);
  }

  void kill_and_check() {
    note_acknowledged();
    files_.kill();
    log_.reset();
    files_.restart();
    reopen();
  }

  void crash_and_check() {
    note_acknowledged();
    files_.crash();
    log_.reset();
    files_.restart();
    // A crash may also hit the recovery.
    if (random_.one_in(4)) {
      files_.die_after(1 + random_.below(40));
      EmbeddedLogOptions options;
      options.folder = "/data/log";
      options.wal_file_bytes = 8192;
      static_cast<void>(EmbeddedLog::open(options, files_, clock_));
      files_.crash();
      files_.restart();
    }
    reopen();
  }

  void note_acknowledged() {
    acknowledged_ = std::max(acknowledged_, log_->durable_sequence().value);
  }

  void compare_now() { compare(Visibility::appended); }

  void compare(Visibility visibility) {
    const Model& model = states_.back();
    std::vector<std::string> names;
    for (const auto& topic : log_->topics()) names.push_back(topic.name);
    ASSERT_EQ(names.size(), model.topics.size());
    for (const auto& [name, partitions] : model.topics) {
      ASSERT_TRUE(std::find(names.begin(), names.end(), name) != names.end()) << name;
      for (std::size_t i = 0; i < partitions.size(); ++i) {
        compare_partition({name, static_cast<std::int32_t>(i)}, partitions[i], visibility);
      }
    }
    if (visibility == Visibility::durable) compare_groups(model);
  }

  void compare_groups(const Model& model) {
    ASSERT_EQ(log_->groups().size(), model.groups.size());
    for (const auto& [group, offsets] : model.groups) {
      std::map<TopicPartition, std::int64_t> found;
      for (const auto& offset : log_->group_offsets(group)) {
        found[offset.source] = offset.next_offset.value;
      }
      ASSERT_EQ(found, offsets);
    }
  }

  void compare_partition(const TopicPartition& source, const ModelPartition& model,
                         Visibility visibility) {
    const auto offsets = log_->offsets(source);
    ASSERT_TRUE(offsets.is_ok()) << offsets.status().to_string();
    ASSERT_EQ(offsets.value().start.value, model.start);
    ASSERT_EQ(offsets.value().end.value, static_cast<std::int64_t>(model.values.size()));
    const auto read = read_all(*log_, source, visibility, {}, 1 + random_.below(2000));
    if (!is_alive(read.status())) return;
    std::int64_t offset = model.start;
    for (const auto& record : read.value()) {
      ASSERT_EQ(record.offset.value, offset);
      ASSERT_EQ(record.record.value, model.values[static_cast<std::size_t>(offset)]);
      ++offset;
    }
    ASSERT_EQ(offset, static_cast<std::int64_t>(model.values.size())) << source.to_string();
  }

  Random random_;
  FaultFileSystem files_;
  ManualClock clock_;
  std::unique_ptr<EmbeddedLog> log_;
  std::vector<Model> states_;  // by commit sequence
  std::uint64_t acknowledged_ = 0;
  std::uint64_t next_value_ = 0;
  ProducerId producer_;
  bool has_died_ = false;
};

TEST(EmbeddedLogModel, after_any_crash_the_log_is_what_it_was_after_some_commit) {
  // Other seeds: --gtest_random_seed=N.
  const auto first = static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed)) * 1000 + 1;
  for (std::uint64_t seed = first; seed < first + 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ModelRun(seed).run(150);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace millrace::log
