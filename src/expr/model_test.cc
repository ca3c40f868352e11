#include <gtest/gtest.h>

#include <compare>

#include "base/random.h"
#include "expr/arithmetic.h"
#include "expr/compare.h"
#include "expr/evaluator_for_tests.h"

// Seeded comparisons with slow twins.

namespace millrace::expr {
namespace {

using Int128 = __int128;

std::string without_position(std::string text) {
  if (!text.starts_with("error ")) return text;
  return "error " + text.substr(text.find(": "));
}

// Expressions twice: with literals, which fold, and with the same values as variables, which do
// not.
class TwinMaker {
 public:
  explicit TwinMaker(std::uint64_t seed) : random_(seed) {}

  void start() { variables_.clear(); }
  [[nodiscard]] const std::vector<std::string>& variables() const { return variables_; }

  struct Twins {
    std::string folded;
    std::string unfolded;
  };

  Twins expression(int depth) {
    if (depth == 0 || random_.one_in(6)) return leaf();
    switch (random_.below(9)) {
      case 0:
      case 1:
      case 2:
        return binary(depth);
      case 3: {
        const Twins a = expression(depth - 1);
        const Twins b = expression(depth - 1);
        const Twins c = expression(depth - 1);
        return {"(" + a.folded + " ? " + b.folded + " : " + c.folded + ")",
                "(" + a.unfolded + " ? " + b.unfolded + " : " + c.unfolded + ")"};
      }
      case 4: {
        const Twins a = expression(depth - 1);
        const Twins b = expression(depth - 1);
        const std::string open = random_.one_in(2) ? "[" : "[1, ";
        return {open + a.folded + ", " + b.folded + "]",
                open + a.unfolded + ", " + b.unfolded + "]"};
      }
      case 5: {
        const Twins a = expression(depth - 1);
        const Twins b = expression(depth - 1);
        return {"{'k': " + a.folded + ", 2: " + b.folded + "}",
                "{'k': " + a.unfolded + ", 2: " + b.unfolded + "}"};
      }
      case 6:
        return macro(depth);
      case 7: {
        const Twins a = expression(depth - 1);
        const Twins b = expression(depth - 1);
        return {"(" + a.folded + ")[" + b.folded + "]", "(" + a.unfolded + ")[" + b.unfolded + "]"};
      }
      default:
        return call(depth);
    }
  }

 private:
  Twins leaf() {
    static constexpr const char* kLeaves[] = {"0",
                                              "1",
                                              "2",
                                              "-1",
                                              "7",
                                              "9223372036854775807",
                                              "-9223372036854775808",
                                              "0u",
                                              "3u",
                                              "18446744073709551615u",
                                              "0.5",
                                              "0.01",
                                              "-2.25",
                                              "1e300",
                                              "1.0",
                                              "true",
                                              "false",
                                              "null",
                                              "''",
                                              "'a'",
                                              "'abc'",
                                              "'1.5'",
                                              "'2020-01-02T03:04:05Z'",
                                              "'90s'",
                                              "b'a\\xff'",
                                              "[1, 2]",
                                              "[]",
                                              "{'k': 1, 2: 'x'}",
                                              "decimal('1.50')",
                                              "decimal('-0.03')",
                                              "duration('90s')",
                                              "int",
                                              "timestamp('2020-01-02T03:04:05Z')"};
    const std::string text = kLeaves[random_.below(std::size(kLeaves))];
    variables_.push_back(text);
    return {text, "v" + std::to_string(variables_.size() - 1)};
  }

  Twins binary(int depth) {
    static constexpr const char* kSymbols[] = {
        "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"};
    const std::string symbol = joined({" ", kSymbols[random_.below(std::size(kSymbols))], " "});
    const Twins a = expression(depth - 1);
    const Twins b = expression(depth - 1);
    return {"(" + a.folded + symbol + b.folded + ")", "(" + a.unfolded + symbol + b.unfolded + ")"};
  }

