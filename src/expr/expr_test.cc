#include "expr/expr.h"

#include <gtest/gtest.h>

#include <tuple>

#include "expr/evaluator_for_tests.h"

namespace millrace::expr {
namespace {

Decimal decimal(std::string_view text) {
  return Decimal::parse(text).value();
}

class Columns : public LookupTable {
 public:
  [[nodiscard]] Value find(const Value& key) const override {
    if (key.kind() != ValueKind::string || key.as_string() != "AAPL") return Value::null();
    return Value::map(columns_);
  }

 private:
  std::vector<MapEntry> columns_{{Value::string("sector"), Value::string("Technology")},
                                 {Value::string("lots"), Value::int64(100)}};
};

Evaluator ticks() {
  Evaluator evaluate;
  evaluate.field("ticker", FieldType::string, Value::string("AAPL"))
      .field("price", FieldType::decimal, Value::decimal(decimal("223.82")))
      .field("volume", FieldType::int64, Value::int64(1500))
      .field("timestamp", FieldType::timestamp, Value::timestamp(1'340'285'400, 17'460'000))
      .field("extra", FieldType::any, Value::decimal(decimal("1.5")))
      .field("note", FieldType::string, Value())
      .field("flag", FieldType::boolean, Value::null());
  return evaluate;
}

// The figures of the three tests below were worked out by hand from the rules in their names.
Evaluator order(std::string_view customer_id, std::string_view amount) {
  Evaluator evaluate;
  evaluate.field("customer_id", FieldType::string, Value::string(customer_id))
      .field("amount", FieldType::decimal, Value::decimal(decimal(amount)));
  return evaluate;
}
constexpr std::string_view kRegion =
    "cel.bind(parts, customer_id.split('-'), size(parts) > 1 && "
    "parts[1].lowerAscii() in ['us', 'eu', 'uk', 'ca', 'au'] ? parts[1].lowerAscii() : 'ca')";

TEST(PipelineExpressions, region_is_the_second_part_of_the_id_or_ca) {
  EXPECT_EQ(order("CUST-US-00017", "1")(kRegion), "string 'us'");
  EXPECT_EQ(order("CUST-eu-00017", "1")(kRegion), "string 'eu'");
  EXPECT_EQ(order("CUST-JP-00017", "1")(kRegion), "string 'ca'");
  EXPECT_EQ(order("CUST", "1")(kRegion), "string 'ca'");
  EXPECT_EQ(order("", "1")(kRegion), "string 'ca'");
}

TEST(PipelineExpressions, tax_is_the_amount_times_the_rate_of_the_region_rounded_half_even) {
  const std::string_view tax =
      "round(amount * {'us': 0.0825, 'eu': 0.20, 'uk': 0.2, 'ca': 0.13, 'au': 0.1}[region], 2)";
  const auto tax_of = [&](std::string_view amount, std::string_view region) {
    return order("x", amount).field("region", FieldType::string, Value::string(region))(tax);
  };
  EXPECT_EQ(tax_of("129.99", "us"), "decimal 10.72");  // 10.724175
  EXPECT_EQ(tax_of("0.25", "au"), "decimal 0.02");     // 0.025, to even
  EXPECT_EQ(tax_of("0.35", "au"), "decimal 0.04");     // 0.035, to even
  EXPECT_EQ(tax_of("1000000000000000.05", "eu"), "decimal 200000000000000.01");
  EXPECT_EQ(tax_of("1", "jp"), "error 1:76: no such key: 'jp'");
}

TEST(PipelineExpressions, category_has_three_steps) {
  const std::string_view category = "amount < 50 ? 'small' : amount > 500 ? 'large' : 'medium'";
  EXPECT_EQ(order("x", "49.99")(category), "string 'small'");
  EXPECT_EQ(order("x", "50")(category), "string 'medium'");
  EXPECT_EQ(order("x", "500.00")(category), "string 'medium'");
  EXPECT_EQ(order("x", "500.01")(category), "string 'large'");
}

TEST(PipelineExpressions, merchant_id_is_made_of_the_region_and_the_sum_of_the_code_points) {
  const std::string_view merchant_id =
      "'MERCH-' + region.upperAscii() + '-' + "
      "pad_left(string(sum(code_points(customer_id)) % 100), 3, '0')";
  // C 67, 1 49: 116 % 100 = 16. C 67, 4 52: 119. Empty: 0.
  const auto id_of = [&](std::string_view customer) {
    return order(customer, "1")
        .field("region", FieldType::string, Value::string("us"))(merchant_id);
  };
  EXPECT_EQ(id_of("C1"), "string 'MERCH-US-016'");
  EXPECT_EQ(id_of("C4"), "string 'MERCH-US-019'");
  EXPECT_EQ(id_of(""), "string 'MERCH-US-000'");
  EXPECT_EQ(id_of("\xf0\x9f\x90\xb1"), "string 'MERCH-US-049'");  // U+1F431 is 128049
}

TEST(Decimals, literals_with_a_fraction_meet_decimals_exactly) {
  auto evaluate = ticks();
  evaluate.at(1) = Value::decimal(decimal("0.01"));
  EXPECT_EQ(evaluate("price > 0.01"), "false");
  EXPECT_EQ(evaluate("price >= 0.01"), "true");
  EXPECT_EQ(evaluate("0.01 == price"), "true");
  EXPECT_EQ(evaluate("price in [0.02, 0.01]"), "true");
  EXPECT_EQ(evaluate("price * 0.1"), "decimal 0.001");
  EXPECT_EQ(evaluate("price - 0.01 == 0"), "true");
  // As doubles these two differ from 0.3, as decimals they do not.
  EXPECT_EQ(evaluate("0.1 + 0.2 == 0.3"), "false");
  EXPECT_EQ(evaluate("price * 0.0 + (0.1 + 0.2) == 0.3"), "true");
  EXPECT_EQ(evaluate("extra + 0.123456789012345678"), "decimal 1.623456789012345678");
  EXPECT_EQ(evaluate("extra * -0.5"), "decimal -0.75");
}

TEST(Decimals, an_int_meets_a_written_fraction_as_a_decimal) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("volume * 0.1"), "decimal 150.0");
  EXPECT_EQ(evaluate("volume > 1499.5"), "true");
  EXPECT_EQ(evaluate("volume + double('0.5')"), "error 1:8: no such overload: +(int, double)");
}

TEST(Decimals, quotients_are_exact_where_they_end_and_have_18_digits_where_not) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("extra / 4"), "decimal 0.375");
  EXPECT_EQ(evaluate("price / 2"), "decimal 111.91");
  EXPECT_EQ(evaluate("decimal('10.00') / 2"), "decimal 5.00");
  EXPECT_EQ(evaluate("decimal('1') / 0.001"), "decimal 1000");
  EXPECT_EQ(evaluate("decimal('1') / 3"), "decimal 0.333333333333333333");
  EXPECT_EQ(evaluate("decimal('2') / 3"), "decimal 0.666666666666666667");
  EXPECT_EQ(evaluate("decimal('-2') / 3"), "decimal -0.666666666666666667");
  // 2^-38 ends after 38 digits, 2^-39 does not end within them.
  EXPECT_EQ(evaluate("decimal('1') / 274877906944"),
            "decimal 0.00000000000363797880709171295166015625");
  EXPECT_EQ(evaluate("decimal('1') / 549755813888"), "decimal 0.000000000001818989");
  EXPECT_EQ(evaluate("price / 0"), "error 1:7: division by zero");
  EXPECT_EQ(evaluate("price / 0.0"), "error 1:7: division by zero");
}

