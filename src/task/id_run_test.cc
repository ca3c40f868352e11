#include "task/id_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/random.h"

namespace millrace::task {
namespace {

std::vector<Hash128> random_ids(Random& random, std::size_t count, std::uint64_t distinct_high) {
  std::vector<Hash128> ids;
  for (std::size_t i = 0; i < count; ++i) {
    const auto high = distinct_high == 0 ? random.next() : random.below(distinct_high) << 60;
    ids.push_back({random.next(), high});
  }
  return ids;
}

TEST(IdRun, has_the_bytes_of_its_format) {
  IdRunEncoder encoder(-2, 2);
  encoder.add({0x1112131415161718, 0x0102030405060708});
  encoder.add({0x2122232425262728, 0x0102030405060709});
  const auto [name, bytes] = encoder.finish();
  ASSERT_EQ(bytes.size(), 4096u + 8 + 32);
  EXPECT_EQ(name.id_count, 2u);
  EXPECT_EQ(name.byte_count(), bytes.size());
  EXPECT_EQ(name.index_position(), 4096u);
  EXPECT_EQ(bytes.substr(0, 16),
            "\x18\x17\x16\x15\x14\x13\x12\x11\x08\x07\x06\x05\x04\x03\x02\x01");
  EXPECT_EQ(bytes.substr(16, 16),
            "\x28\x27\x26\x25\x24\x23\x22\x21\x09\x07\x06\x05\x04\x03\x02\x01");
  EXPECT_EQ(bytes.substr(32, 4060), std::string(4060, '\0'));
  EXPECT_EQ(load_little<std::uint32_t>(bytes.data() + 4092), crc32c_plain(bytes.substr(0, 4092)));
  EXPECT_EQ(bytes.substr(4096, 8), "\x08\x07\x06\x05\x04\x03\x02\x01");
  const auto footer = bytes.substr(4104);
  EXPECT_EQ(footer.substr(0, 8), std::string("MIDR\x01\0\0\0", 8));
  EXPECT_EQ(footer.substr(8, 8), "\xfe\xff\xff\xff\xff\xff\xff\xff");
  EXPECT_EQ(footer.substr(16, 8), std::string("\x02\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(load_little<std::uint32_t>(footer.data() + 24), crc32c_plain(bytes.substr(4096, 8)));
  EXPECT_EQ(load_little<std::uint32_t>(footer.data() + 28), crc32c_plain(footer.substr(0, 28)));
}

TEST(IdRun, ids_are_sorted_by_high_then_low_whatever_their_distribution) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    auto ids = random_ids(random, random.below(seed % 3 == 0 ? 5'000 : 100), random.below(3) * 4);
    auto expected = ids;
    std::sort(expected.begin(), expected.end(), [](const Hash128& a, const Hash128& b) {
      return std::pair(a.high, a.low) < std::pair(b.high, b.low);
    });
    sort_ids(ids);
    ASSERT_EQ(ids, expected);
  }
}

TEST(IdRun, contains_its_ids_and_no_others) {
  for (const std::size_t count : {1, 254, 255, 256, 510, 511, 5'000}) {
    for (const std::uint64_t distinct_high : {0, 1, 4}) {
      SCOPED_TRACE(std::to_string(count) + " ids, " + std::to_string(distinct_high));
      Random random(count + distinct_high);
      auto ids = random_ids(random, count, distinct_high);
      sort_ids(ids);
      SealedRun run(7, ids);
      EXPECT_EQ(run.name().id_count, count);
      for (const auto& id : ids) {
        ASSERT_TRUE(*run.contains(id));
        ASSERT_FALSE(*run.contains({id.low ^ 1, id.high}));
        ASSERT_FALSE(*run.contains({id.low, id.high ^ 1}));
      }
      EXPECT_FALSE(*run.contains({0, 0}));
      EXPECT_FALSE(*run.contains({~0ULL, ~0ULL}));
    }
  }
}

TEST(IdRun, damage_to_any_byte_of_a_block_the_index_or_the_footer_is_noticed) {
  Random random(5);
  auto ids = random_ids(random, 600, 0);
  sort_ids(ids);
  const SealedRun run(3, ids);
  const auto& name = run.name();
  const std::string bytes(run.bytes());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    if (at < name.index_position()) {
      const auto block = at / kIdRunBlockBytes * kIdRunBlockBytes;
      ASSERT_EQ(check_block(damaged.substr(block, kIdRunBlockBytes)).code(), StatusCode::corrupt);
    } else {
      ASSERT_FALSE(IdRunIndex::parse(name, damaged.substr(name.index_position())).is_ok()) << at;
    }
  }
  EXPECT_TRUE(check_block(bytes.substr(0, kIdRunBlockBytes)).is_ok());
  EXPECT_FALSE(check_block(bytes.substr(0, 100)).is_ok());
  const auto tail = bytes.substr(name.index_position());
  EXPECT_EQ(IdRunIndex::parse(name, tail)->bucket(), 3);
  EXPECT_FALSE(IdRunIndex::parse(name, tail.substr(1)).is_ok());
  EXPECT_FALSE(IdRunIndex::parse({name.content, name.id_count - 1}, tail).is_ok());
}

}  // namespace
}  // namespace millrace::task
