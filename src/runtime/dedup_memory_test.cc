#include "runtime/dedup_memory.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

// A task with so many ids in one run.
std::unique_ptr<task::Dedup> make_dedup(std::size_t ids) {
  auto dedup = std::make_unique<task::Dedup>(24'000, 42);
  for (std::size_t i = 0; i < ids; ++i) {
    EXPECT_TRUE(dedup->insert(dedup->hash_of(std::to_string(i)), EventTime(0)).is_ok());
  }
  dedup->seal();
  return dedup;
}

std::size_t share_of(DedupMemory::Claim& claim, task::Dedup& dedup) {
  claim.apply_to(dedup);
  return dedup.counts().fingerprint_bytes_max;
}

TEST(DedupMemory, is_shared_evenly_while_tasks_that_start_have_not_said_what_they_need) {
  constexpr std::size_t kMax = 400'000;
  DedupMemory memory(kMax);
  memory.expect(4);
  DedupMemory::Claim first(memory);
  DedupMemory::Claim second(memory);
  const auto large = make_dedup(100'000);
  EXPECT_GE(large->fingerprint_bytes_wanted(), kMax);
  EXPECT_EQ(share_of(first, *large), kMax / 4);
  const auto small = make_dedup(1);
  EXPECT_GE(share_of(second, *small), 20u << 10);
  const auto rest = kMax - small->fingerprint_bytes_wanted();
  EXPECT_NEAR(static_cast<double>(share_of(first, *large)), static_cast<double>(rest) / 3, 400);
  {
    DedupMemory::Claim third(memory);
    DedupMemory::Claim fourth(memory);
    EXPECT_GE(share_of(third, *small), 20u << 10);
    EXPECT_GE(share_of(fourth, *small), 20u << 10);
  }
  EXPECT_NEAR(static_cast<double>(share_of(first, *large)), static_cast<double>(rest), 400);
  // One more that comes later and says nothing takes nothing.
  DedupMemory::Claim later(memory);
  EXPECT_NEAR(static_cast<double>(share_of(first, *large)), static_cast<double>(rest), 400);
}

TEST(DedupMemory, guests_have_what_tasks_leave) {
  constexpr std::size_t kMax = 1'000'000;
  DedupMemory memory(kMax);
  DedupMemory::Claim task(memory);
  DedupMemory::Claim guest(memory, DedupMemory::Kind::guest);
  const auto dedup = make_dedup(100'000);
  const auto shadow = make_dedup(100'000);
  const auto wanted = dedup->fingerprint_bytes_wanted();
  EXPECT_GE(share_of(task, *dedup), wanted);
  EXPECT_NEAR(static_cast<double>(share_of(guest, *shadow)), static_cast<double>(kMax - wanted),
              2'000);
  EXPECT_GE(share_of(task, *dedup), wanted);
  DedupMemory::Claim second(memory);
  EXPECT_EQ(share_of(second, *dedup), kMax / 2);
  EXPECT_EQ(share_of(guest, *shadow), 0u);
}

TEST(DedupMemory, who_needs_less_than_an_even_share_leaves_the_rest_to_others) {
  const auto small = make_dedup(1);  // 20 KiB, as an empty table
  auto large = make_dedup(60'000);
  auto larger = make_dedup(80'000);
  const auto small_bytes = small->fingerprint_bytes_wanted();
  int told = 0;
  DedupMemory memory(300'000, [&](const std::string& text) {
    ++told;
    EXPECT_NE(text.find("processor.dedup_memory_mb"), std::string::npos);
  });
  DedupMemory::Claim first(memory);
  DedupMemory::Claim second(memory);
  DedupMemory::Claim third(memory);
  std::vector<std::size_t> shares(3);
  for (int round = 0; round < 2; ++round) {
    shares = {share_of(first, *small), share_of(second, *large), share_of(third, *larger)};
  }
  EXPECT_GE(shares[0], small_bytes);
  EXPECT_LE(shares[0], small_bytes + 300);
  EXPECT_EQ(shares[1], shares[2]);
  EXPECT_LE(shares[0] + shares[1] + shares[2], 300'000u);
  EXPECT_GE(shares[0] + shares[1] + shares[2], 299'000u);
  EXPECT_EQ(told, 0);
  while (large->tidy(64)) continue;
  EXPECT_TRUE(large->is_bounded());
  EXPECT_LE(large->counts().fingerprint_bytes, shares[1]);
  for (int round = 0; round < 2; ++round) second.apply_to(*large);
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace millrace::runtime
