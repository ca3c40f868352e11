#pragma once

#include <string>
#include <vector>

#include "log/segment_format.h"
#include "log/wal_format.h"
#include "log/wal_writer.h"

namespace millrace::log {

// All that recovery needs beside the WAL from `wal` on and the segments:
// docs/formats/log_checkpoint.md. It holds exactly the effects of the commits up to `commit`.
struct CheckpointPartition {
  Offset start;
  Offset end;
  Offset compacted_to;
  std::vector<SegmentInfo> segments;  // ascending
  std::string producers;              // ProducerTable::encode
  std::string transactions = {};      // TransactionTable::encode; empty: none
};

struct CheckpointTopic {
  std::string name;
  std::uint64_t topic_id = 0;
  TopicConfig config;
  std::vector<CheckpointPartition> partitions;
};

struct Checkpoint {
  LogId log_id;
  CommitSequence commit;
  WalEnd wal;  // a group start at or before `commit` + 1; entries up to `commit` are skipped
  std::uint64_t next_topic_id = 1;
  std::int64_t next_producer_id = 0;
  WallTime last_append_time;
  std::vector<CheckpointTopic> topics;
  std::string groups;  // GroupTable::encode
};

std::string encode_checkpoint(const Checkpoint& checkpoint);
// `corrupt` when any byte is wrong.
Result<Checkpoint> parse_checkpoint(std::string_view bytes);

}  // namespace millrace::log
