#include "task/dead_letter.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "codec/json.h"

namespace millrace::task {
namespace {

DeadLetter letter() {
  DeadLetter letter;
  letter.type = ErrorType::business_rule_violation;
  letter.message = "price must be greater than 0";
  letter.stage = "rules";
  letter.pipeline = "ticks@1";
  letter.time = WallTime(1'340'285'400'017);
  letter.source_topic = "input_topic";
  letter.source_partition = 2;
  letter.attempted_id = "e-1";
  return letter;
}

RecordView record(std::optional<std::string_view> key, std::optional<std::string_view> value) {
  RecordView record;
  record.offset = Offset(7);
  record.timestamp = WallTime(1'340'285'399'000);
  record.key = key;
  record.value = value;
  return record;
}

std::string json_of(const DeadLetter& letter, const RecordView& record) {
  std::string out;
  append_dead_letter(out, letter, record);
  return out;
}

TEST(DeadLetter, holds_everything_about_a_record_of_text) {
  const std::vector<HeaderView> headers{{"trace", "t-9"}, {"empty", std::nullopt}};
  auto original = record("AMZN", R"({"price":"-1"})");
  original.headers = headers;
  EXPECT_EQ(
      json_of(letter(), original),
      R"({"original_message":"{\"price\":\"-1\"}",)"
      R"("error_type":"BUSINESS_RULE_VIOLATION","error_message":"price must be greater than 0",)"
      R"("error_timestamp":"2012-06-21T13:30:00.017Z","stage":"rules","pipeline":"ticks@1",)"
      R"("attempted_id":"e-1","original_topic":"input_topic","original_partition":2,)"
      R"("original_offset":7,"original_timestamp":"2012-06-21T13:29:59.000Z",)"
      R"("original_key":"AMZN","original_headers":[{"key":"trace","value":"t-9"},)"
      R"({"key":"empty","value":null}]})");
}

TEST(DeadLetter, bytes_that_are_no_text_travel_as_base64) {
  const std::vector<HeaderView> headers{{"\xff", "\x80\x81"}};
  auto original = record("\xc3\x28", std::string_view("\x00\xff\xfe", 3));
  original.headers = headers;
  const auto json = json_of(letter(), original);
  EXPECT_NE(json.find(R"("original_message_base64":"AP/+")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("original_key_base64":"wyg=")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"([{"key_base64":"/w==","value_base64":"gIE="}])"), std::string::npos)
      << json;
}

TEST(DeadLetter, null_and_empty_differ) {
  const auto nothing = json_of(letter(), record(std::nullopt, std::nullopt));
  EXPECT_NE(nothing.find(R"("original_message":null)"), std::string::npos) << nothing;
  EXPECT_NE(nothing.find(R"("original_key":null)"), std::string::npos) << nothing;
  const auto empty = json_of(letter(), record("", ""));
  EXPECT_NE(empty.find(R"("original_message":"")"), std::string::npos) << empty;
  EXPECT_NE(empty.find(R"("original_key":"")"), std::string::npos) << empty;
}

TEST(DeadLetter, an_unknown_id_is_null_and_an_alias_repeats_it) {
  auto named = letter();
  named.attempted_id_alias = "attempted_order_id";
  auto json = json_of(named, record("k", "v"));
  EXPECT_NE(json.find(R"("attempted_id":"e-1","attempted_order_id":"e-1")"), std::string::npos);
  named.attempted_id = "";
  json = json_of(named, record("k", "v"));
  EXPECT_NE(json.find(R"("attempted_id":null,"attempted_order_id":null)"), std::string::npos);
}

TEST(DeadLetter, every_error_type_has_its_name) {
  std::string names;
  for (std::size_t i = 0; i < kErrorTypeCount; ++i) {
    names += std::string(to_string(static_cast<ErrorType>(i))) + " ";
  }
  EXPECT_EQ(names,
            "SCHEMA_INVALID BUSINESS_RULE_VIOLATION DUPLICATE FUTURE_EVENT LATE_EVENT SINK_ERROR "
            "TIMEOUT ");
}

// --- nothing is lost: the original is read back from the letter ---

const Value* member(const Value& map, std::string_view name) {
  for (const auto& entry : map.as_map()) {
    if (entry.key.as_string() == name) return &entry.value;
  }
  return nullptr;
}

std::optional<std::string> bytes_in(const Value& map, const std::string& name) {
  if (const auto* text = member(map, name)) {
    if (text->is_null()) return std::nullopt;
    return std::string(text->as_string());
  }
  const auto* base64 = member(map, name + "_base64");
  EXPECT_NE(base64, nullptr) << name;
  if (base64 == nullptr) return std::nullopt;
  const auto bytes = codec::base64_decode(base64->as_string());
  EXPECT_TRUE(bytes.is_ok());
  return bytes.is_ok() ? std::optional(*bytes) : std::nullopt;
}

std::optional<std::string> random_bytes(Random& random) {
  if (random.one_in(5)) return std::nullopt;
  std::string bytes;
  const bool is_ascii = random.one_in(2);
  for (std::uint64_t i = random.below(20); i > 0; --i) {
    bytes += static_cast<char>(random.below(is_ascii ? 128 : 256));
  }
  return bytes;
}

TEST(DeadLetter, any_record_can_be_read_back_from_its_letter) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto key = random_bytes(random);
    const auto value = random_bytes(random);
    std::vector<std::pair<std::string, std::optional<std::string>>> headers;
    for (std::uint64_t i = random.below(3); i > 0; --i) {
      headers.emplace_back(random_bytes(random).value_or(""), random_bytes(random));
    }
    std::vector<HeaderView> views;
    for (const auto& [name, content] : headers) views.push_back({name, content});
    auto original = record(key, value);
    original.headers = views;
    Arena arena;
    const auto parsed = codec::parse_json(json_of(letter(), original), arena);
    ASSERT_TRUE(parsed.is_ok()) << parsed.status().to_string();
    EXPECT_EQ(bytes_in(*parsed, "original_message"), value);
    EXPECT_EQ(bytes_in(*parsed, "original_key"), key);
    const auto* list = member(*parsed, "original_headers");
    ASSERT_NE(list, nullptr);
    ASSERT_EQ(list->as_list().size(), headers.size());
    for (std::size_t i = 0; i < headers.size(); ++i) {
      EXPECT_EQ(bytes_in(list->as_list()[i], "key"), headers[i].first);
      EXPECT_EQ(bytes_in(list->as_list()[i], "value"), headers[i].second);
    }
  }
}

}  // namespace
}  // namespace millrace::task
