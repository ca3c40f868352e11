#include "task/fingerprint_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <ranges>
#include <set>
#include <string>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MR_COUNTS_BY_SANITIZER 1
#endif
#endif
#ifdef MR_COUNTS_BY_SANITIZER
#include <sanitizer/allocator_interface.h>
#else
#include <malloc.h>
#endif

#include "base/random.h"

namespace millrace::task {
namespace {

constexpr std::size_t kTableMin = 20 << 10;
constexpr std::size_t kTaskBytes = 1 << 20;

// By everybody in this process, as its heap counts.
std::size_t allocated_bytes() {
#ifdef MR_COUNTS_BY_SANITIZER
  return __sanitizer_get_current_allocated_bytes();
#else
  const auto heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
#endif
}

// A task's ids in `buckets` buckets of which the oldest goes when a new one comes; every id of them
// is known again by its seed.
class Buckets {
 public:
  explicit Buckets(FingerprintIndex& index) : index_(index) { begin(); }

  void begin() {
    tags_.push_back(next_tag_);
    counts_.push_back(0);
    next_tag_ = (next_tag_ + 1) % FingerprintTable::kTagCount;
    index_.set_live(tags_);
  }
  void drop_oldest() {
    live_ -= counts_.front();
    tags_.erase(tags_.begin());
    counts_.erase(counts_.begin());
    index_.set_live(tags_);
  }
  void insert(std::uint64_t fingerprint) {
    index_.insert(fingerprint, tags_.back());
    if (index_.is_too_large()) index_.fit();
    ++counts_.back();
    ++live_;
  }
  [[nodiscard]] std::size_t live() const { return live_; }
  [[nodiscard]] std::size_t count() const { return tags_.size(); }

