#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::broker {

// What a client says with a committed offset, and how it is kept in the one field that the log has
// for it (docs/formats/group_metadata.md). Who reads the log's field without this sees the metadata
// itself wherever no leader epoch came with it.
struct OffsetNote {
  std::string metadata;
  std::int32_t leader_epoch = -1;  // of the record before the offset; -1: not said
};

// Metadata is a Kafka string, that is UTF-8, so it hardly begins with the byte that marks an epoch;
// when it does, it is marked as well, and comes back as it was.
[[nodiscard]] std::string keep_offset_note(OffsetNote note);
[[nodiscard]] OffsetNote read_offset_note(std::string_view kept);

}  // namespace millrace::broker
