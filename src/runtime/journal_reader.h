#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "task/journal.h"

namespace millrace::runtime {

// A task's journal as read back at start.
struct JournalState {
  std::vector<task::JournalEntry>
      entries;  // that are still there, by ascending sequence without gaps
  std::optional<task::JournalEntry> last_position;
  std::vector<task::SnapshotEntry> snapshots;  // journalled and not retired, oldest first (R6)
  std::uint64_t next_sequence = 1;

  int pipeline_versions = 0;  // entries that put one in force
  Offset end;                 // of what was read

  // Whether every entry ever written is still there, and all of one pipeline version: it can then
  // replace every snapshot.
  [[nodiscard]] bool is_whole() const {
    return !entries.empty() && entries.front().sequence == 1 && pipeline_versions <= 1;
  }
  // `at` of the oldest entry: where a task without any snapshot started.
  [[nodiscard]] std::optional<Offset> start() const {
    if (entries.empty()) return std::nullopt;
    return entries.front().at;
  }
};

// What a commit writes into the group's offset beside it: "commit sequence/journal sequence/owner".
struct PositionMetadata {
  std::uint64_t commit_sequence = 0;
  std::uint64_t journal_sequence = 0;
  std::string owner;
};
// `corrupt` for anything else.
Result<PositionMetadata> parse_position_metadata(std::string_view text);

// Reads the whole partition up to what is durable. `corrupt` on unreadable entries or a gap in
// their sequence.
Result<JournalState> read_journal(const log::Log& log, const TopicPartition& journal);

// What the journal got since `state` was read, or read on; true when there was anything. The
// entries of `state` may have been taken away, and only the newest ones be there. `corrupt` when
// there is a gap, as when the beginning was cut meanwhile beyond what was read.
Result<bool> read_journal_on(const log::Log& log, const TopicPartition& journal,
                             JournalState& state);

// What a replay beside the running task needs of its journal. Positions are not kept, so that a
// long journal takes little memory.
struct JournalSummary {
  std::vector<task::JournalEntry> decisions;  // task inputs and pipeline versions, in order
  std::vector<task::SnapshotEntry> snapshots;
  std::optional<task::JournalEntry> first;          // the oldest entry that is still there
  std::optional<task::JournalEntry> last_position;  // the last commit
  Offset end;                                       // of what was read
};

// As read_journal. A running task may cut its journal's beginning meanwhile; then it is read again.
Result<JournalSummary> summarize_journal(const log::Log& log, const TopicPartition& journal);

}  // namespace millrace::runtime
