#include "log/checkpoint.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "log/config_format.h"

namespace millrace::log {

namespace {

constexpr std::string_view kMagic = "MRCP";
constexpr std::uint32_t kFormatVersion = 2;
constexpr std::uint32_t kVersionWithoutTransactions = 1;
constexpr std::size_t kCrcBytes = 4;

void encode_segment(const SegmentInfo& segment, Encoder& to) {
  to.zigzag(segment.base_offset.value);
  to.varint(segment.generation);
  to.varint(segment.valid_bytes);
  to.zigzag(segment.next_offset.value);
  to.zigzag(segment.first_append_time.value);
  to.zigzag(segment.last_append_time.value);
  to.zigzag(segment.max_timestamp.value);
}

SegmentInfo decode_segment(Decoder& from, std::uint32_t version) {
  SegmentInfo segment;
  segment.base_offset = Offset(from.zigzag());
  segment.generation = static_cast<std::uint32_t>(from.varint());
  segment.valid_bytes = from.varint();
  segment.next_offset = Offset(from.zigzag());
  segment.first_append_time = WallTime(from.zigzag());
  segment.last_append_time = WallTime(from.zigzag());
  segment.max_timestamp =
      version == kVersionWithoutTransactions ? kUnknownTimestamp : WallTime(from.zigzag());
  return segment;
}

void encode_partition(const CheckpointPartition& partition, Encoder& to) {
  to.zigzag(partition.start.value);
  to.zigzag(partition.end.value);
  to.zigzag(partition.compacted_to.value);
  to.varint(partition.segments.size());
  for (const auto& segment : partition.segments) encode_segment(segment, to);
  to.bytes(partition.producers);
  to.bytes(partition.transactions);
}

// Offsets and lengths that later code takes for granted.
bool is_consistent(const CheckpointPartition& partition) {
  Offset last(0);
  for (const auto& segment : partition.segments) {
    if (segment.base_offset < last || segment.next_offset < segment.base_offset ||
        segment.valid_bytes < kSegmentHeaderBytes) {
      return false;
    }
    last = segment.next_offset;
  }
  return partition.start.value >= 0 && last <= partition.end;
}

CheckpointPartition decode_partition(Decoder& from, std::uint32_t version) {
  CheckpointPartition partition;
  partition.start = Offset(from.zigzag());
  partition.end = Offset(from.zigzag());
  partition.compacted_to = Offset(from.zigzag());
  const std::uint64_t segment_count = from.varint();
  for (std::uint64_t i = 0; i < segment_count && !from.has_failed(); ++i) {
    partition.segments.push_back(decode_segment(from, version));
  }
  partition.producers = from.bytes();
  if (version != kVersionWithoutTransactions) partition.transactions = from.bytes();
  return partition;
}

Result<CheckpointTopic> decode_topic(Decoder& from, std::uint32_t version) {
  CheckpointTopic topic;
  topic.name = from.bytes();
  topic.topic_id = from.varint();
  topic.config = decode_topic_config(from);
  if (from.has_failed() || !check_topic_config(topic.config).is_ok() ||
      !check_topic_name(topic.name).is_ok()) {
    return corrupt_error("the checkpoint has a topic with impossible values");
  }
  for (std::int32_t i = 0; i < topic.config.partition_count; ++i) {
    topic.partitions.push_back(decode_partition(from, version));
    if (from.has_failed() || !is_consistent(topic.partitions.back())) {
      return corrupt_error("the checkpoint's partition " + topic.name + "/" + std::to_string(i) +
                           " has impossible values");
    }
  }
  return topic;
}

}  // namespace

std::string encode_checkpoint(const Checkpoint& checkpoint) {
  std::string out(kMagic);
  Encoder to(out);
  to.u32(kFormatVersion);
  to.u64(checkpoint.log_id.low);
  to.u64(checkpoint.log_id.high);
  to.u64(checkpoint.commit.value);
  to.u64(checkpoint.wal.position.file);
  to.u64(checkpoint.wal.position.offset);
  to.u64(checkpoint.wal.next_group);
  to.varint(checkpoint.next_topic_id);
  to.zigzag(checkpoint.next_producer_id);
  to.zigzag(checkpoint.last_append_time.value);
  to.varint(checkpoint.topics.size());
  for (const auto& topic : checkpoint.topics) {
    MR_CHECK(topic.partitions.size() == static_cast<std::size_t>(topic.config.partition_count));
    to.bytes(topic.name);
    to.varint(topic.topic_id);
    encode_topic_config(topic.config, to);
    for (const auto& partition : topic.partitions) encode_partition(partition, to);
  }
  to.bytes(checkpoint.groups);
  to.u32(crc32c(out));
  return out;
}

Result<Checkpoint> parse_checkpoint(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + kCrcBytes || bytes.substr(0, kMagic.size()) != kMagic) {
    return corrupt_error("not a log checkpoint");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kCrcBytes);
  if (crc32c(body) != load_little<std::uint32_t>(body.data() + body.size())) {
    return corrupt_error("the log checkpoint fails its checksum");
  }
  Decoder from(body.substr(kMagic.size()));
  const std::uint32_t version = from.u32();
  if (version != kFormatVersion && version != kVersionWithoutTransactions) {
    return corrupt_error("checkpoint format version " + std::to_string(version) +
                         "; this program reads versions 1 and 2");
  }
  Checkpoint out;
  out.log_id.low = from.u64();
  out.log_id.high = from.u64();
  out.commit = CommitSequence(from.u64());
  out.wal.position.file = from.u64();
  out.wal.position.offset = from.u64();
  out.wal.next_group = from.u64();
  out.next_topic_id = from.varint();
  out.next_producer_id = from.zigzag();
  out.last_append_time = WallTime(from.zigzag());
  const std::uint64_t topic_count = from.varint();
  for (std::uint64_t i = 0; i < topic_count && !from.has_failed(); ++i) {
    MR_ASSIGN_OR_RETURN(auto topic, decode_topic(from, version));
    out.topics.push_back(std::move(topic));
  }
  out.groups = from.bytes();
  MR_RETURN_IF_ERROR(from.finish("the log checkpoint"));
  if (out.wal.position.file == 0 || out.wal.position.offset < kWalFileHeaderBytes ||
      out.wal.next_group == 0) {
    return corrupt_error("the log checkpoint has an impossible WAL position");
  }
  return out;
}

}  // namespace millrace::log
