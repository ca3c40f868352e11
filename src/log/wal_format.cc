#include "log/wal_format.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "log/config_format.h"

namespace millrace::log {

namespace {

constexpr std::string_view kFileMagic = "MRWF";
constexpr std::string_view kFileSuffix = ".wal";
constexpr std::size_t kFileDigits = 20;
constexpr std::uint32_t kFormatVersion = 1;
constexpr std::uint32_t kRecycledFlag = 1;
constexpr std::size_t kVarint64BytesMax = 10;
constexpr std::size_t kVarint32BytesMax = 5;

std::uint64_t u64_at(std::string_view bytes, std::size_t at) {
  return load_little<std::uint64_t>(bytes.data() + at);
}
std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
  return load_little<std::uint32_t>(bytes.data() + at);
}

}  // namespace

std::string encode_file_header(const WalFileHeader& header) {
  std::string out(kFileMagic);
  Encoder to(out);
  to.u32(kFormatVersion);
  to.u64(header.log_id.low);
  to.u64(header.log_id.high);
  to.u64(header.file);
  to.u32(header.is_recycled ? kRecycledFlag : 0);
  out.resize(kWalFileHeaderBytes - 4);
  to.u32(crc32c(out));
  MR_CHECK(out.size() == kWalFileHeaderBytes);
  return out;
}

Result<WalFileHeader> parse_file_header(std::string_view bytes) {
  if (bytes.size() < kWalFileHeaderBytes || bytes.substr(0, 4) != kFileMagic) {
    return corrupt_error("not the header of a WAL file");
  }
  bytes = bytes.substr(0, kWalFileHeaderBytes);
  if (crc32c(bytes.substr(0, kWalFileHeaderBytes - 4)) != u32_at(bytes, kWalFileHeaderBytes - 4)) {
    return corrupt_error("the WAL file's header fails its checksum");
  }
  if (u32_at(bytes, 4) != kFormatVersion) {
    return corrupt_error("WAL format version " + std::to_string(u32_at(bytes, 4)) +
                         "; this program reads version 1");
  }
  return WalFileHeader{.log_id = {u64_at(bytes, 8), u64_at(bytes, 16)},
                       .file = u64_at(bytes, 24),
                       .is_recycled = (u32_at(bytes, 32) & kRecycledFlag) != 0};
}

void append_group_header(const GroupHeader& header, std::string& out) {
  const std::size_t start = out.size();
  out.append(kGroupMagic);
  Encoder to(out);
  to.u32(kFormatVersion);
  to.u64(header.log_id.low);
  to.u64(header.log_id.high);
  to.u64(header.group);
  to.u64(header.position.file);
  to.u64(header.position.offset);
  to.u64(header.previous_end.file);
  to.u64(header.previous_end.offset);
  to.u64(header.first_commit.value);
  to.u64(header.synced_through);
  to.u32(header.entry_count);
  to.u32(header.payload_bytes);
  to.u32(header.payload_crc);
  to.u32(crc32c(std::string_view(out).substr(start)));
  MR_CHECK(out.size() - start == kGroupHeaderBytes);
}

Result<GroupHeader> parse_group_header(std::string_view bytes) {
  if (bytes.size() < kGroupHeaderBytes || bytes.substr(0, 4) != kGroupMagic) {
    return corrupt_error("no group starts here");
  }
  if (crc32c(bytes.substr(0, kGroupHeaderBytes - 4)) != u32_at(bytes, kGroupHeaderBytes - 4)) {
    return corrupt_error("the group's header fails its checksum");
  }
  if (u32_at(bytes, 4) != kFormatVersion) {
    return corrupt_error("WAL format version " + std::to_string(u32_at(bytes, 4)) +
                         "; this program reads version 1");
  }
  GroupHeader header;
  header.log_id = {u64_at(bytes, 8), u64_at(bytes, 16)};
  header.group = u64_at(bytes, 24);
  header.position = {u64_at(bytes, 32), u64_at(bytes, 40)};
  header.previous_end = {u64_at(bytes, 48), u64_at(bytes, 56)};
  header.first_commit = CommitSequence(u64_at(bytes, 64));
  header.synced_through = u64_at(bytes, 72);
  header.entry_count = u32_at(bytes, 80);
  header.payload_bytes = u32_at(bytes, 84);
  header.payload_crc = u32_at(bytes, 88);
  return header;
}

