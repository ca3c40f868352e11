#include "runtime/journal_reader.h"

#include <algorithm>

#include "codec/record_batch.h"

namespace millrace::runtime {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;

Status take_entry(task::JournalEntry entry, JournalState& state) {
  if (!state.entries.empty() && entry.sequence != state.entries.back().sequence + 1) {
    return corrupt_error("entry " + std::to_string(entry.sequence) + " follows entry " +
                         std::to_string(state.entries.back().sequence));
  }
  state.next_sequence = entry.sequence + 1;
  if (std::holds_alternative<task::PipelineEntry>(entry.event)) ++state.pipeline_versions;
  if (std::holds_alternative<task::PositionEntry>(entry.event)) state.last_position = entry;
  if (const auto* snapshot = std::get_if<task::SnapshotEntry>(&entry.event)) {
    state.snapshots.push_back(*snapshot);
  }
  if (const auto* retired = std::get_if<task::SnapshotRetiredEntry>(&entry.event)) {
    std::erase_if(state.snapshots,
                  [&](const auto& known) { return known.object_key == retired->object_key; });
  }
  state.entries.push_back(std::move(entry));
  return ok_status();
}

Status take_batch(const log::FetchedBatch& batch, Offset from, codec::BatchReader& reader,
                  JournalState& state) {
  MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
  while (const RecordView* record = reader.next()) {
    if (record->offset < from) continue;
    if (!record->value) return corrupt_error("entry without a value");
    MR_ASSIGN_OR_RETURN(auto entry, task::decode_journal_entry(*record->value));
    MR_RETURN_IF_ERROR(take_entry(std::move(entry), state));
  }
  return reader.status();
}

}  // namespace

Result<JournalState> read_journal(const log::Log& log, const TopicPartition& journal) {
  const std::string where = "journal " + journal.to_string();
  JournalState state;
  MR_ASSIGN_OR_RETURN(const auto offsets, log.offsets(journal));
  codec::BatchReader reader;
  for (Offset next = offsets.start; next < offsets.high_watermark;) {
    auto fetched = log.fetch(journal, next, kFetchBytes, log::Visibility::durable);
    if (!fetched.is_ok()) return std::move(fetched).take_status().with_context(where);
    if (fetched->batches.empty()) break;
    for (const auto& batch : fetched->batches) {
      auto status = take_batch(batch, next, reader, state);
      if (!status.is_ok()) return std::move(status).with_context(where);
      next = batch.next_offset;
    }
  }
  return state;
}

}  // namespace millrace::runtime
