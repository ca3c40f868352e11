#include "ops/records_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::ops {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<SentRecord> parsed(std::string_view body) {
  auto records = parse_records_body(body);
  EXPECT_TRUE(records.is_ok()) << records.status().to_string();
  return records.is_ok() ? std::move(records).value() : std::vector<SentRecord>();
}

SentRecord with_value(std::optional<std::string> value) {
  SentRecord record;
  record.value = std::move(value);
  return record;
}

TEST(RecordsBody, has_one_record_or_many) {
  EXPECT_THAT(parsed(R"({"value":"a"})"), ElementsAre(with_value("a")));
  EXPECT_THAT(parsed(R"({"records":[{"value":"a"},{"value":"b"}]})"),
              ElementsAre(with_value("a"), with_value("b")));
}

TEST(RecordsBody, values_are_text_json_bytes_or_nothing) {
  EXPECT_THAT(parsed(R"({"records":[{"value":"{\"a\":1}"},{"value":{"a" : [1, true, null]}},
                         {"value":null},{"value_base64":"AP8="},{"value":7},{"value":""}]})"),
              ElementsAre(with_value(R"({"a":1})"), with_value(R"({"a":[1,true,null]})"),
                          with_value(std::nullopt), with_value(std::string("\0\xff", 2)),
                          with_value("7"), with_value("")));
}

TEST(RecordsBody, numbers_stay_as_they_are_written) {
  EXPECT_THAT(parsed(R"({"value":{"price":223.820,"much":12345678901234567890123.45}})"),
              ElementsAre(with_value(R"({"price":223.820,"much":12345678901234567890123.45})")));
}

TEST(RecordsBody, everything_else_may_be_said) {
  SentRecord record = with_value("v");
  record.key = "AMZN";
  record.headers = {{"source", "web"}, {"nothing", std::nullopt}};
  record.partition = 3;
  record.timestamp = WallTime(1'340'285'400'017);
  EXPECT_THAT(parsed(R"({"key":"AMZN","value":"v","headers":{"source":"web","nothing":null},)"
                     R"("partition":3,"timestamp":"2012-06-21T13:30:00.017Z"})"),
              ElementsAre(record));
  record = with_value("v");
  record.key = "AMZN";
  EXPECT_THAT(parsed(R"({"key_base64":"QU1aTg==","value":"v"})"), ElementsAre(record));
  record.key.reset();
  EXPECT_THAT(parsed(R"({"key":null,"value":"v"})"), ElementsAre(record));
}

TEST(RecordsBody, what_is_wrong_is_said_with_the_record) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {R"({"records":[{"value":"a"},{"key":"k"}]})", "record 1: a record must have a value"},
      {R"({"value":"a","valu":"b"})", "record 0: \"valu\" is not known; there are value"},
      {R"({"value":"a","value_base64":"YQ=="})", "either text or base64"},
      {R"({"value":"a","key":"b","key_base64":"YQ=="})", "either text or base64"},
      {R"({"value_base64":"?"})", "value_base64 is not base64"},
      {R"({"value":"a","key":7})", "key must be a string or null"},
      {R"({"value":"a","partition":-1})", "partition must be a whole number from 0"},
      {R"({"value":"a","partition":"0"})", "partition must be a whole number from 0"},
      {R"({"value":"a","timestamp":1})", "timestamp must be like"},
      {R"({"value":"a","timestamp":"noon"})", "timestamp must be like"},
      {R"({"value":"a","headers":[]})", "headers must be like"},
      {R"({"value":"a","headers":{"n":1}})", "header n must be a string or null"},
      {R"({"records":[]})", "at least one record"},
      {R"({"records":{}})", "records must be a list"},
      {R"([])", "a record must be an object"},
      {R"({"value":)", "byte"},
  };
  for (const auto& [body, text] : cases) {
    const auto records = parse_records_body(body);
    EXPECT_EQ(records.status().code(), StatusCode::invalid) << body;
    EXPECT_THAT(std::string(records.status().message()), HasSubstr(std::string(text))) << body;
  }
  std::string many = R"({"records":[)";
  for (std::size_t i = 0; i <= kRecordsPerRequestMax; ++i) many += R"({"value":1},)";
  many.back() = ']';
  EXPECT_THAT(std::string(parse_records_body(many + "}").status().message()),
              HasSubstr("one request may have 10000 records, this one has 10001"));
}

}  // namespace
}  // namespace millrace::ops