void append_entry_header(EntryKind kind, std::size_t meta_bytes, std::size_t data_bytes,
                         std::string& out) {
  MR_CHECK(meta_bytes <= UINT32_MAX && data_bytes <= UINT32_MAX);
  Encoder to(out);
  to.u8(static_cast<std::uint8_t>(kind));
  to.u32(static_cast<std::uint32_t>(meta_bytes));
  to.u32(static_cast<std::uint32_t>(data_bytes));
}

Result<EntryView> take_entry(std::string_view& payload) {
  if (payload.size() < kEntryHeaderBytes) return corrupt_error("a WAL entry is cut off");
  const auto kind = static_cast<std::uint8_t>(payload[0]);
  if (kind < static_cast<std::uint8_t>(EntryKind::commit) ||
      kind > static_cast<std::uint8_t>(EntryKind::producer_ids_allocated)) {
    return corrupt_error("WAL entry kind " + std::to_string(kind) + " is not known");
  }
  const std::uint64_t meta_bytes = u32_at(payload, 1);
  const std::uint64_t data_bytes = u32_at(payload, 5);
  if (kEntryHeaderBytes + meta_bytes + data_bytes > payload.size()) {
    return corrupt_error("a WAL entry is longer than its group");
  }
  const EntryView entry{.kind = static_cast<EntryKind>(kind),
                        .meta = payload.substr(kEntryHeaderBytes, meta_bytes),
                        .data = payload.substr(kEntryHeaderBytes + meta_bytes, data_bytes)};
  payload.remove_prefix(kEntryHeaderBytes + meta_bytes + data_bytes);
  return entry;
}

void append_commit_meta(const CommitMeta& meta, std::string& out) {
  Encoder to(out);
  to.u64(static_cast<std::uint64_t>(meta.append_time.value));
  to.varint(meta.batches.size());
  for (const auto& batch : meta.batches) {
    to.varint(batch.topic_id);
    to.varint(static_cast<std::uint32_t>(batch.partition));
    to.varint(batch.batch_bytes);
  }
  to.varint(meta.offsets.size());
  for (const auto& offset : meta.offsets) {
    to.bytes(offset.group);
    to.bytes(offset.source.topic);
    to.zigzag(offset.source.partition);
    to.zigzag(offset.next_offset.value);
    to.bytes(offset.metadata);
  }
}

Result<CommitMeta> parse_commit_meta(std::string_view bytes) {
  Decoder from(bytes);
  CommitMeta meta;
  meta.append_time = WallTime(static_cast<std::int64_t>(from.u64()));
  const std::uint64_t batch_count = from.varint();
  for (std::uint64_t i = 0; i < batch_count && !from.has_failed(); ++i) {
    CommitMeta::Batch batch;
    batch.topic_id = from.varint();
    batch.partition = static_cast<std::int32_t>(from.varint());
    batch.batch_bytes = static_cast<std::uint32_t>(from.varint());
    meta.batches.push_back(batch);
  }
  const std::uint64_t offset_count = from.varint();
  for (std::uint64_t i = 0; i < offset_count && !from.has_failed(); ++i) {
    OffsetCommit offset;
    offset.group = from.bytes();
    offset.source.topic = from.bytes();
    offset.source.partition = static_cast<std::int32_t>(from.zigzag());
    offset.next_offset = Offset(from.zigzag());
    offset.metadata = from.bytes();
    meta.offsets.push_back(std::move(offset));
  }
  MR_RETURN_IF_ERROR(from.finish("a WAL commit entry"));
  return meta;
}

