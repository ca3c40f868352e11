#include "base/hash.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/crc32c.h"
#include "base/random.h"

namespace millrace {
namespace {

// RFC 3720, appendix B.4 (bytes of the CRC are given there in wire order).
TEST(Crc32c, agrees_with_the_examples_of_rfc_3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string up, down;
  for (int i = 0; i < 32; ++i) {
    up.push_back(static_cast<char>(i));
    down.push_back(static_cast<char>(31 - i));
  }
  EXPECT_EQ(crc32c(up), 0x46dd794eu);
  EXPECT_EQ(crc32c(down), 0x113fdb5cu);
  constexpr unsigned char kReadCommand[] = {
      0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
      0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
  EXPECT_EQ(crc32c({reinterpret_cast<const char*>(kReadCommand), sizeof kReadCommand}),
            0xd9963a56u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Crc32c, the_hardware_path_agrees_with_the_table_at_every_length_and_cut) {
  constexpr std::uint64_t kSeed = 3720;
  Random random(kSeed);
  std::string bytes;
  for (int length = 0; length < 300; ++length) {
    ASSERT_EQ(crc32c(bytes), crc32c_plain(bytes)) << "seed " << kSeed << " length " << length;
    const auto cut = random.below(bytes.size() + 1);
    const std::string_view whole = bytes;
    ASSERT_EQ(crc32c(whole.substr(cut), crc32c(whole.substr(0, cut))), crc32c_plain(whole));
    bytes.push_back(static_cast<char>(random.next()));
  }
  // Three blocks of 1 KiB are worked on at once.
  for (std::size_t length = 3'000; length < 13'000; length += 1 + random.below(200)) {
    while (bytes.size() < length) bytes.push_back(static_cast<char>(random.next()));
    const auto start = static_cast<std::uint32_t>(random.next());
    ASSERT_EQ(crc32c(bytes, start), crc32c_plain(bytes, start))
        << "seed " << kSeed << " length " << length;
  }
}

// The cases of org.apache.kafka.common.utils.UtilsTest.testMurmur2.
TEST(Murmur2, agrees_with_kafka) {
  const auto hash = [](std::string_view text) { return static_cast<std::int32_t>(murmur2(text)); };
  EXPECT_EQ(hash("21"), -973932308);
  EXPECT_EQ(hash("foobar"), -790332482);
  EXPECT_EQ(hash("a-little-bit-long-string"), -985981536);
  EXPECT_EQ(hash("a-little-bit-longer-string"), -1486304829);
  EXPECT_EQ(hash("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971);
  EXPECT_EQ(hash("abc"), 479470107);
}

TEST(Murmur2, a_key_s_partition_is_the_positive_hash_modulo_the_count) {
  EXPECT_EQ(partition_for_key("abc", 10), 479470107 % 10);
  // -973932308 without its sign bit is 2^31 - 973932308.
  EXPECT_EQ(partition_for_key("21", 1000), (2147483648 - 973932308) % 1000);
  EXPECT_EQ(partition_for_key("anything", 1), 0);
}

TEST(Hash128, depends_on_the_bytes_and_on_the_seed) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  for (int i = 0; i < 1000; ++i) {
    for (const std::uint64_t seed : {0, 1}) {
      const Hash128 hash = hash128(std::to_string(i), seed);
      seen.emplace(hash.low, hash.high);
      EXPECT_EQ(hash, hash128(std::to_string(i), seed));
    }
  }
  EXPECT_EQ(seen.size(), 2000u);
  // XXH3's published value for the empty input and seed 0.
  EXPECT_EQ(hash128("", 0), (Hash128{0x6001c324468d497f, 0x99aa06d3014798d8}));
  EXPECT_EQ(hash64(""), 0x2d06800538d394c2u);
}

TEST(Random, is_the_same_for_the_same_seed_and_stays_below_its_bound) {
  // splitmix64's first values for seed 1234567 (Vigna's reference program).
  Random random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.below(7));
  EXPECT_EQ(seen.size(), 7u);
  EXPECT_EQ(*seen.rbegin(), 6u);
}

}  // namespace
}  // namespace millrace
