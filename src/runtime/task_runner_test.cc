#include "runtime/task_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/time_text.h"
#include "runtime/runtime_for_tests.h"
#include "runtime/table_registry.h"

namespace millrace::runtime {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPipeline = R"yaml(
pipeline: p
source: { topic: in, key: k, event_time: t, out_of_orderness: 2s, partitions: 1 }
validate: { schema: s.json, rules: [{ name: small, expr: x < 90 }] }
dedup: { id: id, ttl: 60s }
enrich:
  tables: { names: { file: names.csv, key: k } }
  fields: { name: "names[k].name", seen_at: processing_time }
windows:
  - { name: w, key: k, tumbling: 5s, allowed_lateness: 5s, emit_to: results,
      aggregates: { n: count(), total: sum(x), last_name: last(name) } }
sinks: [{ topic: out }]
dead_letters: { topic: dlq }
)yaml";
constexpr const char* kSchema = R"({
  "type": "object", "required": ["id", "t", "k", "x"],
  "properties": {"id": {"type": "string"}, "t": {"type": "string", "format": "date-time"},
                 "k": {"type": "string"}, "x": {"type": "integer"}}})";
const TopicPartition kInput{"in", 0};
const TopicPartition kJournal{"millrace.p.source.journal", 0};
const std::string kGroup = "millrace.p.source";
const std::vector<TopicPartition> kOutputs{{"out", 0}, {"dlq", 0}, {"results", 0}};

std::unique_ptr<pipeline::Pipeline> make_plan() {
  return pipeline::build_or_fail(
      pipeline::options_for(kPipeline, {{"s.json", kSchema}, {"names.csv", "k,name\na,Anna\n"}}));
}