std::size_t commit_meta_bytes_max(std::size_t batch_count,
                                  const std::vector<OffsetCommit>& offsets) {
  std::size_t bytes = sizeof(std::uint64_t) + 2 * kVarint32BytesMax;
  bytes += batch_count * (kVarint64BytesMax + 2 * kVarint32BytesMax);
  for (const auto& offset : offsets) {
    bytes += offset.group.size() + offset.source.topic.size() + offset.metadata.size() +
             4 * kVarint32BytesMax + kVarint64BytesMax;
  }
  return bytes;
}

std::string encode_topic_created(const TopicCreatedMeta& meta) {
  std::string out;
  Encoder to(out);
  to.bytes(meta.name);
  to.varint(meta.topic_id);
  encode_topic_config(meta.config, to);
  return out;
}

Result<TopicCreatedMeta> parse_topic_created(std::string_view bytes) {
  Decoder from(bytes);
  TopicCreatedMeta meta;
  meta.name = from.bytes();
  meta.topic_id = from.varint();
  meta.config = decode_topic_config(from);
  MR_RETURN_IF_ERROR(from.finish("a WAL topic entry"));
  // A checksum does not prove that this program wrote it; what sizes later arrays is checked again.
  if (!check_topic_name(meta.name).is_ok() || !check_topic_config(meta.config).is_ok()) {
    return corrupt_error("a WAL topic entry has an impossible name or configuration");
  }
  return meta;
}

std::string encode_records_deleted(const RecordsDeletedMeta& meta) {
  std::string out;
  Encoder to(out);
  to.varint(meta.topic_id);
  to.varint(static_cast<std::uint32_t>(meta.partition));
  to.zigzag(meta.before.value);
  return out;
}

Result<RecordsDeletedMeta> parse_records_deleted(std::string_view bytes) {
  Decoder from(bytes);
  RecordsDeletedMeta meta;
  meta.topic_id = from.varint();
  meta.partition = static_cast<std::int32_t>(from.varint());
  meta.before = Offset(from.zigzag());
  MR_RETURN_IF_ERROR(from.finish("a WAL records-deleted entry"));
  return meta;
}

std::string encode_topic_deleted(const TopicDeletedMeta& meta) {
  std::string out;
  Encoder to(out);
  to.varint(meta.topic_id);
  to.bytes(meta.name);
  return out;
}

Result<TopicDeletedMeta> parse_topic_deleted(std::string_view bytes) {
  Decoder from(bytes);
  TopicDeletedMeta meta;
  meta.topic_id = from.varint();
  meta.name = from.bytes();
  MR_RETURN_IF_ERROR(from.finish("a WAL topic-deleted entry"));
  return meta;
}

std::string encode_group_deleted(std::string_view group) {
  std::string out;
  Encoder(out).bytes(group);
  return out;
}

Result<std::string> parse_group_deleted(std::string_view bytes) {
  Decoder from(bytes);
  std::string group(from.bytes());
  MR_RETURN_IF_ERROR(from.finish("a WAL group-deleted entry"));
  return group;
}

std::string encode_producer_ids_allocated(std::int64_t next_producer_id) {
  std::string out;
  Encoder(out).zigzag(next_producer_id);
  return out;
}

Result<std::int64_t> parse_producer_ids_allocated(std::string_view bytes) {
  Decoder from(bytes);
  const std::int64_t next = from.zigzag();
  MR_RETURN_IF_ERROR(from.finish("a WAL producer-ids entry"));
  return next;
}

std::string wal_file_name(std::uint64_t sequence) {
  std::string digits = std::to_string(sequence);
  return std::string(kFileDigits - digits.size(), '0') + digits + std::string(kFileSuffix);
}

std::uint64_t parse_wal_file_name(std::string_view name) {
  if (name.size() != kFileDigits + kFileSuffix.size() || !name.ends_with(kFileSuffix)) return 0;
  std::uint64_t sequence = 0;
  for (const char c : name.substr(0, kFileDigits)) {
    if (c < '0' || c > '9') return 0;
    sequence = sequence * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return sequence;
}

}  // namespace millrace::log
