#include "expr/parser.h"

#include <gtest/gtest.h>

#include "expr/evaluator_for_tests.h"

namespace millrace::expr {
namespace {

std::string error_of(std::string_view text) {
  const auto ast = parse(text);
  return ast.is_ok() ? "parsed" : std::string(ast.status().message());
}

TEST(Parser, errors_name_the_place_and_what_would_be_right) {
  EXPECT_EQ(error_of(""), "1:1: expected a value but found the end of the expression");
  EXPECT_EQ(error_of("a +"), "1:4: expected a value but found the end of the expression");
  EXPECT_EQ(error_of("a b"), "1:3: expected an operator or the end but found 'b'");
  EXPECT_EQ(error_of("(a"), "1:3: expected ')' but found the end of the expression");
  EXPECT_EQ(error_of("[1 2]"), "1:4: expected ',' or ']' but found '2'");
  EXPECT_EQ(error_of("{1}"), "1:3: expected ':' but found '}'");
  EXPECT_EQ(error_of("f(1,)"), "1:5: expected an argument after ',' but found ')'");
  EXPECT_EQ(error_of("a.1"), "1:2: expected an operator or the end but found '.1'");
  EXPECT_EQ(error_of("a = 1"), "1:3: '=' is not an operator; equality is '=='");
  EXPECT_EQ(error_of("a & b"), "1:3: '&' is not an operator; write '&&'");
  EXPECT_EQ(error_of("'abc"), "1:1: this string never ends; ' is missing");
  EXPECT_EQ(error_of("'a\nb'"), "1:1: this string never ends; ' is missing");
  EXPECT_EQ(error_of("'\\d'"),
            "1:1: '\\d' is not an escape of this kind of string; a backslash "
            "itself is '\\\\', or use r'...'");
  EXPECT_EQ(error_of("'\\ud800'"), "1:1: the escape is not a Unicode code point");
  EXPECT_EQ(error_of("'\\x4'"), "1:1: the escape '\\x' wants 2 hexadecimal digits");
  EXPECT_EQ(error_of("12abc"),
            "1:1: '12a' is neither a number nor a name; a name starts with a letter");
  EXPECT_EQ(error_of("a ? b"), "1:6: expected ':' but found the end of the expression");
  EXPECT_EQ(error_of("\u00e4\u00f6"), "1:1: '\u00e4' cannot stand here");
  EXPECT_EQ(error_of("'\u00e4\u00f6' $"), "1:6: '$' cannot stand here");
  EXPECT_EQ(error_of("a\xff"), "the expression is not UTF-8");
}

TEST(Parser, numbers_out_of_range_are_refused) {
  EXPECT_EQ(error_of("9223372036854775807"), "parsed");
  EXPECT_EQ(error_of("-9223372036854775808"), "parsed");
  EXPECT_EQ(error_of("9223372036854775808"),
            "1:1: 9223372036854775808 is not within the range of int");
  EXPECT_EQ(error_of("-9223372036854775809"),
            "1:2: -9223372036854775809 is not within the range of int");
  EXPECT_EQ(error_of("18446744073709551615u"), "parsed");
  EXPECT_EQ(error_of("18446744073709551616u"),
            "1:1: 18446744073709551616 is not within the range of uint");
  EXPECT_EQ(error_of("1e308"), "parsed");
  EXPECT_EQ(error_of("1e309"), "1:1: 1e309 is not within the range of double");
  EXPECT_EQ(error_of("1e-999"), "parsed");
}

TEST(Parser, nesting_has_a_bound) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(error_of(nested(kExpressionDepthMax)), "parsed");
  const std::string message = ": the expression nests deeper than 128; split it into fields";
  EXPECT_EQ(error_of(nested(kExpressionDepthMax + 1)), "1:129" + message);
  EXPECT_EQ(error_of(std::string(50'000, '(')), "1:129" + message);
  EXPECT_EQ(error_of(std::string(50'000, '!') + "a"), "1:129" + message);
  EXPECT_EQ(error_of(std::string(50'000, '[')), "1:129" + message);
  std::string sum = "1";
  std::string choice = "1";
  std::string select = "a";
  for (int i = 0; i < 200; ++i) {
    sum += "+1";
    choice = "a?1:" + choice;
    select += ".b";
  }
  EXPECT_TRUE(error_of(sum).ends_with(message));
  EXPECT_TRUE(error_of(choice).ends_with(message));
  EXPECT_TRUE(error_of(select).ends_with(message));
}

TEST(Parser, chains_of_and_and_or_have_any_length) {
  std::string chain = "a";
  for (int i = 0; i < 5000; ++i) chain += i % 2 == 0 ? " || a" : " && a";
  EXPECT_EQ(error_of(chain), "parsed");
}

TEST(Parser, text_has_a_bound) {
  EXPECT_EQ(error_of(std::string(kExpressionBytesMax, ' ') + "1"),
            "the expression has 65537 bytes; at most 65536 are allowed");
  EXPECT_EQ(error_of("1" + std::string(kExpressionBytesMax - 1, ' ')), "parsed");
}

TEST(Parser, precedence_is_cels) {
  Evaluator evaluate;
  EXPECT_EQ(evaluate("1 + 2 * 3 - 4"), "int 3");
  EXPECT_EQ(evaluate("2 * 3 % 4"), "int 2");
  EXPECT_EQ(evaluate("1 + 1 == 2 && !false || 1 / 0 == 1"), "true");
  EXPECT_EQ(evaluate("true ? false ? 1 : 2 : 3"), "refused 1:14: expected ':' but found '?'");
  EXPECT_EQ(evaluate("false ? 1 : true ? 2 : 3"), "int 2");
  EXPECT_EQ(evaluate("-2 - -3"), "int 1");
  EXPECT_EQ(evaluate("- -3"), "int 3");
  EXPECT_EQ(evaluate("1 in [1] == true"), "true");
  EXPECT_EQ(evaluate("-[1, 2][1]"), "int -2");
  EXPECT_EQ(evaluate("1 // comment\n + 1"), "int 2");
}

}  // namespace
}  // namespace millrace::expr
