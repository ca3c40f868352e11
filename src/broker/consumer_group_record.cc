#include "broker/consumer_group_record.h"

#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "base/coding.h"

namespace millrace::broker {

namespace {

constexpr std::uint8_t kMemberKeyVersion = 2;
constexpr std::uint8_t kRecordVersion = 1;
constexpr std::uint8_t kConsumer = 2;  // the kind of group; 1 is a classic one
// The least bytes of a topic with its partitions: what a count may promise.
constexpr std::size_t kTopicBytesMin = 19;
constexpr std::size_t kRunBytesMin = 2;
// More partitions than a record can truly have: a run's few bytes may not ask for gigabytes.
constexpr std::uint64_t kPartitionsMax = 1 << 20;

void encode_optional(Encoder& to, const std::optional<std::string>& text) {
  to.boolean(text.has_value());
  if (text) to.bytes(*text);
}

std::optional<std::string> decode_optional(Decoder& from) {
  if (!from.boolean()) return std::nullopt;
  return std::string(from.bytes());
}

std::int32_t decode_int32(Decoder& from) {
  const std::int64_t value = from.zigzag();
  if (value < std::numeric_limits<std::int32_t>::min() ||
      value > std::numeric_limits<std::int32_t>::max()) {
    from.fail();
  }
  return static_cast<std::int32_t>(value);
}

// A count of things that take so many bytes each, at least; 0 when they cannot be there.
std::uint64_t decode_count(Decoder& from, std::size_t bytes_min) {
  const std::uint64_t count = from.varint();
  if (from.has_failed() || count > from.remaining_bytes() / bytes_min) {
    from.fail();
    return 0;
  }
  return count;
}

// Runs of neighbours: how many numbers are left out before it, how many it has.
void encode_partitions(Encoder& to, const std::vector<std::int32_t>& partitions) {
  std::vector<std::pair<std::int32_t, std::int32_t>> runs;  // first, past the last
  for (const auto partition : partitions) {
    if (runs.empty() || runs.back().second != partition) runs.emplace_back(partition, partition);
    runs.back().second = partition + 1;
  }
  to.varint(runs.size());
  std::int32_t next = 0;
  for (const auto& [first, end] : runs) {
    to.varint(static_cast<std::uint64_t>(first - next));
    to.varint(static_cast<std::uint64_t>(end - first));
    next = end;
  }
}

std::vector<std::int32_t> decode_partitions(Decoder& from, std::uint64_t& allowed) {
  std::vector<std::int32_t> out;
  std::uint64_t next = 0;
  for (auto runs = decode_count(from, kRunBytesMin); runs > 0; --runs) {
    const std::uint64_t gap = from.varint();
    const std::uint64_t length = from.varint();
    const bool is_neighbour = !out.empty() && gap == 0;
    if (from.has_failed() || gap > kPartitionsMax || length == 0 || length > allowed ||
        is_neighbour || next + gap + length > kPartitionsMax) {
      from.fail();
      return {};
    }
    allowed -= length;
    next += gap;
    for (const std::uint64_t end = next + length; next < end; ++next) {
      out.push_back(static_cast<std::int32_t>(next));
    }
  }
  return out;
}

void encode_assignment(Encoder& to, const Assignment& assignment) {
  to.varint(assignment.size());
  for (const auto& [topic, partitions] : assignment) {
    const char* const bytes = reinterpret_cast<const char*>(topic.bytes.data());
    to.u64(load_little<std::uint64_t>(bytes));
    to.u64(load_little<std::uint64_t>(bytes + 8));
    encode_partitions(to, partitions);
  }
}

Assignment decode_assignment(Decoder& from) {
  Assignment out;
  std::uint64_t allowed = kPartitionsMax;
  for (auto count = decode_count(from, kTopicBytesMin); count > 0; --count) {
    kafka_wire::Uuid topic;
    char* const bytes = reinterpret_cast<char*>(topic.bytes.data());
    store_little(bytes, from.u64());
    store_little(bytes + 8, from.u64());
    auto partitions = decode_partitions(from, allowed);
    const bool is_in_order = out.empty() || out.rbegin()->first < topic;
    if (from.has_failed() || partitions.empty() || !is_in_order) {
      from.fail();
      return {};
    }
    out.emplace_hint(out.end(), topic, std::move(partitions));
  }
  return out;
}

Status check(const ConsumerMember& member) {
  const bool is_known_state = member.state == ConsumerMemberState::stable ||
                              member.state == ConsumerMemberState::unrevoked ||
                              member.state == ConsumerMemberState::unreleased;
  if (!is_known_state || member.id.empty() || member.rebalance_timeout_ms < 0) {
    return corrupt_error("consumer group member: no id, no such state, or a negative time-out");
  }
  if (member.epoch < kEpochJoin && member.epoch != kEpochLeaveForAWhile) {
    return corrupt_error("consumer group member: there is no such epoch");
  }
  const auto& names = member.topic_names;
  if (std::adjacent_find(names.begin(), names.end(), std::greater_equal<>()) != names.end()) {
    return corrupt_error("consumer group member: the topics are out of order");
  }
  if (!are_disjoint(member.assigned, member.revoking)) {
    return corrupt_error("consumer group member: a partition is both assigned and being revoked");
  }
  return ok_status();
}

Status unknown_version(const char* of_what, std::uint8_t version) {
  return unsupported_error(std::string(of_what) + " has version " + std::to_string(version) +
                           ", known is " + std::to_string(kRecordVersion));
}

}  // namespace

std::size_t ConsumerMember::byte_count() const {
  std::size_t bytes = id.size() + client_id.size() + client_host.size() + topic_regex.size() +
                      assignor.size() + (instance_id ? instance_id->size() : 0) +
                      (rack_id ? rack_id->size() : 0);
  for (const auto& name : topic_names) bytes += name.size() + 1;
  return bytes;
}

std::string encode_member_key(std::string_view group_id, std::string_view member_id) {
  std::string out;
  Encoder to(out);
  to.u8(kMemberKeyVersion);
  to.bytes(group_id);
  to.bytes(member_id);
  return out;
}

std::string encode_consumer_group(const ConsumerGroupHeader& header) {
  std::string out;
  Encoder to(out);
  to.u8(kRecordVersion);
  to.u8(kConsumer);
  to.u64(header.incarnation);
  to.zigzag(header.epoch);
  to.zigzag(header.assignment_epoch);
  to.u64(header.topics_hash);
  to.zigzag(header.since.value);
  return out;
}

std::string encode_consumer_member(const ConsumerMember& member, std::uint64_t incarnation) {
  std::string out;
  Encoder to(out);
  to.u8(kRecordVersion);
  to.u64(incarnation);
  to.bytes(member.id);
  encode_optional(to, member.instance_id);
  encode_optional(to, member.rack_id);
  to.bytes(member.client_id);
  to.bytes(member.client_host);
  to.zigzag(member.rebalance_timeout_ms);
  to.varint(member.topic_names.size());
  for (const auto& name : member.topic_names) to.bytes(name);
  to.bytes(member.topic_regex);
  to.bytes(member.assignor);
  to.u8(static_cast<std::uint8_t>(member.state));
  to.zigzag(member.epoch);
  to.zigzag(member.previous_epoch);
  encode_assignment(to, member.assigned);
  encode_assignment(to, member.revoking);
  encode_assignment(to, member.target);
  return out;
}

bool is_member_key(std::string_view bytes) {
  return !bytes.empty() && static_cast<std::uint8_t>(bytes[0]) == kMemberKeyVersion;
}

bool is_consumer_group(std::string_view bytes) {
  return bytes.size() >= 2 && static_cast<std::uint8_t>(bytes[1]) == kConsumer;
}

Result<std::pair<std::string, std::string>> decode_member_key(std::string_view bytes) {
  Decoder from(bytes);
  if (from.u8() != kMemberKeyVersion) return corrupt_error("this is no member's key");
  std::string group(from.bytes());
  std::string member(from.bytes());
  MR_RETURN_IF_ERROR(from.finish("member key"));
  if (group.empty() || member.empty()) return corrupt_error("member key: an id is empty");
  return std::pair(std::move(group), std::move(member));
}

Result<ConsumerGroupHeader> decode_consumer_group(std::string_view bytes) {
  Decoder from(bytes);
  const std::uint8_t version = from.u8();
  const std::uint8_t kind = from.u8();
  if (!from.has_failed() && version != kRecordVersion) {
    return unknown_version("the consumer group's record", version);
  }
  if (kind != kConsumer) from.fail();
  ConsumerGroupHeader header;
  header.incarnation = from.u64();
  header.epoch = decode_int32(from);
  header.assignment_epoch = decode_int32(from);
  header.topics_hash = from.u64();
  header.since = WallTime(from.zigzag());
  MR_RETURN_IF_ERROR(from.finish("consumer group"));
  if (header.assignment_epoch < 0 || header.epoch < header.assignment_epoch) {
    return corrupt_error("consumer group: the assignment is of an epoch that is still to come");
  }
  return header;
}

Result<MemberOfGroup> decode_consumer_member(std::string_view bytes) {
  Decoder from(bytes);
  const std::uint8_t version = from.u8();
  if (!from.has_failed() && version != kRecordVersion) {
    return unknown_version("the member's record", version);
  }
  MemberOfGroup out;
  out.incarnation = from.u64();
  ConsumerMember& member = out.member;
  member.id = from.bytes();
  member.instance_id = decode_optional(from);
  member.rack_id = decode_optional(from);
  member.client_id = from.bytes();
  member.client_host = from.bytes();
  member.rebalance_timeout_ms = decode_int32(from);
  for (auto count = decode_count(from, 1); count > 0; --count) {
    member.topic_names.emplace_back(from.bytes());
  }
  member.topic_regex = from.bytes();
  member.assignor = from.bytes();
  member.state = static_cast<ConsumerMemberState>(from.u8());
  member.epoch = decode_int32(from);
  member.previous_epoch = decode_int32(from);
  member.assigned = decode_assignment(from);
  member.revoking = decode_assignment(from);
  member.target = decode_assignment(from);
  MR_RETURN_IF_ERROR(from.finish("consumer group member"));
  MR_RETURN_IF_ERROR(check(member));
  return out;
}

}  // namespace millrace::broker
