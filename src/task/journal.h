#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "base/time.h"
#include "model/topic.h"

// A task's journal: everything the outside world decided for it, and the position of every commit.
// One partition of an internal topic per task, written only in the task's own commits (rules R1,
// R6, R9, R13). docs/formats/journal.md has the bytes.

namespace millrace::task {

// Ends every commit: the truth about how far the task is (R1).
struct PositionEntry {
  std::uint64_t commit_sequence = 0;
  std::string owner;  // of the process that wrote it
};

// An absolute watermark from outside: an idle partition's siblings, the idle clock, or a drain
// (R13).
struct WatermarkEntry {
  EventTime watermark;
};

// From here on look-ups in `table` see the version whose content has this hash (R23).
struct TableVersionEntry {
  std::string table;
  Hash128 content;
};

// The pipeline file in force from here on.
struct PipelineEntry {
  std::string pipeline;
  std::int32_t version = 0;
  Hash128 file;
  std::int32_t source_partition_count = 0;  // R9
};

// A snapshot object exists and may be used for a restore from now on (R6).
struct SnapshotEntry {
  std::string object_key;
  Offset next_offset;
  std::uint64_t journal_sequence = 0;
  Hash128 content;
  std::uint64_t content_bytes = 0;
};

// The snapshot may no longer be used; its object is deleted after this entry is durable.
struct SnapshotRetiredEntry {
  std::string object_key;
};

// State of the pipeline version before that this one did not take over.
struct StateLostEntry {
  std::string window;  // empty: deduplication
  std::uint64_t open_panes = 0;
  std::uint64_t open_keys = 0;
  std::uint64_t ids = 0;
  std::uint64_t records = 0;  // on their way to the task, skipped
};

// The topic that the task reads, when it began (R7).
struct SourceTopicEntry {
  std::string topic;
  std::uint64_t incarnation = 0;
};

using JournalEvent =
    std::variant<PositionEntry, WatermarkEntry, TableVersionEntry, PipelineEntry, SnapshotEntry,
                 SnapshotRetiredEntry, StateLostEntry, SourceTopicEntry>;

struct JournalEntry {
  std::uint64_t sequence = 0;  // 1, 2, 3, ... per task
  Offset at;                   // the task's next input offset when the event took effect
  WallTime wall_time;          // processing time of what the event makes the task do (R11)
  JournalEvent event;
};

void encode_journal_entry(const JournalEntry& entry, std::string& out);
Result<JournalEntry> decode_journal_entry(std::string_view bytes);

// Whether the event changes a task's state, and so must be applied again by a replay.
bool is_task_input(const JournalEvent& event);

}  // namespace millrace::task
