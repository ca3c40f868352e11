#include "runtime/id_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "base/random.h"
#include "log/log_test_support.h"
#include "runtime/snapshot_writer.h"

namespace millrace::runtime {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kSecret = 42;
constexpr std::int64_t kTtlUs = 24'000;
const std::string kPrefix = "snapshots/p/source/0000/";

// Objects in memory; counts what is put, and fails when told to.
class ToyStore final : public objects::ObjectStore {
 public:
  Status put(const std::string& key, std::string_view bytes, bool) override {
    is_stuck.wait(true);
    const std::lock_guard lock(mutex_);
    if (is_failing) return io_error("the store is away");
    ++put_counts[key];
    objects[key] = bytes;
    return ok_status();
  }
  Result<std::string> get(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    if (failing_reads > 0) {
      --failing_reads;
      return io_error("input/output error");
    }
    const auto known = objects.find(key);
    if (known == objects.end()) return not_found_error(key);
    return known->second;
  }
  Result<objects::ObjectInfo> head(const std::string& key) override {
    MR_ASSIGN_OR_RETURN(const auto bytes, get(key));
    return objects::ObjectInfo{key, bytes.size()};
  }
  Status remove(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    objects.erase(key);
    return ok_status();
  }
  Result<std::vector<objects::ObjectInfo>> list(const std::string& prefix) override {
    const std::lock_guard lock(mutex_);
    std::vector<objects::ObjectInfo> found;
    for (const auto& [key, bytes] : objects) {
      if (key.starts_with(prefix)) found.push_back({key, bytes.size()});
    }
    return found;
  }
  Result<std::string> start_upload(const std::string&) override { return none(); }
  Result<objects::UploadPart> put_part(const std::string&, const std::string&, int,
                                       std::string_view) override {
    return none();
  }
  Status complete_upload(const std::string&, const std::string&,
                         const std::vector<objects::UploadPart>&, bool) override {
    return none();
  }
  Status abort_upload(const std::string&, const std::string&) override { return none(); }

  std::map<std::string, std::string> objects;
  std::map<std::string, int> put_counts;
  void set_stuck(bool stuck) {
    is_stuck = stuck;
    is_stuck.notify_all();
  }
  std::atomic<bool> is_failing{false};
  std::atomic<bool> is_stuck{false};  // puts do not return
  std::atomic<int> failing_reads{0};

 private:
  static Status none() { return unsupported_error("no uploads here"); }
  std::mutex mutex_;
};

std::uint64_t next_life() {
  static std::uint64_t life = 0;
  return ++life;
}

// One task's deduplication with all that keeps it.
struct Task {
  explicit Task(ToyStore& to, std::uint64_t dump_ids_min = 1'000'000, DedupMemory* memory = nullptr)
      : store(to),
        writer(to),
        objects(writer, kPrefix, next_life()),
        ids(this, to, writer, clock, objects, dump_ids_min, memory),
        dedup(kTtlUs, kSecret) {}
  ~Task() { writer.forget(this); }

  void insert(int from, int to, std::int64_t watermark) {
    for (int i = from; i < to; ++i) {
      const auto is_new = dedup.insert(dedup.hash_of(std::to_string(i)), EventTime(watermark));
      ASSERT_TRUE(is_new.is_ok()) << is_new.status().to_string();
      ASSERT_TRUE(*is_new) << i;
    }
  }
  void expect_known(int from, int to, std::int64_t watermark) {
    for (int i = from; i < to; ++i) {
      const auto is_new = dedup.insert(dedup.hash_of(std::to_string(i)), EventTime(watermark));
      ASSERT_TRUE(is_new.is_ok()) << is_new.status().to_string();
      ASSERT_FALSE(*is_new) << i;
    }
  }
  // Until nothing is left to be done; merges included.
  void settle() {
    for (int idle = 0; idle < 2;) {
      idle = ids.pump(dedup) || dedup.unattached_runs() > 0 ? 0 : idle + 1;
      // A failure that came late has it try again later only.
      if (!ids.wait()) clock.advance_ms(100);
    }
  }
  std::string snapshot() {
    std::string bytes;
    Encoder to(bytes);
    dedup.snapshot(to);
    return bytes;
  }
  Status restore(const std::string& bytes) {
    Decoder from(bytes);
    MR_RETURN_IF_ERROR(dedup.restore(from));
    MR_ASSIGN_OR_RETURN(const auto existing, store.list(kPrefix));
    std::vector<std::string> names;
    for (const auto& [key, count] : store.put_counts) names.push_back(key);
    return ids.attach(dedup, existing, names);
  }
  [[nodiscard]] std::string key_of(const task::IdRunName& run) const {
    const auto start = id_run_key(kPrefix, run.content, "");
    const auto at = store.objects.lower_bound(start);
    return at != store.objects.end() && at->first.starts_with(start) ? at->first : "";
  }
  [[nodiscard]] std::size_t run_count() const { return dedup.counts().runs; }

