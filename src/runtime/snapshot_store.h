#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "objects/object_store.h"
#include "task/journal.h"

namespace millrace::runtime {

// What a snapshot is of; in its header, checked on restore (R6, R7). docs/formats/snapshot.md has
// the bytes.
struct SnapshotIdentity {
  std::string pipeline;
  std::string stage;
  std::int32_t partition = 0;
  Offset next_offset;
  std::uint64_t journal_sequence = 0;    // of the last entry whose effect is in the state
  std::uint64_t source_incarnation = 0;  // of the source topic
  std::int32_t source_partition_count = 0;
  Offset last_batch_offset{-1};  // of the last batch applied, and its CRC; -1: none
  std::uint32_t last_batch_crc = 0;
};

struct Snapshot {
  SnapshotIdentity identity;
  std::vector<std::string> objects;  // keys of what the state names; needed while this is kept
  std::string state;
};

// The object's bytes: header, state, CRC-32C over both.
std::string encode_snapshot(const SnapshotIdentity& identity,
                            const std::vector<std::string>& objects, std::string_view state);
Result<Snapshot> decode_snapshot(std::string_view object);

// "snapshots/ticks/source/0003/": of all objects of one task.
std::string task_prefix(const std::string& pipeline, const std::string& stage,
                        std::int32_t partition);
// "snapshots/ticks/source/0003/00000000000000011419-000000000042-<hash>"
std::string snapshot_key(const SnapshotIdentity& identity, const Hash128& content);
// The journal sequence in a snapshot's key; nothing for any other key.
std::optional<std::uint64_t> snapshot_journal_sequence(std::string_view key);
Hash128 snapshot_content_hash(std::string_view object);

// Stores the object under its key; storing the same one again is fine. The entry to journal.
Result<task::SnapshotEntry> put_snapshot(objects::ObjectStore& store,
                                         const SnapshotIdentity& identity, std::string_view object);
// Reads and verifies the object an entry names.
Result<Snapshot> get_snapshot(objects::ObjectStore& store, const task::SnapshotEntry& entry);

}  // namespace millrace::runtime