TEST(Decimals, what_does_not_fit_38_digits_is_an_error) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("decimal('99999999999999999999999999999999999999') + 1"),
            "error 1:51: overflow: the result of '+' does not fit a decimal of 38 digits");
  EXPECT_EQ(evaluate("decimal('1e20') * decimal('1e20')"),
            "error 1:17: overflow: the result of '*' does not fit a decimal of 38 digits");
  EXPECT_EQ(evaluate("round(decimal('1e37'), 2)"),
            "error 1:1: overflow: the rounded number has over 38 digits");
  EXPECT_EQ(evaluate("extra + double('1e300')"),
            "error 1:7: a double that is not finite or has over 38 digits meets a decimal");
}

TEST(Decimals, order_across_kinds_of_numbers_is_exact) {
  auto evaluate = ticks();
  evaluate.at(4) = Value::decimal(decimal("9007199254740993.0"));  // 2^53 + 1, no double
  EXPECT_EQ(evaluate("extra == 9007199254740993"), "true");
  EXPECT_EQ(evaluate("extra > 9007199254740992"), "true");
  EXPECT_EQ(evaluate("extra == 9007199254740993u"), "true");
  EXPECT_EQ(evaluate("extra in {9007199254740993: 'x'}"), "true");
  EXPECT_EQ(evaluate("extra < double('Infinity')"), "true");
  EXPECT_EQ(evaluate("extra > double('-Infinity')"), "true");
  EXPECT_EQ(evaluate("extra < double('NaN') || extra >= double('NaN')"), "false");
  EXPECT_EQ(evaluate("decimal('0') < 1e-300"), "true");
  EXPECT_EQ(evaluate("decimal('1e-38') > 1e-300"), "true");
  EXPECT_EQ(evaluate("decimal('-1e-38') < 1e-300"), "true");
  EXPECT_EQ(evaluate("decimal('1e37') < 1e300"), "true");
}

