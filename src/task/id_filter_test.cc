#include "task/id_filter.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace millrace::task {
namespace {

std::string dumped(const IdFilter& filter) {
  std::string bytes;
  Encoder to(bytes);
  filter.dump(0, filter.block_count(), to);
  return bytes;
}

TEST(IdFilter, has_all_that_was_added_and_few_others) {
  for (const std::size_t count : {1, 31, 1'000, 50'000}) {
    SCOPED_TRACE(count);
    Random random(count);
    IdFilter filter(count);
    EXPECT_EQ(filter.byte_count(), (count + 31) / 32 * 32);
    std::vector<std::uint64_t> added;
    for (std::size_t i = 0; i < count; ++i) added.push_back(random.next() >> 29);
    for (const auto fingerprint : added) {
      EXPECT_FALSE(filter.is_full());
      filter.add(fingerprint);
    }
    EXPECT_EQ(filter.id_count(), count);
    for (const auto fingerprint : added) ASSERT_TRUE(filter.may_have(fingerprint));
    std::size_t wrong = 0;
    for (int i = 0; i < 20'000; ++i) wrong += filter.may_have(random.next() >> 29) ? 1 : 0;
    EXPECT_LT(wrong, 20'000u / 25);
  }
}

// The page of the format, step by step, bit by bit.
TEST(IdFilter, sets_the_bits_that_its_format_says) {
  const std::uint32_t salts[] = {0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f,
                                 0x165667b1, 0xd3a2646d, 0xfd7046c5, 0xb55a4f09};
  IdFilter filter(90);
  ASSERT_EQ(filter.block_count(), 3u);
  std::string expected(96, '\0');
  for (const std::uint64_t fingerprint : {0ULL, 0x7ffffffffULL, 0x123456789ULL, 42ULL}) {
    filter.add(fingerprint);
    std::uint64_t hash = (fingerprint + 1) * 0x9e3779b97f4a7c15ULL;
    hash = (hash ^ hash / 0x100000000ULL) * 0xd6e8feb86659fd93ULL;
    hash = hash ^ hash / 0x100000000ULL;
    const auto block = hash / 0x100000000ULL * 3 / 0x100000000ULL;
    for (std::size_t word = 0; word < 8; ++word) {
      const auto bit = (hash % 0x100000000ULL * salts[word]) % 0x100000000ULL / 0x8000000;
      expected[block * 32 + word * 4 + bit / 8] |= static_cast<char>(1 << bit % 8);
    }
  }
  EXPECT_EQ(dumped(filter), expected);
}

TEST(IdFilter, loads_what_it_dumped_piece_by_piece) {
  Random random(3);
  IdFilter filter(1'000);
  for (int i = 0; i < 1'000; ++i) filter.add(random.next() >> 29);
  const auto bytes = dumped(filter);
  auto loaded = IdFilter::of_blocks(filter.block_count());
  for (const std::size_t first : {20, 0, 7}) {
    const std::size_t last = first == 20 ? filter.block_count() : first == 0 ? 7 : 20;
    loaded.load(first, std::string_view(bytes).substr(first * 32, (last - first) * 32));
  }
  EXPECT_EQ(dumped(loaded), bytes);
}

}  // namespace
}  // namespace millrace::task
