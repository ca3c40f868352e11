#include "codec/json.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json_text.h"
#include "codec/json_reader.h"
#include "codec/json_twin.h"

namespace millrace::codec {
namespace {

using namespace std::string_view_literals;

std::string error_of(std::string_view text) {
  Arena arena;
  const auto value = parse_json(text, arena);
  if (value.is_ok()) return "";
  EXPECT_EQ(value.status().code(), StatusCode::invalid);
  return std::string(value.status().message());
}

std::string round_trip(std::string_view text) {
  Arena arena;
  const auto value = parse_json(text, arena);
  if (!value.is_ok()) return value.status().to_string();
  std::string out;
  append_json(out, *value, false);
  return out;
}

TEST(Json, every_kind_of_value_is_parsed) {
  Arena arena;
  const auto value = parse_json(R"( {"s":"a","i":-12,"d":1.50,"t":true,"f":false,"n":null,
      "l":[1,[],{}],"m":{"x":"y"}} )",
                                arena);
  ASSERT_TRUE(value.is_ok()) << value.status().to_string();
  const auto map = value->as_map();
  ASSERT_EQ(map.size(), 8u);
  EXPECT_EQ(map[0].value.as_string(), "a");
  EXPECT_EQ(map[1].value.as_int64(), -12);
  EXPECT_EQ(map[2].value.as_decimal().unscaled(), 150);
  EXPECT_EQ(map[2].value.as_decimal().scale(), 2);
  EXPECT_TRUE(map[3].value.as_boolean());
  EXPECT_FALSE(map[4].value.as_boolean());
  EXPECT_TRUE(map[5].value.is_null());
  ASSERT_EQ(map[6].value.as_list().size(), 3u);
  EXPECT_TRUE(map[6].value.as_list()[1].as_list().empty());
  EXPECT_TRUE(map[6].value.as_list()[2].as_map().empty());
  EXPECT_EQ(map[7].key.as_string(), "m");
  EXPECT_EQ(map[7].value.as_map()[0].value.as_string(), "y");
}

TEST(Json, whole_numbers_are_int64_where_they_fit_and_others_exact_decimals) {
  EXPECT_EQ(round_trip("9223372036854775807"), "9223372036854775807");
  Arena arena;
  EXPECT_EQ(parse_json("-9223372036854775808", arena)->kind(), ValueKind::int64);
  EXPECT_EQ(parse_json("9223372036854775808", arena)->kind(), ValueKind::decimal);
  EXPECT_EQ(parse_json("1.0", arena)->kind(), ValueKind::decimal);
  EXPECT_EQ(parse_json("1e2", arena)->kind(), ValueKind::decimal);
  EXPECT_EQ(round_trip("0.1234567890123456789012345678901234567"),
            "0.1234567890123456789012345678901234567");
  EXPECT_EQ(round_trip("-223.820"), "-223.820");
  EXPECT_EQ(error_of("123456789012345678901234567890123456789"),
            "byte 0: a number must fit in 38 digits");
  EXPECT_EQ(error_of("[1e39]"), "byte 1: a number must fit in 38 digits");
}

