#include "log/segment_format.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "codec/record_batch.h"

namespace millrace::log {

namespace {

constexpr std::string_view kSegmentMagic = "MRSG";
constexpr std::uint32_t kFormatVersion = 1;
constexpr std::size_t kOffsetDigits = 20;
constexpr std::size_t kFolderTopicBytesMax = 200;
// Base offset, length, leader epoch, magic, CRC: what a batch's own CRC does not cover.
constexpr std::size_t kBatchUncoveredBytes = 21;
constexpr std::size_t kFrameCrcAt = 12;

std::string offset_text(Offset offset) {
  MR_CHECK(offset.value >= 0);
  const std::string digits = std::to_string(offset.value);
  return std::string(kOffsetDigits - digits.size(), '0') + digits;
}

std::string file_stem(Offset base_offset, std::uint32_t generation) {
  std::string stem = offset_text(base_offset);
  if (generation > 0) stem += "." + std::to_string(generation);
  return stem;
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  std::string out(kSegmentMagic);
  Encoder to(out);
  to.u32(kFormatVersion);
  to.u64(header.log_id.low);
  to.u64(header.log_id.high);
  to.u64(header.topic_id);
  to.u64(static_cast<std::uint64_t>(header.base_offset.value));
  to.u32(static_cast<std::uint32_t>(header.partition));
  out.resize(kSegmentHeaderBytes - 4);
  to.u32(crc32c(out));
  MR_CHECK(out.size() == kSegmentHeaderBytes);
  return out;
}

Result<SegmentHeader> parse_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || bytes.substr(0, 4) != kSegmentMagic) {
    return corrupt_error("not the header of a segment file");
  }
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  const std::size_t crc_at = kSegmentHeaderBytes - 4;
  if (crc32c(bytes.substr(0, crc_at)) != load_little<std::uint32_t>(bytes.data() + crc_at)) {
    return corrupt_error("the segment file's header fails its checksum");
  }
  Decoder from(bytes.substr(4));
  if (const std::uint32_t version = from.u32(); version != kFormatVersion) {
    return corrupt_error("segment format version " + std::to_string(version) +
                         "; this program reads version 1");
  }
  SegmentHeader header;
  header.log_id.low = from.u64();
  header.log_id.high = from.u64();
  header.topic_id = from.u64();
  header.base_offset = Offset(static_cast<std::int64_t>(from.u64()));
  header.partition = static_cast<std::int32_t>(from.u32());
  return header;
}

void append_frame_header(WallTime append_time, std::string_view batch, std::string& out) {
  MR_CHECK(batch.size() >= codec::kBatchHeaderBytes && batch.size() <= UINT32_MAX);
  const std::size_t start = out.size();
  Encoder to(out);
  to.u64(static_cast<std::uint64_t>(append_time.value));
  to.u32(static_cast<std::uint32_t>(batch.size()));
  const std::uint32_t crc = crc32c(batch.substr(0, kBatchUncoveredBytes),
                                   crc32c(std::string_view(out).substr(start, kFrameCrcAt)));
  to.u32(crc);
}

Result<FrameHeader> parse_frame_header(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes + codec::kBatchHeaderBytes) {
    return corrupt_error("a segment's frame is cut off");
  }
  const std::uint32_t crc = crc32c(bytes.substr(kFrameHeaderBytes, kBatchUncoveredBytes),
                                   crc32c(bytes.substr(0, kFrameCrcAt)));
  if (crc != load_little<std::uint32_t>(bytes.data() + kFrameCrcAt)) {
    return corrupt_error("a segment's frame header fails its checksum");
  }
  return FrameHeader{.append_time = WallTime(load_little<std::int64_t>(bytes.data())),
                     .batch_bytes = load_little<std::uint32_t>(bytes.data() + 8)};
}

void append_index_entry(const IndexEntry& entry, std::string& out) {
  const std::size_t start = out.size();
  Encoder to(out);
  to.u64(static_cast<std::uint64_t>(entry.base_offset.value));
  to.u64(entry.position);
  to.u64(static_cast<std::uint64_t>(entry.append_time.value));
  to.u32(crc32c(std::string_view(out).substr(start)));
  to.u32(0);
  MR_CHECK(out.size() - start == kIndexEntryBytes);
}

Result<IndexEntry> parse_index_entry(std::string_view bytes) {
  constexpr std::size_t kCrcAt = 24;
  if (bytes.size() < kIndexEntryBytes ||
      crc32c(bytes.substr(0, kCrcAt)) != load_little<std::uint32_t>(bytes.data() + kCrcAt)) {
    return corrupt_error("an index entry fails its checksum");
  }
  return IndexEntry{.base_offset = Offset(load_little<std::int64_t>(bytes.data())),
                    .position = load_little<std::uint64_t>(bytes.data() + 8),
                    .append_time = WallTime(load_little<std::int64_t>(bytes.data() + 16))};
}

std::string segment_file_name(Offset base_offset, std::uint32_t generation) {
  return file_stem(base_offset, generation) + ".log";
}

std::string index_file_name(Offset base_offset, std::uint32_t generation) {
  return file_stem(base_offset, generation) + ".index";
}

std::string partition_folder_name(std::string_view topic, std::int32_t partition,
                                  std::uint64_t topic_id) {
  return std::string(topic.substr(0, kFolderTopicBytesMax)) + "-" + std::to_string(partition) +
         "." + std::to_string(topic_id);
}

}  // namespace millrace::log
