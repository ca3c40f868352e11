#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "broker/group_assignment.h"

namespace millrace::broker {

// What is kept of a consumer group (KIP-848): a record for the group, under the key that a classic
// group has, and one for each member; docs/formats/group_metadata.md has the bytes.

// How far a member's own assignment has come on the way to its target.
enum class ConsumerMemberState : std::uint8_t {
  stable = 0,      // it has what it should have, as of its epoch
  unrevoked = 1,   // it has not confirmed yet that it gave up `revoking`
  unreleased = 2,  // others have not given up yet what it should have
};

inline constexpr std::int32_t kEpochJoin = 0;
inline constexpr std::int32_t kEpochLeave = -1;
inline constexpr std::int32_t kEpochLeaveForAWhile = -2;  // a static member

struct ConsumerMember {
  std::string id;
  std::optional<std::string> instance_id;  // set: static
  std::optional<std::string> rack_id;
  std::string client_id;
  std::string client_host;
  std::int32_t rebalance_timeout_ms = 0;
  std::vector<std::string> topic_names;  // ascending, each once
  std::string topic_regex;               // empty: none
  std::string assignor;                  // empty: whichever
  ConsumerMemberState state = ConsumerMemberState::stable;
  std::int32_t epoch = kEpochJoin;  // kEpochLeaveForAWhile: it is away
  std::int32_t previous_epoch = kEpochJoin;
  Assignment assigned;  // it has these, or may take them
  Assignment revoking;  // it has these, and must give them up
  Assignment target;

  bool operator==(const ConsumerMember&) const = default;
  [[nodiscard]] bool is_reconciled_to(std::int32_t assignment_epoch) const {
    return state == ConsumerMemberState::stable && epoch == assignment_epoch;
  }
  // Of what it says; not of partitions.
  [[nodiscard]] std::size_t byte_count() const;
};

struct ConsumerGroupHeader {
  // Another one for each group of this name: members of an earlier one are not members of this one.
  std::uint64_t incarnation = 0;
  std::int32_t epoch = 0;
  std::int32_t assignment_epoch = 0;  // that the members' targets were made for
  std::uint64_t topics_hash = 0;      // of the subscribed topics, as they were then
  WallTime since;                     // when the epoch began

  bool operator==(const ConsumerGroupHeader&) const = default;
};

struct ConsumerGroupRecords {
  ConsumerGroupHeader header;
  std::map<std::string, ConsumerMember, std::less<>> members;
};

// What one step does to a group: becomes durable as a whole or not at all.
struct ConsumerGroupChange {
  std::optional<ConsumerGroupHeader> header;
  std::map<std::string, std::optional<ConsumerMember>, std::less<>> members;  // nullopt: gone

  [[nodiscard]] bool empty() const { return !header && members.empty(); }
};

std::string encode_member_key(std::string_view group_id, std::string_view member_id);
std::string encode_consumer_group(const ConsumerGroupHeader& header);
std::string encode_consumer_member(const ConsumerMember& member, std::uint64_t incarnation);

struct MemberOfGroup {
  std::uint64_t incarnation = 0;
  ConsumerMember member;
};

// Whether this is a member's key, whatever follows.
[[nodiscard]] bool is_member_key(std::string_view bytes);
// Whether this is a consumer group's record, whatever follows.
[[nodiscard]] bool is_consumer_group(std::string_view bytes);

// `corrupt` when the bytes are not ours or contradict themselves, `unsupported` for a version that
// this program does not know.
Result<std::pair<std::string, std::string>> decode_member_key(std::string_view bytes);
Result<ConsumerGroupHeader> decode_consumer_group(std::string_view bytes);
Result<MemberOfGroup> decode_consumer_member(std::string_view bytes);

}  // namespace millrace::broker
