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
// Of one batch, if a change needs several: they are one commit all the same.
constexpr std::size_t kBatchBytes = 1 << 20;

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

// What has been read so far; the newest record of a key counts.
struct GroupStore::Reading {
  Loaded loaded;
  std::map<std::string, std::map<std::string, MemberOfGroup>> members;  // by group, by id

  void note(Offset offset, const std::string& what) {
    if (loaded.notes.size() >= kNotesMax) return;
    loaded.notes.push_back(std::string(kGroupsTopic) + " at offset " +
                           std::to_string(offset.value) + ": " + what);
  }
  void take(const log::FetchedBatch& batch);
  void take_group(const RecordView& record);
  void take_member(const RecordView& record);
  // Members to their groups.
  void finish();
};

void GroupStore::Reading::take(const log::FetchedBatch& batch) {
  codec::BatchReader reader;
  if (const Status status = reader.open(batch.bytes.view()); !status.is_ok()) {
    return note(batch.base_offset, status.to_string());
  }
  while (const RecordView* record = reader.next()) {
    is_member_key(record->key.value_or(std::string_view())) ? take_member(*record)
                                                            : take_group(*record);
  }
  if (!reader.status().is_ok()) note(batch.base_offset, reader.status().to_string());
}

void GroupStore::Reading::take_group(const RecordView& record) {
  const auto id = decode_group_key(record.key.value_or(std::string_view()));
  if (!id.is_ok()) return note(record.offset, id.status().to_string());
  // Whatever the newest record of a group is, an older one does not count.
  loaded.groups.erase(*id);
  loaded.consumer_groups.erase(*id);
  if (!record.value) return;
  Status status;
  if (is_consumer_group(*record.value)) {
    auto header = decode_consumer_group(*record.value);
    if (header.is_ok()) loaded.consumer_groups[*id].header = *header;
    status = std::move(header).take_status();
  } else {
    auto group = decode_group_record(*record.value);
    if (group.is_ok()) loaded.groups.emplace(*id, std::move(*group));
    status = std::move(group).take_status();
  }
  if (!status.is_ok()) note(record.offset, "group " + *id + ": " + status.to_string());
}

void GroupStore::Reading::take_member(const RecordView& record) {
  const auto key = decode_member_key(record.key.value_or(std::string_view()));
  if (!key.is_ok()) return note(record.offset, key.status().to_string());
  const auto& [group, id] = *key;
  members[group].erase(id);
  if (!record.value) return;
  auto member = decode_consumer_member(*record.value);
  const bool is_its = member.is_ok() && member->member.id == id;
  if (is_its) {
    members[group].emplace(id, std::move(*member));
    return;
  }
  note(record.offset,
       "member " + id + " of group " + group + ": " +
           (member.is_ok() ? "its record is another member's" : member.status().to_string()));
}

void GroupStore::Reading::finish() {
  for (auto& [id, group] : loaded.consumer_groups) {
    for (auto& [member_id, stored] : members[id]) {
      // Left over from an earlier group, of which this program could not read something.
      if (stored.incarnation != group.header.incarnation) continue;
      group.members.emplace(member_id, std::move(stored.member));
    }
  }
}

Result<GroupStore::Loaded> GroupStore::load() {
  log::TopicConfig config;
  config.is_compacted = true;
  config.is_internal = true;
  auto created = log_.create_topic(std::string(kGroupsTopic), config);
  if (!created.is_ok() && created.status().code() != StatusCode::exists) {
    return std::move(created).take_status();
  }
  Reading reading;
  MR_RETURN_IF_ERROR(read_all(reading));
  reading.finish();
  return std::move(reading.loaded);
}

Status GroupStore::read_all(Reading& reading) const {
  const TopicPartition source{std::string(kGroupsTopic), 0};
  MR_ASSIGN_OR_RETURN(const log::PartitionOffsets offsets, log_.offsets(source));
  Offset next = offsets.start;
  bool is_skipping = false;
  while (next < offsets.high_watermark) {
    auto fetched = log_.fetch(source, next, kFetchBytes, log::Visibility::durable);
    if (!fetched.is_ok() && fetched.status().code() == StatusCode::corrupt) {
      // The next batch begins at some later offset; the bytes of this one do not say at which.
      if (!is_skipping) reading.note(next, fetched.status().to_string());
      is_skipping = true;
      next = next + 1;
      continue;
    }
    is_skipping = false;
    if (!fetched.is_ok()) return std::move(fetched).take_status();
    if (fetched->batches.empty()) return ok_status();
    for (const auto& batch : fetched->batches) {
      reading.take(batch);
      next = batch.next_offset;
    }
  }
  return ok_status();
}

Result<log::CommitSequence> GroupStore::save(const std::string& group_id, const GroupRecord& record,
                                             WallTime now, std::vector<log::OffsetCommit> offsets) {
  log::Commit commit;
  commit.appends.push_back(batch_of(group_id, encode_group_record(record), now));
  commit.offsets = std::move(offsets);
  return sequence_of(log_.commit(std::move(commit)));
}

Result<log::CommitSequence> GroupStore::save(const std::string& group_id, std::uint64_t incarnation,
                                             const ConsumerGroupChange& change, WallTime now,
                                             std::vector<log::OffsetCommit> offsets) {
  log::Commit commit;
  codec::RecordBatchBuilder builder;
  std::size_t bytes = 0;
  const auto finish_batch = [&] {
    if (bytes == 0) return;
    auto& batch = commit.appends.emplace_back();
    batch.topic = kGroupsTopic;
    builder.finish(batch.bytes);
    bytes = 0;
  };
  const auto append = [&](const std::string& key, std::optional<std::string_view> value) {
    builder.append(now, key, value, {});
    bytes += key.size() + value.value_or("").size();
    if (bytes >= kBatchBytes) finish_batch();
  };
  if (change.header) append(encode_group_key(group_id), encode_consumer_group(*change.header));
  for (const auto& [id, member] : change.members) {
    const std::string key = encode_member_key(group_id, id);
    if (!member) {
      append(key, std::nullopt);
    } else {
      append(key, encode_consumer_member(*member, incarnation));
    }
  }
  finish_batch();
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
