#include "task/dedup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include "base/random.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

constexpr std::uint64_t kSecret = 42;

TEST(Dedup, an_id_is_new_once) {
  Dedup dedup(24'000, kSecret);
  EXPECT_TRUE(*dedup.insert(dedup.hash_of("a"), EventTime(0)));
  EXPECT_FALSE(*dedup.insert(dedup.hash_of("a"), EventTime(0)));
  EXPECT_TRUE(*dedup.insert(dedup.hash_of("b"), EventTime(0)));
  EXPECT_TRUE(*dedup.insert(dedup.hash_of(""), EventTime(0)));
  EXPECT_FALSE(*dedup.insert(dedup.hash_of(""), EventTime(0)));
  EXPECT_EQ(dedup.counts().live_ids, 3u);
}

// TTL 24 000 makes buckets of 1 000: an id of watermark 5 500 is filed under [5 000, 6 000) and
// seen until the watermark passes 6 000 + 24 000.
TEST(Dedup, an_id_is_seen_until_the_watermark_passes_its_buckets_end_plus_ttl) {
  Dedup dedup(24'000, kSecret);
  ASSERT_TRUE(*dedup.insert(dedup.hash_of("a"), EventTime(5'500)));
  EXPECT_FALSE(*dedup.insert(dedup.hash_of("a"), EventTime(29'500)));
  EXPECT_FALSE(*dedup.insert(dedup.hash_of("a"), EventTime(30'000)));
  EXPECT_TRUE(*dedup.insert(dedup.hash_of("a"), EventTime(30'001)));
}

TEST(Dedup, seeing_an_id_again_does_not_prolong_it) {
  Dedup dedup(24'000, kSecret);
  ASSERT_TRUE(*dedup.insert(dedup.hash_of("a"), EventTime(0)));
  ASSERT_FALSE(*dedup.insert(dedup.hash_of("a"), EventTime(24'999)));
  EXPECT_TRUE(*dedup.insert(dedup.hash_of("a"), EventTime(25'001)));
}

TEST(Dedup, ids_from_before_the_first_watermark_count_from_the_first_one) {
  Dedup dedup(24'000, kSecret);
  ASSERT_TRUE(*dedup.insert(dedup.hash_of("a"), kNoWatermark));
  EXPECT_FALSE(*dedup.insert(dedup.hash_of("a"), kNoWatermark));
  EXPECT_FALSE(*dedup.insert(dedup.hash_of("a"), EventTime(1'000'500)));
  EXPECT_FALSE(
      *dedup.insert(dedup.hash_of("a"), EventTime(1'025'000)));  // [1 000 000, 1 001 000) + 24 000
  EXPECT_TRUE(*dedup.insert(dedup.hash_of("a"), EventTime(1'025'001)));
}

TEST(Dedup, a_snapshot_of_another_ttl_or_secret_is_refused) {
  Dedup dedup(24'000, kSecret);
  ASSERT_TRUE(*dedup.insert(dedup.hash_of("a"), EventTime(0)));
  std::string bytes;
  Encoder to(bytes);
  dedup.snapshot(to);
  const auto restore = [&](std::int64_t ttl_us, std::uint64_t secret) {
    Dedup other(ttl_us, secret);
    Decoder from(bytes);
    return other.restore(from);
  };
  EXPECT_TRUE(restore(24'000, kSecret).is_ok());
  EXPECT_EQ(restore(48'000, kSecret).code(), StatusCode::invalid);
  EXPECT_EQ(restore(24'000, 43).code(), StatusCode::invalid);
}

TEST(Dedup, a_cut_snapshot_is_noticed) {
  Dedup dedup(24'000, kSecret);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(*dedup.insert(dedup.hash_of(std::to_string(i)), EventTime(i * 700)));
    if (i % 20 == 19) dedup.seal();
  }
  std::string bytes;
  Encoder to(bytes);
  dedup.snapshot(to);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    Dedup other(24'000, kSecret);
    Decoder from(std::string_view(bytes).substr(0, length));
    const auto status = other.restore(from);
    EXPECT_FALSE(status.is_ok() && from.finish("dedup").is_ok()) << length;
  }
}

// R16 as it is written, over all ids: id -> number of its bucket.
class MapTwin {
 public:
  explicit MapTwin(std::int64_t ttl_us)
      : ttl_us_(ttl_us), bucket_us_(std::max<std::int64_t>(1, ttl_us / 24)) {}

  bool insert(const Hash128& id, EventTime watermark) {
    if (watermark != kNoWatermark) {
      for (auto& [known, bucket] : buckets_) {
        if (!bucket) bucket = floor_div(watermark.value, bucket_us_);
      }
      std::erase_if(buckets_, [&](const auto& entry) {
        return watermark.value > (*entry.second + 1) * bucket_us_ + ttl_us_;
      });
    }
    std::optional<std::int64_t> bucket;
    if (watermark != kNoWatermark) bucket = floor_div(watermark.value, bucket_us_);
    return buckets_.try_emplace(id, bucket).second;
  }
  [[nodiscard]] std::size_t size() const { return buckets_.size(); }

 private:
  static std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    std::int64_t q = 0;
    while (q * b > a) --q;
    while ((q + 1) * b <= a) ++q;
    return q;
  }

  std::int64_t ttl_us_;
  std::int64_t bucket_us_;
  std::map<Hash128, std::optional<std::int64_t>> buckets_;
};

// A runtime that keeps what it is given in a map, attaches late, merges and dumps as it likes, and
// restores into a new Dedup.
class ToyRuntime {
 public:
  ToyRuntime(std::int64_t ttl_us, std::uint64_t secret, Random& random)
      : ttl_us_(ttl_us), secret_(secret), random_(random), dedup_(make()) {}

  Dedup& dedup() { return *dedup_; }

  void do_something() {
    switch (random_.below(8)) {
      case 0:
        return dedup_->seal();
      case 1:
        return attach_some();
      case 2:
        return merge_some();
      case 3:
        return dump_some();
      case 4:
        return restore();
      case 5:
        return bound();
      case 6:
        dedup_->tidy(random_.below(300));
        return;
      default:
        return dedup_->set_open_ids_max(1 + random_.below(40));
    }
  }
  // Ids that the bound had something else for than a fingerprint, at restores.
  [[nodiscard]] std::uint64_t compact_ids() const { return compact_ids_; }
  [[nodiscard]] std::uint64_t unlisted_ids() const { return unlisted_ids_; }
  [[nodiscard]] int restores() const { return restores_; }
  [[nodiscard]] int merges() const { return merges_; }
  [[nodiscard]] int dumps() const { return dumps_; }

 private:
  using Ids = std::vector<Hash128>;

  std::unique_ptr<Dedup> make() { return std::make_unique<Dedup>(ttl_us_, secret_); }

  void take() {
    for (const auto& run : dedup_->take_sealed_runs()) {
      Ids ids;
      for (std::size_t block = 0; block < run->name().block_count(); ++block) {
        for (std::size_t i = 0; i < ids_in_block(run->name(), block); ++i) {
          ids.push_back(id_at(run->bytes().substr(block * kIdRunBlockBytes), i));
        }
      }
      stored_[run->name().content] = ids;
    }
  }
  std::shared_ptr<IdRunReader> reader(const Hash128& content) {
    return std::make_shared<SealedRun>(0, stored_.at(content));
  }
  void attach_some() {
    take();
    for (const auto& run : dedup_->runs()) {
      if (random_.one_in(2)) continue;
      ASSERT_TRUE(dedup_->attach_run(run.name.content, reader(run.name.content)));
    }
  }
  // Often just above what the table takes at least.
  void bound() {
    bytes_max_ =
        random_.one_in(8) ? random_.below(1'000) : (std::size_t{18} << 10) + random_.below(20'000);
    if (random_.one_in(8)) bytes_max_ = FingerprintIndex::kNoBound;
    dedup_->set_fingerprint_bytes_max(bytes_max_);
  }
  void merge_some() {
    std::map<std::int64_t, std::vector<IdRunName>> by_bucket;
    for (const auto& run : dedup_->runs()) {
      if (run.is_attached && !random_.one_in(4)) by_bucket[run.bucket].push_back(run.name);
    }
    for (const auto& [bucket, inputs] : by_bucket) {
      if (inputs.size() < 2) continue;
      Ids ids;
      for (const auto& input : inputs) {
        const auto& more = stored_.at(input.content);
        ids.insert(ids.end(), more.begin(), more.end());
      }
      sort_ids(ids);
      const auto merged = std::make_shared<SealedRun>(bucket, ids);
      stored_[merged->name().content] = ids;
      ASSERT_TRUE(dedup_->replace_runs(inputs, merged->name(), merged));
      ASSERT_FALSE(dedup_->replace_runs(inputs, merged->name(), merged));
      ++merges_;
    }
  }
  void dump_some() {
    if (!dedup_->is_dumping()) {
      dedup_->begin_dump();
      parts_.clear();
    }
    for (int i = 0; i < 2; ++i) {
      const auto step = dedup_->continue_dump(1 + random_.below(3'000), parts_.emplace_back());
      if (step != Dedup::DumpStep::done) continue;
      std::vector<Dedup::DumpPart> names;
      for (const auto& part : parts_) {
        names.push_back({hash128(part, 0), part.size()});
        dumps_by_name_[names.back().content] = part;
      }
      dedup_->finish_dump(names);
      ++dumps_;
      return;
    }
  }
  void restore() {
    dedup_->prepare_snapshot();
    take();
    std::string bytes;
    Encoder to(bytes);
    dedup_->snapshot(to);
    dedup_ = make();
    Decoder from(bytes);
    ASSERT_TRUE(dedup_->restore(from).is_ok());
    ASSERT_TRUE(from.finish("dedup").is_ok());
    dedup_->set_fingerprint_bytes_max(bytes_max_);
    dedup_->begin_fingerprints(!dedup_->dump_parts().empty());
    for (const auto& part : std::views::reverse(dedup_->dump_parts())) {
      ASSERT_TRUE(dedup_->load_dump_part(dumps_by_name_.at(part.content)).is_ok());
    }
    ASSERT_TRUE(dedup_->end_dump_parts().is_ok());
    for (const auto& run : dedup_->runs()) {
      ASSERT_TRUE(dedup_->attach_run(run.name.content, reader(run.name.content)));
      if (run.is_covered || run.is_unlisted) continue;
      dedup_->add_fingerprints(run.name.content, stored_.at(run.name.content));
    }
    dedup_->finish_fingerprints();
    compact_ids_ += dedup_->counts().compact_ids;
    unlisted_ids_ += dedup_->counts().unlisted_ids;
    ++restores_;
  }

  std::int64_t ttl_us_;
  std::uint64_t secret_;
  Random& random_;
  std::unique_ptr<Dedup> dedup_;
  std::size_t bytes_max_ = FingerprintIndex::kNoBound;
  std::map<Hash128, Ids> stored_;
  std::map<Hash128, std::string> dumps_by_name_;
  std::vector<std::string> parts_;
  std::uint64_t compact_ids_ = 0;
  std::uint64_t unlisted_ids_ = 0;
  int restores_ = 0;
  int merges_ = 0;
  int dumps_ = 0;
};

// `high_count` distinct high words, and so fingerprints: with few of them nearly every look-up is a
// false positive.
struct Seen {
  int merges = 0;
  std::uint64_t compact_ids = 0;
  std::uint64_t unlisted_ids = 0;
  std::uint64_t direct_lookups = 0;
};
void live_through(std::uint64_t seed, std::uint64_t high_count, Seen& seen) {
  SCOPED_TRACE("seed " + std::to_string(seed) + " of " + std::to_string(high_count));
  Random random(seed);
  const std::int64_t ttl_us = 1 + static_cast<std::int64_t>(random.below(24 * 20));
  ToyRuntime runtime(ttl_us, seed, random);
  MapTwin twin(ttl_us);
  EventTime watermark = kNoWatermark;
  std::int64_t now = -1'000;  // negative times floor towards minus infinity
  for (int i = 0; i < 2'000; ++i) {
    const Hash128 id{
        random.below(high_count == 0 ? 4'000 : 300) * 0x9e3779b97f4a7c15ULL,
        high_count == 0 ? random.below(3) * 0x0123456789abcdefULL : random.below(high_count)};
    runtime.dedup().prefetch(id);
    const auto is_new = runtime.dedup().insert(id, watermark);
    ASSERT_TRUE(is_new.is_ok());
    ASSERT_EQ(*is_new, twin.insert(id, watermark)) << "step " << i;
    ASSERT_EQ(runtime.dedup().counts().live_ids, twin.size()) << "step " << i;
    if (random.one_in(3)) {
      now += static_cast<std::int64_t>(random.below(random.one_in(10) ? 60 : 6));
      watermark = EventTime(now);
    }
    if (random.one_in(8)) runtime.do_something();
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(runtime.restores(), 0);
  EXPECT_GT(runtime.dumps(), 0);
  seen.merges += runtime.merges();
  seen.compact_ids += runtime.compact_ids();
  seen.unlisted_ids += runtime.unlisted_ids();
  seen.direct_lookups += runtime.dedup().counts().direct_lookups;
}

TEST(Dedup, agrees_with_a_map_of_ids_and_buckets_wherever_ids_are_kept) {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) live_through(seed, 0, seen);
  EXPECT_GT(seen.merges, 100);
  EXPECT_GT(seen.compact_ids, 1'000u);
  EXPECT_GT(seen.unlisted_ids, 1'000u);
  EXPECT_GT(seen.direct_lookups, 1'000u);
}

TEST(Dedup, false_positives_of_the_fingerprints_change_no_answer) {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) live_through(seed, 1 + seed % 3, seen);
  EXPECT_GT(seen.merges, 100);
}

TEST(Dedup, reads_runs_only_for_ids_whose_fingerprint_is_there) {
  Dedup dedup(24'000, kSecret);
  dedup.set_open_ids_max(100);
  for (int i = 0; i < 5'000; ++i) {
    ASSERT_TRUE(*dedup.insert(dedup.hash_of(std::to_string(i)), EventTime(i)));
  }
  EXPECT_EQ(dedup.counts().run_lookups, 0u);
  EXPECT_EQ(dedup.counts().fingerprints, 5'000u);
  EXPECT_FALSE(*dedup.insert(dedup.hash_of("17"), EventTime(5'000)));
  // Bucket [0, 1 000) has ten runs; the newest are asked first.
  EXPECT_EQ(dedup.counts().run_lookups, 10u);
}

TEST(Dedup, a_dump_does_not_cover_what_became_unlisted_meanwhile) {
  for (const bool is_bounded : {false, true}) {
    Dedup dedup(24'000, kSecret);
    for (int i = 0; i < 3'000; ++i) {
      ASSERT_TRUE(*dedup.insert(dedup.hash_of(std::to_string(i)), EventTime(0)));
    }
    dedup.seal();
    dedup.begin_dump();
    std::string part;
    ASSERT_EQ(dedup.continue_dump(1'000, part), Dedup::DumpStep::more);
    if (is_bounded) dedup.set_fingerprint_bytes_max(1);
    dedup.tidy(1'000);
    while (dedup.continue_dump(100'000, part) != Dedup::DumpStep::done) continue;
    dedup.finish_dump({{hash128(part, 0), part.size()}});
    ASSERT_EQ(dedup.runs().size(), 1u);
    EXPECT_EQ(dedup.runs()[0].is_covered, !is_bounded);
    EXPECT_EQ(dedup.runs()[0].is_unlisted, is_bounded);
    // Nothing that another dump could do.
    EXPECT_EQ(dedup.uncovered_ids(), 0u);
  }
}

TEST(Dedup, a_run_that_cannot_be_read_is_an_error_and_files_nothing) {
  class Broken final : public IdRunReader {
   public:
    Result<bool> contains(const Hash128&) override { return io_error("the disk is gone"); }
  };
  Dedup dedup(24'000, kSecret);
  ASSERT_TRUE(*dedup.insert(dedup.hash_of("a"), EventTime(0)));
  dedup.seal();
  ASSERT_TRUE(dedup.attach_run(dedup.runs().front().name.content, std::make_shared<Broken>()));
  EXPECT_EQ(dedup.unattached_runs(), 0u);
  EXPECT_EQ(dedup.insert(dedup.hash_of("a"), EventTime(0)).status().code(), StatusCode::io);
  EXPECT_TRUE(*dedup.insert(dedup.hash_of("b"), EventTime(0)));
  EXPECT_EQ(dedup.counts().live_ids, 2u);
}

TEST(Dedup, few_open_ids_stay_in_the_snapshot_and_many_are_sealed_before_it) {
  Dedup dedup(24'000, kSecret);
  for (std::size_t i = 0; i < Dedup::kSnapshotIdsMax; ++i) {
    ASSERT_TRUE(*dedup.insert(dedup.hash_of(std::to_string(i)), EventTime(0)));
  }
  dedup.prepare_snapshot();
  EXPECT_EQ(dedup.counts().runs, 0u);
  ASSERT_TRUE(*dedup.insert(dedup.hash_of("one more"), EventTime(0)));
  dedup.prepare_snapshot();
  EXPECT_EQ(dedup.counts().runs, 1u);
  std::string bytes;
  Encoder to(bytes);
  dedup.snapshot(to);
  EXPECT_LT(bytes.size(), 100u);
}

}  // namespace
}  // namespace millrace::task
