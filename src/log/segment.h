#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/thread.h"
#include "codec/record_batch.h"
#include "log/log.h"
#include "log/segment_format.h"
#include "sys/file_system.h"

namespace millrace::log {

// Walks the frames of a segment in [position, end), reading `chunk_bytes` at a time. The batches
// are slices of those chunks. Frame headers are verified, batch CRCs are the caller's.
class FrameReader {
 public:
  struct Frame {
    std::uint64_t position = 0;
    FetchedBatch batch;
  };

  FrameReader(const sys::File& file, const std::string& path, std::uint64_t position,
              std::uint64_t end, std::size_t chunk_bytes)
      : file_(file), path_(path), position_(position), end_(end), chunk_bytes_(chunk_bytes) {}

  // Nothing at the end. `corrupt`, naming file and position, for a damaged or cut-off frame.
  Result<std::optional<Frame>> next();

 private:
  Status refill(std::size_t bytes_min);
  [[nodiscard]] Status damaged(std::string_view what) const;
  [[nodiscard]] std::string_view rest() const {
    return chunk_.view().substr(position_ - chunk_position_);
  }

  const sys::File& file_;
  const std::string& path_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::size_t chunk_bytes_;
  SharedBytes chunk_;
  std::uint64_t chunk_position_ = 0;
};

class SegmentFile;

// Bounds how many segment files are open, with their indexes in memory: the one that was opened
// first is closed for the one that is opened last. Thread-safe.
class OpenSegments {
 public:
  explicit OpenSegments(std::size_t count_max) : count_max_(count_max) {}
  void opened(std::weak_ptr<SegmentFile> file);

 private:
  const std::size_t count_max_;
  Mutex mutex_;
  std::deque<std::weak_ptr<SegmentFile>> files_;  // in the order they were opened
};

// One segment file and its index. What of it is valid is not known here: every call is given the
// SegmentInfo of its caller. Thread-safe for any number of readers beside one appender. Always
// held by a shared_ptr.
class SegmentFile : public std::enable_shared_from_this<SegmentFile> {
 public:
  // Writes the file with its header; neither file nor name is durable yet.
  static Result<std::shared_ptr<SegmentFile>> create(sys::FileSystem& files,
                                                     std::shared_ptr<OpenSegments> open,
                                                     const std::string& folder,
                                                     const SegmentHeader& header,
                                                     std::uint32_t generation);
  // For a segment the checkpoint names; opened at its first use.
  SegmentFile(sys::FileSystem& files, std::shared_ptr<OpenSegments> open, const std::string& folder,
              Offset base_offset, std::uint32_t generation);

  // Appends to `out` the whole batches from the first one with next_offset > `from`, CRCs verified,
  // until `bytes_max` is reached (at least one if there is one). True when the segment has no more.
  // `not_found` when the file is gone.
  Result<bool> read(const SegmentInfo& info, Offset from, std::size_t bytes_max,
                    std::vector<FetchedBatch>& out);
  // Base offset of the first batch appended at or after `time`, if any.
  Result<std::optional<Offset>> find_time(const SegmentInfo& info, WallTime time);
  // Base offset of the first batch that is no marker, reaches beyond `from` and has a record with a
  // timestamp of `timestamp` or later, going by its header, if any.
  Result<std::optional<Offset>> find_timestamp(const SegmentInfo& info, Offset from,
                                               WallTime timestamp);
  // Calls `visit` for every batch (CRC verified), in order, until it returns an error.
  Status for_each(const SegmentInfo& info, const std::function<Status(const FetchedBatch&)>& visit);

  // Writes frames behind info.valid_bytes and moves `info` on. Not durable before sync().
  Status append(SegmentInfo& info, std::span<const FetchedBatch> batches);
  Status sync();
  // Closes the handles and forgets the index; the next use opens them again. Calls under way keep
  // theirs.
  void release();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& index_path() const { return index_path_; }

 private:
  using FilePtr = std::shared_ptr<sys::File>;

  Result<FilePtr> file();
  // The four below with mutex_ held.
  Status load_index(const sys::File& file, const SegmentInfo& info);
  void read_index_file(const SegmentInfo& info);
  Status scan_index(const sys::File& file, const SegmentInfo& info);
  Status write_index();
  // Where to start looking for the first batch beyond `is_before`; entries are sorted by both keys.
  template <typename IsBefore>
  Result<std::uint64_t> start_position(const sys::File& file, const SegmentInfo& info,
                                       IsBefore is_before);

  sys::FileSystem& files_;
  const std::shared_ptr<OpenSegments> open_;
  const std::string path_;
  const std::string index_path_;

  Mutex mutex_;
  FilePtr file_;
  FilePtr index_file_;  // open while appending
  bool is_index_loaded_ = false;
  std::vector<IndexEntry> index_;
  std::size_t index_entries_written_ = 0;  // leading entries of index_ that the file has
};

// The largest timestamp of a batch's records, as its header has it. `batch` has been checked.
WallTime max_timestamp_of(std::string_view batch);
WallTime max_timestamp_of(const codec::BatchHeader& header);

// A segment as readers see it: what is valid, and where it is.
struct Segment {
  SegmentInfo info;
  std::shared_ptr<SegmentFile> file;
};

}  // namespace millrace::log
