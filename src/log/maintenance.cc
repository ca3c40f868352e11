#include "log/maintenance.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "log/compaction.h"
#include "log/retention.h"

namespace millrace::log {

std::string checkpoint_path(const std::string& folder) {
  return folder + "/checkpoint";
}

Status Maintenance::must_succeed(Status status) {
  if (status.is_ok()) return status;
  failure_ = status;
  hooks_.on_failure(status);
  return status;
}

Status Maintenance::run() {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(failure_);
  Snapshot snapshot = hooks_.take_snapshot();
  // What is not durable must not get into the checkpoint: a producer's retry of a lost batch would
  // be taken for a repeat.
  MR_RETURN_IF_ERROR(hooks_.wait_durable(snapshot.checkpoint.commit));
  MR_RETURN_IF_ERROR(write_segments(snapshot));
  MR_RETURN_IF_ERROR(must_succeed(sync_segments(snapshot)));
  MR_RETURN_IF_ERROR(write_checkpoint(snapshot));
  publish(snapshot);
  return remove_dropped(snapshot);
}

Status Maintenance::write_segments(Snapshot& snapshot) {
  const WallTime now = clock_.wall_now();
  const CompactionLimits limits;
  std::uint64_t bytes_written = 0;
  for (PartitionWork& work : snapshot.works) {
    auto drained = drain_partition(files_, snapshot.checkpoint.commit, work, bytes_written);
    if (work.has_sync_failed) return must_succeed(std::move(drained));
    MR_RETURN_IF_ERROR(drained);
    if (is_retention_held_) continue;
    const Offset pin = work.partition->oldest_pin();
    apply_retention(work, now, pin);
    if (work.config.is_compacted) {
      MR_RETURN_IF_ERROR(compact_partition(files_, work, now, pin, limits));
    }
  }
  segment_bytes_.fetch_add(bytes_written);
  return ok_status();
}

Status Maintenance::sync_segments(const Snapshot& snapshot) {
  bool has_new_files = false;
  for (const PartitionWork& work : snapshot.works) {
    for (const auto& file : work.unsynced) {
      const bool is_dropped =
          std::find(work.dropped.begin(), work.dropped.end(), file) != work.dropped.end();
      if (!is_dropped) MR_RETURN_IF_ERROR(file->sync());
    }
    if (!work.has_new_files) continue;
    MR_RETURN_IF_ERROR(files_.sync_folder(work.partition->folder()));
    has_new_files = true;
  }
  return has_new_files ? files_.sync_folder(state_.topics_folder()) : ok_status();
}

Status Maintenance::write_checkpoint(Snapshot& snapshot) {
  auto work = snapshot.works.begin();
  for (CheckpointTopic& topic : snapshot.checkpoint.topics) {
    for (CheckpointPartition& partition : topic.partitions) {
      MR_CHECK(work != snapshot.works.end());
      partition = std::move(work->snapshot);
      partition.start = work->start;
      partition.compacted_to = work->compacted_to;
      for (const auto& segment : work->segments) partition.segments.push_back(segment.info);
      ++work;
    }
  }
  MR_CHECK(work == snapshot.works.end());
  // Groups change when they are durable, and applying an offset twice changes nothing: what came
  // after the snapshot's commit may be in here.
  Encoder groups(snapshot.checkpoint.groups);
  state_.groups.encode(groups);
  const std::string bytes = encode_checkpoint(snapshot.checkpoint);
  const std::string path = checkpoint_path(state_.folder());
  Status status = files_.write_file_atomically(path, bytes);
  if (status.is_ok()) return status;
  // If the new one is in place but its name is not known to be durable, either may be found after a
  // crash; nobody may then touch what either needs.
  const auto found = files_.read_file(path);
  const bool is_replaced = !found.is_ok() || found.value() == bytes;
  return is_replaced ? must_succeed(std::move(status)) : std::move(status);
}

void Maintenance::publish(Snapshot& snapshot) {
  for (PartitionWork& work : snapshot.works) {
    work.partition->publish(std::move(work.segments), snapshot.checkpoint.commit, work.start,
                            work.compacted_to);
  }
}

// The checkpoint no longer names them; if this fails, recovery removes them.
Status Maintenance::remove_dropped(const Snapshot& snapshot) {
  for (const PartitionWork& work : snapshot.works) {
    for (const auto& file : work.dropped) {
      MR_RETURN_IF_ERROR(files_.remove(file->path()));
      MR_RETURN_IF_ERROR(files_.remove(file->index_path()));
    }
  }
  return wal_.release_below(snapshot.checkpoint.wal.position.file);
}

bool Maintenance::is_retention_due() const {
  if (is_retention_held_) return false;
  const WallTime now = clock_.wall_now();
  for (const auto& topic : state_.topics.all()) {
    const TopicConfig& config = topic->info.config;
    if (!config.is_retention_on) continue;
    if (config.retention_ms < 0 && config.retention_bytes < 0) continue;
    for (const auto& partition : topic->partitions) {
      const auto view = partition->drain_view(CommitSequence(0));
      if (log::is_retention_due(*view.segments, config, now, view.start, partition->oldest_pin())) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace millrace::log
