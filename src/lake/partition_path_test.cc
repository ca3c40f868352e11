#include "lake/partition_path.h"

#include <gtest/gtest.h>

namespace millrace::lake {
namespace {

std::string value_of(const Value& value) {
  std::string out;
  append_partition_value(out, value);
  return out;
}

TEST(PartitionPath, values_are_escaped_as_hive_does) {
  EXPECT_EQ(value_of(Value::string("AMZN")), "AMZN");
  EXPECT_EQ(value_of(Value::string("a/b=c%d:e")), "a%2Fb%3Dc%25d%3Ae");
  EXPECT_EQ(value_of(Value::string("a b.c-d_e~")), "a b.c-d_e~");
  EXPECT_EQ(value_of(Value::string("\x01\n\x7f")), "%01%0A%7F");
  EXPECT_EQ(value_of(Value::string("Z\xc3\xbcrich")), "Z\xc3\xbcrich");
  EXPECT_EQ(value_of(Value::string("")), "__HIVE_DEFAULT_PARTITION__");
  EXPECT_EQ(value_of(Value::null()), "__HIVE_DEFAULT_PARTITION__");
  EXPECT_EQ(value_of(Value()), "__HIVE_DEFAULT_PARTITION__");
  EXPECT_EQ(value_of(Value::int64(-7)), "-7");
  EXPECT_EQ(value_of(Value::boolean(true)), "true");
  EXPECT_EQ(value_of(Value::decimal({15000, 4})), "1.5");
  EXPECT_EQ(value_of(Value::timestamp_micros(1'340'285'400'017'460)),
            "2012-06-21T13%3A30%3A00.017460Z");
}

WriterConfig config_by(std::vector<std::string> partition_by) {
  WriterConfig config;
  config.partition_by = std::move(partition_by);
  config.layout.fields = {{"at", FieldType::timestamp}, {"ticker", FieldType::string}};
  return config;
}

// 2012-06-21T13:30:00Z is 1340285400.
TEST(PartitionPath, times_are_utc_and_floored_to_the_hour) {
  const auto config = config_by({"year", "month", "day", "hour"});
  PartitionPath path(config);
  const auto folder = [&](std::int64_t seconds) {
    const std::vector<Value> row{Value::timestamp(seconds, 999'999'999), Value()};
    return std::string(*path.folder_of(row));
  };
  EXPECT_EQ(folder(1'340'285'400), "year=2012/month=06/day=21/hour=13");
  EXPECT_EQ(folder(1'340'287'199), "year=2012/month=06/day=21/hour=13");
  EXPECT_EQ(folder(1'340'287'200), "year=2012/month=06/day=21/hour=14");
  EXPECT_EQ(folder(0), "year=1970/month=01/day=01/hour=00");
  EXPECT_EQ(folder(-1), "year=1969/month=12/day=31/hour=23");
  EXPECT_EQ(folder(-3601), "year=1969/month=12/day=31/hour=22");
  EXPECT_EQ(folder(-62'135'596'800), "year=0001/month=01/day=01/hour=00");
}

TEST(PartitionPath, levels_stand_in_the_order_given) {
  const auto config = config_by({"ticker", "day"});
  PartitionPath path(config);
  std::vector<Value> row{Value::timestamp(1'340'285'400, 0), Value::string("A")};
  EXPECT_EQ(*path.folder_of(row), "ticker=A/day=21");
  row[1] = Value::string("B");
  EXPECT_EQ(*path.folder_of(row), "ticker=B/day=21");
  EXPECT_EQ(path.slots(), 3u);
  const auto without_levels = config_by({});
  EXPECT_EQ(*PartitionPath(without_levels).folder_of(row), "");
}

TEST(PartitionPath, a_missing_time_or_a_long_name_is_invalid) {
  const auto config = config_by({"day", "ticker"});
  PartitionPath path(config);
  std::vector<Value> row{Value::null(), Value::string("A")};
  EXPECT_EQ(path.folder_of(row).status().code(), StatusCode::invalid);
  row[0] = Value::timestamp(0, 0);
  EXPECT_TRUE(path.folder_of(row).is_ok());
  const std::string longest(255 - std::string("ticker=").size(), 'x');
  row[1] = Value::string(longest);
  EXPECT_TRUE(path.folder_of(row).is_ok());
  const auto too_long = longest + "x";
  row[1] = Value::string(too_long);
  EXPECT_EQ(path.folder_of(row).status().code(), StatusCode::invalid);
}

}  // namespace
}  // namespace millrace::lake
