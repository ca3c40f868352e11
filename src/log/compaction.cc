#include "log/compaction.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "codec/record_batch.h"

namespace millrace::log {

namespace {

struct KeyHash {
  std::size_t operator()(const Hash128& hash) const noexcept { return hash.low; }
};

class Compaction {
 public:
  Compaction(sys::FileSystem& files, PartitionWork& work, WallTime now,
             const CompactionLimits& limits)
      : files_(files),
        work_(work),
        limits_(limits),
        tombstones_before_(now - work.config.delete_retention_ms),
        key_seed_(work.partition->identity().log_id.low) {}

  // Of the first `closed_count` segments.
  Status run(std::size_t closed_count) {
    MR_ASSIGN_OR_RETURN(const std::size_t count, collect_keys(closed_count));
    MR_CHECK(count <= closed_count);
    if (count == 0) return ok_status();
    std::uint32_t generation = 0;
    for (std::size_t i = 0; i < count; ++i) {
      generation = std::max(generation, work_.segments[i].info.generation);
    }
    generation_ = generation + 1;
    for (std::size_t i = 0; i < count; ++i) {
      const Segment& segment = work_.segments[i];
      MR_RETURN_IF_ERROR(segment.file->for_each(
          segment.info, [this](const FetchedBatch& batch) { return rewrite(batch); }));
    }
    MR_RETURN_IF_ERROR(flush());
    work_.compacted_to = work_.segments[count - 1].info.next_offset;
    if (!compacted_.empty()) compacted_.back().info.next_offset = work_.compacted_to;
    for (std::size_t i = 0; i < count; ++i) work_.dropped.push_back(work_.segments[i].file);
    work_.segments.erase(work_.segments.begin(),
                         work_.segments.begin() + static_cast<std::ptrdiff_t>(count));
    work_.segments.insert(work_.segments.begin(), compacted_.begin(), compacted_.end());
    return ok_status();
  }

 private:
  // Everything here lies below the last stable offset, so every transaction has its outcome.
  // Markers have nothing more to say once the records of what was aborted are gone with them.
  [[nodiscard]] bool is_dropped(const codec::BatchHeader& header) const {
    if (header.is_control) return true;
    return header.is_transactional &&
           work_.partition->is_aborted(header.producer_id, header.base_offset);
  }

  [[nodiscard]] Hash128 hash_of(std::string_view key) const { return hash128(key, key_seed_); }

  // Fills newest_ from the segments that came since the last pass; how many segments it covers.
  Result<std::size_t> collect_keys(std::size_t closed_count) {
    std::size_t covered = 0;
    bool has_new = false;
    for (; covered < closed_count; ++covered) {
      const Segment& segment = work_.segments[covered];
      if (segment.info.next_offset <= work_.compacted_to) continue;
      if (has_new && newest_.size() >= limits_.keys_max) break;
      has_new = true;
      MR_RETURN_IF_ERROR(segment.file->for_each(
          segment.info, [this](const FetchedBatch& batch) { return collect_keys_of(batch); }));
    }
    return has_new ? covered : 0;
  }

  Status collect_keys_of(const FetchedBatch& batch) {
    MR_RETURN_IF_ERROR(reader_.open(batch.bytes.view()));
    if (is_dropped(reader_.header())) return ok_status();
    while (const RecordView* record = reader_.next()) {
      if (record->key) newest_[hash_of(*record->key)] = record->offset;
    }
    return reader_.status();
  }

  // What earlier passes covered has one record per key, so a key that is not in newest_ has no
  // other.
  [[nodiscard]] bool is_kept(const RecordView& record, WallTime append_time) const {
    if (!record.key) return true;
    const auto newest = newest_.find(hash_of(*record.key));
    if (newest != newest_.end() && newest->second > record.offset) return false;
    return record.value.has_value() || append_time >= tombstones_before_;
  }

