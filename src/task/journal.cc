#include "task/journal.h"

#include "base/coding.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

constexpr std::uint8_t kFormatVersion = 1;

enum class EventType : std::uint8_t {
  position = 1,
  watermark = 2,
  table_version = 3,
  pipeline = 4,
  snapshot = 5,
  snapshot_retired = 6,
  state_lost = 7,
  source_topic = 8,
};

void encode_hash(Encoder& to, const Hash128& hash) {
  to.u64(hash.low);
  to.u64(hash.high);
}

Hash128 decode_hash(Decoder& from) {
  Hash128 hash;
  hash.low = from.u64();
  hash.high = from.u64();
  return hash;
}

struct EventEncoder {
  Encoder& to;

  void type(EventType value) const { to.u8(static_cast<std::uint8_t>(value)); }
  void operator()(const PositionEntry& event) const {
    type(EventType::position);
    to.varint(event.commit_sequence);
    to.bytes(event.owner);
  }
  void operator()(const WatermarkEntry& event) const {
    type(EventType::watermark);
    to.zigzag(event.watermark.value);
  }
  void operator()(const TableVersionEntry& event) const {
    type(EventType::table_version);
    to.bytes(event.table);
    encode_hash(to, event.content);
  }
  void operator()(const PipelineEntry& event) const {
    type(EventType::pipeline);
    to.bytes(event.pipeline);
    to.zigzag(event.version);
    encode_hash(to, event.file);
    to.zigzag(event.source_partition_count);
  }
  void operator()(const SnapshotEntry& event) const {
    type(EventType::snapshot);
    to.bytes(event.object_key);
    to.zigzag(event.next_offset.value);
    to.varint(event.journal_sequence);
    encode_hash(to, event.content);
    to.varint(event.content_bytes);
  }
  void operator()(const SnapshotRetiredEntry& event) const {
    type(EventType::snapshot_retired);
    to.bytes(event.object_key);
  }
  void operator()(const StateLostEntry& event) const {
    type(EventType::state_lost);
    to.bytes(event.window);
    for (const auto count : {event.open_panes, event.open_keys, event.ids, event.records}) {
      to.varint(count);
    }
  }
  void operator()(const SourceTopicEntry& event) const {
    type(EventType::source_topic);
    to.bytes(event.topic);
    to.u64(event.incarnation);
  }
};

bool decode_event(std::uint8_t type, Decoder& from, JournalEvent& event) {
  switch (static_cast<EventType>(type)) {
    case EventType::position: {
      PositionEntry position;
      position.commit_sequence = from.varint();
      position.owner = from.bytes();
      event = std::move(position);
      return true;
    }
    case EventType::watermark:
      event = WatermarkEntry{decode_event_time(from)};
      return true;
    case EventType::table_version: {
      TableVersionEntry table;
      table.table = from.bytes();
      table.content = decode_hash(from);
      event = std::move(table);
      return true;
    }
    case EventType::pipeline: {
      PipelineEntry pipeline;
      pipeline.pipeline = from.bytes();
      pipeline.version = static_cast<std::int32_t>(from.zigzag());
      pipeline.file = decode_hash(from);
      pipeline.source_partition_count = static_cast<std::int32_t>(from.zigzag());
      event = std::move(pipeline);
      return true;
    }
    case EventType::snapshot: {
      SnapshotEntry snapshot;
      snapshot.object_key = from.bytes();
      snapshot.next_offset = Offset(from.zigzag());
      snapshot.journal_sequence = from.varint();
      snapshot.content = decode_hash(from);
      snapshot.content_bytes = from.varint();
      event = std::move(snapshot);
      return true;
    }
    case EventType::snapshot_retired:
      event = SnapshotRetiredEntry{std::string(from.bytes())};
      return true;
    case EventType::state_lost: {
      StateLostEntry lost;
      lost.window = from.bytes();
      for (auto* count : {&lost.open_panes, &lost.open_keys, &lost.ids, &lost.records}) {
        *count = from.varint();
      }
      event = std::move(lost);
      return true;
    }
    case EventType::source_topic: {
      SourceTopicEntry source;
      source.topic = from.bytes();
      source.incarnation = from.u64();
      event = std::move(source);
      return true;
    }
  }
  return false;
}

}  // namespace

void encode_journal_entry(const JournalEntry& entry, std::string& out) {
  Encoder to(out);
  to.u8(kFormatVersion);
  to.varint(entry.sequence);
  to.zigzag(entry.at.value);
  to.zigzag(entry.wall_time.value);
  std::visit(EventEncoder{to}, entry.event);
}

Result<JournalEntry> decode_journal_entry(std::string_view bytes) {
  Decoder from(bytes);
  const auto version = from.u8();
  if (version != kFormatVersion) {
    return corrupt_error("journal entry: format version " + std::to_string(version) +
                         ", this binary reads " + std::to_string(kFormatVersion));
  }
  JournalEntry entry;
  entry.sequence = from.varint();
  entry.at = Offset(from.zigzag());
  entry.wall_time = WallTime(from.zigzag());
  const auto type = from.u8();
  if (!decode_event(type, from, entry.event)) {
    return corrupt_error("journal entry: unknown event type " + std::to_string(type));
  }
  MR_RETURN_IF_ERROR(from.finish("journal entry"));
  return entry;
}

bool is_task_input(const JournalEvent& event) {
  return std::holds_alternative<WatermarkEntry>(event) ||
         std::holds_alternative<TableVersionEntry>(event);
}

}  // namespace millrace::task
