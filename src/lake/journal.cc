#include "lake/journal.h"

#include "base/coding.h"
#include "codec/record_batch.h"

namespace millrace::lake {
namespace {

constexpr std::uint8_t kFormatVersion = 1;
constexpr std::size_t kFetchBytes = 1 << 20;

enum class EventType : std::uint8_t { begin = 1, writer = 2, freeze = 3, uploads = 4, done = 5 };

struct EventEncoder {
  Encoder& to;

  void type(EventType value) const { to.u8(static_cast<std::uint8_t>(value)); }
  void operator()(const BeginEntry& event) const {
    type(EventType::begin);
    to.bytes(event.source_topic);
    to.u64(event.source_incarnation);
    to.zigzag(event.first_offset.value);
  }
  void operator()(const WriterEntry& event) const {
    type(EventType::writer);
    to.varint(event.writer);
    encode_writer(event.config, to);
  }
  void operator()(const FreezeEntry& event) const {
    type(EventType::freeze);
    to.varint(event.range);
    to.zigzag(event.first_offset.value);
    to.zigzag(event.next_offset.value);
    to.varint(event.writer);
    to.varint(event.files.size());
    for (const auto& file : event.files) {
      to.bytes(file.path);
      to.varint(file.rows);
    }
  }
  void operator()(const UploadsEntry& event) const {
    type(EventType::uploads);
    to.varint(event.range);
    to.varint(event.uploads.size());
    for (const auto& upload : event.uploads) {
      to.varint(upload.file);
      to.bytes(upload.upload_id);
    }
  }
  void operator()(const DoneEntry& event) const {
    type(EventType::done);
    to.varint(event.range);
    to.varint(event.file_bytes.size());
    for (const auto bytes : event.file_bytes) to.varint(bytes);
    to.varint(event.dead_letters);
  }
};

// Calls `read` as often as the count says, as long as there is something to read.
template <typename Read>
void read_list(Decoder& from, Read&& read) {
  const auto count = from.varint();
  for (std::uint64_t i = 0; i < count && !from.has_failed(); ++i) read();
}

FreezeEntry decode_freeze(Decoder& from) {
  FreezeEntry freeze;
  freeze.range = from.varint();
  freeze.first_offset = Offset(from.zigzag());
  freeze.next_offset = Offset(from.zigzag());
  freeze.writer = from.varint();
  read_list(from, [&] {
    FrozenFile file;
    file.path = from.bytes();
    file.rows = from.varint();
    freeze.files.push_back(std::move(file));
  });
  return freeze;
}

bool decode_event(std::uint8_t type, Decoder& from, LakeEvent& event) {
  switch (static_cast<EventType>(type)) {
    case EventType::begin: {
      BeginEntry begin;
      begin.source_topic = from.bytes();
      begin.source_incarnation = from.u64();
      begin.first_offset = Offset(from.zigzag());
      event = std::move(begin);
      return true;
    }
    case EventType::writer: {
      WriterEntry writer;
      writer.writer = from.varint();
      writer.config = decode_writer(from);
      event = std::move(writer);
      return true;
    }
    case EventType::freeze:
      event = decode_freeze(from);
      return true;
    case EventType::uploads: {
      UploadsEntry uploads;
      uploads.range = from.varint();
      read_list(from, [&] {
        StartedUpload upload;
        upload.file = from.varint();
        upload.upload_id = from.bytes();
        uploads.uploads.push_back(std::move(upload));
      });
      event = std::move(uploads);
      return true;
    }
    case EventType::done: {
      DoneEntry done;
      done.range = from.varint();
      read_list(from, [&] { done.file_bytes.push_back(from.varint()); });
      done.dead_letters = from.varint();
      event = std::move(done);
      return true;
    }
  }
  return false;
}

Status take_batch(const log::FetchedBatch& batch, Offset from, codec::BatchReader& reader,
                  const std::function<Status(const LakeEntry&)>& visit) {
  if (batch.kind != log::BatchKind::records) return ok_status();
  MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
  while (const RecordView* record = reader.next()) {
    if (record->offset < from) continue;
    if (!record->value) return corrupt_error("an entry without a value");
    MR_ASSIGN_OR_RETURN(const auto entry, decode_lake_entry(*record->value));
    MR_RETURN_IF_ERROR(visit(entry));
  }
  return reader.status();
}

Status read_entries(const log::Log& log, const TopicPartition& journal, Offset next, Offset end,
                    log::Visibility visibility,
                    const std::function<Status(const LakeEntry&)>& visit) {
  codec::BatchReader reader;
  while (next < end) {
    MR_ASSIGN_OR_RETURN(const auto fetched, log.fetch(journal, next, kFetchBytes, visibility));
    if (fetched.batches.empty()) break;
    for (const auto& batch : fetched.batches) {
      MR_RETURN_IF_ERROR(take_batch(batch, next, reader, visit));
      next = batch.next_offset;
    }
  }
  return ok_status();
}

}  // namespace

void encode_lake_entry(const LakeEntry& entry, std::string& out) {
  Encoder to(out);
  to.u8(kFormatVersion);
  to.varint(entry.sequence);
  to.zigzag(entry.wall_time.value);
  std::visit(EventEncoder{to}, entry.event);
}

Result<LakeEntry> decode_lake_entry(std::string_view bytes) {
  Decoder from(bytes);
  if (from.u8() != kFormatVersion) {
    return corrupt_error("lake journal entry of an unknown format version");
  }
  LakeEntry entry;
  entry.sequence = from.varint();
  entry.wall_time = WallTime(from.zigzag());
  if (!decode_event(from.u8(), from, entry.event)) {
    return corrupt_error("lake journal entry of an unknown type");
  }
  MR_RETURN_IF_ERROR(from.finish("lake journal entry"));
  return entry;
}

Status DeliveryState::take(const LakeEntry& entry) {
  if (entry.sequence != last_sequence + 1) {
    return corrupt_error("entry " + std::to_string(entry.sequence) + " follows entry " +
                         std::to_string(last_sequence));
  }
  if (begin.has_value() == std::holds_alternative<BeginEntry>(entry.event)) {
    return corrupt_error("the first entry, and no other, says where the delivery began");
  }
  last_sequence = entry.sequence;
  if (std::holds_alternative<DoneEntry>(entry.event)) last_done_time = entry.wall_time;
  return std::visit([this](const auto& event) { return take_event(event); }, entry.event);
}

Status DeliveryState::take_event(const BeginEntry& event) {
  begin = event;
  next_offset = delivered_offset = event.first_offset;
  return ok_status();
}

Status DeliveryState::take_event(const WriterEntry& event) {
  if (event.writer != last_writer + 1) {
    return corrupt_error("writer " + std::to_string(event.writer) + " follows writer " +
                         std::to_string(last_writer));
  }
  last_writer = event.writer;
  writers[event.writer] = event.config;
  return ok_status();
}

Status DeliveryState::take_event(const FreezeEntry& event) {
  const auto name = "range " + std::to_string(event.range);
  if (open) return corrupt_error(name + " is frozen before the one before it is done");
  if (event.range != last_range + 1) {
    return corrupt_error(name + " follows range " + std::to_string(last_range));
  }
  if (event.first_offset != next_offset || event.next_offset <= event.first_offset) {
    return corrupt_error(name + " is [" + std::to_string(event.first_offset.value) + ", " +
                         std::to_string(event.next_offset.value) + ") after offset " +
                         std::to_string(next_offset.value));
  }
  if (!writers.contains(event.writer)) return corrupt_error(name + " names an unknown writer");
  last_range = event.range;
  next_offset = event.next_offset;
  open = OpenRange{event, {}};
  return ok_status();
}

Status DeliveryState::take_event(const UploadsEntry& event) {
  if (!open || open->freeze.range != event.range) {
    return corrupt_error("uploads of range " + std::to_string(event.range) + ", which is not open");
  }
  for (const auto& upload : event.uploads) {
    if (upload.file >= open->freeze.files.size()) return corrupt_error("upload of an unknown file");
    open->uploads.push_back(upload);
  }
  return ok_status();
}

Status DeliveryState::take_event(const DoneEntry& event) {
  if (!open || open->freeze.range != event.range ||
      open->freeze.files.size() != event.file_bytes.size()) {
    return corrupt_error("range " + std::to_string(event.range) + " is done and was not open");
  }
  files += event.file_bytes.size();
  for (const auto& file : open->freeze.files) rows += file.rows;
  for (const auto bytes : event.file_bytes) file_bytes += bytes;
  dead_letters += event.dead_letters;
  delivered_offset = open->freeze.next_offset;
  open.reset();
  return ok_status();
}

Status read_lake_journal(const log::Log& log, const TopicPartition& journal,
                         const std::function<Status(const LakeEntry&)>& visit) {
  const auto offsets = log.offsets(journal);
  if (!offsets.is_ok()) {
    if (offsets.status().code() == StatusCode::not_found) return ok_status();
    return offsets.status();
  }
  return read_entries(log, journal, offsets->start, offsets->high_watermark,
                      log::Visibility::durable, visit)
      .with_context("journal " + journal.to_string());
}

Result<DeliveryState> read_delivery_state(const log::Log& log, const TopicPartition& journal) {
  MR_ASSIGN_OR_RETURN(const auto offsets, log.offsets(journal));
  if (offsets.high_watermark < offsets.end) {
    return overloaded_error("journal " + journal.to_string() + " is not durable yet");
  }
  DeliveryState state;
  MR_RETURN_IF_ERROR(read_entries(log, journal, offsets.start, offsets.end,
                                  log::Visibility::appended,
                                  [&](const LakeEntry& entry) { return state.take(entry); })
                         .with_context("journal " + journal.to_string()));
  return state;
}

Result<DeliveryState> read_committed_delivery_state(const log::Log& log,
                                                    const TopicPartition& journal) {
  MR_ASSIGN_OR_RETURN(const auto offsets, log.offsets(journal));
  DeliveryState state;
  MR_RETURN_IF_ERROR(read_entries(log, journal, offsets.start, offsets.last_stable,
                                  log::Visibility::durable,
                                  [&](const LakeEntry& entry) { return state.take(entry); })
                         .with_context("journal " + journal.to_string()));
  return state;
}

}  // namespace millrace::lake