  ToyStore& store;
  log::ManualClock clock;
  SnapshotWriter writer;
  TaskObjects objects;
  IdStore ids;
  task::Dedup dedup;
};

TEST(IdStore, stores_runs_once_and_reads_them_from_there) {
  ToyStore store;
  Task task(store);
  task.dedup.set_open_ids_max(500);
  task.insert(0, 3'000, 0);
  EXPECT_EQ(task.dedup.unattached_runs(), 6u);
  task.settle();
  EXPECT_EQ(task.dedup.unattached_runs(), 0u);
  EXPECT_EQ(store.objects.size(), 6u);
  task.insert(3'000, 3'300, 0);
  task.dedup.seal();
  task.settle();
  for (const auto& [key, count] : store.put_counts) EXPECT_EQ(count, 1) << key;
  task.expect_known(0, 3'300, 0);
}

TEST(IdStore, merges_eight_runs_of_the_newest_bucket_and_all_of_an_older_one) {
  ToyStore store;
  Task task(store);
  task.dedup.set_open_ids_max(100);
  task.insert(0, 1'000, 0);
  task.settle();
  EXPECT_EQ(task.run_count(), 3u);  // 8 in one, 2 left
  task.insert(1'000, 1'100, 1'500);
  task.settle();
  EXPECT_EQ(task.run_count(), 2u);
  task.expect_known(0, 1'100, 1'500);
  EXPECT_EQ(task.dedup.runs()[0].name.id_count, 1'000u);
  const auto in_use = task.ids.keys_in_use(task.dedup);
  EXPECT_EQ(in_use.size(), 2u);
  task.objects.collect(in_use);
  task.settle();
  std::set<std::string> left;
  for (const auto& [key, bytes] : store.objects) left.insert(key);
  EXPECT_EQ(left, in_use);
}

TEST(IdStore, a_restore_reads_only_what_the_dump_does_not_cover) {
  ToyStore store;
  std::string snapshot;
  std::set<std::string> covered;
  {
    Task task(store, 1'000);
    task.dedup.set_open_ids_max(400);
    task.insert(0, 4'000, 0);
    ASSERT_TRUE(task.ids.flush(task.dedup).is_ok());
    EXPECT_EQ(task.dedup.uncovered_ids(), 0u);
    task.settle();
    for (const auto& run : task.dedup.runs()) {
      EXPECT_TRUE(run.is_covered);
      covered.insert(task.key_of(run.name));
    }
    task.insert(4'000, 4'450, 0);
    task.settle();
    snapshot = task.snapshot();
  }
  {
    Task task(store);
    ASSERT_TRUE(task.restore(snapshot).is_ok());
    EXPECT_EQ(task.dedup.counts().live_ids, 4'450u);
    EXPECT_EQ(task.dedup.counts().open_ids, 50u);
    task.expect_known(0, 4'450, 0);
    task.insert(5'000, 6'000, 0);
  }
  // Nobody looks into covered runs before an id asks for it.
  for (const auto& key : covered) store.objects[key][5] ^= 1;
  {
    Task task(store);
    ASSERT_TRUE(task.restore(snapshot).is_ok());
    task.expect_known(4'000, 4'450, 0);
    Status status;
    for (int i = 0; i < 4'000 && status.is_ok(); ++i) {
      status = task.dedup.insert(task.dedup.hash_of(std::to_string(i)), EventTime(0)).status();
    }
    EXPECT_EQ(status.code(), StatusCode::corrupt);
    EXPECT_THAT(std::string(status.message()), HasSubstr("/runs/"));
  }
  // Without the dump all are read.
  for (auto& [key, bytes] : store.objects) {
    if (key.find("/fingerprints/") != std::string::npos) bytes[20] ^= 1;
  }
  Task damaged(store);
  EXPECT_EQ(damaged.restore(snapshot).code(), StatusCode::corrupt);
  for (const auto& key : covered) store.objects[key][5] ^= 1;
  Task task(store);
  ASSERT_TRUE(task.restore(snapshot).is_ok());
  task.expect_known(0, 4'450, 0);
}

TEST(IdStore, a_missing_or_cut_run_refuses_the_restore) {
  ToyStore store;
  Task task(store);
  task.insert(0, 10, 0);
  task.dedup.seal();
  task.settle();
  const auto snapshot = task.snapshot();
  const auto key = task.key_of(task.dedup.runs().front().name);
  const auto bytes = store.objects.at(key);
  store.objects[key].pop_back();
  EXPECT_EQ(Task(store).restore(snapshot).code(), StatusCode::corrupt);
  store.objects[key] = bytes;
  EXPECT_TRUE(Task(store).restore(snapshot).is_ok());
  store.objects.erase(key);
  const auto status = Task(store).restore(snapshot);
  EXPECT_EQ(status.code(), StatusCode::not_found);
  EXPECT_THAT(std::string(status.message()), HasSubstr(key));
}

TEST(IdStore, while_the_store_is_away_runs_wait_in_memory_and_then_the_task_does) {
  ToyStore store;
  Task task(store);
  task.dedup.set_open_ids_max(100);
  store.is_failing = true;
  task.insert(0, 1'500, 0);
  for (int i = 0; i < 5; ++i) {
    task.ids.pump(task.dedup);
    task.ids.wait();
  }
  EXPECT_EQ(task.dedup.unattached_runs(), 15u);
  EXPECT_FALSE(IdStore::is_overloaded(task.dedup));
  task.insert(1'500, 1'600, 0);
  EXPECT_TRUE(IdStore::is_overloaded(task.dedup));
  task.expect_known(0, 1'600, 0);
  EXPECT_EQ(task.ids.flush(task.dedup).code(), StatusCode::io);
  store.is_failing = false;
  task.clock.advance_ms(2'000);
  task.settle();
  EXPECT_EQ(task.dedup.unattached_runs(), 0u);
  task.expect_known(0, 1'600, 0);
}

TEST(IdStore, a_flush_gives_up_when_the_store_takes_nothing_and_another_one_goes_on) {
  ToyStore store;
  Task task(store, 50);
  task.insert(0, 100, 0);
  task.dedup.seal();
  store.set_stuck(true);
  EXPECT_EQ(task.ids.flush(task.dedup, 2).code(), StatusCode::overloaded);
  EXPECT_EQ(task.ids.flush(task.dedup, 1).code(), StatusCode::overloaded);
  EXPECT_EQ(task.dedup.unattached_runs(), 1u);
  store.set_stuck(false);
  ASSERT_TRUE(task.ids.flush(task.dedup).is_ok());
  EXPECT_EQ(task.dedup.unattached_runs(), 0u);
  EXPECT_EQ(task.dedup.uncovered_ids(), 0u);
  EXPECT_EQ(store.objects.size(), 2u);  // the run, and a dump: each once
  for (const auto& [key, count] : store.put_counts) EXPECT_EQ(count, 1) << key;
  task.expect_known(0, 100, 0);
}

// Of 20,000 ids in 20 buckets a bound of 40 KiB lists a few, keeps a byte of most and nothing of
// the oldest.
TEST(IdStore, a_restore_keeps_to_the_bound_whatever_it_was_before) {
  ToyStore store;
  DedupMemory memory(40 << 10);
  std::string snapshot;
  constexpr int kPerBucket = 1'000;
  const auto expect_bounded = [](const Task& task, std::size_t bytes_max) {
    const auto counts = task.dedup.counts();
    EXPECT_EQ(counts.live_ids, 20u * kPerBucket);
    EXPECT_LE(counts.fingerprint_bytes, bytes_max);
    EXPECT_GT(counts.compact_ids, 5'000u);
  };
  const auto expect_all_known = [](Task& task) {
    for (int i = 0; i < 20 * kPerBucket; i += 37) task.expect_known(i, i + 1, 19'000);
  };
  {
    Task task(store, 0, &memory);  // a flush leaves nothing uncovered
    task.dedup.set_open_ids_max(500);
    for (int from = 0; from < 20 * kPerBucket; from += 100) {
      task.insert(from, from + 100, from / kPerBucket * 1'000);
      task.ids.pump(task.dedup);
      ASSERT_LE(task.dedup.counts().fingerprint_bytes, memory.bytes_max());
    }
    task.settle();
    ASSERT_TRUE(task.ids.flush(task.dedup).is_ok());
    expect_bounded(task, memory.bytes_max());
    EXPECT_GT(task.dedup.counts().unlisted_ids, 0u);
    EXPECT_EQ(task.dedup.uncovered_ids(), 0u);
    expect_all_known(task);
    EXPECT_GT(task.dedup.counts().direct_lookups, 500u);
    snapshot = task.snapshot();
  }
  for (const std::size_t bytes_max : {memory.bytes_max(), std::size_t{32} << 10}) {
    DedupMemory other(bytes_max);
    Task task(store, 1'000, &other);
    ASSERT_TRUE(task.restore(snapshot).is_ok());
    expect_bounded(task, bytes_max);
    EXPECT_GT(task.dedup.counts().unlisted_ids, 0u);
    expect_all_known(task);
  }
  // With more memory, runs are read for what the dump does not have.
  DedupMemory roomy(1 << 20);
  Task task(store, 1'000, &roomy);
  ASSERT_TRUE(task.restore(snapshot).is_ok());
  EXPECT_EQ(task.dedup.counts().unlisted_ids, 0u);
  expect_all_known(task);
  // And with a dump that is damaged, for everything.
  for (auto& [key, bytes] : store.objects) {
    if (key.find("/fingerprints/") != std::string::npos) bytes.back() ^= 1;
  }
  Task again(store, 1'000, &memory);
  ASSERT_TRUE(again.restore(snapshot).is_ok());
  expect_bounded(again, memory.bytes_max());
  expect_all_known(again);
}

// Ids that came while they were in memory already are in the filters that the dump has.
TEST(IdStore, a_restore_of_runs_behind_the_dump_keeps_to_the_bound) {
  ToyStore store;
  DedupMemory memory(40 << 10);
  Task task(store, 0, &memory);
  task.dedup.set_open_ids_max(500);
  constexpr int kPerBucket = 1'000;
  for (int from = 0; from < 20 * kPerBucket; from += 100) {
    if (from == 20 * kPerBucket - 500) ASSERT_TRUE(task.ids.flush(task.dedup).is_ok());
    task.insert(from, from + 100, from / kPerBucket * 1'000);
    task.ids.pump(task.dedup);
  }
  task.settle();
  EXPECT_GT(task.dedup.uncovered_ids(), 0u);
  for (const std::size_t bytes_max : {memory.bytes_max(), std::size_t{32} << 10}) {
    DedupMemory other(bytes_max);
    Task again(store, 0, &other);
    ASSERT_TRUE(again.restore(task.snapshot()).is_ok());
    EXPECT_LE(again.dedup.counts().fingerprint_bytes, bytes_max);
    for (int i = 0; i < 20 * kPerBucket; i += 37) again.expect_known(i, i + 1, 19'000);
  }
}

TEST(IdStore, a_read_that_fails_is_tried_again_and_given_up_after_a_while) {
  ToyStore store;
  Task task(store);
  task.insert(0, 100, 0);
  task.dedup.seal();
  task.settle();
  store.failing_reads = 3;
  task.expect_known(0, 100, 0);
  EXPECT_EQ(store.failing_reads, 0);
  Task again(store);
  store.failing_reads = 0;
  ASSERT_TRUE(again.restore(task.snapshot()).is_ok());
  store.failing_reads = 1'000;
  const auto status = again.dedup.insert(again.dedup.hash_of("7"), EventTime(0)).status();
  EXPECT_EQ(status.code(), StatusCode::io);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/runs/"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("8 attempts"));
  EXPECT_EQ(store.failing_reads, 1'000 - 8);
  // Nothing has changed by it.
  store.failing_reads = 0;
  again.expect_known(0, 100, 0);
  again.insert(100, 110, 0);
}

// Nothing but a mistake of ours or somebody's hand makes such a snapshot; it is refused all the
// same.
TEST(IdStore, a_snapshot_whose_objects_are_not_those_of_its_state_refuses_the_restore) {
  ToyStore store;
  Task task(store, 1'000);
  task.dedup.set_open_ids_max(400);
  task.insert(0, 4'000, 0);
  ASSERT_TRUE(task.ids.flush(task.dedup).is_ok());
  const auto snapshot = task.snapshot();
  const auto names = task.ids.named_keys(task.dedup);
  const auto existing = store.list(kPrefix);
  for (const auto& missing : names) {
    auto others = names;
    std::erase(others, missing);
    Task other(store);
    Decoder from(snapshot);
    ASSERT_TRUE(other.dedup.restore(from).is_ok());
    EXPECT_EQ(other.ids.attach(other.dedup, *existing, others).code(), StatusCode::corrupt)
        << missing;
  }
  Task other(store);
  Decoder from(snapshot);
  ASSERT_TRUE(other.dedup.restore(from).is_ok());
  ASSERT_TRUE(other.ids.attach(other.dedup, *existing, names).is_ok());
  EXPECT_EQ(other.ids.named_keys(other.dedup), names);
}

TEST(IdStore, expired_buckets_leave_garbage_that_is_collected) {
  ToyStore store;
  Task task(store);
  task.insert(0, 100, 0);
  task.dedup.seal();
  task.ids.pump(task.dedup);  // on its way when its bucket expires
  task.insert(100, 200, 30'000);
  task.settle();
  EXPECT_EQ(task.run_count(), 0u);
  task.objects.collect(task.ids.keys_in_use(task.dedup));
  task.settle();
  EXPECT_EQ(store.list(kPrefix)->size(), 0u);
}

// Every block is whole, and yet they are not those of this run.
TEST(IdRunObject, merging_notices_blocks_of_another_place) {
  ToyStore store;
  std::vector<Hash128> ids;
  for (std::uint64_t i = 0; i < 600; ++i) ids.push_back({i, i});
  const task::SealedRun run(3, ids);
  const std::vector<RunToMerge> one{{kPrefix + "runs/one", run.name()}};
  auto bytes = std::string(run.bytes());
  const auto second = bytes.substr(task::kIdRunBlockBytes, task::kIdRunBlockBytes);
  const auto first = bytes.substr(0, task::kIdRunBlockBytes);
  bytes.replace(0, second.size(), second);
  bytes.replace(task::kIdRunBlockBytes, first.size(), first);
  ASSERT_TRUE(store.put(one[0].key, bytes, false).is_ok());
  EXPECT_EQ(merge_id_runs(store, 3, one).status().code(), StatusCode::corrupt);
  // Two runs with the same ids.
  const std::vector<RunToMerge> two{{kPrefix + "runs/a", run.name()},
                                    {kPrefix + "runs/b", run.name()}};
  for (const auto& input : two) ASSERT_TRUE(store.put(input.key, run.bytes(), false).is_ok());
  EXPECT_EQ(merge_id_runs(store, 3, two).status().code(), StatusCode::corrupt);
}

TEST(IdRunObject, merging_gives_the_sorted_union_and_notices_damage) {
  ToyStore store;
  Random random(7);
  std::vector<Hash128> all;
  std::vector<RunToMerge> inputs;
  for (const std::size_t count : {1, 300, 20'000, 255}) {
    std::vector<Hash128> ids;
    for (std::size_t i = 0; i < count; ++i) ids.push_back({random.next(), random.next()});
    all.insert(all.end(), ids.begin(), ids.end());
    task::sort_ids(ids);
    const task::SealedRun run(3, ids);
    inputs.push_back({id_run_key(kPrefix, run.name().content, "-1"), run.name()});
    ASSERT_TRUE(store.put(inputs.back().key, run.bytes(), false).is_ok());
  }
  task::sort_ids(all);
  const auto merged = merge_id_runs(store, 3, inputs);
  ASSERT_TRUE(merged.is_ok()) << merged.status().to_string();
  EXPECT_EQ(merged->second, task::SealedRun(3, all).bytes());
  std::vector<Hash128> read;
  ASSERT_TRUE(store.put("merged", merged->second, false).is_ok());
  ASSERT_TRUE(read_id_run(store, "merged", merged->first, [&](std::span<const Hash128> ids) {
                read.insert(read.end(), ids.begin(), ids.end());
              }).is_ok());
  EXPECT_EQ(read, all);
  store.objects[inputs[2].key][100'000] ^= 1;
  const auto status = merge_id_runs(store, 3, inputs).status();
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_THAT(std::string(status.message()), HasSubstr(inputs[2].key));
}

}  // namespace
}  // namespace millrace::runtime
