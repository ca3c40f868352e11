#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/checkpoint.h"
#include "log/group_table.h"
#include "log/listeners.h"
#include "log/partition_log.h"
#include "log/topic_table.h"
#include "log/wal_format.h"

namespace millrace::log {

// What the entries of the log add up to. The apply functions are used both when an entry is placed
// (or, for groups, durable) and when recovery reads it. Changes happen under the commit lock,
// except groups.
class LogState {
 public:
  LogState(sys::FileSystem& files, std::string folder, LogId log_id);

  [[nodiscard]] LogId log_id() const { return log_id_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string topics_folder() const { return folder_ + "/topics"; }

  TopicTable topics;
  GroupTable groups;
  ListenerTable listeners;

  CommitSequence last_sequence{0};
  WallTime last_append_time{0};
  std::uint64_t next_topic_id = 1;
  std::int64_t next_producer_id = 0;  // all below may be in use

  void create_topic(const TopicCreatedMeta& meta);
  // Adds partitions where the count grew; never takes any away.
  void alter_topic(const Topic& old, const TopicConfig& config);
  void delete_topic(const Topic& topic, CommitSequence sequence);

  // The topics as the checkpoint has them; their segment files are checked and cleaned: `corrupt`
  // when one is missing or too short.
  Status restore(const Checkpoint& checkpoint);
  // An entry of the WAL. `file` and `data_offset` say where a commit's batches are to be read.
  Status apply(CommitSequence sequence, const EntryView& entry,
               const std::shared_ptr<WalFile>& file, std::uint64_t data_offset,
               std::uint64_t& batches_applied);

  // Folders of topics deleted up to `through`: the checkpoint does not name them any more. Taken.
  std::vector<std::string> take_dead_folders(CommitSequence through);
  // Removes partition folders that belong to no topic and wait for no checkpoint.
  Status remove_unknown_folders();

 private:
  std::shared_ptr<PartitionLog> make_partition(const std::string& topic, std::uint64_t topic_id,
                                               std::int32_t index);
  Status restore_topic(const CheckpointTopic& from);
  Status apply_commit(CommitSequence sequence, const EntryView& entry,
                      const std::shared_ptr<WalFile>& file, std::uint64_t data_offset,
                      std::uint64_t& batches_applied);
  Status apply_batch(CommitSequence sequence, const CommitMeta::Batch& batch, WallTime append_time,
                     std::string_view bytes, const std::shared_ptr<WalFile>& file,
                     std::uint64_t offset);
  Status apply_topic_entry(CommitSequence sequence, const EntryView& entry);

  sys::FileSystem& files_;
  const std::string folder_;
  const LogId log_id_;
  const std::shared_ptr<OpenSegments> open_segments_;
  std::vector<std::pair<CommitSequence, std::string>> dead_folders_;
};

}  // namespace millrace::log
