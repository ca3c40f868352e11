#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "log/log.h"

namespace millrace::log {

// The bytes of the write-ahead log; docs/formats/write_ahead_log.md is their specification.

inline constexpr std::size_t kWalFileHeaderBytes = 64;
inline constexpr std::size_t kGroupHeaderBytes = 96;
inline constexpr std::size_t kEntryHeaderBytes = 9;

// Unique per log; tells groups of this log from those of another one in a copied or recycled file.
using LogId = Hash128;

struct WalPosition {
  std::uint64_t file = 0;    // sequence of the file, from 1
  std::uint64_t offset = 0;  // byte in that file
  auto operator<=>(const WalPosition&) const = default;
};

struct WalFileHeader {
  LogId log_id;
  std::uint64_t file = 0;
  bool is_recycled = false;  // bytes behind the last group may be old groups instead of zeros
  bool operator==(const WalFileHeader&) const = default;
};

// What one write and one sync made durable together.
struct GroupHeader {
  LogId log_id;
  std::uint64_t group = 0;   // counts up by one, over all files
  WalPosition position;      // of this header
  WalPosition previous_end;  // where the previous group ended
  CommitSequence first_commit;
  std::uint64_t synced_through = 0;  // newest group known to be on disk when this one was written
  std::uint32_t entry_count = 0;     // entries have consecutive commit sequences
  std::uint32_t payload_bytes = 0;
  std::uint32_t payload_crc = 0;
  bool operator==(const GroupHeader&) const = default;
};

std::string encode_file_header(const WalFileHeader& header);
Result<WalFileHeader> parse_file_header(std::string_view bytes);

void append_group_header(const GroupHeader& header, std::string& out);
// `corrupt` when the bytes are too few, or magic, version or checksum are wrong.
Result<GroupHeader> parse_group_header(std::string_view bytes);
inline constexpr std::string_view kGroupMagic = "MRWG";

enum class EntryKind : std::uint8_t {
  commit = 1,
  topic_created = 2,
  topic_altered = 3,
  topic_deleted = 4,
  group_deleted = 5,
  records_deleted = 6,
  producer_ids_allocated = 7,
};

// An entry as found in a group's payload; the views point into it.
struct EntryView {
  EntryKind kind = EntryKind::commit;
  std::string_view meta;
  std::string_view data;
};

void append_entry_header(EntryKind kind, std::size_t meta_bytes, std::size_t data_bytes,
                         std::string& out);
// Takes the first entry off `payload`.
Result<EntryView> take_entry(std::string_view& payload);

// The meta part of a commit entry. The batches themselves follow as the entry's data, in this
// order.
struct CommitMeta {
  struct Batch {
    std::uint64_t topic_id = 0;
    std::int32_t partition = 0;
    std::uint32_t batch_bytes = 0;
    bool operator==(const Batch&) const = default;
  };
  WallTime append_time;
  std::vector<Batch> batches;
  std::vector<OffsetCommit> offsets;
};

void append_commit_meta(const CommitMeta& meta, std::string& out);
Result<CommitMeta> parse_commit_meta(std::string_view bytes);
// At least what append_commit_meta takes; known before offsets and times are.
std::size_t commit_meta_bytes_max(std::size_t batch_count,
                                  const std::vector<OffsetCommit>& offsets);

struct TopicCreatedMeta {
  std::string name;
  std::uint64_t topic_id = 0;
  TopicConfig config;
};
std::string encode_topic_created(const TopicCreatedMeta& meta);  // also of topic_altered
Result<TopicCreatedMeta> parse_topic_created(std::string_view bytes);

struct RecordsDeletedMeta {
  std::uint64_t topic_id = 0;
  std::int32_t partition = 0;
  Offset before;
};
std::string encode_records_deleted(const RecordsDeletedMeta& meta);
Result<RecordsDeletedMeta> parse_records_deleted(std::string_view bytes);

struct TopicDeletedMeta {
  std::uint64_t topic_id = 0;
  std::string name;
};
std::string encode_topic_deleted(const TopicDeletedMeta& meta);
Result<TopicDeletedMeta> parse_topic_deleted(std::string_view bytes);
std::string encode_group_deleted(std::string_view group);
Result<std::string> parse_group_deleted(std::string_view bytes);
std::string encode_producer_ids_allocated(std::int64_t next_producer_id);
Result<std::int64_t> parse_producer_ids_allocated(std::string_view bytes);

std::string wal_file_name(std::uint64_t sequence);
// 0 when the name is not that of a WAL file.
std::uint64_t parse_wal_file_name(std::string_view name);

}  // namespace millrace::log
