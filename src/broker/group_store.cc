#include "broker/group_store.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "codec/record_batch.h"

namespace millrace::broker {

namespace {

constexpr std::size_t kFetchBytes = 1 << 20;
constexpr std::size_t kNotesMax = 100;

log::AppendBatch batch_of(const std::string& group_id, std::optional<std::string_view> value,
                          WallTime now) {
  codec::RecordBatchBuilder builder;
  builder.append(now, encode_group_key(group_id), value, {});
  log::AppendBatch batch;
  batch.topic = kGroupsTopic;
  builder.finish(batch.bytes);
  return batch;
}

Result<log::CommitSequence> sequence_of(Result<log::Appended> appended) {
  if (!appended.is_ok()) return std::move(appended).take_status();
  return appended->sequence;
}

}  // namespace

Result<GroupStore::Loaded> GroupStore::load() {
  log::TopicConfig config;
  config.is_compacted = true;
  config.is_internal = true;
  auto created = log_.create_topic(std::string(kGroupsTopic), config);
  if (!created.is_ok() && created.status().code() != StatusCode::exists) {
    return std::move(created).take_status();
  }
  Loaded loaded;
  MR_RETURN_IF_ERROR(read_all(loaded));
  return loaded;
}

Status GroupStore::read_all(Loaded& loaded) const {
  const TopicPartition source{std::string(kGroupsTopic), 0};
  MR_ASSIGN_OR_RETURN(const log::PartitionOffsets offsets, log_.offsets(source));
  Offset next = offsets.start;
  bool is_skipping = false;
  while (next < offsets.high_watermark) {
    auto fetched = log_.fetch(source, next, kFetchBytes, log::Visibility::durable);
    if (!fetched.is_ok() && fetched.status().code() == StatusCode::corrupt) {
      // The next batch begins at some later offset; the bytes of this one do not say at which.
      if (!is_skipping && loaded.notes.size() < kNotesMax) {
        loaded.notes.push_back(source.topic + " at offset " + std::to_string(next.value) + ": " +
                               fetched.status().to_string());
      }
      is_skipping = true;
      next = next + 1;
      continue;
    }
    is_skipping = false;
    if (!fetched.is_ok()) return std::move(fetched).take_status();
    if (fetched->batches.empty()) return ok_status();
    for (const auto& batch : fetched->batches) {
      read_batch(batch, loaded);
      next = batch.next_offset;
    }
  }
  return ok_status();
}

void GroupStore::read_batch(const log::FetchedBatch& batch, Loaded& loaded) const {
  const auto note = [&](Offset offset, const std::string& what) {
    if (loaded.notes.size() >= kNotesMax) return;
    loaded.notes.push_back(std::string(kGroupsTopic) + " at offset " +
                           std::to_string(offset.value) + ": " + what);
  };
  codec::BatchReader reader;
  if (const Status status = reader.open(batch.bytes.view()); !status.is_ok()) {
    return note(batch.base_offset, status.to_string());
  }
  while (const RecordView* record = reader.next()) {
    const auto id = decode_group_key(record->key.value_or(std::string_view()));
    if (!id.is_ok()) {
      note(record->offset, id.status().to_string());
      continue;
    }
    // Whatever the newest record of a group is, an older one does not count.
    loaded.groups.erase(*id);
    if (!record->value) continue;
    auto group = decode_group_record(*record->value);
    if (group.is_ok()) {
      loaded.groups.emplace(*id, std::move(group).value());
    } else {
      note(record->offset, "group " + *id + ": " + group.status().to_string());
    }
  }
  if (!reader.status().is_ok()) note(batch.base_offset, reader.status().to_string());
}

Result<log::CommitSequence> GroupStore::save(const std::string& group_id, const GroupRecord& record,
                                             WallTime now, std::vector<log::OffsetCommit> offsets) {
  log::Commit commit;
  commit.appends.push_back(batch_of(group_id, encode_group_record(record), now));
  commit.offsets = std::move(offsets);
  return sequence_of(log_.commit(std::move(commit)));
}

Result<log::CommitSequence> GroupStore::save_offsets(std::vector<log::OffsetCommit> offsets) {
  log::Commit commit;
  commit.offsets = std::move(offsets);
  return sequence_of(log_.commit(std::move(commit)));
}

Result<log::CommitSequence> GroupStore::remove(const std::string& group_id, bool has_record,
                                               const std::vector<TopicPartition>& appended,
                                               WallTime now) {
  std::set<TopicPartition> sources(appended.begin(), appended.end());
  for (auto& offset : log_.group_offsets(group_id)) sources.insert(std::move(offset.source));
  log::Commit commit;
  if (has_record) commit.appends.push_back(batch_of(group_id, std::nullopt, now));
  for (const auto& source : sources) {
    commit.offsets.push_back({group_id, source, log::kNoOffset, ""});
  }
  if (commit.empty()) return log::CommitSequence{0};
  return sequence_of(log_.commit(std::move(commit)));
}

}  // namespace millrace::broker