  Twins macro(int depth) {
    static constexpr const char* kMacros[] = {".all(e, ", ".exists(e, ", ".exists_one(e, ",
                                              ".map(e, ", ".filter(e, "};
    const std::string open = kMacros[random_.below(std::size(kMacros))];
    const Twins a = expression(depth - 1);
    const Twins b = expression(depth - 1);
    const std::string body = random_.one_in(2) ? "e == " : "e < ";
    return {"(" + a.folded + ")" + open + body + b.folded + ")",
            "(" + a.unfolded + ")" + open + body + b.unfolded + ")"};
  }

  Twins call(int depth) {
    static constexpr const char* kFunctions[] = {
        "-(",      "!(",       "size(",  "string(", "int(",         "uint(",
        "double(", "decimal(", "bytes(", "bool(",   "duration(",    "timestamp(",
        "type(",   "abs(",     "sum(",   "min(",    "code_points(", "dyn("};
    const std::string function = kFunctions[random_.below(std::size(kFunctions))];
    const Twins a = expression(depth - 1);
    return {function + a.folded + ")", function + a.unfolded + ")"};
  }

  Random random_;
  std::vector<std::string> variables_;
};

TEST(Folding, changes_no_result) {
  constexpr std::uint64_t kSeed = 7;
  TwinMaker maker(kSeed);
  int value_count = 0;
  for (int round = 0; round < 3000; ++round) {
    maker.start();
    const auto twins = maker.expression(1 + round % 4);
    Evaluator leaves;
    std::vector<Program> programs;  // the values of variables view into them
    Arena arena;
    Evaluator evaluate;
    evaluate.unchecked();
    for (const auto& text : maker.variables()) {
      programs.push_back(std::move(leaves.compile(text)).value());
      evaluate.variable("v" + std::to_string(programs.size() - 1),
                        programs.back().evaluate({}, arena));
    }
    const std::string folded = without_position(evaluate(twins.folded));
    const std::string unfolded = without_position(evaluate(twins.unfolded));
    ASSERT_EQ(folded, unfolded) << "seed " << kSeed << " round " << round << ": " << twins.folded;
    value_count += folded.starts_with("error") ? 0 : 1;
  }
  EXPECT_GT(value_count, 700);
}

std::int64_t edgy_int(Random& random) {
  switch (random.below(4)) {
    case 0:
      return static_cast<std::int64_t>(random.next());
    case 1:
      return INT64_MAX - static_cast<std::int64_t>(random.below(3));
    case 2:
      return INT64_MIN + static_cast<std::int64_t>(random.below(3));
    default:
      return static_cast<std::int64_t>(random.below(7)) - 3;
  }
}

std::string int_twin(char symbol, Int128 a, Int128 b, Int128 lowest, Int128 highest,
                     std::string_view type) {
  if ((symbol == '/' || symbol == '%') && b == 0) {
    return symbol == '/' ? "error : division by zero" : "error : modulus by zero";
  }
  Int128 result = 0;
  if (symbol == '+') result = a + b;
  if (symbol == '-') result = a - b;
  if (symbol == '*') result = a * b;  // at most 128 bits only for ints; see below
  if (symbol == '/') result = a / b;
  if (symbol == '%') result = a % b;
  if (result < lowest || result > highest) return "error : overflow";
  return joined({type, " ", Decimal(result, 0).to_string()});
}

TEST(Arithmetic, ints_and_uints_are_exact_or_errors) {
  constexpr std::uint64_t kSeed = 11;
  Random random(kSeed);
  Evaluator evaluate;
  evaluate.field("a", FieldType::any, Value()).field("b", FieldType::any, Value());
  std::vector<Program> programs;
  const std::string symbols = "+-*/%";
  for (const char symbol : symbols) {
    programs.push_back(std::move(evaluate.compile(joined({"a ", {&symbol, 1}, " b"}))).value());
  }
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t op = random.below(symbols.size());
    const std::int64_t a = edgy_int(random);
    const std::int64_t b = edgy_int(random);
    const auto result_of = [&](Value left, Value right) {
      evaluate.at(0) = left;
      evaluate.at(1) = right;
      const auto text =
          without_position(describe(programs[op].evaluate(evaluate.input(), evaluate.arena())));
      evaluate.arena().reset();
      return text.starts_with("error : overflow") ? "error : overflow" : text;
    };
    ASSERT_EQ(result_of(Value::int64(a), Value::int64(b)),
              int_twin(symbols[op], a, b, INT64_MIN, INT64_MAX, "int"))
        << "seed " << kSeed << " round " << round;
    // Half-width, so that the twin's product of two uints stays within 127 bits.
    const std::uint64_t c = static_cast<std::uint64_t>(a) >> random.below(2);
    const std::uint64_t d = static_cast<std::uint64_t>(b) >> (1 + random.below(40));
    ASSERT_EQ(result_of(Value::uint64(c), Value::uint64(d)),
              int_twin(symbols[op], c, d, 0, UINT64_MAX, "uint"))
        << "seed " << kSeed << " round " << round;
  }
}

// Decimals small enough that everything about them fits 127 bits.
Decimal small_decimal(Random& random) {
  const auto unscaled = static_cast<std::int64_t>(random.below(2'000'001)) - 1'000'000;
  return {random.one_in(8) ? unscaled % 10 : unscaled, static_cast<int>(random.below(4))};
}

Int128 round_half_even(Int128 dividend, Int128 divisor) {
  if (divisor < 0) {
    dividend = -dividend;
    divisor = -divisor;
  }
  Int128 quotient = dividend / divisor;
  Int128 rest = dividend % divisor;
  if (rest < 0) {
    rest += divisor;
    --quotient;
  }
  const bool is_tie = 2 * rest == divisor;
  if (2 * rest > divisor || (is_tie && quotient % 2 != 0)) ++quotient;
  return quotient;
}

TEST(Arithmetic, decimals_are_exact_and_quotients_half_even) {
  constexpr std::uint64_t kSeed = 13;
  Random random(kSeed);
  Arena arena;
  Frame frame;
  frame.arena = &arena;
  const Node node;
  for (int round = 0; round < 20'000; ++round) {
    const Decimal a = small_decimal(random);
    const Decimal b = small_decimal(random);
    // As millionths, the unit all of them are whole in.
    const Int128 x = a.unscaled() * power_of_ten(6 - a.scale());
    const Int128 y = b.unscaled() * power_of_ten(6 - b.scale());
    const Value va = Value::decimal(a);
    const Value vb = random.one_in(3) && b.scale() == 0
                         ? Value::int64(static_cast<std::int64_t>(b.unscaled()))
                         : Value::decimal(b);
    const auto check = [&](const Value& got, Int128 wanted, int scale) {
      ASSERT_EQ(got.kind(), ValueKind::decimal);
      ASSERT_EQ(got.as_decimal(), Decimal(wanted, scale))
          << "seed " << kSeed << " round " << round << ": " << a.to_string() << ", "
          << b.to_string();
    };
    check(add(node, frame, va, vb), x + y, 6);
    check(subtract(node, frame, va, vb), x - y, 6);
    check(multiply(node, frame, va, vb), x * y, 12);
    const auto order = x <=> y;
    ASSERT_EQ(compare(va, vb), order < 0 ? Order::less : order > 0 ? Order::greater : Order::equal);
    if (y == 0) {
      ASSERT_TRUE(divide(node, frame, va, vb).is_error());
      continue;
    }
    const Value quotient = divide(node, frame, va, vb);
    // A divisor below 2^20 needs at most 19 digits for its twos, and 3 for the scales.
    if (x * power_of_ten(24) % y == 0) {
      check(quotient, x * power_of_ten(24) / y, 24);
    } else {
      check(quotient, round_half_even(x * power_of_ten(18), y), 18);
      ASSERT_EQ(quotient.as_decimal().scale(), 18);
    }
    arena.reset();
  }
}

}  // namespace
}  // namespace millrace::expr