  Status rewrite(const FetchedBatch& batch) {
    MR_RETURN_IF_ERROR(reader_.open(batch.bytes.view()));
    const codec::BatchHeader& header = reader_.header();
    if (is_dropped(header)) return ok_status();
    builder_.set_compression(header.compression);
    std::vector<codec::HeaderToAppend> headers;
    while (const RecordView* record = reader_.next()) {
      if (!is_kept(*record, batch.append_time)) continue;
      headers.clear();
      for (const auto& pair : record->headers) headers.push_back({pair.key, pair.value});
      builder_.set_next_offset_delta(
          static_cast<std::int32_t>(record->offset - header.base_offset));
      builder_.append(record->timestamp, record->key, record->value, headers);
    }
    MR_RETURN_IF_ERROR(reader_.status());
    const bool is_whole = builder_.record_count() == header.record_count;
    if (builder_.empty()) return ok_status();
    builder_.set_producer(header.producer_id, header.producer_epoch, header.base_sequence);
    builder_.set_transactional(header.is_transactional);
    std::string bytes;
    builder_.finish(bytes);
    // The builder cannot say LogAppendTime; such a batch stays as it is.
    if (is_whole || header.is_log_append_time) return keep(batch);
    codec::set_base_offset(bytes, 0, header.base_offset);
    MR_ASSIGN_OR_RETURN(const auto written, codec::parse_batch_header(bytes));
    MR_CHECK(written.next_offset() <= batch.next_offset);
    return keep({.bytes = SharedBytes(std::move(bytes)),
                 .base_offset = batch.base_offset,
                 .next_offset = written.next_offset(),
                 .append_time = batch.append_time});
  }

  Status keep(const FetchedBatch& batch) {
    const std::uint64_t frame_bytes = kFrameHeaderBytes + batch.bytes.size();
    const bool is_full = !compacted_.empty() &&
                         (!compacted_.back().info.empty() || !pending_.empty()) &&
                         compacted_.back().info.valid_bytes + pending_bytes_ + frame_bytes >
                             static_cast<std::uint64_t>(work_.config.segment_bytes);
    if (compacted_.empty() || is_full) {
      MR_RETURN_IF_ERROR(flush());
      MR_ASSIGN_OR_RETURN(auto segment,
                          start_segment(files_, work_, batch.base_offset, generation_));
      compacted_.push_back(std::move(segment));
    }
    pending_.push_back(batch);
    pending_bytes_ += frame_bytes;
    return pending_bytes_ >= kFlushBytes ? flush() : ok_status();
  }

  Status flush() {
    if (pending_.empty()) return ok_status();
    Segment& target = compacted_.back();
    MR_RETURN_IF_ERROR(target.file->append(target.info, pending_));
    pending_.clear();
    pending_bytes_ = 0;
    return ok_status();
  }

  static constexpr std::uint64_t kFlushBytes = 1 << 20;

  sys::FileSystem& files_;
  PartitionWork& work_;
  const CompactionLimits& limits_;
  const WallTime tombstones_before_;
  const std::uint64_t key_seed_;
  std::uint32_t generation_ = 1;
  // By hash: two keys with one hash would be taken for one, which 128 keyed bits rule out.
  std::unordered_map<Hash128, Offset, KeyHash> newest_;
  codec::BatchReader reader_;
  codec::RecordBatchBuilder builder_;
  SegmentList compacted_;
  std::vector<FetchedBatch> pending_;
  std::uint64_t pending_bytes_ = 0;
};

}  // namespace

Status compact_partition(sys::FileSystem& files, PartitionWork& work, WallTime now,
                         Offset oldest_pin, const CompactionLimits& limits) {
  std::uint64_t closed_bytes = 0;
  std::uint64_t new_bytes = 0;
  std::size_t closed_count = 0;
  for (std::size_t i = 0; i + 1 < work.segments.size(); ++i) {
    const SegmentInfo& segment = work.segments[i].info;
    if (segment.next_offset > std::min(oldest_pin, work.last_stable)) break;
    ++closed_count;
    closed_bytes += segment.valid_bytes;
    if (segment.next_offset > work.compacted_to) new_bytes += segment.valid_bytes;
  }
  if (new_bytes == 0 || new_bytes * 2 < closed_bytes) return ok_status();
  return Compaction(files, work, now, limits).run(closed_count);
}

}  // namespace millrace::log
