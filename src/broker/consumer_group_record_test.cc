#include "broker/consumer_group_record.h"

#include <algorithm>
#include <functional>
#include <string>

#include "broker/consumer_world_for_tests.h"
#include "broker/group_store.h"

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// docs/formats/group_metadata.md, its second example.
ConsumerGroupHeader example_group() {
  ConsumerGroupHeader header;
  header.incarnation = 7;
  header.epoch = 3;
  header.assignment_epoch = 3;
  header.topics_hash = 1;
  header.since = WallTime(1'000);
  return header;
}

ConsumerMember example_member() {
  kafka_wire::Uuid topic;
  for (unsigned char i = 0; i < 16; ++i) topic.bytes[i] = i;
  ConsumerMember member;
  member.id = "a-1";
  member.instance_id = "i";
  member.client_id = "a";
  member.client_host = "/h";
  member.rebalance_timeout_ms = 60'000;
  member.topic_names = {"t"};
  member.epoch = 3;
  member.previous_epoch = 2;
  member.assigned = member.target = {{topic, {0, 1, 4}}};
  return member;
}

constexpr std::string_view kGroupHex =
    "01"                // version
    "02"                // consumer
    "0700000000000000"  // incarnation
    "06"                // epoch 3
    "06"                // of the assignment
    "0100000000000000"  // of the topics
    "d00f";             // since 1000

constexpr std::string_view kMemberHex =
    "01"                // version
    "0700000000000000"  // incarnation
    "03"
    "612d31"  // id
    "01"
    "01"
    "69"  // instance
    "00"  // no rack
    "01"
    "61"  // client
    "02"
    "2f68"    // host
    "c0a907"  // rebalance time-out 60000
    "01"
    "01"
    "74"  // "t"
    "00"  // no regular expression
    "00"  // no assignor
    "00"  // stable
    "06"  // epoch 3
    "04"  // after 2
    "01"
    "000102030405060708090a0b0c0d0e0f"
    "02"
    "0002"
    "0201"  // assigned 0, 1, 4
    "00"    // revoking nothing
    "01"
    "000102030405060708090a0b0c0d0e0f"
    "02"
    "0002"
    "0201";  // the target

TEST(ConsumerGroupRecord, bytes_are_those_of_the_format_page) {
  EXPECT_EQ(encode_consumer_group(example_group()), log::from_hex(kGroupHex));
  EXPECT_EQ(encode_consumer_member(example_member(), 7), log::from_hex(kMemberHex));
  EXPECT_EQ(encode_member_key("g", "a-1"), log::from_hex("02016703612d31"));
  const auto group = decode_consumer_group(log::from_hex(kGroupHex));
  ASSERT_TRUE(group.is_ok()) << group.status().to_string();
  EXPECT_EQ(*group, example_group());
  const auto member = decode_consumer_member(log::from_hex(kMemberHex));
  ASSERT_TRUE(member.is_ok()) << member.status().to_string();
  EXPECT_EQ(member->member, example_member());
  EXPECT_EQ(member->incarnation, 7U);
  const auto key = decode_member_key(log::from_hex("02016703612d31"));
  ASSERT_TRUE(key.is_ok());
  EXPECT_EQ(key->first, "g");
  EXPECT_EQ(key->second, "a-1");
}

TEST(ConsumerGroupRecord, damaged_bytes_are_an_error_and_never_more) {
  for (const auto hex : {kGroupHex, kMemberHex}) {
    const std::string good = log::from_hex(hex);
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(decode_consumer_group(good.substr(0, size)).is_ok()) << size;
      EXPECT_FALSE(decode_consumer_member(good.substr(0, size)).is_ok()) << size;
    }
    Random random(7);
    for (int round = 0; round < 20'000; ++round) {
      std::string bad = good;
      for (std::uint64_t i = 0; i <= random.below(3); ++i) {
        bad[random.below(bad.size())] = static_cast<char>(random.next());
      }
      const auto group = decode_consumer_group(bad);
      if (group.is_ok()) EXPECT_EQ(*decode_consumer_group(encode_consumer_group(*group)), *group);
      const auto member = decode_consumer_member(bad);
      if (!member.is_ok()) continue;
      const auto again =
          decode_consumer_member(encode_consumer_member(member->member, member->incarnation));
      ASSERT_TRUE(again.is_ok());
      EXPECT_EQ(again->member, member->member);
    }
  }
}

