#include "codec/json_schema_pattern.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include "base/random.h"

namespace millrace::codec {
namespace {

bool is_sequence(std::string_view pattern) {
  return ClassSequence().parse(pattern);
}

TEST(ClassSequence, takes_anchored_sequences_of_classes) {
  EXPECT_TRUE(is_sequence("^[A-Z]{1,10}$"));
  EXPECT_TRUE(is_sequence("^CUST-[A-Z]{2,4}-\\d+$"));
  EXPECT_TRUE(is_sequence("^[\\w.-]+@[a-z]+\\.com$"));
  EXPECT_TRUE(is_sequence("^$"));
}

TEST(ClassSequence, leaves_to_re2_what_needs_backtracking_or_more) {
  EXPECT_FALSE(is_sequence("[A-Z]+"));         // may match anywhere
  EXPECT_FALSE(is_sequence("^[A-Z]*[A-Z]$"));  // the first atom would eat the second one's letter
  EXPECT_FALSE(is_sequence("^a?b?a$"));        // the same, past an atom that may be missing
  EXPECT_FALSE(is_sequence("^[^a]$"));         // counts code points, not bytes
  EXPECT_FALSE(is_sequence("^.$"));
  EXPECT_FALSE(is_sequence("^a|b$"));
  EXPECT_FALSE(is_sequence("^a+?b$"));
  EXPECT_FALSE(is_sequence("^\\bb$"));
  EXPECT_FALSE(is_sequence("^a{2,1}$"));
  EXPECT_FALSE(is_sequence("^[z-a]$"));
  EXPECT_FALSE(is_sequence("^a\\$"));  // the last character is an escaped dollar
}

// A random pattern of this family, written so that parse() accepts many of them.
std::string random_pattern(Random& random) {
  constexpr std::string_view kAtoms[] = {"[A-C]", "[a-c]", "[abAB]", "-",
                                         "\\d",   "x",     "[0-1_]", "\\."};
  constexpr std::string_view kRepeats[] = {"", "", "{2}", "{1,3}", "+", "*", "?", "{2,}", "{0,2}"};
  std::string out = "^";
  const auto count = 1 + random.below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    out += kAtoms[random.below(std::size(kAtoms))];
    out += kRepeats[random.below(std::size(kRepeats))];
  }
  return out + "$";
}

TEST(ClassSequence, agrees_with_re2_on_random_patterns_and_texts) {
  constexpr std::uint64_t kSeed = 20'120'621;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  int accepted = 0;
  int matched = 0;
  for (int round = 0; round < 1000; ++round) {
    const std::string pattern = random_pattern(random);
    ClassSequence sequence;
    if (!sequence.parse(pattern)) continue;
    ++accepted;
    const re2::RE2 oracle(pattern);
    ASSERT_TRUE(oracle.ok()) << pattern;
    for (int i = 0; i < 40; ++i) {
      constexpr std::string_view kAlphabet = "ABCabc-01x_.\n";
      std::string text;
      for (std::uint64_t length = random.below(7); length > 0; --length) {
        text += kAlphabet[random.below(kAlphabet.size())];
      }
      const bool expected = re2::RE2::PartialMatch(text, oracle);
      matched += expected ? 1 : 0;
      ASSERT_EQ(sequence.matches(text), expected) << pattern << " on " << text;
    }
  }
  EXPECT_GT(accepted, 300);
  EXPECT_GT(matched, 300);
}

TEST(TextPattern, matches_anywhere_and_by_code_points) {
  const auto matches = [](std::string_view pattern, std::string_view text) {
    const auto compiled = TextPattern::compile(pattern);
    EXPECT_TRUE(compiled.is_ok()) << pattern << ": " << compiled.status().to_string();
    return compiled.is_ok() && compiled->matches(text);
  };
  EXPECT_TRUE(matches("b+", "abbc"));
  EXPECT_TRUE(matches("^.$", "\u00e9"));
  EXPECT_TRUE(matches("^\\u00e9$", "\u00e9"));
  EXPECT_TRUE(matches("^\\s$", "\u2003"));
  EXPECT_FALSE(matches("^\\S$", "\u2003"));
  EXPECT_TRUE(matches("^[^]$", "\n"));
  EXPECT_FALSE(matches("^a$", "a\n"));
}

TEST(TextPattern, is_bounded) {
  EXPECT_FALSE(TextPattern::compile(std::string(kPatternBytesMax + 1, 'a')).is_ok());
}

}  // namespace
}  // namespace millrace::codec