TEST(Decimals, conversions_cut_or_keep) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("int(decimal('-1.9'))"), "int -1");
  EXPECT_EQ(evaluate("uint(decimal('1.9'))"), "uint 1");
  EXPECT_EQ(evaluate("uint(decimal('-0.1'))"), "error 1:1: range: the decimal does not fit uint");
  EXPECT_EQ(evaluate("int(decimal('1e30'))"), "error 1:1: range: the decimal does not fit int");
  EXPECT_EQ(evaluate("double(decimal('0.1'))"), "double 0.1");
  EXPECT_EQ(evaluate("string(decimal('1.50'))"), "string '1.50'");
  EXPECT_EQ(evaluate("decimal(0.10)"), "decimal 0.10");
  EXPECT_EQ(evaluate("decimal(double('0.10'))"), "decimal 0.1");
  EXPECT_EQ(evaluate("decimal(7)"), "decimal 7");
  EXPECT_EQ(evaluate("decimal('x')"), "error 1:1: 'x' is not a decimal of at most 38 digits");
  EXPECT_EQ(evaluate("type(price) == decimal"), "true");
}

TEST(Decimals, a_whole_number_in_a_decimal_field_is_a_decimal) {
  auto evaluate = ticks();
  evaluate.at(1) = Value::int64(5);
  EXPECT_EQ(evaluate("price / 2"), "decimal 2.5");  // and not int division
  EXPECT_EQ(evaluate("price > 4.5"), "true");
  EXPECT_EQ(evaluate("price == 5"), "true");
  EXPECT_EQ(evaluate("volume / 1000"), "int 1");
}

TEST(Numbers, round_gives_a_decimal_with_that_many_digits) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("round(price * volume, 4)"), "decimal 335730.0000");
  EXPECT_EQ(evaluate("round(volume, 2)"), "decimal 1500.00");
  EXPECT_EQ(evaluate("round(0.125, 2)"), "decimal 0.12");
  EXPECT_EQ(evaluate("round(0.375, 2)"), "decimal 0.38");
  EXPECT_EQ(evaluate("round(-2.5, 0)"), "decimal -2");
  EXPECT_EQ(evaluate("round(double('2.675'), 2)"), "decimal 2.68");
  EXPECT_EQ(evaluate("round(price, 39)"), "error 1:1: round wants 0 to 38 digits");
  EXPECT_EQ(evaluate("round(price, -1)"), "error 1:1: round wants 0 to 38 digits");
}

