#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "task/dedup.h"
#include "task/watermark.h"

// A deduplication that follows another one: it never stores a run, and takes the other one's.

namespace millrace::task {
namespace {

constexpr std::uint64_t kSecret = 42;
constexpr std::int64_t kTtlUs = 24'000;

// What stores have: the runs of the owner, by content.
using Stored = std::map<Hash128, std::shared_ptr<SealedRun>>;

std::unique_ptr<Dedup> restored(const std::string& snapshot) {
  auto dedup = std::make_unique<Dedup>(kTtlUs, kSecret);
  Decoder from(snapshot);
  EXPECT_TRUE(dedup->restore(from).is_ok());
  return dedup;
}

std::string snapshot_of(const Dedup& dedup) {
  std::string bytes;
  Encoder to(bytes);
  dedup.snapshot(to);
  return bytes;
}

void attach_all(Dedup& dedup, const Stored& stored) {
  for (const auto& run : dedup.runs()) {
    const auto known = stored.find(run.name.content);
    ASSERT_NE(known, stored.end());
    if (!run.is_attached) dedup.attach_run(run.name.content, known->second);
  }
}

void store(Dedup& dedup, Stored& stored) {
  for (const auto& run : dedup.take_sealed_runs()) {
    stored[run->name().content] = std::const_pointer_cast<SealedRun>(run);
  }
  attach_all(dedup, stored);
}

struct Step {
  Hash128 id;
  EventTime watermark;
};

std::vector<Step> random_steps(Random& random, std::size_t count) {
  std::vector<Step> steps;
  auto watermark = kNoWatermark;
  for (std::size_t i = 0; i < count; ++i) {
    if (i == 40) watermark = EventTime(500);
    if (i > 40 && random.one_in(4)) {
      watermark = watermark + static_cast<std::int64_t>(random.below(800));
    }
    steps.push_back({hash128(std::to_string(random.below(count)), 1), watermark});
  }
  return steps;
}

// The owner seals when it likes, and takes snapshots; the follower hears of each some steps later.
void run(std::uint64_t seed) {
  Random random(seed);
  Stored stored;
  Dedup owner(kTtlUs, kSecret);
  owner.set_open_ids_max(1 + random.below(60));
  Dedup follower(kTtlUs, kSecret);
  follower.set_open_ids_max(OpenIds::kIdsMax);
  const auto steps = random_steps(random, 600);
  std::size_t followed = 0;
  std::string snapshot;
  std::size_t snapshot_at = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    ASSERT_TRUE(owner.insert(steps[i].id, steps[i].watermark).is_ok());
    store(owner, stored);
    if (random.one_in(50)) {
      snapshot = snapshot_of(owner);
      snapshot_at = i + 1;
    }
    if (!random.one_in(30)) continue;
    Dedup twin(kTtlUs, kSecret);  // that never follows
    for (std::size_t k = 0; k < followed; ++k) {
      ASSERT_TRUE(twin.insert(steps[k].id, steps[k].watermark).is_ok());
    }
    for (; followed <= i; ++followed) {
      const auto& [id, watermark] = steps[followed];
      const auto expected = twin.insert(id, watermark);
      const auto given = follower.insert(id, watermark);
      ASSERT_TRUE(given.is_ok());
      ASSERT_EQ(*given, *expected) << "seed " << seed << " step " << followed;
    }
    if (snapshot.empty() || snapshot_at > followed) continue;
    const auto live = follower.counts().live_ids;
    const auto status = follower.follow_runs(*restored(snapshot));
    ASSERT_TRUE(status.is_ok()) << "seed " << seed << ": " << status.to_string();
    attach_all(follower, stored);
    EXPECT_EQ(follower.counts().live_ids, live);
    EXPECT_EQ(follower.unattached_runs(), 0U);
    // Of an owner without a watermark nothing is taken.
    if (steps[snapshot_at - 1].watermark == kNoWatermark) continue;
    const auto open_then = restored(snapshot)->counts().open_ids;
    EXPECT_LE(follower.counts().open_ids, open_then + followed - snapshot_at) << "seed " << seed;
  }
}

TEST(DedupFollower, answers_as_one_that_keeps_all_ids_itself) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) run(seed);
}

TEST(DedupFollower, what_is_of_another_history_is_refused) {
  Dedup owner(kTtlUs, kSecret);
  Dedup follower(kTtlUs, kSecret);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(*owner.insert(hash128(std::to_string(i), 1), EventTime(500)));
  }
  owner.seal();
  ASSERT_TRUE(*follower.insert(hash128("0", 1), EventTime(500)));
  EXPECT_EQ(follower.follow_runs(*restored(snapshot_of(owner))).code(), StatusCode::corrupt);
}

}  // namespace
}  // namespace millrace::task
