#include "log/segment.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/record_batch.h"

namespace millrace::log {

namespace {

constexpr std::size_t kReadChunkBytesMax = 4 << 20;

void add_to_index(std::vector<IndexEntry>& index, const IndexEntry& entry) {
  if (index.empty() || entry.position >= index.back().position + kIndexIntervalBytes) {
    index.push_back(entry);
  }
}

bool points_at_frame(const sys::File& file, const IndexEntry& entry) {
  std::string bytes;
  if (!file.read_at(entry.position, kFrameHeaderBytes + codec::kBatchHeaderBytes, bytes).is_ok()) {
    return false;
  }
  const auto head = parse_frame_header(bytes);
  return head.is_ok() && head.value().append_time == entry.append_time &&
         load_big<std::int64_t>(bytes.data() + kFrameHeaderBytes) == entry.base_offset.value;
}

Status check_batch(const FetchedBatch& batch, const std::string& path) {
  // The header's shape was checked when the frame was read.
  auto header = codec::parse_batch_header(batch.bytes.view());
  if (!header.is_ok()) return std::move(header).take_status().with_context(path);
  return codec::verify_batch_crc(batch.bytes.view(), *header).with_context(path);
}

}  // namespace

WallTime max_timestamp_of(std::string_view batch) {
  const auto header = codec::parse_batch_header(batch);
  MR_CHECK(header.is_ok());
  return max_timestamp_of(header.value());
}

WallTime max_timestamp_of(const codec::BatchHeader& header) {
  return header.is_control ? kNoTimestamp : header.max_timestamp;
}

Status FrameReader::damaged(std::string_view what) const {
  return corrupt_error(path_ + " at byte " + std::to_string(position_) + ": " + std::string(what) +
                       "; restore this file from a backup");
}

Status FrameReader::refill(std::size_t bytes_min) {
  MR_CHECK(position_ + bytes_min <= end_);
  const auto wanted = std::min<std::uint64_t>(std::max(chunk_bytes_, bytes_min), end_ - position_);
  std::string bytes;
  MR_RETURN_IF_ERROR(file_.read_at(position_, wanted, bytes));
  if (bytes.size() < bytes_min) return damaged("the file ends before the checkpoint's length");
  chunk_ = SharedBytes(std::move(bytes));
  chunk_position_ = position_;
  return ok_status();
}

Result<std::optional<FrameReader::Frame>> FrameReader::next() {
  constexpr std::size_t kHeadBytes = kFrameHeaderBytes + codec::kBatchHeaderBytes;
  if (position_ == end_) return std::optional<Frame>();
  if (position_ + kHeadBytes > end_) return damaged("a frame is cut off");
  if (chunk_.empty() || rest().size() < kHeadBytes) MR_RETURN_IF_ERROR(refill(kHeadBytes));
  auto head = parse_frame_header(rest());
  if (!head.is_ok()) return damaged(head.status().message());
  const std::size_t frame_bytes = kFrameHeaderBytes + head->batch_bytes;
  if (head->batch_bytes < codec::kBatchHeaderBytes || position_ + frame_bytes > end_) {
    return damaged("a frame has an impossible length");
  }
  if (rest().size() < frame_bytes) MR_RETURN_IF_ERROR(refill(frame_bytes));
  auto header = codec::parse_batch_header(rest().substr(kFrameHeaderBytes, head->batch_bytes));
  if (!header.is_ok()) return damaged(header.status().message());
  if (static_cast<std::uint32_t>(header->batch_bytes) != head->batch_bytes) {
    return damaged("frame and batch disagree about the length");
  }
  Frame frame;
  frame.position = position_;
  frame.batch = {
      .bytes = chunk_.slice(position_ - chunk_position_ + kFrameHeaderBytes, head->batch_bytes),
      .base_offset = header->base_offset,
      .next_offset = header->next_offset(),
      .append_time = head->append_time};
  position_ += frame_bytes;
  return std::optional(std::move(frame));
}

void OpenSegments::opened(std::weak_ptr<SegmentFile> file) {
  std::shared_ptr<SegmentFile> oldest;
  {
    const std::lock_guard lock(mutex_);
    files_.push_back(std::move(file));
    if (files_.size() <= count_max_) return;
    oldest = files_.front().lock();
    files_.pop_front();
  }
  if (oldest != nullptr) oldest->release();
}

Result<std::shared_ptr<SegmentFile>> SegmentFile::create(sys::FileSystem& files,
                                                         std::shared_ptr<OpenSegments> open,
                                                         const std::string& folder,
                                                         const SegmentHeader& header,
                                                         std::uint32_t generation) {
  auto segment =
      std::make_shared<SegmentFile>(files, std::move(open), folder, header.base_offset, generation);
  MR_ASSIGN_OR_RETURN(segment->file_, files.create(segment->path_));
  MR_RETURN_IF_ERROR(segment->file_->write_at(0, encode_segment_header(header)));
  MR_ASSIGN_OR_RETURN(segment->index_file_, files.create(segment->index_path_));
  segment->is_index_loaded_ = true;
  segment->open_->opened(segment);
  return segment;
}

SegmentFile::SegmentFile(sys::FileSystem& files, std::shared_ptr<OpenSegments> open,
                         const std::string& folder, Offset base_offset, std::uint32_t generation)
    : files_(files),
      open_(std::move(open)),
      path_(folder + "/" + segment_file_name(base_offset, generation)),
      index_path_(folder + "/" + index_file_name(base_offset, generation)) {
  MR_CHECK(open_ != nullptr);
}

Result<SegmentFile::FilePtr> SegmentFile::file() {
  FilePtr opened;
  {
    const std::lock_guard lock(mutex_);
    if (file_ != nullptr) return file_;
    MR_ASSIGN_OR_RETURN(file_, files_.open(path_));
    opened = file_;
  }
  // Without the lock: it may release another segment, which takes that one's.
  open_->opened(weak_from_this());
  return opened;
}

void SegmentFile::release() {
  const std::lock_guard lock(mutex_);
  file_.reset();
  index_file_.reset();
  is_index_loaded_ = false;
  index_ = {};
}

// Takes the entries the file has up to the first that is damaged, out of order or beyond the valid
// bytes. Whatever is missing is found again by scanning, so no failure here matters.
void SegmentFile::read_index_file(const SegmentInfo& info) {
  auto bytes = files_.read_file(index_path_);
  if (!bytes.is_ok()) return;
  std::string_view rest = *bytes;
  for (; rest.size() >= kIndexEntryBytes; rest.remove_prefix(kIndexEntryBytes)) {
    const auto entry = parse_index_entry(rest);
    if (!entry.is_ok()) return;
    const IndexEntry& found = entry.value();
    const bool is_in_order = index_.empty() || (found.base_offset > index_.back().base_offset &&
                                                found.position > index_.back().position &&
                                                found.append_time >= index_.back().append_time);
    if (!is_in_order || found.position < kSegmentHeaderBytes ||
        found.position >= info.valid_bytes || found.base_offset < info.base_offset) {
      return;
    }
    index_.push_back(found);
  }
}

// Indexes the frames behind the newest entry.
Status SegmentFile::scan_index(const sys::File& file, const SegmentInfo& info) {
  const std::uint64_t from = index_.empty() ? kSegmentHeaderBytes : index_.back().position;
  FrameReader reader(file, path_, from, info.valid_bytes, kReadChunkBytesMax);
  for (;;) {
    MR_ASSIGN_OR_RETURN(const auto frame, reader.next());
    if (!frame) return ok_status();
    add_to_index(index_, {frame->batch.base_offset, frame->position, frame->batch.append_time});
  }
}

Status SegmentFile::load_index(const sys::File& file, const SegmentInfo& info) {
  if (is_index_loaded_) return ok_status();
  index_.clear();
  read_index_file(info);
  if (!index_.empty() && !points_at_frame(file, index_.back())) index_.clear();
  index_entries_written_ = index_.size();
  const std::uint64_t covered = index_.empty() ? 0 : index_.back().position;
  if (info.valid_bytes > covered + 2 * kIndexIntervalBytes || index_.empty()) {
    MR_RETURN_IF_ERROR(scan_index(file, info));
  }
  is_index_loaded_ = true;
  return ok_status();
}

// Brings the file up to index_. The truncation removes entries of frames that a crash cut off.
Status SegmentFile::write_index() {
  if (index_entries_written_ == index_.size()) return ok_status();
  const std::uint64_t position = index_entries_written_ * kIndexEntryBytes;
  if (index_file_ == nullptr) {
    auto opened = files_.open(index_path_);
    if (!opened.is_ok()) opened = files_.create(index_path_);
    if (!opened.is_ok()) return std::move(opened).take_status();
    index_file_ = std::move(opened).value();
    MR_RETURN_IF_ERROR(index_file_->truncate(position));
  }
  std::string bytes;
  for (std::size_t i = index_entries_written_; i < index_.size(); ++i) {
    append_index_entry(index_[i], bytes);
  }
  MR_RETURN_IF_ERROR(index_file_->write_at(position, bytes));
  index_entries_written_ = index_.size();
  return ok_status();
}

template <typename IsBefore>
Result<std::uint64_t> SegmentFile::start_position(const sys::File& file, const SegmentInfo& info,
                                                  IsBefore is_before) {
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(load_index(file, info));
  for (;;) {
    // Entries beyond valid_bytes belong to an append that is not yet published.
    const auto valid_end = std::partition_point(
        index_.begin(), index_.end(),
        [&](const IndexEntry& entry) { return entry.position < info.valid_bytes; });
    const auto after = std::partition_point(index_.begin(), valid_end, is_before);
    if (after == index_.begin()) return kSegmentHeaderBytes;
    if (points_at_frame(file, *std::prev(after))) return std::prev(after)->position;
    // Index files are not synced: after a power loss this one may mix entries of two lives of the
    // segment's tail. The segment itself decides.
    index_.clear();
    index_entries_written_ = 0;
    index_file_.reset();
    MR_RETURN_IF_ERROR(scan_index(file, info));
  }
}

Result<bool> SegmentFile::read(const SegmentInfo& info, Offset from, std::size_t bytes_max,
                               std::vector<FetchedBatch>& out) {
  MR_ASSIGN_OR_RETURN(const auto from_file, file());
  MR_ASSIGN_OR_RETURN(const std::uint64_t position,
                      start_position(*from_file, info, [&](const IndexEntry& entry) {
                        return entry.base_offset <= from;
                      }));
  if (position >= info.valid_bytes) return true;
  const std::size_t chunk_bytes =
      std::min(bytes_max, kReadChunkBytesMax) + static_cast<std::size_t>(kIndexIntervalBytes);
  FrameReader reader(*from_file, path_, position, info.valid_bytes, chunk_bytes);
  std::size_t bytes = 0;
  while (bytes < bytes_max || bytes == 0) {
    MR_ASSIGN_OR_RETURN(auto frame, reader.next());
    if (!frame) return true;
    if (frame->batch.next_offset <= from) continue;
    const std::size_t batch_bytes = frame->batch.bytes.size();
    if (bytes > 0 && bytes + batch_bytes > bytes_max) return false;
    MR_RETURN_IF_ERROR(check_batch(frame->batch, path_));
    bytes += batch_bytes;
    out.push_back(std::move(frame->batch));
  }
  return false;
}

Result<std::optional<Offset>> SegmentFile::find_time(const SegmentInfo& info, WallTime time) {
  MR_ASSIGN_OR_RETURN(const auto from_file, file());
  MR_ASSIGN_OR_RETURN(const std::uint64_t position,
                      start_position(*from_file, info, [&](const IndexEntry& entry) {
                        return entry.append_time < time;
                      }));
  FrameReader reader(*from_file, path_, position, info.valid_bytes, kIndexIntervalBytes);
  for (;;) {
    MR_ASSIGN_OR_RETURN(const auto frame, reader.next());
    if (!frame) return std::optional<Offset>();
    if (frame->batch.append_time >= time) return std::optional(frame->batch.base_offset);
  }
}

Result<std::optional<Offset>> SegmentFile::find_timestamp(const SegmentInfo& info, Offset from,
                                                          WallTime timestamp) {
  MR_ASSIGN_OR_RETURN(const auto from_file, file());
  MR_ASSIGN_OR_RETURN(const std::uint64_t position,
                      start_position(*from_file, info, [&](const IndexEntry& entry) {
                        return entry.base_offset <= from;
                      }));
  FrameReader reader(*from_file, path_, position, info.valid_bytes, kReadChunkBytesMax);
  for (;;) {
    MR_ASSIGN_OR_RETURN(const auto frame, reader.next());
    if (!frame) return std::optional<Offset>();
    if (frame->batch.next_offset <= from) continue;
    if (max_timestamp_of(frame->batch.bytes.view()) >= timestamp) {
      return std::optional(frame->batch.base_offset);
    }
  }
}

Status SegmentFile::for_each(const SegmentInfo& info,
                             const std::function<Status(const FetchedBatch&)>& visit) {
  MR_ASSIGN_OR_RETURN(const auto from_file, file());
  FrameReader reader(*from_file, path_, kSegmentHeaderBytes, info.valid_bytes, kReadChunkBytesMax);
  for (;;) {
    MR_ASSIGN_OR_RETURN(const auto frame, reader.next());
    if (!frame) return ok_status();
    MR_RETURN_IF_ERROR(check_batch(frame->batch, path_));
    MR_RETURN_IF_ERROR(visit(frame->batch));
  }
}

Status SegmentFile::append(SegmentInfo& info, std::span<const FetchedBatch> batches) {
  if (batches.empty()) return ok_status();
  MR_ASSIGN_OR_RETURN(const auto to, file());
  std::string heads;
  for (const auto& batch : batches) {
    append_frame_header(batch.append_time, batch.bytes.view(), heads);
  }
  std::vector<std::string_view> buffers;
  std::vector<IndexEntry> entries;
  SegmentInfo grown = info;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    MR_CHECK(batches[i].base_offset >= grown.next_offset);
    entries.push_back({batches[i].base_offset, grown.valid_bytes, batches[i].append_time});
    buffers.push_back(std::string_view(heads).substr(i * kFrameHeaderBytes, kFrameHeaderBytes));
    buffers.push_back(batches[i].bytes.view());
    if (grown.empty()) grown.first_append_time = batches[i].append_time;
    grown.valid_bytes += kFrameHeaderBytes + batches[i].bytes.size();
    grown.next_offset = batches[i].next_offset;
    grown.last_append_time = batches[i].append_time;
    grown.max_timestamp = std::max(grown.max_timestamp, max_timestamp_of(batches[i].bytes.view()));
  }
  MR_RETURN_IF_ERROR(to->write_at(info.valid_bytes, buffers));

  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(load_index(*to, info));
  // An append that failed half-way may have left entries.
  while (!index_.empty() && index_.back().position >= info.valid_bytes) index_.pop_back();
  index_entries_written_ = std::min(index_entries_written_, index_.size());
  for (const auto& entry : entries) add_to_index(index_, entry);
  MR_RETURN_IF_ERROR(write_index());
  info = grown;
  return ok_status();
}

Status SegmentFile::sync() {
  MR_ASSIGN_OR_RETURN(const auto synced, file());
  return synced->sync();
}

}  // namespace millrace::log
