#include "broker/group_store.h"

#include "broker/group_test_support.h"

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// docs/formats/group_metadata.md, its example.
GroupRecord example() {
  GroupRecord record;
  record.state = GroupState::stable;
  record.generation_id = 3;
  record.protocol_type = "consumer";
  record.protocol_name = "range";
  record.leader = "a-1";
  record.since = WallTime(1'000);
  GroupMemberRecord member;
  member.id = "a-1";
  member.instance_id = "i";
  member.client_id = "a";
  member.client_host = "/h";
  member.session_timeout_ms = 10'000;
  member.rebalance_timeout_ms = 60'000;
  member.protocols = {{"range", {"md"}}};
  member.assignment = "as";
  record.members = {member};
  return record;
}

constexpr std::string_view kExampleHex =
    "01"  // version
    "01"  // classic
    "03"  // stable
    "06"  // generation 3
    "01"
    "08"
    "636f6e73756d6572"  // "consumer"
    "05"
    "72616e6765"  // "range"
    "03"
    "612d31"  // the leader
    "d00f"    // since 1000
    "01"      // members
    "03"
    "612d31"  // id
    "01"
    "01"
    "69"  // instance
    "01"
    "61"  // client
    "02"
    "2f68"    // host
    "a09c01"  // session time-out 10000
    "c0a907"  // rebalance time-out 60000
    "01"      // protocols
    "05"
    "72616e6765"  // name
    "02"
    "6d64"  // metadata
    "02"
    "6173";  // assignment

TEST(GroupRecordTest, bytes_are_those_of_the_format_page) {
  EXPECT_EQ(encode_group_record(example()), log::from_hex(kExampleHex));
  EXPECT_EQ(encode_group_key("g"), log::from_hex("010167"));
  const auto key = decode_group_key(log::from_hex("010167"));
  ASSERT_TRUE(key.is_ok());
  EXPECT_EQ(*key, "g");
  const auto back = decode_group_record(log::from_hex(kExampleHex));
  ASSERT_TRUE(back.is_ok()) << back.status().to_string();
  EXPECT_EQ(encode_group_record(*back), log::from_hex(kExampleHex));
}

TEST(GroupRecordTest, damaged_bytes_are_an_error_and_never_more) {
  const std::string good = log::from_hex(kExampleHex);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode_group_record(good.substr(0, size)).is_ok()) << size;
  }
  EXPECT_FALSE(decode_group_record(good + "x").is_ok());
  Random random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string bad = good;
    for (std::uint64_t i = 0; i <= random.below(3); ++i) {
      bad[random.below(bad.size())] = static_cast<char>(random.next());
    }
    const auto decoded = decode_group_record(bad);
    if (decoded.is_ok()) {
      EXPECT_TRUE(decode_group_record(encode_group_record(*decoded)).is_ok());
    }
  }
  for (const char* key : {"", "01", "0100",
                          "02"
                          "0167",
                          "010267", "01016700"}) {
    EXPECT_FALSE(decode_group_key(log::from_hex(key)).is_ok()) << key;
  }
}

TEST(GroupRecordTest, contradictions_are_damage) {
  const auto refuses = [](const std::function<void(GroupRecord&)>& change) {
    GroupRecord record = example();
    change(record);
    return decode_group_record(encode_group_record(record)).status().code() == StatusCode::corrupt;
  };
  EXPECT_FALSE(refuses([](auto&) {}));
  EXPECT_TRUE(refuses([](auto& record) { record.leader = "b"; }));
  EXPECT_TRUE(refuses([](auto& record) { record.state = GroupState::empty; }));
  EXPECT_TRUE(refuses([](auto& record) { record.state = GroupState::dead; }));
  EXPECT_TRUE(refuses([](auto& record) { record.members.clear(); }));
  EXPECT_TRUE(refuses([](auto& record) { record.members.push_back(record.members[0]); }));
  EXPECT_TRUE(refuses([](auto& record) { record.generation_id = -1; }));
  EXPECT_TRUE(refuses([](auto& record) { record.protocol_type.reset(); }));
  EXPECT_TRUE(refuses([](auto& record) { record.members[0].session_timeout_ms = 0; }));
  EXPECT_TRUE(refuses([](auto& record) { record.members[0].id = ""; }));
}

// --- what a restart finds ---

TEST(GroupRestart, members_go_on_where_they_were) {
  for (const bool loses_power : {false, true}) {
    GroupWorld world;
    const auto ids = world.stable_group("g", 3);
    world.restart(loses_power);
    EXPECT_EQ(world.describe("g").group_state, "Stable");
    for (std::size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(world.heartbeat("g", 3, ids[i]), ErrorCode::none);
      EXPECT_EQ(world.sync("g", 3, ids[i]).get().assignment.bytes, "p" + std::to_string(i));
    }
    EXPECT_THAT(world.coordinator().notes(), SizeIs(0));
  }
}

