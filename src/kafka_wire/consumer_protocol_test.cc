#include "kafka_wire/consumer_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::kafka_wire {
namespace {

using std::string_literals::operator""s;

ConsumerProtocolSubscription subscription() {
  ConsumerProtocolSubscription made;
  made.topics = {"ab", "c"};
  made.owned_partitions = {{"ab", {0, 5}}};
  made.generation_id = 3;
  made.rack_id = "r";
  return made;
}

TEST(ConsumerProtocol, HasItsVersionInFront) {
  EXPECT_EQ(encode_subscription(subscription(), 0), "\0\0\0\0\0\2\0\2ab\0\1c\xff\xff\xff\xff"s);
  EXPECT_EQ(encode_subscription(subscription(), 3),
            "\0\3\0\0\0\2\0\2ab\0\1c\xff\xff\xff\xff"
            "\0\0\0\1\0\2ab\0\0\0\2\0\0\0\0\0\0\0\5\0\0\0\3\0\1r"s);
  ConsumerProtocolAssignment assignment;
  assignment.assigned_partitions = {{"t", {7}}};
  assignment.user_data = Blob{"u"};
  const auto bytes = "\0\1\0\0\0\1\0\1t\0\0\0\1\0\0\0\7\0\0\0\1u"s;
  EXPECT_EQ(encode_assignment(assignment, 1), bytes);
  const auto read = decode_assignment(bytes);
  ASSERT_TRUE(read.is_ok());
  EXPECT_EQ(read.value(), assignment);
}

TEST(ConsumerProtocol, IsReadInEveryVersion) {
  for (std::int16_t version = 0; version <= 3; ++version) {
    const auto read = decode_subscription(encode_subscription(subscription(), version));
    ASSERT_TRUE(read.is_ok()) << version;
    EXPECT_EQ(read->topics, subscription().topics);
    EXPECT_EQ(read->owned_partitions.size(), version >= 1 ? 1u : 0u);
    EXPECT_EQ(read->generation_id, version >= 2 ? 3 : -1);
    EXPECT_EQ(read->rack_id.has_value(), version >= 3);
  }
}

TEST(ConsumerProtocol, OfANewerVersionIsReadAsFarAsItIsKnown) {
  std::string bytes = encode_subscription(subscription(), 3) + "what version 9 added";
  bytes[1] = 9;
  const auto read = decode_subscription(bytes);
  ASSERT_TRUE(read.is_ok());
  EXPECT_EQ(read.value(), subscription());
}

TEST(ConsumerProtocol, IsRefusedWhenCutOrTooLong) {
  const std::string bytes = encode_subscription(subscription(), 3);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(decode_subscription(bytes.substr(0, length)).status().code(), StatusCode::invalid);
  }
  EXPECT_FALSE(decode_subscription(bytes + "x").is_ok());
  EXPECT_THAT(decode_subscription("\xff\xff"s).status().to_string(),
              testing::HasSubstr("version -1; 0 is the first"));
}

}  // namespace
}  // namespace millrace::kafka_wire
