#include "task/table.h"

#include <gtest/gtest.h>

#include <string>

#include "codec/json.h"

namespace millrace::task {
namespace {

std::string fault_of(TableFormat format, std::string_view content, const std::string& key = "id") {
  const auto table = Table::parse(format, content, key);
  if (table.is_ok()) return "none";
  EXPECT_EQ(table.status().code(), StatusCode::invalid);
  return std::string(table.status().message());
}

// The row under `key` as JSON.
std::string row(TableFormat format, std::string_view content, const std::string& key) {
  const auto table = Table::parse(format, content, "id");
  EXPECT_TRUE(table.is_ok()) << table.status().to_string();
  std::string out;
  if (table.is_ok()) codec::append_json(out, (*table)->find(Value::string(key)));
  return out;
}

TEST(Table, csv_columns_are_strings) {
  constexpr std::string_view kText = "id,sector,rank\nAMZN,Retail,1\nAAPL,,02\n";
  EXPECT_EQ(row(TableFormat::csv, kText, "AMZN"), R"({"id":"AMZN","sector":"Retail","rank":"1"})");
  EXPECT_EQ(row(TableFormat::csv, kText, "AAPL"), R"({"id":"AAPL","sector":"","rank":"02"})");
  EXPECT_EQ(row(TableFormat::csv, kText, "MSFT"), "null");
}

TEST(Table, csv_follows_rfc_4180) {
  constexpr std::string_view kText =
      "\xef\xbb\xbf\"id\",note\r\nk1,\"a \"\"b\"\", c\"\r\n\"k,2\",\"two\nlines\"\r\n\r\nk3,last";
  EXPECT_EQ(row(TableFormat::csv, kText, "k1"), R"({"id":"k1","note":"a \"b\", c"})");
  EXPECT_EQ(row(TableFormat::csv, kText, "k,2"), R"({"id":"k,2","note":"two\nlines"})");
  EXPECT_EQ(row(TableFormat::csv, kText, "k3"), R"({"id":"k3","note":"last"})");
}

TEST(Table, csv_faults_name_the_line) {
  const auto fault = [](std::string_view text) { return fault_of(TableFormat::csv, text); };
  EXPECT_EQ(fault(""), "the table is empty; a header line is needed");
  EXPECT_EQ(fault("\xef\xbb\xbf"), "the table is empty; a header line is needed");
  EXPECT_EQ(fault("name\nx\n"), "line 1: there is no column id");
  EXPECT_EQ(fault("id,b,b\n"), "line 1: column b is there twice");
  EXPECT_EQ(fault("id,b\n1,2\n3\n"), "line 3 has 1 fields, the header has 2");
  EXPECT_EQ(fault("id,b\n1,2,3\n"), "line 2 has 3 fields, the header has 2");
  EXPECT_EQ(fault("id,b\n1,2\n1,3\n"), "line 3: key 1 is there twice; keys must be unique");
  EXPECT_EQ(fault("id,b\n1,\"two\n"), "line 2: a quoted field has no end");
  EXPECT_EQ(fault("id,b\n1,\"two\"x\n"), "line 2: text behind a quoted field");
  EXPECT_EQ(fault("id,b\n1,\"a\nb\nc\"\n2\n"), "line 5 has 1 fields, the header has 2");
  EXPECT_EQ(fault("id,b\n1,\xff\n"), "the table is not UTF-8");
}

TEST(Table, json_members_keep_their_types) {
  constexpr std::string_view kText = R"([{"id":"a","rate":0.19,"rank":3,"tags":["x"]},{"id":"b"}])";
  EXPECT_EQ(row(TableFormat::json, kText, "a"),
            R"({"id":"a","rate":"0.19","rank":3,"tags":["x"]})");
  EXPECT_EQ(row(TableFormat::json, kText, "b"), R"({"id":"b"})");
}

TEST(Table, json_faults_name_the_row) {
  const auto fault = [](std::string_view text) { return fault_of(TableFormat::json, text); };
  EXPECT_EQ(fault("{}"), "the table must be an array of objects");
  EXPECT_EQ(fault(R"([{"id":"a"},5])"), "row 2 is not an object");
  EXPECT_EQ(fault(R"([{"name":"a"}])"), "row 1 has no string member id");
  EXPECT_EQ(fault(R"([{"id":7}])"), "row 1 has no string member id");
  EXPECT_EQ(fault(R"([{"id":"a"},{"id":"a"}])"),
            "row 2: key a is there twice; keys must be unique");
  EXPECT_NE(fault(R"([{"id":"a"})"), "none");
  EXPECT_EQ(fault("[]"), "none");
}

TEST(Table, a_key_that_is_no_string_finds_nothing) {
  const auto table = Table::parse(TableFormat::csv, "id\n1\n", "id");
  ASSERT_TRUE(table.is_ok());
  EXPECT_TRUE((*table)->find(Value::int64(1)).is_null());
  EXPECT_TRUE((*table)->find(Value::null()).is_null());
  EXPECT_FALSE((*table)->find(Value::string("1")).is_null());
}

TEST(Table, is_bounded) {
  const std::string large(Table::kContentBytesMax + 1, 'x');
  EXPECT_EQ(fault_of(TableFormat::csv, large),
            "the table has 67108865 bytes; at most 67108864 are allowed");
}

TEST(Table, versions_are_named_by_their_content) {
  EXPECT_EQ(table_content_hash("id\n1\n"), table_content_hash("id\n1\n"));
  EXPECT_NE(table_content_hash("id\n1\n"), table_content_hash("id\n2\n"));
}

}  // namespace
}  // namespace millrace::task