TEST(Numbers, sum_min_max_and_abs_take_all_kinds) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("sum([])"), "int 0");
  EXPECT_EQ(evaluate("sum([1, 2, 3])"), "int 6");
  EXPECT_EQ(evaluate("sum([1, extra, 2])"), "decimal 4.5");
  EXPECT_EQ(evaluate("sum([9223372036854775807, 1])"),
            "error 1:1: overflow: the result of 'sum' does not fit int");
  EXPECT_EQ(evaluate("sum([9223372036854775807, 1, -1])"),
            "error 1:1: overflow: the result of 'sum' does not fit int");
  EXPECT_EQ(evaluate("sum([1, 'a'])"), "error 1:1: no such overload: sum(string)");
  EXPECT_EQ(evaluate("min(volume, extra, 7)"), "decimal 1.5");
  EXPECT_EQ(evaluate("max([volume, extra, 7])"), "int 1500");
  EXPECT_EQ(evaluate("max('a', 'b')"), "string 'b'");
  EXPECT_EQ(evaluate("min([])"), "error 1:1: an empty list has no extreme");
  EXPECT_EQ(evaluate("min(1, 'a')"), "error 1:1: no such overload: min(int, string)");
  EXPECT_EQ(evaluate("abs(-3)"), "int 3");
  EXPECT_EQ(evaluate("abs(decimal('-1.50'))"), "decimal 1.50");
  EXPECT_EQ(evaluate("abs(-9223372036854775808)"),
            "error 1:1: overflow: the result of 'abs' does not fit int");
}

TEST(Text, pad_left_counts_code_points) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("pad_left('7', 3, '0')"), "string '007'");
  EXPECT_EQ(evaluate("pad_left('1234', 3, '0')"), "string '1234'");
  EXPECT_EQ(evaluate("pad_left('\u00e4', 3, '\u00f6')"), "string '\u00f6\u00f6\u00e4'");
  EXPECT_EQ(evaluate("pad_left('7', 3, '')"), "error 1:1: pad_left fills with one character");
  EXPECT_EQ(evaluate("pad_left('7', 2000, '0')"), "error 1:1: pad_left pads to at most 1024");
}

TEST(Text, code_points_are_numbers) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("code_points('A\u00e4\U0001f431')"), "[int 65, int 228, int 128049]");
  EXPECT_EQ(evaluate("code_points('')"), "[]");
}

TEST(Text, reverse_keeps_code_points_whole) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("'a\u00e4\U0001f431z'.reverse()"), "string 'z\U0001f431\u00e4a'");
}

TEST(Text, an_empty_separator_or_pattern_stands_between_all_code_points) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("'a\u00e4b'.split('')"), "[string 'a', string '\u00e4', string 'b']");
  EXPECT_EQ(evaluate("'abc'.split('', 2)"), "[string 'a', string 'bc']");
  EXPECT_EQ(evaluate("''.split(',')"), "[string '']");
  EXPECT_EQ(evaluate("'ab'.replace('', '-')"), "string '-a-b-'");
  EXPECT_EQ(evaluate("'ab'.replace('', '-', 2)"), "string '-a-b'");
}

TEST(Fields, an_absent_field_is_an_error_except_under_has) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("note == 'x'"), "error 1:1: no such field: 'note'");
  EXPECT_EQ(evaluate("size(note)"), "error 1:6: no such field: 'note'");
  EXPECT_EQ(evaluate("has(note)"), "false");
  EXPECT_EQ(evaluate("has(ticker)"), "true");
  EXPECT_EQ(evaluate("has(flag)"), "true");  // null is there
  EXPECT_EQ(evaluate("!has(note) || note == 'x'"), "true");
  EXPECT_EQ(evaluate("flag == null"), "true");
  EXPECT_EQ(evaluate("flag ? 1 : 2"), "error 1:6: no such overload: ?:(null_type)");
}

TEST(Fields, names_in_backquotes_and_of_types_are_fields_first) {
  Evaluator evaluate;
  evaluate.field("content-type", FieldType::string, Value::string("json"))
      .field("type", FieldType::string, Value::string("buy"))
      .field("for", FieldType::int64, Value::int64(3));
  EXPECT_EQ(evaluate("`content-type`"), "string 'json'");
  EXPECT_EQ(evaluate("type"), "string 'buy'");
  EXPECT_EQ(evaluate("`for` + 1"), "int 4");
  EXPECT_EQ(evaluate("for + 1"),
            "refused 1:1: 'for' is a reserved word; write a field of that name as `for`");
}

