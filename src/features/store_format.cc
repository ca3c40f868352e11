#include "features/store_format.h"

#include "base/check.h"
#include "base/coding.h"

namespace millrace::features {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr char kGroupTag = 'g';
constexpr char kRecordTag = 'r';
// Behind a group's name, which cannot have it. The character that follows it in ASCII ends the
// group's range of keys.
constexpr char kSeparator = '/';
constexpr char kBehindSeparator = '0';
static_assert(kBehindSeparator == kSeparator + 1);

std::string keys_of(std::string_view group, char separator) {
  std::string key(1, kRecordTag);
  key += group;
  key += separator;
  return key;
}

}  // namespace

std::string group_key(std::string_view group) {
  std::string key(1, kGroupTag);
  key += group;
  return key;
}

std::string record_key(std::string_view group, std::string_view record_id) {
  auto key = keys_of(group, kSeparator);
  key += record_id;
  return key;
}

StoreChange::KeyRange record_keys(std::string_view group) {
  return {keys_of(group, kSeparator), keys_of(group, kBehindSeparator)};
}

std::string_view record_id_of(std::string_view key, std::string_view group) {
  MR_CHECK(key.size() >= group.size() + 2 && key.front() == kRecordTag);
  MR_CHECK(key[group.size() + 1] == kSeparator);
  return key.substr(group.size() + 2);
}

std::string encode_position(const GroupPosition& position) {
  std::string bytes;
  Encoder encoder(bytes);
  encoder.u8(kVersion);
  encoder.u64(position.incarnation);
  encoder.varint(position.record_count);
  encoder.bytes(position.event_time);
  encoder.varint(position.partitions.size());
  for (const auto& partition : position.partitions) {
    encoder.zigzag(partition.next_offset.value);
    encoder.u32(partition.last_batch_crc);
  }
  encoder.varint(position.feature_names.size());
  for (const auto& name : position.feature_names) encoder.bytes(name);
  return bytes;
}

Result<GroupPosition> decode_position(std::string_view bytes) {
  Decoder decoder(bytes);
  if (const auto version = decoder.u8(); !decoder.has_failed() && version != kVersion) {
    return unsupported_error("feature store format " + std::to_string(version) +
                             "; this program writes " + std::to_string(kVersion));
  }
  GroupPosition position;
  position.incarnation = decoder.u64();
  position.record_count = decoder.varint();
  position.event_time = decoder.bytes();
  // The counts are not trusted: the loops end where the bytes do.
  for (auto left = decoder.varint(); left > 0 && !decoder.has_failed(); --left) {
    const Offset next_offset(decoder.zigzag());
    position.partitions.push_back({next_offset, decoder.u32()});
  }
  for (auto left = decoder.varint(); left > 0 && !decoder.has_failed(); --left) {
    position.feature_names.emplace_back(decoder.bytes());
  }
  MR_RETURN_IF_ERROR(decoder.finish("feature store: group"));
  return position;
}

std::string encode_record(EventTime event_time, std::int64_t revision, std::string_view json) {
  std::string bytes;
  Encoder encoder(bytes);
  encoder.zigzag(event_time.value);
  encoder.zigzag(revision);
  encoder.bytes(json);
  return bytes;
}

Result<FeatureRecord> decode_record(std::string_view record_id, std::string_view bytes) {
  Decoder decoder(bytes);
  FeatureRecord record;
  record.record_id = record_id;
  record.event_time = EventTime(decoder.zigzag());
  record.revision = decoder.zigzag();
  record.json = decoder.bytes();
  MR_RETURN_IF_ERROR(decoder.finish("feature store: record"));
  return record;
}

}  // namespace millrace::features
