#include "task/fingerprint_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"

namespace millrace::task {
namespace {

constexpr std::uint64_t kFingerprints = std::uint64_t{1} << 35;

// Fingerprint -> tags.
using Twin = std::map<std::uint64_t, std::uint32_t>;

void expect_agrees(const FingerprintTable& table, const Twin& twin) {
  for (const auto& [fingerprint, tags] : twin) ASSERT_EQ(table.find(fingerprint), tags);
}

// `spread` in bits: few of them make long blocks and many equal planes.
std::uint64_t random_fingerprint(Random& random, int spread) {
  return random.next() >> (64 - spread) << (35 - spread) | (spread < 20 ? random.below(3) : 0);
}

TEST(FingerprintTable, finds_the_tags_of_what_was_inserted_while_it_grows) {
  for (const int spread : {35, 21, 9}) {
    SCOPED_TRACE(spread);
    Random random(static_cast<std::uint64_t>(spread));
    FingerprintTable table;
    Twin twin;
    for (int i = 0; i < 60'000; ++i) {
      const auto fingerprint = random_fingerprint(random, spread);
      const auto tag = static_cast<unsigned>(random.below(32));
      const auto known = twin.find(fingerprint);
      ASSERT_EQ(table.find(fingerprint), known == twin.end() ? 0u : known->second) << i;
      table.prefetch(fingerprint);
      table.insert_if_absent(fingerprint, tag);
      twin[fingerprint] |= 1u << tag;
    }
    expect_agrees(table, twin);
    EXPECT_LE(table.size(), FingerprintTable::kMeanEntries * table.block_count());
  }
}

TEST(FingerprintTable, inserts_many_at_once_as_it_does_one_by_one) {
  for (const std::size_t first : {0, 300, 200'000}) {
    SCOPED_TRACE(first);
    Random random(first + 1);
    FingerprintTable table;
    FingerprintTable one_by_one;
    Twin twin;
    for (const std::size_t count : {first, std::size_t{70'000}, std::size_t{0}, std::size_t{1}}) {
      std::vector<FingerprintTable::Marked> entries;
      for (std::size_t i = 0; i < count; ++i) {
        const auto fingerprint = random_fingerprint(random, i % 3 == 0 ? 9 : 35);
        entries.push_back({fingerprint, random.below(32)});
        twin[fingerprint] |= 1u << entries.back().tag;
        one_by_one.insert_if_absent(fingerprint, entries.back().tag);
      }
      table.insert_all_if_absent(entries);
      expect_agrees(table, twin);
      EXPECT_EQ(table.size(), one_by_one.size());
      EXPECT_EQ(table.block_count(), one_by_one.block_count());
    }
  }
}

TEST(FingerprintTable, all_35_bits_count_at_every_size) {
  FingerprintTable table;
  Random random(8);
  const auto base = random.next() % kFingerprints;
  table.insert(base, 3);
  for (std::size_t inserted = 7; inserted < 8'000'000; inserted *= 4) {
    SCOPED_TRACE(inserted);
    while (table.size() < inserted) {
      table.insert(random.next() % kFingerprints, 5);
      ASSERT_LE(table.byte_count(), 4 * table.size() + (1 << 20));
    }
    EXPECT_NE(table.find(base) & 1u << 3, 0u);
    for (int bit = 0; bit < 35; ++bit) {
      EXPECT_EQ(table.find(base ^ std::uint64_t{1} << bit) & 1u << 3, 0u) << bit;
    }
  }
  EXPECT_LT(table.byte_count(), table.size() * 15 / 4);
}

TEST(FingerprintTable, a_sweep_removes_other_tags_and_gives_their_memory_back) {
  FingerprintTable table;
  Twin twin;
  Random random(9);
  for (int i = 0; i < 50'000; ++i) {
    const auto fingerprint = random.next() % kFingerprints;
    const auto tag = static_cast<unsigned>(i / 5'000);
    table.insert(fingerprint, tag);
    twin[fingerprint] |= 1u << tag;
  }
  const auto bytes_before = table.byte_count();
  constexpr std::uint32_t kLive = 0x300;  // the last 10 000
  // Half of tag 7 is taken by somebody else.
  Twin taken;
  const auto take = [&](std::uint64_t fingerprint, unsigned tag) {
    EXPECT_EQ(tag, 7u);
    if (fingerprint % 2 == 0) return false;
    taken[fingerprint] |= 1u << tag;
    return true;
  };
  Twin wanted_taken;
  for (const auto& [fingerprint, tags] : twin) {
    if (fingerprint % 2 != 0 && (tags >> 7 & 1) != 0) wanted_taken[fingerprint] = 1u << 7;
  }
  table.start_sweep();
  while (table.is_sweeping()) {
    const auto fingerprint = random.next() % kFingerprints;
    table.insert(fingerprint, 20);
    twin[fingerprint] |= 1u << 20;
    table.sweep_some(2, kLive | 1u << 20 | 1u << 7, 1u << 7, take);
  }
  EXPECT_EQ(taken, wanted_taken);
  std::size_t live = 0;
  for (const auto& [fingerprint, tags] : twin) {
    const auto wanted = tags & (kLive | 1u << 20 | (fingerprint % 2 == 0 ? 1u << 7 : 0));
    ASSERT_EQ(table.find(fingerprint), wanted);
    live += wanted != 0 ? 1 : 0;
  }
  EXPECT_EQ(table.size(), live);
  EXPECT_LT(table.byte_count(), bytes_before / 2);
}

// Through levels that store eight, four and two bits of the third plane, and back.
TEST(FingerprintTable, joins_blocks_again_when_few_entries_are_left) {
  FingerprintTable table;
  Twin twin;
  Random random(12);
  constexpr int kEntries = 450'000;
  for (int i = 0; i < kEntries; ++i) {
    const auto fingerprint = random.next() % kFingerprints;
    const unsigned tag = i % 50 == 0 ? 2 : 1;
    table.insert(fingerprint, tag);
    if (tag == 2) twin[fingerprint] |= 1u << tag;
  }
  const auto blocks = table.block_count();
  EXPECT_FALSE(table.is_sparse());
  table.start_sweep();
  EXPECT_FALSE(table.is_sparse());
  table.sweep_some(blocks, 1u << 2, 0, {});
  EXPECT_EQ(table.size(), std::size_t{kEntries / 50});
  EXPECT_EQ(table.count_of(1), 0u);
  EXPECT_EQ(table.count_of(2), std::size_t{kEntries / 50});
  while (table.is_sparse()) {
    table.join_last();
    if (table.block_count() % 500 == 0) expect_agrees(table, twin);
  }
  expect_agrees(table, twin);
  EXPECT_EQ(table.block_count(), FingerprintTable::kBlocksMin);
  for (int bit = 0; bit < 35; ++bit) {
    const auto& fingerprint = twin.begin()->first;
    EXPECT_EQ(table.find(fingerprint ^ std::uint64_t{1} << bit), 0u) << bit;
  }
  while (table.block_count() < 1'000) {
    const auto fingerprint = random.next() % kFingerprints;
    table.insert(fingerprint, 3);
    twin[fingerprint] |= 1u << 3;
  }
  expect_agrees(table, twin);
}

TEST(FingerprintTable, a_dump_loads_into_a_table_of_its_shape) {
  FingerprintTable table;
  Twin twin;
  Random random(10);
  for (int i = 0; i < 30'000; ++i) {
    const auto fingerprint = random.next() % kFingerprints;
    const auto tag = static_cast<unsigned>(random.below(4));
    table.insert(fingerprint, tag);
    twin[fingerprint] |= 1u << tag;
  }
  std::string dumped;
  EXPECT_EQ(table.dump(0, ~std::size_t{0} >> 1, dumped), table.block_count());
  FingerprintTable loaded;
  ASSERT_TRUE(loaded.reserve(table.block_count()).is_ok());
  ASSERT_TRUE(loaded.load(dumped, 0b1011, 0, {}).is_ok());
  for (const auto& [fingerprint, tags] : twin) ASSERT_EQ(loaded.find(fingerprint), tags & 0b1011);
  EXPECT_EQ(loaded.block_count(), table.block_count());
}

TEST(FingerprintTable, a_dump_made_while_it_grows_misses_nothing_of_before) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    FingerprintTable table;
    Twin before;
    const auto count = random.below(60'000);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto fingerprint = random.next() % kFingerprints;
      table.insert(fingerprint, 1);
      before[fingerprint] |= 2;
    }
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < table.block_count();) {
      at = table.dump(at, 1 + random.below(20'000), parts.emplace_back());
      const auto more = random.below(2'000);
      for (std::uint64_t i = 0; i < more; ++i) table.insert(random.next() % kFingerprints, 2);
    }
    FingerprintTable loaded;
    ASSERT_TRUE(loaded.reserve(table.block_count()).is_ok());
    for (const auto& part : parts) ASSERT_TRUE(loaded.load(part, ~0u, 0, {}).is_ok());
    for (const auto& [fingerprint, tags] : before) {
      ASSERT_NE(loaded.find(fingerprint) & tags, 0u);
    }
  }
}

TEST(FingerprintTable, damaged_dumps_are_refused_or_harmless) {
  FingerprintTable table;
  Random random(11);
  for (int i = 0; i < 3'000; ++i) table.insert(random.next() % kFingerprints, 1);
  std::string dumped;
  table.dump(0, ~std::size_t{0} >> 1, dumped);
  for (int i = 0; i < 300; ++i) {
    auto damaged = dumped.substr(0, random.below(dumped.size()));
    for (int d = 0; d < 3 && !damaged.empty(); ++d) {
      damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    }
    FingerprintTable loaded;
    (void)loaded.load(damaged, ~0u, 0, {});
  }
  FingerprintTable empty;
  EXPECT_FALSE(empty.reserve(3).is_ok());
  EXPECT_FALSE(empty.reserve(std::size_t{1} << 40).is_ok());
}

}  // namespace
}  // namespace millrace::task