 private:
  FingerprintIndex& index_;
  unsigned next_tag_ = 0;
  std::vector<unsigned> tags_;
  std::vector<std::size_t> counts_;
  std::size_t live_ = 0;
};

TEST(FingerprintIndex, takes_four_bytes_an_id_while_ids_come_turn_over_and_expire) {
  const auto before = allocated_bytes();
  FingerprintIndex index;
  Buckets buckets(index);
  Random random(1);
  const auto expect_small = [&] {
    const auto bytes = allocated_bytes() - before;
    ASSERT_LE(bytes, index.byte_count() + 4'096);
    ASSERT_LE(bytes, 4 * buckets.live() + kTaskBytes) << buckets.live() << " live ids";
  };
  constexpr std::size_t kPerBucket = 16'000;
  for (int bucket = 0; bucket < 40; ++bucket) {  // 25 of them live
    for (std::size_t i = 0; i < kPerBucket; ++i) {
      buckets.insert(random.next() >> 29);
      if (i % 500 == 0) ASSERT_NO_FATAL_FAILURE(expect_small());
    }
    if (buckets.count() == 25) buckets.drop_oldest();
    buckets.begin();
  }
  const auto full = index.byte_count();
  EXPECT_GT(index.listed_count(), 24 * kPerBucket);
  // Nothing comes any more, and everything goes.
  while (buckets.count() > 1) {
    buckets.drop_oldest();
    while (index.tidy(64)) continue;
    ASSERT_NO_FATAL_FAILURE(expect_small());
  }
  EXPECT_EQ(index.listed_count(), 0u);
  EXPECT_LT(index.byte_count(), kTableMin);
  EXPECT_GT(full, 20 * kTableMin);
}

// A restore decides by it what there is room for.
TEST(FingerprintIndex, ids_take_no_more_memory_than_is_said_of_so_many) {
  constexpr std::array<unsigned, 1> kTags{0};
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    FingerprintIndex index;
    index.set_live(kTags);
    for (std::uint64_t ids = 1; ids <= 60'000; ++ids) {
      index.insert(random.next() >> (64 - FingerprintTable::kFingerprintBits), 0);
      // Without the part that is left free for filters, which is rounded down.
      ASSERT_LE(index.byte_count(), FingerprintIndex::bytes_wanted(ids) / 8 * 7 + 8) << ids;
    }
  }
}

TEST(FingerprintIndex, stays_below_its_bound_and_forgets_nothing) {
  constexpr std::size_t kMax = 256 << 10;
  for (const bool in_one_bucket : {false, true}) {
    SCOPED_TRACE(in_one_bucket);
    const auto before = allocated_bytes();
    FingerprintIndex index;
    index.set_bytes_max(kMax);
    Buckets buckets(index);
    Random random(2);
    std::size_t compact_max = 0;
    // 256 KiB list 48,000 ids, and hold 200,000 if all but few have a byte.
    for (int i = 0; i < 400'000; ++i) {
      buckets.insert(random.next() >> 29);
      if (i % 16'000 == 0 && !in_one_bucket) buckets.begin();
      if (i == 40'000) EXPECT_FALSE(index.is_bounded());
      if (i == 170'000) {
        EXPECT_TRUE(index.is_bounded());
        for (unsigned tag = 0; tag < 32; ++tag) EXPECT_FALSE(index.is_unlisted(tag)) << tag;
      }
      compact_max = std::max(compact_max, index.compact_count());
      // No filter holds more than it is good for.
      ASSERT_GE(index.byte_count(), index.compact_count() + 3 * index.listed_count()) << i;
      ASSERT_LE(index.byte_count(), kMax) << i;
      if (i % 256 == 0) ASSERT_LE(allocated_bytes() - before, kMax + 8'192) << i;
    }
    EXPECT_GT(compact_max, 100'000u);
    EXPECT_TRUE(index.is_unlisted(0));
    // All that was inserted is found, and others mostly only in tags that nothing is known of.
    Random again(2);
    std::size_t listed_wrong = 0;
    unsigned tag = 0;
    for (int i = 0; i < 400'000; ++i) {
      const auto fingerprint = again.next() >> 29;
      const auto found = index.find(fingerprint);
      ASSERT_NE((found.listed | found.perhaps) >> tag & 1, 0u) << i;
      ASSERT_EQ(found.listed & found.perhaps, 0u);
      if (i % 16'000 == 0 && !in_one_bucket) ++tag;
      listed_wrong += index.find(random.next() >> 29).listed != 0 ? 1 : 0;
    }
    EXPECT_LT(listed_wrong, 10u);
    // With its buckets everything of them goes, and the next one of a tag begins anew.
    index.set_live({});
    while (index.tidy(64)) continue;
    EXPECT_FALSE(index.is_bounded());
    EXPECT_LT(index.byte_count(), kTableMin);
  }
}

// Fingerprint and tag of all that was inserted, whatever became of it in memory.
using Twin = std::set<std::pair<std::uint64_t, unsigned>>;

void expect_has(const FingerprintIndex& index, const Twin& twin) {
  for (const auto& [fingerprint, tag] : twin) {
    const auto found = index.find(fingerprint);
    ASSERT_NE((found.listed | found.perhaps) >> tag & 1, 0u) << fingerprint << " of " << tag;
  }
}

// An index that lives through dumps and loads under bounds that change.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) { begin_bucket(); }

  void step() {
    const auto count = random_.below(400);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto fingerprint = random_.next() >> 29;
      twin_.emplace(fingerprint, tags_.back());
      ++counts_[tags_.back()];
      index_.insert(fingerprint, tags_.back());
      if (!random_.one_in(4)) continue;
      if (index_.is_too_large()) index_.fit();
    }
    switch (random_.below(8)) {
      case 0:
        return begin_bucket();
      case 1:
        return index_.set_bytes_max(random_.one_in(4) ? FingerprintIndex::kNoBound
                                                      : kTableMin + random_.below(60'000));
      case 2:
        index_.tidy(random_.below(500));
        return;
      case 3:
        return dump_some();
      case 4:
        if (!parts_.empty() && !index_.is_dumping()) return load();
        return;
      default:
        return;
    }
  }
  [[nodiscard]] const FingerprintIndex& index() const { return index_; }
  [[nodiscard]] const Twin& twin() const { return twin_; }
  int loads = 0;
  int filter_loads = 0;
  int unlisted_loads = 0;

 private:
  void begin_bucket() {
    if (tags_.size() == 20) {
      std::erase_if(twin_, [&](const auto& entry) { return entry.second == tags_.front(); });
      counts_[tags_.front()] = 0;
      tags_.erase(tags_.begin());
    }
    tags_.push_back(next_tag_);
    next_tag_ = (next_tag_ + 1) % FingerprintTable::kTagCount;
    index_.set_live(tags_);
  }
  void dump_some() {
    if (!index_.is_dumping()) {
      index_.begin_dump();
      parts_.assign(1, "");
      dumped_ = twin_;
    }
    for (int i = 0; i < 4; ++i) {
      const auto step = index_.continue_dump(1 + random_.below(20'000), parts_.back());
      if (step == FingerprintIndex::DumpStep::done) {
        blocks_ = index_.block_count();
        std::erase_if(dumped_, [&](const auto& e) { return index_.is_unlisted(e.second); });
        index_.end_dump();
        return;
      }
      if (step == FingerprintIndex::DumpStep::part_ends || random_.one_in(3)) {
        parts_.emplace_back();
      }
    }
  }
  // Whose fingerprints the dump has not are read from runs.
  void load() {
    std::vector<FingerprintIndex::TagIds> ids;
    std::uint32_t covered = 0;
    for (const auto tag : tags_) ids.push_back({tag, counts_[tag]});
    for (const auto& entry : dumped_) covered |= 1u << entry.second;
    index_.begin_load(ids, covered, blocks_);
    for (const auto& part : std::views::reverse(parts_)) ASSERT_TRUE(index_.load(part).is_ok());
    ASSERT_TRUE(index_.end_dump_load().is_ok());
    filter_loads += index_.compact_count() > 0 ? 1 : 0;
    std::vector<FingerprintTable::Marked> marked;
    for (const auto& [fingerprint, tag] : twin_) {
      if (dumped_.contains({fingerprint, tag})) continue;
      if (!index_.take_loaded(fingerprint, tag)) marked.push_back({fingerprint, tag});
    }
    index_.insert_all(marked);
    index_.end_load();
    for (const auto tag : tags_) unlisted_loads += index_.is_unlisted(tag) ? 1 : 0;
    ++loads;
    expect_has(index_, twin_);
  }

  Random random_;
  FingerprintIndex index_;
  Twin twin_;
  Twin dumped_;
  std::vector<std::string> parts_;
  std::size_t blocks_ = 0;
  unsigned next_tag_ = 0;
  std::vector<unsigned> tags_;
  std::array<std::uint64_t, FingerprintTable::kTagCount> counts_{};
};

TEST(FingerprintIndex, forgets_nothing_under_bounds_that_change_in_dumps_and_in_loads) {
  int loads = 0;
  int filter_loads = 0;
  int unlisted_loads = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    for (int i = 0; i < 150; ++i) {
      world.step();
      if (i % 10 == 0) expect_has(world.index(), world.twin());
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "step " << i;
    }
    loads += world.loads;
    filter_loads += world.filter_loads;
    unlisted_loads += world.unlisted_loads;
  }
  EXPECT_GT(loads, 10);
  EXPECT_GT(filter_loads, 5);
  EXPECT_GT(unlisted_loads, 5);
}

// What an index of `ids` dumps.
std::vector<std::string> dump_of(FingerprintIndex& index, std::size_t bytes_max) {
  std::vector<std::string> parts(1);
  index.begin_dump();
  for (;;) {
    const auto step = index.continue_dump(bytes_max, parts.back());
    if (step == FingerprintIndex::DumpStep::done) break;
    if (step == FingerprintIndex::DumpStep::part_ends) parts.emplace_back();
  }
  index.end_dump();
  return parts;
}

// A joined block could get behind the dump.
TEST(FingerprintIndex, blocks_are_not_joined_while_they_are_dumped) {
  FingerprintIndex index;
  const std::vector<unsigned> tags{0, 1};
  index.set_live(tags);
  Random random(6);
  for (int i = 0; i < 60'000; ++i) index.insert(random.next() >> 29, i % 20 == 0 ? 1 : 0);
  const auto blocks = index.block_count();
  index.set_live(std::span(tags).subspan(1));
  std::string out;
  index.begin_dump();
  ASSERT_EQ(index.continue_dump(1'000, out), FingerprintIndex::DumpStep::more);
  while (index.tidy(1'000)) continue;
  EXPECT_EQ(index.listed_count(), 3'000u);
  EXPECT_EQ(index.block_count(), blocks);
  index.end_dump();
  while (index.tidy(1'000)) continue;
  EXPECT_LT(index.block_count(), blocks / 2);
}

TEST(FingerprintIndex, dumps_have_the_bytes_of_their_format) {
  FingerprintIndex index;
  const unsigned tags[] = {3, 4};
  index.set_live(tags);
  // 35 bits: head 0xa5c3, then 0b101, tail 0x96, number 0x0f.
  index.insert(std::uint64_t{0xa5c3} << 19 | std::uint64_t{5} << 16 | 0x960f, 4);
  auto parts = dump_of(index, 1'000);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0], std::string("MIFP\x01"
                                  "\x0f\0\0\0"
                                  "\x08"
                                  "\x01\0\0\0"
                                  "\xc3\xa5"
                                  "\xa4"
                                  "\x96",
                                  18));

  Random random(4);
  index.set_bytes_max(kTableMin + 4'000);
  while (!index.is_bounded()) {
    index.insert(random.next() >> 29, 3);
    index.fit();
  }
  while (index.tidy(1)) continue;
  parts = dump_of(index, 40);  // a piece of one block each
  ASSERT_EQ(parts.size(), 2u);
  const auto ids = index.compact_count();
  const auto& filters = parts[1];
  EXPECT_EQ(filters.substr(0, 5), "MIFF\x01");
  const auto pieces = (filters.size() - 5) / (25 + 32);
  ASSERT_GT(pieces, 1u);
  EXPECT_EQ((filters.size() - 5) % (25 + 32), 0u);
  for (std::size_t i = 0; i < pieces; ++i) {
    std::string head("\x03\0\0\0\0", 5);
    append_little(head, std::uint64_t{ids});
    append_little(head, static_cast<std::uint32_t>(pieces));
    append_little(head, static_cast<std::uint32_t>(i));
    append_little(head, std::uint32_t{1});
    EXPECT_EQ(filters.substr(5 + i * 57, 25), head);
  }
}

TEST(FingerprintIndex, damaged_dumps_are_refused_or_harmless_and_missing_pieces_noticed) {
  FingerprintIndex index;
  const std::vector<unsigned> tags{1, 2};
  Random random(5);
  index.set_live(tags);
  index.set_bytes_max(30'000);
  for (int i = 0; i < 6'000; ++i) {
    index.insert(random.next() >> 29, i < 3'000 ? 1 : 2);
    if (index.is_too_large()) index.fit();
  }
  const auto parts = dump_of(index, 300);
  ASSERT_EQ(parts.size(), 2u);
  FingerprintIndex loaded;
  loaded.set_live(tags);
  const auto load = [&](const std::vector<std::string>& from) {
    loaded.begin_load({{1, 3'000}, {2, 3'000}}, 0b110, 256);
    for (const auto& part : from) {
      auto status = loaded.load(part);
      if (!status.is_ok()) return status;
    }
    return loaded.end_dump_load();
  };
  ASSERT_TRUE(load({parts[1], parts[0]}).is_ok());
  EXPECT_EQ(load({parts[0], parts[1]}).code(), StatusCode::corrupt);
  const auto cut = parts[1].substr(0, 5 + 25 + 288);  // one piece of 9 blocks
  EXPECT_EQ(load({cut, parts[0]}).code(), StatusCode::corrupt);
  EXPECT_EQ(load({parts[1], parts[1], parts[0]}).code(), StatusCode::corrupt);
  for (const std::size_t which : {0, 1}) {
    auto other_version = parts[which];
    other_version[4] = 9;
    EXPECT_EQ(load({other_version}).code(), StatusCode::unsupported);
    for (int i = 0; i < 300; ++i) {
      auto damaged = parts[which].substr(0, random.below(parts[which].size()));
      for (int d = 0; d < 3 && !damaged.empty(); ++d) {
        damaged[random.below(damaged.size())] = static_cast<char>(random.next());
      }
      (void)load({damaged});
    }
  }
}

}  // namespace
}  // namespace millrace::task
