#include "runtime/snapshot_store.h"

#include <charconv>
#include <cinttypes>
#include <cstdio>

#include "base/coding.h"
#include "base/crc32c.h"

namespace millrace::runtime {
namespace {

constexpr std::uint32_t kMagic = 0x53524d4c;  // "LMRS"
constexpr std::uint8_t kFormatVersion = 2;
constexpr std::uint8_t kWithoutObjects = 1;                 // the version before
constexpr std::uint64_t kContentSeed = 0x736e617073686f74;  // part of the object's name
constexpr std::size_t kOffsetDigits = 20;

}  // namespace

std::string encode_snapshot(const SnapshotIdentity& identity,
                            const std::vector<std::string>& objects, std::string_view state) {
  std::string out;
  out.reserve(state.size() + 256);
  Encoder to(out);
  to.u32(kMagic);
  to.u8(kFormatVersion);
  to.bytes(identity.pipeline);
  to.bytes(identity.stage);
  to.zigzag(identity.partition);
  to.zigzag(identity.next_offset.value);
  to.varint(identity.journal_sequence);
  to.u64(identity.source_incarnation);
  to.zigzag(identity.source_partition_count);
  to.zigzag(identity.last_batch_offset.value);
  to.u32(identity.last_batch_crc);
  to.varint(objects.size());
  for (const auto& key : objects) to.bytes(key);
  to.bytes(state);
  to.u32(crc32c(out));
  return out;
}

Result<Snapshot> decode_snapshot(std::string_view object) {
  if (object.size() < 8) return corrupt_error("snapshot: too short");
  const auto body = object.substr(0, object.size() - 4);
  if (crc32c(body) != load_little<std::uint32_t>(object.data() + body.size())) {
    return corrupt_error("snapshot: checksum differs");
  }
  Decoder from(body);
  if (from.u32() != kMagic) return corrupt_error("not a snapshot");
  const auto version = from.u8();
  if (version != kFormatVersion && version != kWithoutObjects) {
    return unsupported_error("snapshot: unknown format version");
  }
  Snapshot snapshot;
  auto& identity = snapshot.identity;
  identity.pipeline = from.bytes();
  identity.stage = from.bytes();
  identity.partition = static_cast<std::int32_t>(from.zigzag());
  identity.next_offset = Offset(from.zigzag());
  identity.journal_sequence = from.varint();
  identity.source_incarnation = from.u64();
  identity.source_partition_count = static_cast<std::int32_t>(from.zigzag());
  identity.last_batch_offset = Offset(from.zigzag());
  identity.last_batch_crc = from.u32();
  const auto object_count = version == kWithoutObjects ? 0 : from.varint();
  for (std::uint64_t i = 0; i < object_count && !from.has_failed(); ++i) {
    snapshot.objects.emplace_back(from.bytes());
  }
  snapshot.state = from.bytes();
  MR_RETURN_IF_ERROR(from.finish("snapshot"));
  return snapshot;
}

std::string task_prefix(const std::string& pipeline, const std::string& stage,
                        std::int32_t partition) {
  char number[16];
  std::snprintf(number, sizeof number, "/%04d/", partition);
  return "snapshots/" + pipeline + "/" + stage + number;
}

std::string snapshot_key(const SnapshotIdentity& identity, const Hash128& content) {
  char name[128];
  std::snprintf(name, sizeof name, "%020" PRId64 "-%012" PRIu64 "-%016" PRIx64,
                identity.next_offset.value, identity.journal_sequence, content.low);
  return task_prefix(identity.pipeline, identity.stage, identity.partition) + name;
}

std::optional<std::uint64_t> snapshot_journal_sequence(std::string_view key) {
  const auto name = key.substr(key.rfind('/') + 1);
  const auto begin = name.find('-') + 1;
  const auto end = name.rfind('-');
  if (begin != kOffsetDigits + 1 || end <= begin || end == std::string_view::npos) {
    return std::nullopt;
  }
  std::uint64_t out = 0;
  const auto [stopped, error] = std::from_chars(name.data() + begin, name.data() + end, out);
  if (error != std::errc() || stopped != name.data() + end) return std::nullopt;
  return out;
}

Hash128 snapshot_content_hash(std::string_view object) {
  return hash128(object, kContentSeed);
}

Result<task::SnapshotEntry> put_snapshot(objects::ObjectStore& store,
                                         const SnapshotIdentity& identity,
                                         std::string_view object) {
  const auto content = snapshot_content_hash(object);
  const auto key = snapshot_key(identity, content);
  MR_RETURN_IF_ERROR(store.put(key, object, false));
  return task::SnapshotEntry{key, identity.next_offset, identity.journal_sequence, content,
                             object.size()};
}

Result<Snapshot> get_snapshot(objects::ObjectStore& store, const task::SnapshotEntry& entry) {
  MR_ASSIGN_OR_RETURN(const auto object, store.get(entry.object_key));
  if (object.size() != entry.content_bytes || snapshot_content_hash(object) != entry.content) {
    return corrupt_error("snapshot " + entry.object_key + " is not what the journal names");
  }
  return decode_snapshot(object);
}

}  // namespace millrace::runtime
