#include "features/store_format.h"

#include <gtest/gtest.h>

namespace millrace::features {
namespace {

using std::string_literals::operator""s;

// The worked example of docs/formats/features.md.
GroupPosition example() {
  GroupPosition position;
  position.incarnation = 7;
  position.record_count = 300;
  position.event_time = "at";
  position.partitions = {{Offset(5), 0x01020304}, {Offset(0), 0}};
  position.feature_names = {"k", "at"};
  return position;
}

TEST(StoreFormat, keys_are_as_documented) {
  EXPECT_EQ(group_key("g1"), "gg1");
  EXPECT_EQ(record_key("g1", "a/b"), "rg1/a/b");
  EXPECT_EQ(record_keys("g1").first, "rg1/");
  EXPECT_EQ(record_keys("g1").end, "rg10");
  EXPECT_EQ(record_id_of("rg1/a/b", "g1"), "a/b");
  EXPECT_EQ(record_id_of("rg1/", "g1"), "");
}

TEST(StoreFormat, groups_whose_names_begin_alike_do_not_share_keys) {
  const auto keys = record_keys("g1");
  for (const std::string group : {"g1-x", "g1.x", "g10", "g1_", "g1a", "g", "g0"}) {
    const auto key = record_key(group, "id");
    EXPECT_FALSE(key >= keys.first && key < keys.end) << key;
  }
  const auto own = record_key("g1", "\xff\xff"s);
  EXPECT_TRUE(own >= keys.first && own < keys.end);
}

TEST(StoreFormat, a_group_is_these_bytes) {
  const auto bytes = encode_position(example());
  EXPECT_EQ(bytes,
            "\x01"
            "\x07\0\0\0\0\0\0\0"
            "\xac\x02"
            "\x02"
            "at"
            "\x02"
            "\x0a\x04\x03\x02\x01"
            "\0\0\0\0\0"
            "\x02"
            "\x01"
            "k"
            "\x02"
            "at"s);
  const auto decoded = decode_position(bytes);
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(*decoded, example());
}

TEST(StoreFormat, a_record_is_these_bytes) {
  const auto bytes = encode_record(EventTime(-1), 2, "{}");
  EXPECT_EQ(bytes, "\x01\x04\x02{}"s);
  const auto decoded = decode_record("a", bytes);
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(*decoded, (FeatureRecord{"a", EventTime(-1), 2, "{}"}));
}

TEST(StoreFormat, another_version_is_unsupported_and_cut_bytes_are_corrupt) {
  auto bytes = encode_position(example());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    const auto decoded = decode_position(std::string_view(bytes).substr(0, cut));
    EXPECT_EQ(decoded.status().code(), StatusCode::corrupt) << cut;
  }
  EXPECT_EQ(decode_position(bytes + "x").status().code(), StatusCode::corrupt);
  bytes[0] = 2;
  EXPECT_EQ(decode_position(bytes).status().code(), StatusCode::unsupported);
  const auto record = encode_record(EventTime(5), 1, "{}");
  for (std::size_t cut = 0; cut < record.size(); ++cut) {
    const auto decoded = decode_record("a", std::string_view(record).substr(0, cut));
    EXPECT_EQ(decoded.status().code(), StatusCode::corrupt) << cut;
  }
}

TEST(StoreFormat, absurd_counts_are_refused_before_they_take_memory) {
  std::string bytes("\x01\0\0\0\0\0\0\0\0\0\0"s);
  bytes += "\xff\xff\xff\xff\xff\xff\xff\xff\x01"s;  // that many partitions
  EXPECT_EQ(decode_position(bytes).status().code(), StatusCode::corrupt);
}

}  // namespace
}  // namespace millrace::features