TEST(Json, escapes_are_resolved) {
  Arena arena;
  const auto value = parse_json(R"("\"\\\/\b\f\n\r\tA\u00e9\u20ac\uD83D\ude00")", arena);
  ASSERT_TRUE(value.is_ok());
  EXPECT_EQ(value->as_string(), "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(Json, refusals_name_the_byte) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {"", "byte 0: a value is expected"},
      {"  ", "byte 2: a value is expected"},
      {"[1,2", "byte 4: ',' or ']' is expected"},
      {"[1,]", "byte 3: a value is expected"},
      {"[1 2]", "byte 3: ',' or ']' is expected"},
      {"[1}", "byte 2: ',' or ']' is expected"},
      {"{\"a\" 1}", "byte 5: ':' is expected"},
      {"{\"a\":1,}", "byte 7: a key in quotes is expected"},
      {"{\"a\":1 \"b\":2}", "byte 7: ',' or '}' is expected"},
      {"{a:1}", "byte 1: a key in quotes is expected"},
      {"{\"a\":1}x", "byte 7: nothing may follow the document"},
      {"1 2", "byte 2: nothing may follow the document"},
      {"tru", "byte 0: a value is expected"},
      {"truex", "byte 0: a value is expected"},
      {"nul", "byte 0: a value is expected"},
      {"01", "byte 0: a number must not begin with 0"},
      {"-", "byte 0: a number needs digits"},
      {"1.", "byte 0: a number needs digits after its point"},
      {"1e+", "byte 0: a number needs digits in its exponent"},
      {"12a", "byte 2: this does not belong to a number"},
      {"1\"a\"", "byte 1: this does not belong to a number"},
      {"+1", "byte 0: a value is expected"},
      {"\"abc", "byte 4: a string is not closed"},
      {"\"a\nb\"", "byte 2: a control character in a string must be escaped"},
      {"\"\\x\"", "byte 1: there is no such escape"},
      {"\"\\ud800\"", "byte 1: \\u needs four hex digits, and a surrogate its other half"},
      {"\"\\udc00\"", "byte 1: \\u needs four hex digits, and a surrogate its other half"},
      {"\"\\ud800\\u0041\"", "byte 1: \\u needs four hex digits, and a surrogate its other half"},
      {"\"\\u12g4\"", "byte 1: \\u needs four hex digits, and a surrogate its other half"},
      {"\"\xc3\"", "byte 1: this is not UTF-8"},
      {"[\"a\",\"\xed\xa0\x80\"]", "byte 6: this is not UTF-8"},
      {"\xef\xbb\xbf{}", "byte 0: a value is expected"},
      {"{\"a\":1,\"b\":{\"k\":1,\"\\u006b\":2}}", "byte 11: the object has the key \"k\" twice"},
      {"\0"sv, "byte 0: a value is expected"},
      {"[1,\f2]", "byte 3: a value is expected"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(error_of(text), message) << text;
}

TEST(Json, depth_is_limited_to_64) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_EQ(error_of(nested(64)), "");
  EXPECT_EQ(error_of(nested(65)), "byte 64: nested deeper than 64");
  EXPECT_EQ(error_of(nested(1'000'000)), "byte 64: nested deeper than 64");
}

TEST(Json, duplicate_keys_are_found_among_few_and_many) {
  for (const int count : {2, 3, 12, 13, 500}) {
    std::string text = "{";
    for (int i = 0; i < count - 1; ++i) text += "\"k" + std::to_string(i) + "\":1,";
    EXPECT_EQ(error_of(text + "\"other\":1}"), "");
    EXPECT_EQ(error_of(text + "\"k0\":1}"), "byte 0: the object has the key \"k0\" twice");
  }
}

TEST(Json, a_long_duplicate_key_is_cut_between_code_points) {
  std::string key(63, 'a');
  key += "\xc3\xa9xyz";
  EXPECT_EQ(error_of("{\"" + key + "\":1,\"" + key + "\":2}"),
            "byte 0: the object has the key \"" + std::string(63, 'a') + "\" twice");
}

TEST(Json, parsed_strings_outlive_the_text) {
  Arena arena;
  auto text = std::make_unique<std::string>("[\"a plain string\",\"an \\u0065scaped one\"]");
  const auto value = parse_json(*text, arena);
  text.reset();
  ASSERT_TRUE(value.is_ok());
  EXPECT_EQ(value->as_list()[0].as_string(), "a plain string");
  EXPECT_EQ(value->as_list()[1].as_string(), "an escaped one");
}

TEST(Json, agrees_with_its_slow_twin_on_random_documents) {
  constexpr std::uint64_t kSeed = 8259;
  SCOPED_TRACE(kSeed);
  JsonGenerator generator(kSeed);
  JsonParser parser;
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto text = generator.document();
    if (generator.one_in(2)) generator.break_it(text);
    // Exactly as many bytes as there are, so that reading beyond them is seen by the sanitizer.
    const std::vector<char> exact(text.begin(), text.end());
    Arena arena;
    const auto value = parser.parse({exact.data(), exact.size()}, arena);
    const auto twin = JsonTwin::parse(text, arena);
    ASSERT_EQ(value.is_ok(), twin.has_value()) << text << "\n" << value.status().to_string();
    if (!twin) continue;
    ++accepted;
    ASSERT_TRUE(are_equal(*value, *twin)) << text;
  }
  EXPECT_GT(accepted, 5'000);
  EXPECT_LT(accepted, 15'000);
}

TEST(Json, a_parser_goes_on_after_large_and_after_broken_texts) {
  JsonParser parser;
  Arena arena;
  const std::string large = "\"" + std::string(3'000'000, 'x') + "\"";
  EXPECT_EQ(parser.parse(large, arena)->as_string().size(), 3'000'000u);
  EXPECT_FALSE(parser.parse("[[[1,", arena).is_ok());
  EXPECT_FALSE(parser.parse("{\"a\":[1,{\"b\":", arena).is_ok());
  EXPECT_EQ(parser.parse("[1]", arena)->as_list()[0].as_int64(), 1);
}

TEST(Json, written_strings_come_back_whatever_the_position_of_their_escapes) {
  Random random(8);
  for (int round = 0; round < 3'000; ++round) {
    std::string text;
    for (auto left = random.below(40); left > 0; --left) {
      append_code_point(text, random.one_in(3) ? static_cast<char32_t>(random.below(0x100)) : U'a');
    }
    std::string json;
    append_json_string(json, text);
    Arena arena;
    const auto value = JsonTwin::parse(json, arena);
    ASSERT_TRUE(value.has_value()) << json;
    ASSERT_EQ(value->as_string(), text);
  }
}

TEST(Json, every_kind_of_value_is_written) {
  const auto written = [](const Value& value, bool decimals_as_strings = true) {
    std::string out;
    append_json(out, value, decimals_as_strings);
    return out;
  };
  EXPECT_EQ(written(Value()), "null");
  EXPECT_EQ(written(Value::uint64(UINT64_MAX)), "18446744073709551615");
  EXPECT_EQ(written(Value::int64(INT64_MIN)), "-9223372036854775808");
  EXPECT_EQ(written(Value::float64(0.1)), "0.1");
  EXPECT_EQ(written(Value::float64(-__builtin_inf())), "\"-Infinity\"");
  EXPECT_EQ(written(Value::decimal({-5, 2})), "\"-0.05\"");
  EXPECT_EQ(written(Value::decimal({-5, 2}), false), "-0.05");
  EXPECT_EQ(written(Value::bytes("\xff\x00"sv)), "\"/wA=\"");
  EXPECT_EQ(written(Value::timestamp(1340285400, 17'460'000)), "\"2012-06-21T13:30:00.017460Z\"");
  EXPECT_EQ(written(Value::duration(1, 500'000'000)), "\"1.5s\"");
  EXPECT_EQ(written(Value::duration(0, -1)), "\"-0.000000001s\"");
  EXPECT_EQ(written(Value::duration(-90, 0)), "\"-90s\"");
  const Value list[] = {Value::boolean(true), Value::decimal({1, 0})};
  EXPECT_EQ(written(Value::list(list)), "[true,\"1\"]");
  EXPECT_EQ(written(Value::list({})), "[]");
  EXPECT_EQ(written(Value::map({})), "{}");
  const MapEntry map[] = {{Value::int64(7), Value::null()},
                          {Value::string("a\nb"), Value::list(list)}};
  EXPECT_EQ(written(Value::map(map), false), "{\"7\":null,\"a\\nb\":[true,1]}");
}

// RFC 4648 section 10.
TEST(Base64, test_vectors_of_the_rfc) {
  const std::vector<std::pair<std::string, std::string>> vectors = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(base64_encode(plain), text);
    const auto back = base64_decode(text);
    ASSERT_TRUE(back.is_ok());
    EXPECT_EQ(*back, plain);
  }
}

TEST(Base64, everything_else_is_refused) {
  for (const auto text : {"A", "AA", "AAA", "=", "====", "A===", "AA=A", "AAAA=", "AA==AAAA",
                          "Zh==", "Zm9=", "Zm 9", "Zm-_", "Zm9\n"}) {
    EXPECT_EQ(base64_decode(text).status().code(), StatusCode::invalid) << text;
  }
}

TEST(Base64, all_bytes_come_back) {
  Random random(3);
  for (std::size_t size = 0; size < 200; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(random.next());
    const auto back = base64_decode(base64_encode(bytes));
    ASSERT_TRUE(back.is_ok());
    EXPECT_EQ(*back, bytes);
  }
}

}  // namespace
}  // namespace millrace::codec