TEST(GroupRestart, members_have_a_session_time_out_to_come_back) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2, {.session_ms = 10'000});
  world.advance(9'000);
  world.restart(true);
  world.advance(9'999);
  EXPECT_EQ(world.heartbeat("g", 2, ids[0]), ErrorCode::none);
  world.advance(1);
  EXPECT_EQ(world.heartbeat("g", 2, ids[0]), ErrorCode::rebalance_in_progress);
  EXPECT_EQ(world.heartbeat("g", 2, ids[1]), ErrorCode::unknown_member_id);
}

TEST(GroupRestart, a_generation_that_awaits_its_assignment_still_does) {
  GroupWorld world;
  const auto joined = world.join_as_new("g").get();
  world.restart(true);
  EXPECT_EQ(world.describe("g").group_state, "CompletingRebalance");
  EXPECT_EQ(world.sync("g", 1, joined.member_id, {{joined.member_id, "p"}}).get().assignment.bytes,
            "p");
  // And does not for ever.
  const auto next = world.join_as_new("h", {.session_ms = 60'000, .rebalance_ms = 5'000}).get();
  world.restart(true);
  world.advance(5'000);
  EXPECT_EQ(world.heartbeat("h", 1, next.member_id), ErrorCode::unknown_member_id);
}

TEST(GroupRestart, a_rebalance_begins_again) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2);
  const auto waiting = world.join("g", {.member_id = ids[0]});
  EXPECT_FALSE(waiting.is_given());
  world.restart(true);
  EXPECT_EQ(waiting.error(), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.heartbeat("g", 2, ids[1]), ErrorCode::none);  // as it was
  const auto again = world.join("g", {.member_id = ids[0]});
  const auto other = world.join("g", {.member_id = ids[1]});
  EXPECT_EQ(again.get().generation_id, 3);
  EXPECT_EQ(again.get().leader, ids[0]);
}

TEST(GroupRestart, an_empty_group_keeps_its_generation) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 1);
  EXPECT_EQ(world.leave("g", ids[0]), ErrorCode::none);
  world.advance(1);
  world.restart();
  EXPECT_EQ(world.describe("g").group_state, "Empty");
  EXPECT_EQ(world.join("g", {.version = 3}).get().generation_id, 3);
}

TEST(GroupRestart, a_record_that_cannot_be_read_is_reported_and_the_others_are_there) {
  GroupWorld world;
  const auto ids = world.stable_group("good", 1);
  world.stable_group("bad", 1);
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(1), encode_group_key("bad"), "no record", {});
  builder.append(WallTime(1), "no key", "no record", {});
  log::AppendBatch batch;
  batch.topic = kGroupsTopic;
  builder.finish(batch.bytes);
  ASSERT_TRUE(log::append_and_wait(world.log(), std::move(batch)).is_ok());
  world.restart();
  EXPECT_EQ(world.heartbeat("good", 1, ids[0]), ErrorCode::none);
  EXPECT_THAT(world.list(), ElementsAre("good:Stable:consumer"));
  const auto notes = world.coordinator().notes();
  ASSERT_THAT(notes, SizeIs(2));
  EXPECT_THAT(notes[0], HasSubstr("group bad"));
  EXPECT_THAT(notes[0], HasSubstr("millrace.broker.groups at offset"));
  // Its members begin anew, and then it can be read again.
  world.stable_group("bad", 1);
  world.restart();
  EXPECT_THAT(world.list(), ElementsAre("bad:Stable:consumer", "good:Stable:consumer"));
}

TEST(GroupRestart, compaction_changes_nothing) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 3);
  world.stable_group("gone", 1);
  world.advance(20'000);
  EXPECT_EQ(world.delete_group("gone"), ErrorCode::none);
  ASSERT_TRUE(world.log().run_maintenance().is_ok());
  world.restart();
  EXPECT_THAT(world.list(), ElementsAre("g:Empty:consumer"));
}

TEST(GroupDurability, nothing_is_revealed_before_it_is_durable) {
  GroupWorld world;
  const auto id = world.join("g").get().member_id;
  // The disk stands still: the generation cannot become durable.
  std::mutex gate;
  world.files().set_hook([&](std::string_view operation, const std::string&) {
    if (operation == "sync") {
      const std::lock_guard wait(gate);
    }
    return ok_status();
  });
  gate.lock();
  AskedJoin first(world.ledger());
  AskedJoin again(world.ledger());
  for (const auto* asked : {&first, &again}) {
    kafka_wire::JoinGroupRequest request;
    request.group_id = "g";
    request.session_timeout_ms = 10'000;
    request.member_id = id;
    request.protocol_type = "consumer";
    request.protocols = {{"range", {"m"}}};
    world.coordinator().join(std::move(request), 5, {"c", "/h"}, asked->answer());
  }
  EXPECT_EQ(world.describe_unsettled("g").group_state, "CompletingRebalance");
  EXPECT_FALSE(first.is_given());
  EXPECT_FALSE(again.is_given());  // nor to one that asks for what is there already
  gate.unlock();
  world.settle();
  EXPECT_EQ(first.error(), ErrorCode::none);
  EXPECT_EQ(again.error(), ErrorCode::none);
  world.files().set_hook({});
}

TEST(GroupDurability, a_log_that_failed_makes_everybody_ask_somebody_else) {
  GroupWorld world;
  world.create_topic("t");
  const auto id = world.join("g").get().member_id;
  world.files().fail_sync_after(1, "/data/log/wal/00000000000000000001.wal");
  EXPECT_EQ(world.join("g", {.member_id = id}).error(), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.commit("h", {"t", 0}, 1), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.sync("g", 1, id).error(), ErrorCode::coordinator_not_available);
}

}  // namespace
}  // namespace millrace::broker