TEST(ConsumerGroupRecord, contradictions_are_damage) {
  const auto refuses = [](const std::function<void(ConsumerMember&)>& change) {
    ConsumerMember member = example_member();
    change(member);
    return decode_consumer_member(encode_consumer_member(member, 7)).status().code() ==
           StatusCode::corrupt;
  };
  EXPECT_FALSE(refuses([](auto&) {}));
  EXPECT_FALSE(refuses([](auto& member) { member.epoch = kEpochLeaveForAWhile; }));
  EXPECT_TRUE(refuses([](auto& member) { member.epoch = -1; }));
  EXPECT_TRUE(refuses([](auto& member) { member.id = ""; }));
  EXPECT_TRUE(refuses([](auto& member) { member.rebalance_timeout_ms = -1; }));
  EXPECT_TRUE(refuses([](auto& member) { member.topic_names = {"b", "a"}; }));
  EXPECT_TRUE(refuses([](auto& member) { member.revoking = member.assigned; }));
  EXPECT_TRUE(refuses([](auto& member) { member.state = static_cast<ConsumerMemberState>(9); }));
  ConsumerGroupHeader header = example_group();
  header.epoch = 2;
  EXPECT_FALSE(decode_consumer_group(encode_consumer_group(header)).is_ok());
}

// What a start makes of the topic.
class ConsumerGroupStore : public testing::Test {
 protected:
  ConsumerGroupStore() { world.create_topic("t", 2); }
  void append(const std::string& key, const std::optional<std::string>& value) {
    ASSERT_TRUE(log::append_and_wait(
                    world.log(), log::append_to({std::string(kGroupsTopic), 0},
                                                log::make_batch({{.key = key, .value = value}})))
                    .is_ok());
  }
  ConsumerWorld world;
};

TEST_F(ConsumerGroupStore, members_of_an_earlier_group_do_not_count) {
  append(encode_group_key("g"), encode_consumer_group(example_group()));
  append(encode_member_key("g", "a-1"), encode_consumer_member(example_member(), 7));
  ConsumerMember ghost = example_member();
  ghost.id = "ghost";
  append(encode_member_key("g", "ghost"), encode_consumer_member(ghost, 6));
  world.restart();
  EXPECT_THAT(world.coordinator().notes(), IsEmpty());
  const auto group = world.consumer_describe("g");
  EXPECT_EQ(group.group_epoch, 3);
  ASSERT_EQ(group.members.size(), 1U);
  EXPECT_EQ(group.members[0].member_id, "a-1");
  EXPECT_THAT(group.members[0].assignment.topic_partitions, IsEmpty()) << "the topic is gone";
}

TEST_F(ConsumerGroupStore, what_cannot_be_read_is_reported_and_left_out) {
  append(encode_group_key("g"), encode_consumer_group(example_group()));
  append(encode_member_key("g", "a-1"), encode_consumer_member(example_member(), 7));
  append(encode_member_key("g", "b"), "nonsense");
  append(encode_member_key("g", "c"), encode_consumer_member(example_member(), 7));
  append(std::string("\x02", 1), "x");
  append(encode_group_key("h"), std::string("\x01\x02", 2));
  world.restart();
  EXPECT_THAT(world.coordinator().notes(),
              ElementsAre(HasSubstr("member b of group g"), HasSubstr("another member's"),
                          HasSubstr("member key"), HasSubstr("group h")));
  EXPECT_EQ(world.consumer_describe("g").members.size(), 1U);
  EXPECT_EQ(world.consumer_describe("h").error_code, ErrorCode::group_id_not_found);
}

}  // namespace
}  // namespace millrace::broker
