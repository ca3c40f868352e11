#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "features/feature_record.h"
#include "features/online_store.h"
#include "model/topic.h"

namespace millrace::features {

// Keys and values of the online store; docs/formats/features.md has the bytes.

// How far one partition of a group's topic is applied.
struct PartitionPosition {
  Offset next_offset;
  std::uint32_t last_batch_crc = 0;  // of the last batch applied; 0 before the first

  bool operator==(const PartitionPosition&) const = default;
};

// Where a group stands: changed together with its records, in one StoreChange.
struct GroupPosition {
  std::uint64_t incarnation = 0;  // of the topic
  std::uint64_t record_count = 0;
  std::string event_time;  // the member the records were compared by
  std::vector<PartitionPosition> partitions;
  std::vector<std::string> feature_names;  // members of the last record read, in its order

  bool operator==(const GroupPosition&) const = default;
};

std::string group_key(std::string_view group);
std::string record_key(std::string_view group, std::string_view record_id);
// The keys of all records of a group.
StoreChange::KeyRange record_keys(std::string_view group);
// The record id in a key that lies within record_keys(group).
std::string_view record_id_of(std::string_view key, std::string_view group);

std::string encode_position(const GroupPosition& position);
// `unsupported` when another version of this format wrote it, `corrupt` when nothing did.
Result<GroupPosition> decode_position(std::string_view bytes);

std::string encode_record(EventTime event_time, std::int64_t revision, std::string_view json);
Result<FeatureRecord> decode_record(std::string_view record_id, std::string_view bytes);

}  // namespace millrace::features
