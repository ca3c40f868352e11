// The rules of the encoding, on bytes written out by hand, and what a fault's message says.

#include "kafka_wire/message_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "kafka_wire/fetch.h"
#include "kafka_wire/group_membership.h"
#include "kafka_wire/metadata.h"
#include "kafka_wire/produce.h"
#include "kafka_wire/topics.h"

namespace millrace::kafka_wire {
namespace {

using std::string_literals::operator""s;
using testing::HasSubstr;

template <class M>
std::string fault(std::string_view bytes, std::int16_t version) {
  M message;
  const Status status = decode(bytes, version, message);
  EXPECT_EQ(status.code(), StatusCode::invalid);
  return std::string(status.message());
}

MessageReader flexible_reader(std::string_view bytes) {
  return {bytes, 0, true};
}

TEST(MessageReader, ReadsVarintsOfOneToFiveBytes) {
  EXPECT_EQ(flexible_reader("\0"s).unsigned_varint(), 0u);
  EXPECT_EQ(flexible_reader("\x7f"s).unsigned_varint(), 127u);
  EXPECT_EQ(flexible_reader("\x80\x01"s).unsigned_varint(), 128u);
  EXPECT_EQ(flexible_reader("\xac\x02"s).unsigned_varint(), 300u);
  EXPECT_EQ(flexible_reader("\xff\xff\xff\xff\x0f"s).unsigned_varint(), UINT32_MAX);
}

TEST(MessageReader, RefusesVarintsBeyond32BitsOrWithoutAnEnd) {
  for (const auto& bytes : {"\xff\xff\xff\xff\x1f"s, "\x80\x80\x80\x80\x80\x01"s, "\x80"s, ""s}) {
    auto reader = flexible_reader(bytes);
    (void)reader.unsigned_varint();
    EXPECT_TRUE(reader.has_failed()) << bytes.size();
  }
}

TEST(MessageReader, NamesApiVersionFieldAndPosition) {
  // Heartbeat v0: group "g", generation 7, member id cut after its length.
  EXPECT_EQ(fault<HeartbeatRequest>("\0\1g\0\0\0\7\0\5ab"s, 0),
            "Heartbeat v0 request, member_id at byte 9: 5 bytes needed, 2 left");
  // Fetch v4: one topic "t" with one partition that is cut within fetch_offset.
  EXPECT_EQ(fault<FetchRequest>("\xff\xff\xff\xff\0\0\0\1\0\0\0\1\0\0\0\2\0"
                                "\0\0\0\1\0\1t\0\0\0\1\0\0\0\x9\0\0\0\0\0\0\0\0\0\0\1"s,
                                4),
            "Fetch v4 request, topics[0].partitions at byte 28: an array of 1 elements of at "
            "least 16 bytes, but 15 bytes are left");
}

TEST(MessageReader, RefusesArraysThatTheBytesCannotHold) {
  EXPECT_THAT(fault<MetadataRequest>("\x7f\xff\xff\xff"s, 1),
              HasSubstr("topics at byte 4: an array of 2147483647 elements of at least 2 bytes"));
  EXPECT_THAT(fault<MetadataRequest>("\x80\0\0\0"s, 1), HasSubstr("an array of -2147483648"));
  EXPECT_THAT(fault<MetadataRequest>("\xff\xff\xff\xff\x0f"s, 9),
              HasSubstr("an array of 4294967294 elements"));
}

TEST(MessageReader, RefusesNullWhereTheVersionHasNone) {
  EXPECT_EQ(fault<MetadataRequest>("\xff\xff\xff\xff"s, 0),
            "Metadata v0 request, topics at byte 4: null, but this version wants an array");
  EXPECT_EQ(fault<HeartbeatRequest>("\0\1\0\0\0\0\1\0\0"s, 4),
            "Heartbeat v4 request, group_id at byte 1: null, but this version wants a string")
      << "0 is the compact null";
  MetadataRequest all;
  ASSERT_TRUE(decode("\xff\xff\xff\xff"s, 1, all).is_ok());
  EXPECT_FALSE(all.topics.has_value());
}

TEST(MessageReader, RefusesStringsBeyond32767Bytes) {
  // A compact length of 32769 is 32768 bytes.
  EXPECT_THAT(fault<HeartbeatRequest>("\x81\x80\x02"s + std::string(40000, 'x'), 4),
              HasSubstr("group_id at byte 3: a string of 32768 bytes; 0 to 32767 are allowed"));
  EXPECT_THAT(fault<HeartbeatRequest>("\xff\xfe"s, 0), HasSubstr("a string of -2 bytes"));
}

TEST(MessageReader, SkipsTaggedFieldsItDoesNotKnow) {
  // Heartbeat v4 response: throttle 1, error 2; tags 5 (3 bytes) and 300 (none).
  HeartbeatResponse response;
  const auto bytes = "\0\0\0\1\0\2\2\5\3abc\xac\x02\0"s;
  ASSERT_TRUE(decode(bytes, 4, response).is_ok());
  EXPECT_EQ(response.throttle_time_ms, 1);
  EXPECT_EQ(encoded(response, 4), "\0\0\0\1\0\2\0"s);
}

TEST(MessageReader, RefusesTaggedFieldsOutOfOrderOrWithWrongLengths) {
  const auto head = "\0\0\0\1\0\2"s;
  EXPECT_THAT(fault<HeartbeatResponse>(head + "\2\5\0\5\0"s, 4), HasSubstr("tag 5 out of order"));
  EXPECT_THAT(fault<HeartbeatResponse>(head + "\1\5\3ab"s, 4), HasSubstr("3 bytes needed, 2 left"));
  // CreateTopics v5: tag 0 of a topic is an int16 but comes with 3 bytes.
  const auto topic = "\0\0\0\0\2\2t\0\0\0\0\0\0\1\0\1\1"s;
  CreateTopicsResponse made;
  ASSERT_TRUE(decode(topic + "\1\0\2\0\x28\0"s, 5, made).is_ok());
  EXPECT_EQ(made.topics.at(0).topic_config_error_code, ErrorCode::invalid_config);
  EXPECT_EQ(fault<CreateTopicsResponse>(topic + "\1\0\3\0\x28\0\0"s, 5),
            "CreateTopics v5 response, topics[0] at byte 22: 1 bytes behind a tagged field");
  EXPECT_EQ(fault<CreateTopicsResponse>(topic + "\1\0\1\0\0"s, 5),
            "CreateTopics v5 response, topics[0].topic_config_error_code at byte 20: 2 bytes "
            "needed, 1 left");
}

TEST(MessageReader, TakesAnyByteButZeroForTrue) {
  MetadataRequest request;
  ASSERT_TRUE(decode("\0\0\0\0\7"s, 4, request).is_ok());
  EXPECT_TRUE(request.allow_auto_topic_creation);
}

TEST(MessageReader, LeavesNothingBehindInAReusedMessage) {
  FetchRequest request;
  request.rack_id = "old";
  request.replica_state.replica_epoch = 5;
  request.cluster_id = "old";
  FetchRequest::Topic topic;
  topic.topic = "old";
  topic.topic_id.bytes.fill(1);
  FetchRequest::Partition partition;
  partition.current_leader_epoch = 4;
  topic.partitions = {partition, partition};
  request.topics = {topic, topic};

  FetchRequest plain;
  plain.topics.resize(1);
  plain.topics[0].topic = "t";
  plain.topics[0].partitions.resize(1);
  ASSERT_TRUE(decode(encoded(plain, 4), 4, request).is_ok());
  EXPECT_EQ(request, plain);
}

TEST(MessageReader, LeavesRecordsInTheInput) {
  ProduceRequest request;
  request.topic_data.resize(1);
  request.topic_data[0].partition_data.resize(2);
  const std::string batch(5000, 'b');
  request.topic_data[0].partition_data[0].records.assign(batch);
  const std::string bytes = encoded(request, 9);

  ProduceRequest read;
  ASSERT_TRUE(decode(bytes, 9, read).is_ok());
  const Records& records = read.topic_data[0].partition_data[0].records;
  EXPECT_EQ(records.view(), batch);
  EXPECT_GE(records.view().data(), bytes.data());
  EXPECT_LT(records.view().data(), bytes.data() + bytes.size());
  EXPECT_TRUE(read.topic_data[0].partition_data[1].records.is_null());
}

TEST(MessageWriter, WritesNullAsEmptyWhereTheVersionHasNoNull) {
  MetadataRequest all;
  EXPECT_EQ(encoded(all, 0), "\0\0\0\0"s) << "none means all in version 0";
  JoinGroupResponse response;
  JoinGroupResponse read;
  ASSERT_TRUE(decode(encoded(response, 6), 6, read).is_ok());
  EXPECT_EQ(read.protocol_name, "");
}

TEST(MessageWriterDeathTest, ChecksVersions) {
  HeartbeatRequest request;
  WireBytes out;
  EXPECT_DEATH(encode(request, 5, out), "check failed");
}

TEST(MessageWriter, CutsStringsThatAreTooLong) {
  for (const std::int16_t version : {std::int16_t{3}, std::int16_t{4}}) {
    for (const std::size_t count : {32767U, 32768U, 70'000U}) {
      HeartbeatRequest request;
      request.group_id.assign(count, 'x');
      HeartbeatRequest read;
      ASSERT_TRUE(decode(encoded(request, version), version, read).is_ok());
      EXPECT_EQ(read.group_id, std::string(32767, 'x'));
    }
  }
}

}  // namespace
}  // namespace millrace::kafka_wire
