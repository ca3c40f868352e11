#include "model/value.h"

#include <gtest/gtest.h>

#include <array>
#include <unordered_set>

#include "base/random.h"
#include "model/row.h"
#include "model/topic.h"

namespace millrace {
namespace {

TEST(Value, every_kind_gives_back_what_it_was_made_of) {
  EXPECT_TRUE(Value().is_absent());
  EXPECT_TRUE(Value::null().is_null());
  EXPECT_FALSE(Value::null().is_absent());
  EXPECT_TRUE(Value::boolean(true).as_boolean());
  EXPECT_FALSE(Value::boolean(false).as_boolean());
  EXPECT_EQ(Value::int64(INT64_MIN).as_int64(), INT64_MIN);
  EXPECT_EQ(Value::uint64(UINT64_MAX).as_uint64(), UINT64_MAX);
  EXPECT_EQ(Value::float64(-0.5).as_float64(), -0.5);
  EXPECT_EQ(Value::string("text").as_string(), "text");
  EXPECT_EQ(Value::string("").as_string(), "");
  EXPECT_EQ(Value::bytes(std::string_view("\0\1", 2)).as_string().size(), 2u);
  EXPECT_EQ(Value::type("int").as_string(), "int");
  EXPECT_TRUE(Value::error("no such field").is_error());
  EXPECT_EQ(Value::timestamp(-7, 999'999'999).seconds(), -7);
  EXPECT_EQ(Value::timestamp(-7, 999'999'999).nanos(), 999'999'999);
  EXPECT_EQ(Value::duration(-7, -5).nanos(), -5);
}

TEST(Value, decimals_keep_all_38_digits_sign_and_scale) {
  for (const char* text :
       {"0", "-0.05", "223.82", "18446744073709551616", "-18446744073709551617",
        "99999999999999999999999999999999999999", "-0.99999999999999999999999999999999999999"}) {
    const Decimal number = Decimal::parse(text).value();
    const Value value = Value::decimal(number);
    EXPECT_EQ(value.kind(), ValueKind::decimal);
    EXPECT_EQ(value.as_decimal().to_string(), text);
  }
}

TEST(Value, microseconds_before_1970_round_down_to_seconds) {
  for (const std::int64_t micros :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, std::int64_t{-1'000'000},
        std::int64_t{-1'000'001}, std::int64_t{1'340'285'400'017'460}}) {
    const Value value = Value::timestamp_micros(micros);
    EXPECT_EQ(value.as_micros(), micros);
    EXPECT_GE(value.nanos(), 0);
    EXPECT_LT(value.nanos(), 1'000'000'000);
  }
  EXPECT_EQ(Value::timestamp_micros(-1).seconds(), -1);
  EXPECT_EQ(Value::timestamp_micros(-1).nanos(), 999'999'000);
  EXPECT_EQ(Value::timestamp(0, 1999).as_micros(), 1);
}

TEST(Value, lists_and_maps_are_views) {
  const std::array<Value, 2> items{Value::int64(1), Value::string("two")};
  const Value list = Value::list(items);
  ASSERT_EQ(list.as_list().size(), 2u);
  EXPECT_EQ(list.as_list().data(), items.data());
  const std::array<MapEntry, 1> entries{{{Value::string("key"), list}}};
  const Value map = Value::map(entries);
  ASSERT_EQ(map.as_map().size(), 1u);
  EXPECT_EQ(map.as_map()[0].key.as_string(), "key");
  EXPECT_EQ(map.as_map()[0].value.as_list()[1].as_string(), "two");
}

TEST(RowLayout, finds_fields_by_name) {
  RowLayout layout;
  layout.fields = {{.name = "ticker", .type = FieldType::string},
                   {.name = "price", .type = FieldType::decimal}};
  EXPECT_EQ(layout.find("price"), 1u);
  EXPECT_EQ(layout.find("volume"), std::nullopt);
  EXPECT_EQ(to_string(FieldType::map), "object");
  EXPECT_EQ(with_article("object"), "an object");
  EXPECT_EQ(with_article("boolean"), "a boolean");
}

TEST(TopicPartition, orders_by_topic_then_partition_and_prints_both) {
  const TopicPartition first{"ticks", 2};
  EXPECT_LT(first, (TopicPartition{"ticks", 10}));
  EXPECT_LT(first, (TopicPartition{"trades", 0}));
  EXPECT_EQ(first.to_string(), "ticks/2");
  const std::unordered_set<TopicPartition> set{first, {"ticks", 2}, {"ticks", 3}};
  EXPECT_EQ(set.size(), 2u);
  EXPECT_EQ((Offset(5) + 2).value, 7);
  EXPECT_EQ(Offset(5) - Offset(2), 3);
}

}  // namespace
}  // namespace millrace