TEST(Fields, a_program_knows_what_it_reads_and_gives) {
  auto evaluate = ticks();
  const auto program = evaluate.compile("volume > 1 && has(note) && price * volume > 5");
  ASSERT_TRUE(program.is_ok());
  EXPECT_EQ(program->fields_read(), (std::vector<std::size_t>{1, 2, 5}));
  EXPECT_EQ(program->result_type(), FieldType::boolean);
  EXPECT_EQ(evaluate.compile("price * volume")->result_type(), FieldType::decimal);
  EXPECT_EQ(evaluate.compile("volume * 2")->result_type(), FieldType::int64);
  EXPECT_EQ(evaluate.compile("ticker + 'x'")->result_type(), FieldType::string);
  EXPECT_EQ(evaluate.compile("timestamp + duration('1s')")->result_type(), FieldType::timestamp);
  EXPECT_EQ(evaluate.compile("extra")->result_type(), FieldType::any);
  EXPECT_EQ(evaluate.compile("'a'.split('b')")->text(), "'a'.split('b')");
}

TEST(Fields, compare_with_constants_either_way_round) {
  auto evaluate = ticks();
  for (const auto& [symbol, below, same, above] :
       {std::tuple{"<", "true", "false", "false"}, std::tuple{"<=", "true", "true", "false"},
        std::tuple{">", "false", "false", "true"}, std::tuple{">=", "false", "true", "true"},
        std::tuple{"==", "false", "true", "false"}, std::tuple{"!=", "true", "false", "true"}}) {
    EXPECT_EQ(evaluate(joined({"223.819 ", symbol, " price"})), below) << symbol;
    EXPECT_EQ(evaluate(joined({"223.8200 ", symbol, " price"})), same) << symbol;
    EXPECT_EQ(evaluate(joined({"224 ", symbol, " price"})), above) << symbol;
    EXPECT_EQ(evaluate(joined({"volume ", symbol, " 1501"})), below) << symbol;
    EXPECT_EQ(evaluate(joined({"volume ", symbol, " 1500"})), same) << symbol;
    EXPECT_EQ(evaluate(joined({"volume ", symbol, " 1499"})), above) << symbol;
    EXPECT_EQ(evaluate(joined({"'AAP' ", symbol, " ticker"})), below) << symbol;
    EXPECT_EQ(evaluate(joined({"extra ", symbol, " 1u"})), above) << symbol;
  }
}

TEST(Tables, a_missing_row_is_null_and_so_is_all_of_it) {
  const Columns columns;
  auto evaluate = ticks();
  evaluate.table("sectors", columns);
  EXPECT_EQ(evaluate("sectors[ticker].sector"), "string 'Technology'");
  EXPECT_EQ(evaluate("sectors['X']"), "null");
  EXPECT_EQ(evaluate("sectors['X'].sector"), "null");
  EXPECT_EQ(evaluate("sectors['X'].sector.more['k']"), "null");
  EXPECT_EQ(evaluate("sectors['X'].sector == null ? 'none' : 'some'"), "string 'none'");
  EXPECT_EQ(evaluate("has(sectors['X'].sector)"), "false");
  EXPECT_EQ(evaluate("has(sectors[ticker].sector)"), "true");
  EXPECT_EQ(evaluate("has(sectors[ticker].colour)"), "false");
  EXPECT_EQ(evaluate("sectors[ticker].colour"), "error 1:17: no such key: 'colour'");
  EXPECT_EQ(evaluate("ticker in sectors"), "true");
  EXPECT_EQ(evaluate("'X' in sectors"), "false");
  EXPECT_EQ(evaluate("cel.bind(row, sectors['X'], row.sector)"), "null");
  EXPECT_EQ(evaluate("sectors[ticker].lots * 2"), "int 200");
  EXPECT_EQ(evaluate("sectors[note].sector"), "error 1:9: no such field: 'note'");
  EXPECT_EQ(evaluate("{'a': null}['a'].b"),
            "error 1:18: no such overload: a value of type null_type has no field 'b'");
  EXPECT_EQ(evaluate("sectors"),
            "refused 1:1: 'sectors' is a table; look into it with sectors[key]");
  EXPECT_EQ(evaluate("sektors[ticker]"),
            "refused 1:1: unknown name 'sektors'; did you mean 'sectors'?");
}

