#include "base/utf8.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace millrace {
namespace {

// The plain twin: what each code point's bits are by the table of RFC 3629, section 3.
std::string encode_twin(char32_t c) {
  const auto byte = [](char32_t bits) { return std::string(1, static_cast<char>(bits)); };
  const auto tail = [&](char32_t bits) { return byte(0x80 + bits % 64); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) return byte(0xc0 + c / 64) + tail(c);
  if (c < 0x10000) return byte(0xe0 + c / 4096) + tail(c / 64) + tail(c);
  return byte(0xf0 + c / 262144) + tail(c / 4096) + tail(c / 64) + tail(c);
}

bool is_scalar(char32_t c) {
  return c < 0xd800 || (c > 0xdfff && c <= 0x10ffff);
}

TEST(Utf8, every_code_point_goes_there_and_back) {
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    const std::string expected = encode_twin(c);
    if (!is_scalar(c)) {
      ASSERT_FALSE(is_valid_utf8(expected));
      continue;
    }
    std::string text;
    append_code_point(text, c);
    ASSERT_EQ(text, expected);
    ASSERT_TRUE(is_valid_utf8(text));
    std::string_view rest = text;
    ASSERT_EQ(take_code_point(rest), c);
    ASSERT_TRUE(rest.empty());
    ASSERT_EQ(count_code_points(text), 1u);
  }
}

// A sequence of 1 to 3 bytes is valid exactly when it is made of encodings of scalar values.
TEST(Utf8, all_sequences_of_up_to_three_bytes_agree_with_the_twin) {
  std::vector<bool> one(1 << 8), two(1 << 16), three(1 << 24);
  for (char32_t c = 0; c < 0x10000; ++c) {
    if (!is_scalar(c)) continue;
    const std::string text = encode_twin(c);
    std::size_t number = 0;
    for (const char byte : text) number = number * 256 + static_cast<unsigned char>(byte);
    (text.size() == 1 ? one : text.size() == 2 ? two : three)[number] = true;
  }
  const auto is_two = [&](std::size_t n) { return two[n] || (one[n >> 8] && one[n & 0xff]); };
  for (std::size_t n = 0; n < 1 << 8; ++n) {
    const char bytes[1] = {static_cast<char>(n)};
    ASSERT_EQ(is_valid_utf8({bytes, 1}), one[n]) << n;
  }
  for (std::size_t n = 0; n < 1 << 16; ++n) {
    const char bytes[2] = {static_cast<char>(n >> 8), static_cast<char>(n)};
    ASSERT_EQ(is_valid_utf8({bytes, 2}), is_two(n)) << n;
  }
  for (std::size_t n = 0; n < 1 << 24; ++n) {
    const char bytes[3] = {static_cast<char>(n >> 16), static_cast<char>(n >> 8),
                           static_cast<char>(n)};
    const bool expected =
        three[n] || (one[n >> 16] && is_two(n & 0xffff)) || (two[n >> 8] && one[n & 0xff]);
    if (is_valid_utf8({bytes, 3}) != expected) FAIL() << n;
  }
}

TEST(Utf8, four_byte_sequences_agree_with_the_twin) {
  const auto number_of = [](const std::string& text) {  // without the lead's upper half, always f
    std::size_t number = static_cast<unsigned char>(text[0]) & 0x0f;
    for (int i = 1; i < 4; ++i)
      number = number * 256 + static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
    return number;
  };
  std::vector<bool> valid(1 << 28);
  for (char32_t c = 0x10000; c <= 0x10ffff; ++c) valid[number_of(encode_twin(c))] = true;
  constexpr std::uint64_t kSeed = 3629;
  Random random(kSeed);
  for (int i = 0; i < 200000; ++i) {
    std::string text(1, static_cast<char>(0xf0 + random.below(16)));
    for (int tail = 0; tail < 3; ++tail) {
      text.push_back(
          static_cast<char>(random.one_in(20) ? random.below(256) : 0x80 + random.below(64)));
    }
    std::string_view rest = text;
    ASSERT_EQ(take_code_point(rest).has_value(), static_cast<bool>(valid[number_of(text)]))
        << "seed " << kSeed;
  }
  for (const char* text :
       {"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(is_valid_utf8(text));
  }
}

TEST(Utf8, a_fault_is_found_at_any_place_in_a_long_text) {
  for (std::size_t length = 1; length < 40; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      std::string text(length, 'a');
      EXPECT_TRUE(is_valid_utf8(text));
      text[at] = '\x80';
      EXPECT_FALSE(is_valid_utf8(text)) << at << " of " << length;
    }
  }
}

TEST(Utf8, malformed_bytes_stay_in_place) {
  std::string_view text = "\xc3(";
  EXPECT_EQ(take_code_point(text), std::nullopt);
  EXPECT_EQ(text.size(), 2u);
  text = "";
  EXPECT_EQ(take_code_point(text), std::nullopt);
}

TEST(Utf8, code_points_are_counted) {
  EXPECT_EQ(count_code_points(""), 0u);
  EXPECT_EQ(count_code_points("abc"), 3u);
  EXPECT_EQ(count_code_points("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), 4u);
}

}  // namespace
}  // namespace millrace
