#include "task/dedup.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "base/random.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

constexpr std::uint64_t kSecret = 42;

TEST(Dedup, an_id_is_new_once) {
  Dedup dedup(24'000, kSecret);
  EXPECT_TRUE(dedup.insert(dedup.hash_of("a"), EventTime(0)));
  EXPECT_FALSE(dedup.insert(dedup.hash_of("a"), EventTime(0)));
  EXPECT_TRUE(dedup.insert(dedup.hash_of("b"), EventTime(0)));
  EXPECT_TRUE(dedup.insert(dedup.hash_of(""), EventTime(0)));
  EXPECT_FALSE(dedup.insert(dedup.hash_of(""), EventTime(0)));
  EXPECT_EQ(dedup.live_ids(), 3u);
}

// TTL 24 000 makes buckets of 1 000: an id of watermark 5 500 is filed under [5 000, 6 000) and
// seen until the watermark passes 6 000 + 24 000.
TEST(Dedup, an_id_is_seen_until_the_watermark_passes_its_buckets_end_plus_ttl) {
  Dedup dedup(24'000, kSecret);
  ASSERT_TRUE(dedup.insert(dedup.hash_of("a"), EventTime(5'500)));
  EXPECT_FALSE(dedup.insert(dedup.hash_of("a"), EventTime(29'500)));
  EXPECT_FALSE(dedup.insert(dedup.hash_of("a"), EventTime(30'000)));
  EXPECT_TRUE(dedup.insert(dedup.hash_of("a"), EventTime(30'001)));
}

TEST(Dedup, seeing_an_id_again_does_not_prolong_it) {
  Dedup dedup(24'000, kSecret);
  ASSERT_TRUE(dedup.insert(dedup.hash_of("a"), EventTime(0)));
  ASSERT_FALSE(dedup.insert(dedup.hash_of("a"), EventTime(24'999)));
  EXPECT_TRUE(dedup.insert(dedup.hash_of("a"), EventTime(25'001)));
}

TEST(Dedup, ids_from_before_the_first_watermark_count_from_the_first_one) {
  Dedup dedup(24'000, kSecret);
  ASSERT_TRUE(dedup.insert(dedup.hash_of("a"), kNoWatermark));
  EXPECT_FALSE(dedup.insert(dedup.hash_of("a"), kNoWatermark));
  EXPECT_FALSE(dedup.insert(dedup.hash_of("a"), EventTime(1'000'500)));
  EXPECT_FALSE(
      dedup.insert(dedup.hash_of("a"), EventTime(1'025'000)));  // [1 000 000, 1 001 000) + 24 000
  EXPECT_TRUE(dedup.insert(dedup.hash_of("a"), EventTime(1'025'001)));
}

TEST(Dedup, a_snapshot_of_another_ttl_or_secret_is_refused) {
  Dedup dedup(24'000, kSecret);
  ASSERT_TRUE(dedup.insert(dedup.hash_of("a"), EventTime(0)));
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
  for (int i = 0; i < 50; ++i) dedup.insert(dedup.hash_of(std::to_string(i)), EventTime(i * 700));
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

// R16 as it is written, over the plain ids: id -> number of its bucket.
class MapTwin {
 public:
  explicit MapTwin(std::int64_t ttl_us) : ttl_us_(ttl_us), bucket_us_(ttl_us / 24) {}

  bool insert(const std::string& id, EventTime watermark) {
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
  std::map<std::string, std::optional<std::int64_t>> buckets_;
};

TEST(Dedup, agrees_with_a_map_of_ids_and_buckets_across_snapshots) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::int64_t ttl_us = 24 * (1 + static_cast<std::int64_t>(random.below(20)));
    Dedup dedup(ttl_us, seed);
    MapTwin twin(ttl_us);
    EventTime watermark = kNoWatermark;
    std::int64_t now = -1'000;  // negative times floor towards minus infinity
    for (int i = 0; i < 1'000; ++i) {
      const auto id = std::to_string(random.below(60));
      ASSERT_EQ(dedup.insert(dedup.hash_of(id), watermark), twin.insert(id, watermark))
          << "step " << i;
      ASSERT_EQ(dedup.live_ids(), twin.size()) << "step " << i;
      if (random.one_in(3)) {
        now += static_cast<std::int64_t>(random.below(random.one_in(10) ? 60 : 6));
        watermark = EventTime(now);
      }
      if (!random.one_in(50)) continue;
      std::string bytes;
      Encoder to(bytes);
      dedup.snapshot(to);
      dedup = Dedup(ttl_us, seed);
      Decoder from(bytes);
      ASSERT_TRUE(dedup.restore(from).is_ok());
      ASSERT_TRUE(from.finish("dedup").is_ok());
    }
  }
}

}  // namespace
}  // namespace millrace::task