TEST(Compilation, unknown_names_come_with_the_nearest_one) {
  auto evaluate = ticks();
  evaluate.later_field("notional");
  EXPECT_EQ(evaluate("prise > 0"), "refused 1:1: unknown name 'prise'; did you mean 'price'?");
  EXPECT_EQ(evaluate("Price > 0"), "refused 1:1: unknown name 'Price'; did you mean 'price'?");
  EXPECT_EQ(evaluate("\n  volume +\n  vloume"),
            "refused 3:3: unknown name 'vloume'; did you mean 'volume'?");
  EXPECT_EQ(evaluate("customer"), "refused 1:1: unknown name 'customer'");
  EXPECT_EQ(evaluate("notional > 0"),
            "refused 1:1: the field 'notional' is computed later; only "
            "fields above this one are known");
  EXPECT_EQ(evaluate("ticker.startWith('A')"),
            "refused 1:8: unknown function 'startWith'; did you mean 'startsWith'?");
  EXPECT_EQ(evaluate("upperAscii(ticker)"),
            "refused 1:1: 'upperAscii' is called as string.upperAscii()");
  EXPECT_EQ(evaluate("price.round(2)"), "refused 1:7: 'round' is called as round(number, int)");
}

TEST(Compilation, types_that_never_fit_are_refused) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("ticker > 5"), "refused 1:8: '>' does not take string and int");
  EXPECT_EQ(evaluate("ticker == 5"), "refused 1:8: '==' does not take string and int");
  EXPECT_EQ(evaluate("ticker + volume"),
            "refused 1:8: '+' does not take string and int; convert with string()");
  EXPECT_EQ(evaluate("ticker && true"), "refused 1:1: '&&' takes bools, not string");
  EXPECT_EQ(evaluate("volume ? 1 : 2"), "refused 1:8: the condition before '?' is int, not bool");
  EXPECT_EQ(evaluate("ticker.substring('1')"),
            "refused 1:18: string does not fit string.substring(int[, int])");
  EXPECT_EQ(evaluate("round(price)"),
            "refused 1:1: wrong number of arguments; it is round(number, int)");
  EXPECT_EQ(evaluate("volume.x"), "refused 1:8: a value of type int has no field 'x'");
  EXPECT_EQ(evaluate("volume[0]"), "refused 1:7: a value of type int is not indexed by int");
  EXPECT_EQ(evaluate("volume in ticker"),
            "refused 1:8: 'in' looks into a list, a map or a table, not into string");
  EXPECT_EQ(evaluate("ticker.all(c, true)"),
            "refused 1:8: 'all' goes over a list or a map, not over string");
  EXPECT_EQ(evaluate("ticker.matches('(')"),
            "refused 1:16: '(' is not a regular expression RE2 accepts: missing ): (");
}

TEST(Compilation, unchecked_programs_fail_only_where_they_are_evaluated) {
  auto evaluate = ticks();
  evaluate.unchecked();
  EXPECT_EQ(evaluate("prise > 0"), "error 1:1: unknown name 'prise'; did you mean 'price'?");
  EXPECT_EQ(evaluate("prise > 0 || true"), "true");
  EXPECT_EQ(evaluate("'a' && false"), "false");
}

TEST(Evaluation, and_and_or_absorb_errors_that_do_not_matter) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("volume / 0 > 1 || volume > 1"), "true");
  EXPECT_EQ(evaluate("volume / 0 > 1 && volume < 1"), "false");
  EXPECT_EQ(evaluate("volume / 0 > 1 || volume < 1"), "error 1:8: division by zero");
  EXPECT_EQ(evaluate("note == '' || volume / 0 > 1 || volume > 1"), "true");
}

