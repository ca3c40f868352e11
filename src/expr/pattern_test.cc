#include "expr/pattern.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include "base/random.h"

namespace millrace::expr {
namespace {

bool is_simple(std::string_view pattern) {
  return SimplePattern::parse(pattern).has_value();
}

TEST(SimplePattern, takes_anchored_sequences_without_backtracking) {
  for (const char* pattern :
       {"^[A-Z]{1,10}$", "^[A-Z]{2}-\\d+$", "^\\w+$", "^abc", "^$", "^", "^a?b*c+$",
        "^[a-z0-9_.-]+@[A-Z]{2,}$", "^\\d{4}-\\d{2}-\\d{2}$", "^[A-Z]{3}[A-Z0-9]{2}$"}) {
    EXPECT_TRUE(is_simple(pattern)) << pattern;
  }
}

TEST(SimplePattern, leaves_everything_else_to_re2) {
  for (const char* pattern : {"abc",     "^a|b",        "^(ab)+$",   "^.*$",          "^[^a]$",
                              "^a+a$",   "^a*[a-c]?d$", "^\\s$",     "^[[:alpha:]]$", "^a+?$",
                              "^a++$",   "^a{2}{3}$",   "^a{1001}$", "^a$b",          "^\xc3\xa4$",
                              "^[z-a]$", "^[]$",        "^a{,3}$",   "^a{3,2}$",      "^[a",
                              "^\\",     "(?i)^a$",     "^\\b$",     "^[a-\\d]$",     "^^a"}) {
    EXPECT_FALSE(is_simple(pattern)) << pattern;
  }
}

// Patterns and texts from a small alphabet, so that both outcomes are common.
std::string random_pattern(Random& random) {
  static constexpr const char* kAtoms[] = {"a",   "b", "[ab]", "[a-c]",  "\\d",
                                           "\\w", "-", "[b-]", "[0-9c]", "[.a\\]]",
                                           "\\.", "c", ".",    "(a|b)"};
  static constexpr const char* kCounts[] = {"",  "",    "",      "*",    "+",
                                            "?", "{2}", "{1,3}", "{2,}", "{0,2}"};
  std::string pattern = random.one_in(10) ? "" : "^";
  for (std::uint64_t i = random.below(4); i > 0; --i) {
    pattern += kAtoms[random.below(std::size(kAtoms))];
    pattern += kCounts[random.below(std::size(kCounts))];
  }
  return pattern + (random.one_in(4) ? "" : "$");
}

std::string random_text(Random& random) {
  static constexpr const char* kPieces[] = {"a", "b", "c", "-",        "1",
                                            ".", "]", "_", "\xc3\xa4", "\n"};
  std::string text;
  for (std::uint64_t i = random.below(7); i > 0; --i)
    text += kPieces[random.below(std::size(kPieces))];
  return text;
}

TEST(SimplePattern, agrees_with_re2) {
  constexpr std::uint64_t kSeed = 20'120'621;
  Random random(kSeed);
  int simple_count = 0;
  int match_count = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string pattern = random_pattern(random);
    const auto simple = SimplePattern::parse(pattern);
    if (!simple) continue;
    ++simple_count;
    const re2::RE2 re2(pattern, re2::RE2::Quiet);
    ASSERT_TRUE(re2.ok()) << pattern;
    for (int i = 0; i < 30; ++i) {
      const std::string text = random_text(random);
      const bool matches = re2::RE2::PartialMatch(text, re2);
      match_count += matches ? 1 : 0;
      ASSERT_EQ(simple->matches(text), matches)
          << "seed " << kSeed << " " << pattern << " " << text;
    }
  }
  EXPECT_GT(simple_count, 500);
  EXPECT_GT(match_count, 1000);
}

TEST(Matcher, finds_the_pattern_anywhere) {
  const auto matcher = Matcher::compile("b+c");
  ASSERT_TRUE(matcher.is_ok());
  EXPECT_FALSE((*matcher)->is_simple());
  EXPECT_TRUE((*matcher)->matches("abbcd"));
  EXPECT_FALSE((*matcher)->matches("abbd"));
}

TEST(Matcher, refuses_what_re2_refuses) {
  EXPECT_EQ(Matcher::compile("a(").status().message(),
            "'a(' is not a regular expression RE2 accepts: missing ): a(");
  EXPECT_FALSE(Matcher::compile("^(a)\\1$").is_ok());  // back-references
  EXPECT_FALSE(Matcher::compile("((a{100}){100}){100}").is_ok());
}

}  // namespace
}  // namespace millrace::expr
