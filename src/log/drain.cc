#include "log/drain.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::log {

namespace {

constexpr std::size_t kDrainChunkBytes = 1 << 20;
// Synced as it is written: a commit's sync waits for what the file system has to write before its
// own journal, which is all that a segment has grown by.
constexpr std::uint64_t kUnsyncedDrainBytesMax = 4 << 20;
// Kafka's segment.ms: a segment also ends when its oldest batch is this old.
constexpr std::int64_t kSegmentAgeMaxMs = 7LL * 86'400'000;
// With retention, segments are cut so that at most a quarter more than asked for is kept.
constexpr std::int64_t kSegmentsPerRetention = 4;

std::int64_t age_max_ms(const TopicConfig& config) {
  if (!config.is_retention_on || config.retention_ms < 0) return kSegmentAgeMaxMs;
  return std::min(kSegmentAgeMaxMs, config.retention_ms / kSegmentsPerRetention);
}

bool must_roll(const Segment& active, const TopicConfig& config,
               const PartitionLog::TailBatch& next, std::uint64_t pending_bytes) {
  if (active.info.empty() && pending_bytes == 0) return false;
  const std::uint64_t grown =
      active.info.valid_bytes + pending_bytes + kFrameHeaderBytes + next.batch_bytes;
  if (grown > static_cast<std::uint64_t>(config.segment_bytes)) return true;
  if (active.info.empty()) return false;  // its age is not known before the chunk is written
  return next.append_time - active.info.first_append_time > age_max_ms(config);
}

void mark_unsynced(PartitionWork& work, const std::shared_ptr<SegmentFile>& file) {
  const bool is_known =
      std::find(work.unsynced.begin(), work.unsynced.end(), file) != work.unsynced.end();
  if (!is_known) work.unsynced.push_back(file);
}

class Drainer {
 public:
  Drainer(sys::FileSystem& files, PartitionWork& work) : files_(files), work_(work) {}

  Status add(const PartitionLog::TailBatch& batch) {
    if (work_.segments.empty()) MR_RETURN_IF_ERROR(roll(batch.base_offset));
    if (must_roll(work_.segments.back(), work_.config, batch, pending_frame_bytes())) {
      MR_RETURN_IF_ERROR(flush());
      MR_RETURN_IF_ERROR(roll(batch.base_offset));
    }
    MR_ASSIGN_OR_RETURN(auto fetched, read_tail_batch(batch));
    pending_bytes_ += fetched.bytes.size();
    pending_.push_back(std::move(fetched));
    return pending_bytes_ >= kDrainChunkBytes ? flush() : ok_status();
  }

  Status flush() {
    if (pending_.empty()) return ok_status();
    Segment& active = work_.segments.back();
    mark_unsynced(work_, active.file);
    const std::uint64_t before = active.info.valid_bytes;
    MR_RETURN_IF_ERROR(active.file->append(active.info, pending_));
    bytes_written_ += active.info.valid_bytes - before;
    pending_.clear();
    pending_bytes_ = 0;
    unsynced_bytes_ += active.info.valid_bytes - before;
    if (unsynced_bytes_ < kUnsyncedDrainBytesMax) return ok_status();
    unsynced_bytes_ = 0;
    auto status = active.file->sync();
    work_.has_sync_failed = !status.is_ok();
    return status;
  }

  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  [[nodiscard]] std::uint64_t pending_frame_bytes() const {
    return pending_bytes_ + pending_.size() * kFrameHeaderBytes;
  }

  Status roll(Offset base_offset) {
    MR_CHECK(pending_.empty());
    MR_ASSIGN_OR_RETURN(auto segment, start_segment(files_, work_, base_offset, 0));
    work_.segments.push_back(std::move(segment));
    return ok_status();
  }

  sys::FileSystem& files_;
  PartitionWork& work_;
  std::vector<FetchedBatch> pending_;
  std::uint64_t pending_bytes_ = 0;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t unsynced_bytes_ = 0;  // about; all of it is synced before the checkpoint
};

}  // namespace

SegmentHeader PartitionWork::segment_header(Offset base_offset) const {
  const auto& identity = partition->identity();
  return {.log_id = identity.log_id,
          .topic_id = identity.topic_id,
          .partition = identity.source.partition,
          .base_offset = base_offset};
}

Result<Segment> start_segment(sys::FileSystem& files, PartitionWork& work, Offset base_offset,
                              std::uint32_t generation) {
  const std::string& folder = work.partition->folder();
  if (work.segments.empty()) MR_RETURN_IF_ERROR(files.make_folders(folder));
  MR_ASSIGN_OR_RETURN(auto file, SegmentFile::create(files, work.partition->open_segments(), folder,
                                                     work.segment_header(base_offset), generation));
  work.has_new_files = true;
  mark_unsynced(work, file);
  Segment segment{.info = {}, .file = std::move(file)};
  segment.info.base_offset = segment.info.next_offset = base_offset;
  segment.info.generation = generation;
  return segment;
}

Status drain_partition(sys::FileSystem& files, CommitSequence through, PartitionWork& work,
                       std::uint64_t& bytes_written) {
  PartitionLog::DrainView view = work.partition->drain_view(through);
  work.segments = *view.segments;
  work.start = std::max(work.snapshot.start, Offset(0));
  work.compacted_to = view.compacted_to;
  Drainer drainer(files, work);
  for (const auto& batch : view.batches) {
    if (batch.next_offset <= work.start) continue;  // deleted before it was ever drained
    MR_RETURN_IF_ERROR(drainer.add(batch));
  }
  MR_RETURN_IF_ERROR(drainer.flush());
  bytes_written += drainer.bytes_written();
  return ok_status();
}

}  // namespace millrace::log
