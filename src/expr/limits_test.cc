#include <gtest/gtest.h>

#include "expr/evaluator_for_tests.h"

// No expression runs away: not in time, not in memory, not off the arena.

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MR_HAS_MALLOC_HOOKS 1
#endif
#endif
#ifdef MR_HAS_MALLOC_HOOKS
#include <sanitizer/allocator_interface.h>
#endif

namespace millrace::expr {
namespace {

constexpr std::string_view kStepsMessage = "the evaluation takes more than 1000000 steps";

bool runs_out(std::string_view result) {
  return result.ends_with(kStepsMessage);
}

TEST(Limits, nested_loops_run_out_of_steps) {
  const std::vector<Value> numbers(1000, Value::int64(1));
  Evaluator evaluate;
  evaluate.field("xs", FieldType::list, Value::list(numbers));
  EXPECT_TRUE(runs_out(evaluate("xs.all(a, xs.all(b, a == b))")));
  EXPECT_TRUE(runs_out(evaluate("xs.map(a, xs.map(b, xs.map(c, c)))")));
  EXPECT_EQ(evaluate("xs.all(a, a == 1)"), "true");
}

TEST(Limits, doubling_strings_and_lists_runs_out_of_steps) {
  Evaluator evaluate;
  evaluate.field("s", FieldType::string, Value::string("0123456789"));
  std::string strings = "[s]";
  std::string lists = "[[s]]";
  for (int i = 0; i < 60; ++i) {
    strings += ".map(x, x + x)";
    lists += ".map(x, x + x)";
  }
  EXPECT_TRUE(runs_out(evaluate(strings)));
  EXPECT_TRUE(runs_out(evaluate(lists)));
  EXPECT_TRUE(
      runs_out(evaluate("[s].map(x, x.replace('', s).replace('', s).replace('', s)"
                        ".replace('', s).replace('', s).replace('', s))")));
}

TEST(Limits, comparing_values_that_share_their_parts_runs_out_of_steps) {
  // 2^60 leaves, 60 lists.
  Evaluator evaluate;
  evaluate.field("s", FieldType::string, Value::string("0123456789"));
  std::string shared = "[s]";
  for (int i = 0; i < 60; ++i) shared += ".map(x, [x, x])";
  EXPECT_TRUE(runs_out(evaluate(shared + " == " + shared)));
  EXPECT_TRUE(runs_out(evaluate("'%s'.format(" + shared + ")")) ||
              evaluate("'%s'.format(" + shared + ")").find("does not take") != std::string::npos);
}

TEST(Limits, expensive_constants_are_left_to_the_evaluation) {
  std::string doubled = "['0123456789']";
  for (int i = 0; i < 60; ++i) doubled += ".map(x, x + x)";
  Evaluator evaluate;
  EXPECT_TRUE(runs_out(evaluate(doubled)));
  std::string shared = "['s']";
  for (int i = 0; i < 60; ++i) shared += ".map(x, [x, x])";
  EXPECT_EQ(evaluate("size(" + shared + ")"), "int 1");
}

TEST(Limits, evaluation_stays_off_the_heap) {
#ifdef MR_HAS_MALLOC_HOOKS
  Evaluator evaluate;
  evaluate.field("name", FieldType::string, Value::string("a-long-name-with-dashes"))
      .field("price", FieldType::decimal, Value::decimal({123'456'789, 4}))
      .field("time", FieldType::timestamp, Value::timestamp(1'340'285'400, 17'460'001));
  static std::uint64_t allocation_count = 0;
  static bool is_counting = false;
  __sanitizer_install_malloc_and_free_hooks(
      [](const volatile void*, std::size_t) { allocation_count += is_counting ? 1 : 0; },
      [](const volatile void*) {});
  for (const char* text :
       {"price > 0 && name.matches('^[a-z-]+$')", "round(price * 1.25, 2) / 7",
        "name.split('-').map(p, p.upperAscii()).join('_')", "string(price) + string(time)",
        "sum(code_points(name)) % 100", "{'a': name, 'b': [1, 2]}.a + 'x'",
        "time.getHours('+02:00')", "'%s %.3f %x'.format([price, 2.5, name])", "name.nope(1) == 1",
        "price / 0", "duration('1h') > duration('30m') ? name.replace('a', 'bb') : ''",
        "pad_left(name, 64, ' ').trim().reverse()", "decimal(string(price)) == price"}) {
    auto program = evaluate.unchecked().compile(text);
    ASSERT_TRUE(program.is_ok()) << text;
    Arena arena(1 << 20);
    arena.allocate(1);  // its block
    is_counting = true;
    const Value value = program->evaluate(evaluate.input(), arena);
    is_counting = false;
    EXPECT_FALSE(value.is_absent());
    EXPECT_EQ(allocation_count, 0U) << text;
    allocation_count = 0;
  }
#else
  GTEST_SKIP() << "counts through AddressSanitizer's hooks";
#endif
}

}  // namespace
}  // namespace millrace::expr
