#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "lake/writer_config.h"
#include "log/log.h"
#include "model/topic.h"

// A delivery's journal: what was decided, before it is done. It is also the manifest of the lake: a
// file exists when its range is done. docs/formats/lake.md has the bytes.

namespace millrace::lake {

// Where the delivery began, and in which log (R7). First entry of every journal.
struct BeginEntry {
  std::string source_topic;
  std::uint64_t source_incarnation = 0;
  Offset first_offset;
};

// How ranges are written that name this writer. Writers are numbered 1, 2, ...
struct WriterEntry {
  std::uint64_t writer = 0;
  WriterConfig config;
};

struct FrozenFile {
  std::string path;  // the object's key
  std::uint64_t rows = 0;
  bool operator==(const FrozenFile&) const = default;
};

// The decision to deliver [first_offset, next_offset) as these files. Ranges are numbered 1, 2, ...
// and tile the partition.
struct FreezeEntry {
  std::uint64_t range = 0;
  Offset first_offset;
  Offset next_offset;
  std::uint64_t writer = 0;
  std::vector<FrozenFile> files;
};

struct StartedUpload {
  std::uint64_t file = 0;  // index in the freeze
  std::string upload_id;
};

// Multipart uploads of the range's files. Those of an earlier attempt are aborted before new ones
// start.
struct UploadsEntry {
  std::uint64_t range = 0;
  std::vector<StartedUpload> uploads;
};

// All files of the range exist. Its commit also holds the group's offset and the dead letters.
struct DoneEntry {
  std::uint64_t range = 0;
  std::vector<std::uint64_t> file_bytes;  // by index in the freeze
  std::uint64_t dead_letters = 0;
};

using LakeEvent = std::variant<BeginEntry, WriterEntry, FreezeEntry, UploadsEntry, DoneEntry>;

struct LakeEntry {
  std::uint64_t sequence = 0;  // 1, 2, 3, ... per journal
  WallTime wall_time;
  LakeEvent event;
};

void encode_lake_entry(const LakeEntry& entry, std::string& out);
Result<LakeEntry> decode_lake_entry(std::string_view bytes);

// A range that was frozen and is not done.
struct OpenRange {
  FreezeEntry freeze;
  std::vector<StartedUpload> uploads;  // all ever journalled for it
};

// What the journal says. Also the checker of its own rules: see take().
struct DeliveryState {
  std::optional<BeginEntry> begin;
  std::map<std::uint64_t, WriterConfig> writers;
  std::optional<OpenRange> open;  // at most one
  std::uint64_t last_sequence = 0;
  std::uint64_t last_range = 0;
  std::uint64_t last_writer = 0;
  Offset next_offset;       // first that is in no range
  Offset delivered_offset;  // first whose range is not done
  // Of all done ranges.
  std::uint64_t files = 0;
  std::uint64_t rows = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t dead_letters = 0;
  WallTime last_done_time;

  // `corrupt` when the entry cannot follow: a gap in the sequence, a range that leaves a hole or
  // overlaps, a second range while one is open, an entry for another range than the open one.
  Status take(const LakeEntry& entry);

 private:
  Status take_event(const BeginEntry& event);
  Status take_event(const WriterEntry& event);
  Status take_event(const FreezeEntry& event);
  Status take_event(const UploadsEntry& event);
  Status take_event(const DoneEntry& event);
};

// Calls `visit` with every entry, in order, and stops at its first error. A journal topic that does
// not exist is empty.
Status read_lake_journal(const log::Log& log, const TopicPartition& journal,
                         const std::function<Status(const LakeEntry&)>& visit);

// The owner's view: includes what is appended, and is `overloaded` until all of that is durable,
// because nothing outside may be done for an entry that a crash could still take back.
Result<DeliveryState> read_delivery_state(const log::Log& log, const TopicPartition& journal);

// The same on a log that several processes share: what is committed, as everybody sees it.
Result<DeliveryState> read_committed_delivery_state(const log::Log& log,
                                                    const TopicPartition& journal);

}  // namespace millrace::lake
