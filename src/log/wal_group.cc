#include "log/wal_group.h"

#include "base/check.h"
#include "base/crc32c.h"

namespace millrace::log {

namespace {

// Batches up to this are copied behind each other; a buffer of its own would cost the kernel more.
constexpr std::size_t kCopiedBatchBytesMax = 2048;

}  // namespace

const std::vector<std::string_view>& GroupEncoder::encode(GroupHeader header,
                                                          std::vector<WalItem>& items) {
  MR_CHECK(!items.empty());
  scratch_.clear();
  spans_.clear();
  const std::uint64_t payload_position = header.position.offset + kGroupHeaderBytes;
  std::uint64_t position = payload_position;
  for (WalItem& item : items) encode_item(item, position);
  const std::uint64_t payload_bytes = position - payload_position;
  MR_CHECK(payload_bytes <= UINT32_MAX);

  std::uint32_t crc = 0;
  buffers_.clear();
  buffers_.emplace_back();  // the header
  for (const Span& span : spans_) {
    const char* from =
        span.external != nullptr ? span.external : scratch_.data() + span.scratch_position;
    buffers_.emplace_back(from, span.span_bytes);
    crc = crc32c(buffers_.back(), crc);
  }
  header.first_commit = items.front().sequence;
  header.entry_count = static_cast<std::uint32_t>(items.size());
  header.payload_bytes = static_cast<std::uint32_t>(payload_bytes);
  header.payload_crc = crc;
  header_.clear();
  append_group_header(header, header_);
  buffers_.front() = header_;
  group_bytes_ = kGroupHeaderBytes + payload_bytes;
  return buffers_;
}

void GroupEncoder::encode_item(WalItem& item, std::uint64_t& position) {
  std::size_t data_bytes = 0;
  const std::size_t start = scratch_.size();
  if (item.kind == EntryKind::commit) {
    CommitMeta meta{.append_time = item.append_time, .batches = {}, .offsets = {}};
    meta.batches.reserve(item.batches.size());
    for (const auto& batch : item.batches) {
      data_bytes += batch.bytes->size();
      meta.batches.push_back({.topic_id = batch.topic_id,
                              .partition = batch.partition_index,
                              .batch_bytes = static_cast<std::uint32_t>(batch.bytes->size())});
    }
    meta.offsets.swap(item.offsets);
    append_commit_meta(meta, item.meta);
    item.offsets.swap(meta.offsets);
  }
  append_entry_header(item.kind, item.meta.size(), data_bytes, scratch_);
  scratch_.append(item.meta);
  add_scratch(start);
  position += scratch_.size() - start;
  for (auto& batch : item.batches) {
    batch.wal_offset = position;
    position += batch.bytes->size();
    add_external(*batch.bytes);
  }
  MR_CHECK(kEntryHeaderBytes + item.meta.size() + data_bytes + kGroupHeaderBytes <=
           item.reserved_bytes);
}

void GroupEncoder::add_scratch(std::size_t from) {
  const std::size_t bytes = scratch_.size() - from;
  if (!spans_.empty() && spans_.back().external == nullptr) {
    spans_.back().span_bytes += bytes;
  } else {
    spans_.push_back({.external = nullptr, .scratch_position = from, .span_bytes = bytes});
  }
}

void GroupEncoder::add_external(std::string_view bytes) {
  if (bytes.size() > kCopiedBatchBytesMax) {
    spans_.push_back({.external = bytes.data(), .scratch_position = 0, .span_bytes = bytes.size()});
    return;
  }
  const std::size_t from = scratch_.size();
  scratch_.append(bytes);
  add_scratch(from);
}

}  // namespace millrace::log
