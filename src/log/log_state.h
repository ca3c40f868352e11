#pragma once

#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "log/checkpoint.h"
#include "log/group_table.h"
#include "log/listeners.h"
#include "log/partition_log.h"
#include "log/wal_format.h"

namespace millrace::log {

// A topic as of one moment; replaced as a whole when it is altered.
struct Topic {
  TopicInfo info;
  std::uint64_t topic_id = 0;
  std::vector<std::shared_ptr<PartitionLog>> partitions;
};

// Thread-safe; changed only under the commit lock.
class TopicTable {
 public:
  [[nodiscard]] std::shared_ptr<const Topic> find(const std::string& name) const;
  [[nodiscard]] std::shared_ptr<const Topic> find_by_id(std::uint64_t topic_id) const;
  // `not_found`, saying whether the topic or only the partition is missing.
  [[nodiscard]] Result<std::shared_ptr<PartitionLog>> partition(const std::string& name,
                                                                std::int32_t index) const;
  [[nodiscard]] std::vector<std::shared_ptr<const Topic>> all() const;  // sorted by name
  void put(std::shared_ptr<const Topic> topic);
  void remove(const Topic& topic);

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Topic>> by_name_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Topic>> by_id_;
};

// What the entries of the log add up to. The apply functions are used both when an entry is placed (or,
// for groups, durable) and when recovery reads it. Changes happen under the commit lock, except groups.
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

  // The topics as the checkpoint has them; their segment files are checked and cleaned: `corrupt` when
  // one is missing or too short.
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
  std::vector<std::pair<CommitSequence, std::string>> dead_folders_;
};

// Whether the files of a partition's folder hold what the checkpoint says. Removes files it does not name
// and cuts an unfinished tail off the newest segment.
Status check_segment_files(sys::FileSystem& files, const std::string& folder,
                           const PartitionLog::Identity& identity, const SegmentList& segments);

}  // namespace millrace::log