std::vector<PlainRecord> random_records(Random& random, int& number) {
  std::vector<PlainRecord> records;
  for (std::uint64_t i = 0; i <= random.below(12); ++i) {
    ++number;
    const auto seconds =
        number / 4 + static_cast<int>(random.below(6)) - (random.one_in(20) ? 40 : 0);
    const std::string key(1, static_cast<char>('a' + random.below(3)));
    records.push_back(pipeline::record_of(
        key, R"({"id":")" + std::to_string(random.below(400)) + R"(","t":")" +
                 format_event_time(EventTime((1'699'990'000 + seconds) * 1'000'000LL)) +
                 R"(","k":")" + key + R"(","x":)" + std::to_string(random.below(100)) + "}"));
  }
  return records;
}

// One process: storage, the table registry and the one runner. What was posted and not durable dies
// with it.
class Machine {
 public:
  explicit Machine(std::int64_t checkpoint_interval_ms = 1'000'000'000, bool is_syncing = false)
      : storage(clock, is_syncing),
        plan(make_plan()),
        checkpoint_interval_ms_(checkpoint_interval_ms) {
    storage.create_topics(*plan);
  }

  [[nodiscard]] Status start() {
    tables_ = std::make_unique<TableRegistry>(storage.log(), pipeline::tables_topic("p"));
    MR_RETURN_IF_ERROR(tables_->load(plan->tables));
    MR_ASSIGN_OR_RETURN(const auto content, tables_->publish(plan->tables[0]));
    RunnerOptions options;
    options.pipeline = "p";
    options.stage = "source";
    options.source = kInput;
    options.journal = kJournal;
    options.group = kGroup;
    options.owner = "owner";
    options.outputs = plan->source.outputs;
    options.checkpoint_interval_ms = checkpoint_interval_ms_;
    options.dedup_open_ids_max = open_ids_max;
    options.dedup_dump_ids_min = dump_ids_min;
    runner = std::make_unique<TaskRunner>(storage.services(), options, [this] {
      return task::make_source_task(plan->source, 0, tables_->provider());
    });
    return runner->recover(
        {task::PipelineEntry{"p", 1, plan->file, 1}, task::TableVersionEntry{"names", content}});
  }
  void must_start() {
    const auto status = start();
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }
  void drop() {
    runner.reset();
    tables_.reset();
  }
  void crash() {
    drop_after_copy([this] { storage.crash(); });
  }
  void step(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
      const auto did_work = runner->step();
      ASSERT_TRUE(did_work.is_ok()) << did_work.status().to_string();
    }
  }
  // Until everything that is there is applied and durable.
  void settle() {
    const auto end = storage.log().offsets(kInput)->end;
    while (runner->report().durable_offset < end || !runner->has_settled()) {
      step(1);
      std::this_thread::yield();
    }
  }
  void use_table(const std::string& content) {
    auto file = plan->tables[0];
    file.content = content;
    const auto hash = tables_->publish(file);
    ASSERT_TRUE(hash.is_ok());
    runner->post(task::TableVersionEntry{"names", *hash});
  }
  // One more snapshot, journalled and durable.
  void snapshot() {
    const auto wanted = runner->report().snapshots + 1;
    clock.advance_ms(checkpoint_interval_ms_ + 1);
    while (runner->report().snapshots < wanted) {
      step(1);
      std::this_thread::yield();
    }
    settle();
    step(2);  // the entry's own commit
  }

  log::ManualClock clock;
  Storage storage;
  std::unique_ptr<pipeline::Pipeline> plan;
  std::unique_ptr<TaskRunner> runner;
  // Few, so that ids are in runs mostly.
  std::size_t open_ids_max = 5;
  std::uint64_t dump_ids_min = 25;

 private:
  template <typename Crash>
  void drop_after_copy(Crash&& crash) {
    // The runner writes nothing when it goes, so it may go before the picture of the disk is taken.
    drop();
    crash();
  }

  std::int64_t checkpoint_interval_ms_;
  std::unique_ptr<TableRegistry> tables_;
};

// All entries a journal ever had, gathered while it is being trimmed: what is not gathered yet is
// pinned. A pin does not outlive the log it was asked of: `hold` whenever there is a new one.
class JournalArchive {
 public:
  void hold(Storage& storage) { storage.log().pin("archive", kJournal, next_); }
  void gather(Storage& storage) {
    const auto state = read_journal(storage.log(), kJournal);
    ASSERT_TRUE(state.is_ok()) << state.status().to_string();
    for (const auto& entry : state->entries) {
      std::string bytes;
      task::encode_journal_entry(entry, bytes);
      const auto [known, is_new] = bytes_.emplace(entry.sequence, bytes);
      ASSERT_EQ(known->second, bytes) << "entry " << entry.sequence << " changed";
      if (is_new) entries_.emplace(entry.sequence, entry);
    }
    ASSERT_TRUE(entries_.empty() || entries_.rbegin()->first == entries_.size());
    next_ = state->end;
    hold(storage);
  }
  [[nodiscard]] const std::map<std::uint64_t, task::JournalEntry>& entries() const {
    return entries_;
  }

 private:
  Offset next_;
  std::map<std::uint64_t, std::string> bytes_;
  std::map<std::uint64_t, task::JournalEntry> entries_;
};

// What the outputs must be: input and journal applied once, by a task that nothing ever happened
// to.
Topics audit(Machine& machine, const JournalArchive& journal) {
  TableRegistry tables(machine.storage.log(), pipeline::tables_topic("p"));
  EXPECT_TRUE(tables.load(machine.plan->tables).is_ok());
  const auto task = task::make_source_task(machine.plan->source, 0, tables.provider());
  task::Outputs outputs(machine.plan->source.outputs);
  auto entry = journal.entries().begin();
  const auto apply_entries = [&] {
    for (; entry != journal.entries().end() && entry->second.at <= task->next_offset(); ++entry) {
      const auto& [sequence, content] = *entry;
      if (!task::is_task_input(content.event)) continue;
      EXPECT_TRUE(task->apply_event(content.event, content.wall_time, outputs).is_ok());
    }
  };
  apply_entries();
  for (const auto& batch : machine.storage.batches(kInput)) {
    if (batch.kind == log::BatchKind::records) {
      EXPECT_TRUE(task->apply(batch.bytes.view(), batch.append_time, outputs).is_ok());
    } else {
      task->skip_to(batch.next_offset);
    }
    apply_entries();
  }
  Topics topics;
  pipeline::take_outputs(outputs, topics);
  return topics;
}

void expect_outputs(Machine& machine, const Topics& expected) {
  for (const auto& place : kOutputs) {
    const auto it = expected.find(place);
    const auto wanted = it == expected.end() ? std::vector<PlainRecord>() : it->second;
    const auto actual = machine.storage.records(place);
    ASSERT_EQ(actual.size(), wanted.size()) << place.to_string();
    ASSERT_EQ(actual, wanted) << place.to_string();
  }
}

// A foreign producer that writes to the input within transactions.
class TransactionalInput {
 public:
  void send(log::Log& log, std::span<const PlainRecord> records) {
    if (producer_.id == kNoProducerId) producer_ = log.new_producer().value();
    codec::RecordBatchBuilder builder;
    for (const auto& record : records)
      builder.append(record.timestamp, record.key, record.value, {});
    builder.set_producer(producer_.id, producer_.epoch, next_sequence_);
    builder.set_transactional(true);
    log::AppendBatch batch{kInput.topic, kInput.partition, {}};
    builder.finish(batch.bytes);
    const auto offset = log::append_and_wait(log, std::move(batch));
    ASSERT_TRUE(offset.is_ok()) << offset.status().to_string();
    next_sequence_ += static_cast<std::int32_t>(records.size());
    sent_ += records.size();
  }
  void end(log::Log& log, bool is_commit) {
    if (producer_.id == kNoProducerId) return;
    log::Commit commit;
    commit.markers.push_back({.partition = kInput, .producer = producer_, .is_commit = is_commit});
    const auto appended = log.commit(std::move(commit));
    ASSERT_TRUE(appended.is_ok()) << appended.status().to_string();
    ASSERT_TRUE(log.wait_durable(appended->sequence).is_ok());
    if (!is_commit) aborted_ += sent_;
    sent_ = 0;
  }
  [[nodiscard]] std::size_t aborted_count() const { return aborted_; }

 private:
  log::ProducerIdentity producer_{kNoProducerId, kNoProducerEpoch};
  std::int32_t next_sequence_ = 0;
  std::size_t sent_ = 0;  // in the open transaction
  std::size_t aborted_ = 0;
};

void live_through_crashes(std::uint64_t seed, std::int64_t checkpoint_interval_ms,
                          bool has_transactions = false) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Machine machine(checkpoint_interval_ms, true);
  machine.open_ids_max = 1 + random.below(30);
  machine.dump_ids_min = 1 + random.below(60);
  JournalArchive journal;
  machine.must_start();
  TransactionalInput transactions;
  int number = 0;
  std::uint64_t replayed = 0;
  std::uint64_t snapshots = 0;
  for (int i = 0; i < 60; ++i) {
    machine.clock.advance_ms(static_cast<std::int64_t>(random.below(40)));
    if (random.one_in(2)) {
      const auto records = random_records(random, number);
      if (has_transactions && random.one_in(2)) {
        transactions.send(machine.storage.log(), records);
      } else {
        machine.storage.append(kInput, records);
      }
    }
    if (has_transactions && random.one_in(4)) {
      transactions.end(machine.storage.log(), random.one_in(2));
    }
    if (random.one_in(10)) {
      machine.use_table("k,name\na,Anna" + std::to_string(i) + "\nb,Bert\n");
    }
    if (random.one_in(10)) {
      machine.runner->post(
          task::WatermarkEntry{EventTime((1'699'990'000 + number / 4) * 1'000'000LL)});
    }
    machine.step(random.below(4));
    journal.gather(machine.storage);
    if (testing::Test::HasFatalFailure()) return;
    if (!random.one_in(6)) continue;
    snapshots += machine.runner->report().snapshots;
    DiskPatience patience;
    if (random.one_in(5)) ASSERT_TRUE(machine.runner->finish(patience).is_ok());
    machine.crash();
    journal.hold(machine.storage);
    machine.must_start();
    if (testing::Test::HasFatalFailure()) return;
    replayed += machine.runner->report().replayed_records;
  }
  if (has_transactions) transactions.end(machine.storage.log(), true);
  machine.settle();
  journal.gather(machine.storage);
  expect_outputs(machine, audit(machine, journal));
  EXPECT_GT(machine.storage.records({"out", 0}).size(), 50u);
  if (has_transactions) {
    EXPECT_GT(transactions.aborted_count(), 0u);
    EXPECT_EQ(machine.runner->report().task.counters.records_in + transactions.aborted_count(),
              static_cast<std::uint64_t>(number));
  }
  EXPECT_GT(replayed, 0u);
  if (checkpoint_interval_ms > 1'000'000) EXPECT_EQ(snapshots, 0u);
}

// Appends and applies `batches` batches.
void feed(Machine& machine, Random& random, int& number, int batches) {
  for (int i = 0; i < batches; ++i) {
    machine.storage.append(kInput, random_records(random, number));
    machine.clock.advance_ms(7);
    machine.settle();
  }
}

TEST(TaskRunner, outputs_appear_exactly_once_whenever_it_dies) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) live_through_crashes(seed, 30);
}

TEST(TaskRunner, records_of_aborted_transactions_are_no_input_whenever_it_dies) {
  for (std::uint64_t seed = 201; seed <= 206; ++seed) live_through_crashes(seed, 30, true);
}

TEST(TaskRunner, it_waits_in_front_of_an_open_transaction_and_goes_on_behind_it) {
  Machine machine;
  machine.must_start();
  Random random(8);
  int number = 0;
  feed(machine, random, number, 2);
  const auto before = machine.storage.log().offsets(kInput)->end;
  TransactionalInput transactions;
  transactions.send(machine.storage.log(), random_records(random, number));
  machine.storage.append(kInput, random_records(random, number));
  machine.step(5);
  EXPECT_EQ(machine.runner->report().task.next_offset, before);
  transactions.end(machine.storage.log(), false);
  machine.settle();
  EXPECT_EQ(machine.runner->report().task.next_offset, machine.storage.log().offsets(kInput)->end);
}

TEST(TaskRunner, a_journal_without_snapshots_is_enough) {
  for (std::uint64_t seed = 101; seed <= 102; ++seed) live_through_crashes(seed, 1'000'000'000);
}

TEST(TaskRunner, after_finish_the_next_start_replays_nothing) {
  Machine machine;
  machine.must_start();
  Random random(1);
  int number = 0;
  feed(machine, random, number, 5);
  const auto before = machine.runner->report().task;
  DiskPatience patience;
  ASSERT_TRUE(machine.runner->finish(patience).is_ok());
  machine.crash();
  machine.must_start();
  const auto after = machine.runner->report();
  EXPECT_EQ(after.replayed_records, 0u);
  EXPECT_EQ(after.task.next_offset, before.next_offset);
  EXPECT_EQ(after.task.watermark, before.watermark);
  EXPECT_EQ(after.task.live_ids, before.live_ids);
  EXPECT_EQ(after.task.counters.passed, before.counters.passed);
}

TEST(TaskRunner, a_topic_whose_start_is_gone_is_read_from_where_it_starts) {
  Machine machine;
  Random random(2);
  int number = 0;
  for (int i = 0; i < 4; ++i) machine.storage.append(kInput, random_records(random, number));
  const Offset start(5);
  ASSERT_TRUE(machine.storage.log().delete_records(kInput, start).is_ok());
  machine.must_start();
  machine.settle();
  const auto end = machine.storage.log().offsets(kInput)->end;
  EXPECT_EQ(machine.runner->report().task.counters.records_in,
            static_cast<std::uint64_t>(end - start));
  machine.crash();
  machine.must_start();
  EXPECT_EQ(machine.runner->report().replayed_records, static_cast<std::uint64_t>(end - start));
  EXPECT_EQ(machine.runner->report().task.next_offset, end);
}

std::vector<std::string> snapshot_keys(Machine& machine) {
  const auto state = read_journal(machine.storage.log(), kJournal);
  EXPECT_TRUE(state.is_ok());
  std::vector<std::string> keys;
  for (const auto& snapshot : state->snapshots) keys.push_back(snapshot.object_key);
  return keys;
}
void damage(Machine& machine, const std::string& key) {
  const auto path = machine.storage.folder() + "/objects/" + key;
  sys::PosixFileSystem files;
  const auto file = files.open(path);
  ASSERT_TRUE(file.is_ok()) << file.status().to_string();
  ASSERT_TRUE((*file)->write_at(0, "damaged").is_ok());
}

class TaskRunnerSnapshots : public testing::Test {
 protected:
  // Leaves two snapshots and input behind the newer one.
  void run(int snapshots) {
    machine_.must_start();
    for (int i = 0; i < snapshots; ++i) {
      feed(machine_, random_, number_, 3);
      machine_.snapshot();
    }
    feed(machine_, random_, number_, 2);
    expected_ = machine_.runner->report().task;
    machine_.crash();
  }
  void expect_recovered() {
    machine_.must_start();
    const auto report = machine_.runner->report().task;
    EXPECT_EQ(report.next_offset, expected_.next_offset);
    EXPECT_EQ(report.counters.records_in, expected_.counters.records_in);
    EXPECT_EQ(report.counters.passed, expected_.counters.passed);
    EXPECT_EQ(report.live_ids, expected_.live_ids);
    EXPECT_EQ(report.watermark, expected_.watermark);
  }

  Machine machine_{1'000};
  Random random_{3};
  int number_ = 0;
  task::TaskReport expected_;
};

TEST_F(TaskRunnerSnapshots, an_older_one_serves_when_the_newest_is_damaged) {
  run(4);
  const auto keys = snapshot_keys(machine_);
  ASSERT_EQ(keys.size(), 2u);
  damage(machine_, keys[1]);
  expect_recovered();
  EXPECT_LT(machine_.runner->report().replayed_records, expected_.counters.records_in);
}

TEST_F(TaskRunnerSnapshots, without_a_usable_one_a_trimmed_journal_cannot_help_and_says_so) {
  run(4);
  const auto keys = snapshot_keys(machine_);
  for (const auto& key : keys) damage(machine_, key);
  const auto status = machine_.start();
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  for (const auto& key : keys) EXPECT_THAT(std::string(status.message()), HasSubstr(key));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("no usable snapshot for source partition 0"));
}

TEST_F(TaskRunnerSnapshots, without_a_usable_one_a_whole_journal_replays_from_the_start) {
  run(2);
  for (const auto& key : snapshot_keys(machine_)) damage(machine_, key);
  expect_recovered();
  EXPECT_EQ(machine_.runner->report().replayed_records, expected_.counters.records_in);
}

class AwayStore final : public objects::ObjectStore {
 public:
  Status put(const std::string&, std::string_view, bool) override { return away(); }
  Result<std::string> get(const std::string&) override { return away(); }
  Result<objects::ObjectInfo> head(const std::string&) override { return away(); }
  Status remove(const std::string&) override { return away(); }
  Result<std::vector<objects::ObjectInfo>> list(const std::string&) override { return away(); }
  Result<std::string> start_upload(const std::string&) override { return away(); }
  Result<objects::UploadPart> put_part(const std::string&, const std::string&, int,
                                       std::string_view) override {
    return away();
  }
  Status complete_upload(const std::string&, const std::string&,
                         const std::vector<objects::UploadPart>&, bool) override {
    return away();
  }
  Status abort_upload(const std::string&, const std::string&) override { return away(); }

 private:
  static Status away() { return overloaded_error("503 Slow Down"); }
};

// The objects are whole; only nobody hands them out at the moment.
TEST_F(TaskRunnerSnapshots, a_store_that_does_not_answer_is_no_damage) {
  run(4);
  AwayStore away;
  machine_.storage.put_in_place_of_objects(&away);
  const auto status = machine_.start();
  EXPECT_EQ(status.code(), StatusCode::io) << status.to_string();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("start again when the object store answers"));
  machine_.drop();
  machine_.storage.put_in_place_of_objects(nullptr);
  expect_recovered();
}

// A store that forgets how to do some things.
class FailingStore final : public objects::ObjectStore {
 public:
  explicit FailingStore(objects::ObjectStore& store) : store_(store) {}
  Status put(const std::string& key, std::string_view bytes, bool only_if_absent) override {
    return store_.put(key, bytes, only_if_absent);
  }
  Result<std::string> get(const std::string& key) override {
    if (can_get) return store_.get(key);
    return io_error("no get");
  }
  Result<objects::ObjectInfo> head(const std::string& key) override { return store_.head(key); }
  Status remove(const std::string& key) override { return store_.remove(key); }
  Result<std::vector<objects::ObjectInfo>> list(const std::string& prefix) override {
    if (can_list) return store_.list(prefix);
    return io_error("no list");
  }
  Result<std::string> start_upload(const std::string& key) override {
    return store_.start_upload(key);
  }
  Result<objects::UploadPart> put_part(const std::string& key, const std::string& upload_id,
                                       int number, std::string_view bytes) override {
    return store_.put_part(key, upload_id, number, bytes);
  }
  Status complete_upload(const std::string& key, const std::string& upload_id,
                         const std::vector<objects::UploadPart>& parts,
                         bool only_if_absent) override {
    return store_.complete_upload(key, upload_id, parts, only_if_absent);
  }
  Status abort_upload(const std::string& key, const std::string& upload_id) override {
    return store_.abort_upload(key, upload_id);
  }

  std::atomic<bool> can_get{true};
  std::atomic<bool> can_list{true};

 private:
  objects::ObjectStore& store_;
};

TEST_F(TaskRunnerSnapshots, a_restore_of_one_that_cannot_be_read_leaves_the_task_as_it_is) {
  run(3);
  FailingStore store(machine_.storage.objects());
  machine_.storage.put_in_place_of_objects(&store);
  expect_recovered();
  const auto state = read_journal(machine_.storage.log(), kJournal);
  ASSERT_TRUE(state.is_ok());
  store.can_get = false;
  const auto answer = machine_.runner->request_restore(state->snapshots.front());
  machine_.step(1);
  EXPECT_EQ(answer->wait([] { return false; }).status().code(), StatusCode::io);
  EXPECT_EQ(machine_.runner->report().task.next_offset, expected_.next_offset);
  store.can_get = true;
  feed(machine_, random_, number_, 3);
  EXPECT_GT(machine_.runner->report().durable_offset, expected_.next_offset);
}

// The state is that of no position any more; committing it would write outputs again.
TEST_F(TaskRunnerSnapshots, after_an_error_of_a_step_a_stop_commits_nothing) {
  run(3);
  FailingStore store(machine_.storage.objects());
  machine_.storage.put_in_place_of_objects(&store);
  expect_recovered();
  const auto before = read_journal(machine_.storage.log(), kJournal);
  ASSERT_TRUE(before.is_ok());
  store.can_list = false;
  const auto answer = machine_.runner->request_restore(before->snapshots.front());
  EXPECT_EQ(machine_.runner->step().status().code(), StatusCode::io);
  store.can_list = true;
  DiskPatience patience;
  EXPECT_EQ(machine_.runner->finish(patience).code(), StatusCode::io);
  const auto after = read_journal(machine_.storage.log(), kJournal);
  ASSERT_TRUE(after.is_ok());
  EXPECT_EQ(after->next_sequence, before->next_sequence);
  machine_.drop();
  expect_recovered();
}

TEST_F(TaskRunnerSnapshots, a_task_that_did_not_come_back_writes_nothing_when_it_stops) {
  run(4);
  AwayStore away;
  machine_.storage.put_in_place_of_objects(&away);
  const auto before = read_journal(machine_.storage.log(), kJournal);
  ASSERT_TRUE(before.is_ok());
  ASSERT_FALSE(machine_.start().is_ok());
  DiskPatience patience;
  EXPECT_TRUE(machine_.runner->finish(patience).is_ok());
  const auto after = read_journal(machine_.storage.log(), kJournal);
  ASSERT_TRUE(after.is_ok());
  EXPECT_EQ(after->next_sequence, before->next_sequence);
  machine_.drop();
  machine_.storage.put_in_place_of_objects(nullptr);
  expect_recovered();
}

TEST_F(TaskRunnerSnapshots, a_whole_journal_cannot_help_when_retention_took_its_input) {
  run(2);
  for (const auto& key : snapshot_keys(machine_)) damage(machine_, key);
  ASSERT_TRUE(machine_.storage.log().delete_records(kInput, Offset(1)).is_ok());
  const auto status = machine_.start();
  EXPECT_EQ(status.code(), StatusCode::corrupt) << status.to_string();
  EXPECT_THAT(std::string(status.message()), HasSubstr("no usable snapshot"));
}

TEST_F(TaskRunnerSnapshots, retired_objects_are_deleted_and_only_those) {
  run(5);
  const auto listed = machine_.storage.objects().list("snapshots/p/source/0000/0");
  ASSERT_TRUE(listed.is_ok());
  const auto keys = snapshot_keys(machine_);
  EXPECT_EQ(keys.size(), 2u);
  for (const auto& key : keys) {
    EXPECT_TRUE(machine_.storage.objects().head(key).is_ok()) << key;
  }
  EXPECT_LE(listed->size(), 3u);  // the last one retired may still be on its way out
}

// What the kept snapshots name, and themselves.
std::set<std::string> needed_keys(Machine& machine) {
  const auto state = read_journal(machine.storage.log(), kJournal);
  EXPECT_TRUE(state.is_ok());
  std::set<std::string> keys;
  for (const auto& entry : state->snapshots) {
    const auto snapshot = get_snapshot(machine.storage.objects(), entry);
    EXPECT_TRUE(snapshot.is_ok()) << snapshot.status().to_string();
    keys.insert(entry.object_key);
    keys.insert(snapshot->objects.begin(), snapshot->objects.end());
  }
  return keys;
}
std::set<std::string> existing_keys(Machine& machine) {
  std::set<std::string> keys;
  const auto listed = machine.storage.objects().list("");
  EXPECT_TRUE(listed.is_ok());
  for (const auto& object : *listed) keys.insert(object.key);
  return keys;
}
bool has_run(const std::set<std::string>& keys) {
  return std::ranges::any_of(
      keys, [](const auto& key) { return key.find("/runs/") != std::string::npos; });
}

TEST_F(TaskRunnerSnapshots, objects_that_kept_snapshots_name_stay_and_a_start_sweeps_all_others) {
  run(6);
  const auto needed = needed_keys(machine_);
  EXPECT_TRUE(has_run(needed));
  for (const auto& key : needed) {
    EXPECT_TRUE(machine_.storage.objects().head(key).is_ok()) << key;
  }
  for (const auto* garbage : {"runs/0", "fingerprints/0", "00000000000000000001-1-1"}) {
    ASSERT_TRUE(machine_.storage.objects()
                    .put("snapshots/p/source/0000/" + std::string(garbage), "x", false)
                    .is_ok());
  }
  ASSERT_TRUE(machine_.storage.objects().put("snapshots/p/source/0001/x", "x", false).is_ok());
  // What a life that was cut off made of the state it ended with, the next one may make again.
  const auto state = read_journal(machine_.storage.log(), kJournal);
  ASSERT_TRUE(state.is_ok());
  const auto repeatable = "snapshots/p/source/0000/00000000000000000009-" +
                          std::to_string(state->next_sequence - 1) + "-2";
  ASSERT_TRUE(machine_.storage.objects().put(repeatable, "x", false).is_ok());
  expect_recovered();
  feed(machine_, random_, number_, 1);
  machine_.snapshot();  // behind the removals, on the writer's one thread
  const auto existing = existing_keys(machine_);
  EXPECT_FALSE(existing.contains("snapshots/p/source/0000/runs/0"));
  EXPECT_FALSE(existing.contains("snapshots/p/source/0000/fingerprints/0"));
  EXPECT_FALSE(existing.contains("snapshots/p/source/0000/00000000000000000001-1-1"));
  EXPECT_TRUE(existing.contains(repeatable));
  EXPECT_TRUE(existing.contains("snapshots/p/source/0001/x"));  // another task's
  for (const auto& key : needed_keys(machine_)) EXPECT_TRUE(existing.contains(key)) << key;
}

TEST_F(TaskRunnerSnapshots, a_run_that_is_gone_refuses_the_snapshots_that_name_it) {
  run(2);
  for (const auto& key : existing_keys(machine_)) {
    if (key.find("/runs/") == std::string::npos) continue;
    ASSERT_TRUE(machine_.storage.objects().remove(key).is_ok());
  }
  expect_recovered();  // from the journal, which is whole
  EXPECT_EQ(machine_.runner->report().replayed_records, expected_.counters.records_in);
}

TEST_F(TaskRunnerSnapshots, a_damaged_run_refuses_the_snapshots_that_must_read_it) {
  machine_.dump_ids_min = 1'000'000;  // no dump: a start reads every run
  run(2);
  int damaged = 0;
  for (const auto& key : existing_keys(machine_)) {
    if (key.find("/runs/") == std::string::npos) continue;
    damage(machine_, key);
    ++damaged;
  }
  ASSERT_GT(damaged, 0);
  expect_recovered();  // from the journal, which is whole
  EXPECT_EQ(machine_.runner->report().replayed_records, expected_.counters.records_in);
}

TEST_F(TaskRunnerSnapshots, of_a_topic_that_was_created_again_are_refused) {
  run(4);
  ASSERT_TRUE(machine_.storage.log().delete_topic("in").is_ok());
  ASSERT_TRUE(machine_.storage.log().create_topic("in", {}).is_ok());
  const auto status = machine_.start();
  EXPECT_FALSE(status.is_ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("deleted and created again"));
}

TEST(TaskRunner, a_group_offset_that_somebody_moved_stops_it) {
  Machine machine;
  machine.must_start();
  Random random(4);
  int number = 0;
  feed(machine, random, number, 3);
  const auto committed = machine.runner->report().durable_offset;
  machine.drop();
  log::Commit moved;
  moved.offsets.push_back({kGroup, kInput, Offset(1), "somebody"});
  const auto appended = machine.storage.log().commit(std::move(moved));
  ASSERT_TRUE(appended.is_ok());
  ASSERT_TRUE(machine.storage.log().wait_durable(appended->sequence).is_ok());
  const auto status = machine.start();
  EXPECT_EQ(status.code(), StatusCode::fenced);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("group millrace.p.source stands at offset 1 of in/0, the journal at " +
                        std::to_string(committed.value)));
  machine.drop();
  ASSERT_TRUE(machine.storage.log().delete_group(kGroup).is_ok());
  machine.must_start();
  feed(machine, random, number, 1);  // the next commit writes it again
  const auto offsets = machine.storage.log().group_offsets(kGroup);
  ASSERT_EQ(offsets.size(), 1u);
  EXPECT_EQ(offsets[0].next_offset, machine.runner->report().durable_offset);
}

TEST(TaskRunner, a_replay_sees_the_table_version_that_was_in_force) {
  Machine machine;
  machine.must_start();
  const auto send = [&](const std::string& id) {
    machine.storage.append(
        kInput, std::vector{pipeline::record_of(
                    "a", R"({"id":")" + id + R"(","t":"2023-11-14T19:26:40Z","k":"a","x":1})")});
    machine.settle();
  };
  send("1");
  machine.use_table("k,name\na,Berta\n");
  machine.settle();
  send("2");
  // A replay of "1" with today's table would give the window another last name.
  machine.crash();
  machine.must_start();
  EXPECT_EQ(machine.runner->report().replayed_records, 2u);
  send("3");
  const auto out = machine.storage.records({"out", 0});
  ASSERT_EQ(out.size(), 3u);
  EXPECT_THAT(*out[0].value, HasSubstr(R"("name":"Anna")"));
  EXPECT_THAT(*out[1].value, HasSubstr(R"("name":"Berta")"));
  EXPECT_THAT(*out[2].value, HasSubstr(R"("name":"Berta")"));
  JournalArchive journal;
  journal.gather(machine.storage);
  expect_outputs(machine, audit(machine, journal));
}

TEST(TaskRunner, an_unreadable_batch_is_an_error_and_commits_nothing_of_it) {
  Machine machine;
  machine.must_start();
  Random random(5);
  int number = 0;
  feed(machine, random, number, 1);
  const auto committed = machine.runner->report().durable_offset;
  // A batch whose header is right and whose records are not: its CRC covers them.
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(0), "a", "{}", {});
  std::string bytes;
  builder.finish(bytes);
  bytes[bytes.size() - 1] = 1;  // the header count of a record without headers
  store_big(bytes.data() + 17, crc32c(std::string_view(bytes).substr(21)));
  const auto appended = log::append_and_wait(machine.storage.log(), {"in", 0, bytes});
  if (!appended.is_ok())
    GTEST_SKIP() << "the log refuses it already: " << appended.status().to_string();
  const auto status = machine.runner->step();
  EXPECT_EQ(status.status().code(), StatusCode::corrupt);
  machine.crash();
  machine.must_start();
  EXPECT_EQ(machine.runner->report().durable_offset, committed);
}

}  // namespace
}  // namespace millrace::runtime