TEST(Evaluation, large_constant_maps_and_lists_are_looked_up_by_hash) {
  std::string map = "{7: 'seven', ";
  std::string list = "[7, ";
  for (int i = 0; i < 100; ++i) {
    const std::string number = std::to_string(i);
    map += joined({i > 0 ? ", " : "", "'k", number, "': ", number});
    list += joined({i > 0 ? ", " : "", "'k", number, "'"});
  }
  map += "}";
  list += "]";
  const std::string bracket = std::to_string(map.size() + 1);
  Evaluator evaluate;
  evaluate.field("key", FieldType::any, Value());
  for (int i = 0; i < 110; ++i) {
    const std::string key = "k" + std::to_string(i);
    evaluate.at(0) = Value::string(key);
    EXPECT_EQ(evaluate(map + "[key]"),
              i < 100 ? "int " + std::to_string(i)
                      : joined({"error 1:", bracket, ": no such key: '", key, "'"}));
    EXPECT_EQ(evaluate("key in " + map), i < 100 ? "true" : "false");
    EXPECT_EQ(evaluate("key in " + list), i < 100 ? "true" : "false");
  }
  evaluate.at(0) = Value::decimal(decimal("7.0"));
  EXPECT_EQ(evaluate(map + "[key]"), "string 'seven'");
  EXPECT_EQ(evaluate("key in " + list), "true");
  evaluate.at(0) = Value::null();
  EXPECT_EQ(evaluate("key in " + map), "false");
}

TEST(Evaluation, macros_see_the_variables_around_them) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("[1, 2].map(x, [10, 20].map(y, x + y))"),
            "[[int 11, int 21], [int 12, int 22]]");
  EXPECT_EQ(evaluate("[1, 2].map(x, cel.bind(y, x * 10, y + x))"), "[int 11, int 22]");
  EXPECT_EQ(evaluate("[1, 2].map(x, [3].map(x, x))"), "[[int 3], [int 3]]");
  EXPECT_EQ(evaluate("[[1, 2], [3]].map(x, x.map(y, y * volume))"),
            "[[int 1500, int 3000], [int 4500]]");
  EXPECT_EQ(evaluate("[[1, 2], [3]].map(x, x.filter(y, y > 1))"), "[[int 2], [int 3]]");
  EXPECT_EQ(evaluate("[1].map(ticker, ticker) == [1] && ticker == 'AAPL'"), "true");
  EXPECT_EQ(
      evaluate("[3, 4].map(i, x, i * 10 + x > 3, x)"),
      "refused 1:8: the macro 'map' is called as range.map(variable, ...) with other arguments");
  EXPECT_EQ(evaluate("[3, 4].transformList(i, x, x > 3, i * 10 + x)"), "[int 14]");
  EXPECT_EQ(evaluate("{'a': 1}.transformMap(k, v, v + 1)"), "{string 'a': int 2}");
  EXPECT_EQ(evaluate("[1].all(x, x, true)"),
            "refused 1:12: the two variables of a macro need two names");
  EXPECT_EQ(evaluate("[1].map(x.y, 1)"), "refused 1:11: the variable of a macro is a plain name");
}

TEST(Evaluation, time_zones_are_utc_or_offsets) {
  auto evaluate = ticks();
  EXPECT_EQ(evaluate("timestamp.getHours()"), "int 13");
  EXPECT_EQ(evaluate("timestamp.getHours('+02:00')"), "int 15");
  EXPECT_EQ(evaluate("timestamp.getMinutes('-09:30')"), "int 0");
  EXPECT_EQ(evaluate("timestamp.getHours('Europe/Berlin')"),
            "error 1:11: the time zone 'Europe/Berlin' is not supported; use 'UTC' or an offset "
            "such as '+02:00'");
}

TEST(Evaluation, values_equal_is_cels_equality) {
  const std::vector<Value> a = {Value::int64(1), Value::decimal(decimal("2.50"))};
  const std::vector<Value> b = {Value::uint64(1), Value::decimal(decimal("2.5"))};
  EXPECT_TRUE(values_equal(Value::list(a), Value::list(b)));
  EXPECT_TRUE(values_equal(Value::null(), Value::null()));
  EXPECT_FALSE(values_equal(Value::string("1"), Value::int64(1)));
  EXPECT_FALSE(values_equal(Value::float64(0.0 / 0.0), Value::float64(0.0 / 0.0)));
}

}  // namespace
}  // namespace millrace::expr
