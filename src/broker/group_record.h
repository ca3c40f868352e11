#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "kafka_wire/group_membership.h"

namespace millrace::broker {

// Kafka's states of a classic group. `dead`: deleted while somebody still held on to it.
enum class GroupState : std::uint8_t {
  empty = 0,
  preparing_rebalance = 1,   // members are joining the next generation
  completing_rebalance = 2,  // the generation is there, its leader's assignment is not
  stable = 3,
  dead = 4,
};
// As Kafka's tools show it: "PreparingRebalance".
std::string_view to_string(GroupState state);

// What is kept of a member.
struct GroupMemberRecord {
  std::string id;
  std::optional<std::string> instance_id;  // set: static (KIP-345)
  std::string client_id;
  std::string client_host;
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = 0;
  std::vector<kafka_wire::JoinGroupRequest::Protocol> protocols;  // preferred first
  std::string assignment;

  [[nodiscard]] std::size_t byte_count() const;
  // Empty when the member has no such protocol.
  [[nodiscard]] std::string_view metadata_of(std::string_view protocol) const;
};

// One group as it is stored, keyed by its id; docs/formats/group_metadata.md has the bytes. A group
// that is preparing a rebalance is stored as it was before.
struct GroupRecord {
  GroupState state = GroupState::empty;  // empty, completing_rebalance or stable
  std::int32_t generation_id = 0;
  // Nullopt: nobody ever joined, the group only keeps offsets.
  std::optional<std::string> protocol_type;
  std::string protocol_name;  // empty in an empty group
  std::string leader;         // a member's id; empty in an empty group
  // When the state was entered; of a group without a protocol type, its latest commit, roughly.
  WallTime since;
  std::vector<GroupMemberRecord> members;
};

std::string encode_group_key(std::string_view group_id);
std::string encode_group_record(const GroupRecord& record);

// `corrupt` when the bytes are no key or record of ours, or contradict themselves (a leader that is
// no member, two members of one id); `unsupported` for a version or a kind of group that this
// program does not know.
Result<std::string> decode_group_key(std::string_view bytes);
Result<GroupRecord> decode_group_record(std::string_view bytes);

}  // namespace millrace::broker
