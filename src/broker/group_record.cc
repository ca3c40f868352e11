#include "broker/group_record.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/coding.h"

namespace millrace::broker {

namespace {

constexpr std::uint8_t kKeyVersion = 1;
constexpr std::uint8_t kRecordVersion = 1;
constexpr std::uint8_t kClassic = 1;
// The least bytes of a member and of a protocol: what a count may promise.
constexpr std::size_t kMemberBytesMin = 8;
constexpr std::size_t kProtocolBytesMin = 2;

void encode_optional(Encoder& to, const std::optional<std::string>& text) {
  to.boolean(text.has_value());
  if (text) to.bytes(*text);
}

std::optional<std::string> decode_optional(Decoder& from) {
  if (!from.boolean()) return std::nullopt;
  return std::string(from.bytes());
}

void encode_member(Encoder& to, const GroupMemberRecord& member) {
  to.bytes(member.id);
  encode_optional(to, member.instance_id);
  to.bytes(member.client_id);
  to.bytes(member.client_host);
  to.zigzag(member.session_timeout_ms);
  to.zigzag(member.rebalance_timeout_ms);
  to.varint(member.protocols.size());
  for (const auto& protocol : member.protocols) {
    to.bytes(protocol.name);
    to.bytes(protocol.metadata.bytes);
  }
  to.bytes(member.assignment);
}

Result<std::uint64_t> decode_count(Decoder& from, std::size_t bytes_min, const char* of_what) {
  const std::uint64_t count = from.varint();
  if (from.has_failed() || count > from.remaining_bytes() / bytes_min) {
    return corrupt_error(std::string("the record counts more ") + of_what + " than it has bytes");
  }
  return count;
}

Result<GroupMemberRecord> decode_member(Decoder& from) {
  GroupMemberRecord member;
  member.id = from.bytes();
  member.instance_id = decode_optional(from);
  member.client_id = from.bytes();
  member.client_host = from.bytes();
  member.session_timeout_ms = static_cast<std::int32_t>(from.zigzag());
  member.rebalance_timeout_ms = static_cast<std::int32_t>(from.zigzag());
  MR_ASSIGN_OR_RETURN(const std::uint64_t count,
                      decode_count(from, kProtocolBytesMin, "protocols"));
  for (std::uint64_t i = 0; i < count; ++i) {
    auto& protocol = member.protocols.emplace_back();
    protocol.name = from.bytes();
    protocol.metadata.bytes = from.bytes();
  }
  member.assignment = from.bytes();
  return member;
}

Status check(const GroupRecord& record) {
  std::set<std::string_view> ids;
  std::set<std::string_view> instances;
  for (const auto& member : record.members) {
    if (member.id.empty() || !ids.insert(member.id).second) {
      return corrupt_error("member id '" + member.id + "' is empty or there twice");
    }
    if (member.instance_id && !instances.insert(*member.instance_id).second) {
      return corrupt_error("instance '" + *member.instance_id + "' is there twice");
    }
    if (member.session_timeout_ms <= 0 || member.rebalance_timeout_ms < 0) {
      return corrupt_error("a time-out of member '" + member.id + "' is negative");
    }
  }
  const bool is_empty = record.state == GroupState::empty;
  if (is_empty != record.members.empty() || (!is_empty && !ids.contains(record.leader))) {
    return corrupt_error("state, members and leader do not go together");
  }
  if (record.generation_id < 0 || (!is_empty && !record.protocol_type)) {
    return corrupt_error("the generation is negative, or the protocol type missing");
  }
  return ok_status();
}

}  // namespace

std::string_view to_string(GroupState state) {
  switch (state) {
    case GroupState::empty:
      return "Empty";
    case GroupState::preparing_rebalance:
      return "PreparingRebalance";
    case GroupState::completing_rebalance:
      return "CompletingRebalance";
    case GroupState::stable:
      return "Stable";
    case GroupState::dead:
      return "Dead";
  }
  MR_CHECK(false);
}

std::size_t GroupMemberRecord::byte_count() const {
  std::size_t bytes = id.size() + client_id.size() + client_host.size() + assignment.size() +
                      (instance_id ? instance_id->size() : 0);
  for (const auto& protocol : protocols)
    bytes += protocol.name.size() + protocol.metadata.bytes.size();
  return bytes;
}

std::string_view GroupMemberRecord::metadata_of(std::string_view protocol) const {
  const auto found = std::find_if(protocols.begin(), protocols.end(),
                                  [&](const auto& mine) { return mine.name == protocol; });
  return found == protocols.end() ? std::string_view() : std::string_view(found->metadata.bytes);
}

std::string encode_group_key(std::string_view group_id) {
  std::string out;
  Encoder to(out);
  to.u8(kKeyVersion);
  to.bytes(group_id);
  return out;
}

std::string encode_group_record(const GroupRecord& record) {
  std::string out;
  Encoder to(out);
  to.u8(kRecordVersion);
  to.u8(kClassic);
  to.u8(static_cast<std::uint8_t>(record.state));
  to.zigzag(record.generation_id);
  encode_optional(to, record.protocol_type);
  to.bytes(record.protocol_name);
  to.bytes(record.leader);
  to.zigzag(record.since.value);
  to.varint(record.members.size());
  for (const auto& member : record.members) encode_member(to, member);
  return out;
}

Result<std::string> decode_group_key(std::string_view bytes) {
  Decoder from(bytes);
  const std::uint8_t version = from.u8();
  if (!from.has_failed() && version != kKeyVersion) {
    return unsupported_error("the key has version " + std::to_string(version) + ", known is " +
                             std::to_string(kKeyVersion));
  }
  std::string id(from.bytes());
  MR_RETURN_IF_ERROR(from.finish("group key"));
  if (id.empty()) return corrupt_error("group key: the group's id is empty");
  return id;
}

Result<GroupRecord> decode_group_record(std::string_view bytes) {
  Decoder from(bytes);
  const std::uint8_t version = from.u8();
  const std::uint8_t kind = from.u8();
  if (!from.has_failed() && (version != kRecordVersion || kind != kClassic)) {
    return unsupported_error("the record has version " + std::to_string(version) + " and kind " +
                             std::to_string(kind) + ", known are version " +
                             std::to_string(kRecordVersion) + " and kind " +
                             std::to_string(kClassic));
  }
  GroupRecord record;
  record.state = static_cast<GroupState>(from.u8());
  if (record.state != GroupState::empty && record.state != GroupState::completing_rebalance &&
      record.state != GroupState::stable) {
    return corrupt_error("group record: no group is stored in this state");
  }
  record.generation_id = static_cast<std::int32_t>(from.zigzag());
  record.protocol_type = decode_optional(from);
  record.protocol_name = from.bytes();
  record.leader = from.bytes();
  record.since = WallTime(from.zigzag());
  MR_ASSIGN_OR_RETURN(const std::uint64_t count, decode_count(from, kMemberBytesMin, "members"));
  for (std::uint64_t i = 0; i < count; ++i) {
    MR_ASSIGN_OR_RETURN(auto member, decode_member(from));
    record.members.push_back(std::move(member));
  }
  MR_RETURN_IF_ERROR(from.finish("group record"));
  MR_RETURN_IF_ERROR(check(record));
  return record;
}

}  // namespace millrace::broker
