#include "pipeline/spec.h"

#include <gtest/gtest.h>

namespace millrace::pipeline {
namespace {

TEST(Spec, durations_have_a_unit) {
  EXPECT_EQ(parse_duration_us("7us"), 7);
  EXPECT_EQ(parse_duration_us("250ms"), 250'000);
  EXPECT_EQ(parse_duration_us("30s"), 30'000'000);
  EXPECT_EQ(parse_duration_us("5 m"), 300'000'000);
  EXPECT_EQ(parse_duration_us("24h"), 86'400'000'000);
  EXPECT_EQ(parse_duration_us("1d"), 86'400'000'000);
  EXPECT_EQ(parse_duration_us("0s"), 0);
  for (const auto* text : {"", "30", "s", "-1s", "1.5s", "1w", "1S", "1 s ", " 1s", "1s2"}) {
    EXPECT_EQ(parse_duration_us(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_duration_us("106751991d"), 106'751'991LL * 86'400'000'000);
  EXPECT_EQ(parse_duration_us("106751992d"), std::nullopt);  // more than 64 bits
}

TEST(Spec, sizes_know_powers_of_two_and_of_ten) {
  EXPECT_EQ(parse_bytes("4096"), 4096);
  EXPECT_EQ(parse_bytes("4096B"), 4096);
  EXPECT_EQ(parse_bytes("64MiB"), 67'108'864);
  EXPECT_EQ(parse_bytes("1 KiB"), 1'024);
  EXPECT_EQ(parse_bytes("3GiB"), 3'221'225'472);
  EXPECT_EQ(parse_bytes("1KB"), 1'000);
  EXPECT_EQ(parse_bytes("100MB"), 100'000'000);
  EXPECT_EQ(parse_bytes("2GB"), 2'000'000'000);
  for (const auto* text : {"", "MiB", "-1", "1.5MB", "1kb", "1 TB"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace millrace::pipeline
