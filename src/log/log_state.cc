#include "log/log_state.h"

#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/record_batch.h"
#include "codec/transaction_marker.h"
#include "log/segment_check.h"

namespace millrace::log {

namespace {

// Far below the 1024 descriptors a process has by default.
constexpr std::size_t kOpenSegmentsMax = 256;

Result<PartitionLog::TransactionStep> transaction_step(const codec::BatchHeader& header,
                                                       std::string_view bytes) {
  using Kind = PartitionLog::TransactionStep::Kind;
  if (header.is_control) {
    MR_ASSIGN_OR_RETURN(const bool is_commit, codec::parse_transaction_marker(bytes));
    return PartitionLog::TransactionStep{.kind = is_commit ? Kind::commit : Kind::abort,
                                         .producer = header.producer_id};
  }
  return PartitionLog::TransactionStep{.kind = header.is_transactional ? Kind::data : Kind::none,
                                       .producer = header.producer_id};
}

}  // namespace

LogState::LogState(sys::FileSystem& files, std::string folder, LogId log_id)
    : files_(files),
      folder_(std::move(folder)),
      log_id_(log_id),
      open_segments_(std::make_shared<OpenSegments>(kOpenSegmentsMax)) {}

std::shared_ptr<PartitionLog> LogState::make_partition(const std::string& topic,
                                                       std::uint64_t topic_id, std::int32_t index) {
  const TopicPartition source{topic, index};
  return std::make_shared<PartitionLog>(
      topics_folder() + "/" + partition_folder_name(topic, index, topic_id),
      PartitionLog::Identity{.source = source, .topic_id = topic_id, .log_id = log_id_},
      listeners.slot(source), open_segments_);
}

void LogState::create_topic(const TopicCreatedMeta& meta) {
  MR_CHECK(topics.find(meta.name) == nullptr);
  auto topic = std::make_shared<Topic>();
  topic->info.name = meta.name;
  topic->info.config = meta.config;
  // Not the id itself: a log that was started anew in the same folder counts from 1 again (R7).
  std::string identity;
  append_little(identity, log_id_.low);
  append_little(identity, log_id_.high);
  append_little(identity, meta.topic_id);
  topic->info.incarnation = hash64(identity);
  topic->topic_id = meta.topic_id;
  for (std::int32_t i = 0; i < meta.config.partition_count; ++i) {
    topic->partitions.push_back(make_partition(meta.name, meta.topic_id, i));
  }
  next_topic_id = std::max(next_topic_id, meta.topic_id + 1);
  topics.put(std::move(topic));
}

void LogState::alter_topic(const Topic& old, const TopicConfig& config) {
  auto topic = std::make_shared<Topic>(old);
  topic->info.config = config;
  MR_CHECK(topic->partitions.size() <= static_cast<std::size_t>(config.partition_count));
  for (auto i = static_cast<std::int32_t>(topic->partitions.size()); i < config.partition_count;
       ++i) {
    topic->partitions.push_back(make_partition(old.info.name, old.topic_id, i));
  }
  topics.put(std::move(topic));
}

void LogState::delete_topic(const Topic& topic, CommitSequence sequence) {
  for (const auto& partition : topic.partitions) {
    partition->set_deleted();
    dead_folders_.emplace_back(sequence, partition->folder());
  }
  topics.remove(topic);
}

std::vector<std::string> LogState::take_dead_folders(CommitSequence through) {
  std::vector<std::string> out;
  std::erase_if(dead_folders_, [&](const auto& dead) {
    if (dead.first > through) return false;
    out.push_back(dead.second);
    return true;
  });
  return out;
}

Status LogState::remove_unknown_folders() {
  std::set<std::string> known;
  for (const auto& topic : topics.all()) {
    for (const auto& partition : topic->partitions) known.insert(partition->folder());
  }
  for (const auto& [sequence, folder] : dead_folders_) known.insert(folder);
  MR_ASSIGN_OR_RETURN(const auto names, files_.list(topics_folder()));
  for (const auto& name : names) {
    const std::string path = topics_folder() + "/" + name;
    if (!known.contains(path)) MR_RETURN_IF_ERROR(files_.remove_tree(path));
  }
  return ok_status();
}

Status LogState::restore(const Checkpoint& checkpoint) {
  MR_CHECK(checkpoint.log_id == log_id_ && last_sequence.value == 0);
  for (const auto& topic : checkpoint.topics) MR_RETURN_IF_ERROR(restore_topic(topic));
  Decoder from(checkpoint.groups);
  groups.decode(from);
  MR_RETURN_IF_ERROR(from.finish("the checkpoint's groups"));
  last_sequence = checkpoint.commit;
  last_append_time = checkpoint.last_append_time;
  next_topic_id = checkpoint.next_topic_id;
  next_producer_id = checkpoint.next_producer_id;
  return ok_status();
}

Status LogState::restore_topic(const CheckpointTopic& from) {
  if (topics.find(from.name) != nullptr || topics.find_by_id(from.topic_id) != nullptr) {
    return corrupt_error("the checkpoint names topic '" + from.name + "' twice");
  }
  create_topic({from.name, from.topic_id, from.config});
  const auto topic = topics.find(from.name);
  for (std::size_t i = 0; i < from.partitions.size(); ++i) {
    const CheckpointPartition& saved = from.partitions[i];
    PartitionLog& partition = *topic->partitions[i];
    SegmentList segments;
    for (const auto& info : saved.segments) {
      segments.push_back(
          {info, std::make_shared<SegmentFile>(files_, open_segments_, partition.folder(),
                                               info.base_offset, info.generation)});
    }
    MR_RETURN_IF_ERROR(
        check_segment_files(files_, partition.folder(), partition.identity(), segments));
    Decoder decoder(saved.producers);
    ProducerTable producers = ProducerTable::decode(decoder);
    MR_RETURN_IF_ERROR(decoder.finish("the checkpoint's producers"));
    TransactionTable transactions;
    if (!saved.transactions.empty()) {
      Decoder encoded(saved.transactions);
      MR_ASSIGN_OR_RETURN(transactions, TransactionTable::decode(encoded, saved.end));
      MR_RETURN_IF_ERROR(encoded.finish("the checkpoint's transactions"));
    }
    partition.restore(saved.start, saved.end, saved.compacted_to, std::move(segments),
                      std::move(producers), std::move(transactions));
  }
  return ok_status();
}

Status LogState::apply(CommitSequence sequence, const EntryView& entry,
                       const std::shared_ptr<WalFile>& file, std::uint64_t data_offset,
                       std::uint64_t& batches_applied) {
  if (sequence <= last_sequence) return ok_status();  // in the checkpoint already
  if (sequence != last_sequence + 1) {
    return corrupt_error("commit " + std::to_string(sequence.value) + " follows commit " +
                         std::to_string(last_sequence.value));
  }
  switch (entry.kind) {
    case EntryKind::commit:
      MR_RETURN_IF_ERROR(apply_commit(sequence, entry, file, data_offset, batches_applied));
      break;
    case EntryKind::group_deleted: {
      MR_ASSIGN_OR_RETURN(const std::string group, parse_group_deleted(entry.meta));
      groups.remove_group(group);
      break;
    }
    case EntryKind::producer_ids_allocated: {
      MR_ASSIGN_OR_RETURN(const std::int64_t next, parse_producer_ids_allocated(entry.meta));
      next_producer_id = std::max(next_producer_id, next);
      break;
    }
    case EntryKind::topic_created:
    case EntryKind::topic_altered:
    case EntryKind::topic_deleted:
    case EntryKind::records_deleted:
      MR_RETURN_IF_ERROR(apply_topic_entry(sequence, entry));
      break;
  }
  last_sequence = sequence;
  return ok_status();
}

Status LogState::apply_topic_entry(CommitSequence sequence, const EntryView& entry) {
  if (entry.kind == EntryKind::topic_created) {
    MR_ASSIGN_OR_RETURN(const TopicCreatedMeta meta, parse_topic_created(entry.meta));
    if (topics.find(meta.name) != nullptr || topics.find_by_id(meta.topic_id) != nullptr) {
      return corrupt_error("topic '" + meta.name + "' is created twice");
    }
    create_topic(meta);
    return ok_status();
  }
  if (entry.kind == EntryKind::topic_altered) {
    MR_ASSIGN_OR_RETURN(const TopicCreatedMeta meta, parse_topic_created(entry.meta));
    const auto old = topics.find_by_id(meta.topic_id);
    if (old == nullptr || old->info.config.partition_count > meta.config.partition_count) {
      return corrupt_error("topic '" + meta.name + "' cannot have been altered like this");
    }
    alter_topic(*old, meta.config);
    return ok_status();
  }
  if (entry.kind == EntryKind::topic_deleted) {
    MR_ASSIGN_OR_RETURN(const TopicDeletedMeta meta, parse_topic_deleted(entry.meta));
    const auto old = topics.find_by_id(meta.topic_id);
    if (old == nullptr) return corrupt_error("a topic that does not exist is deleted");
    delete_topic(*old, sequence);
    groups.remove_topic(old->info.name);
    return ok_status();
  }
  MR_ASSIGN_OR_RETURN(const RecordsDeletedMeta meta, parse_records_deleted(entry.meta));
  const auto topic = topics.find_by_id(meta.topic_id);
  const auto index = static_cast<std::size_t>(meta.partition);
  if (topic == nullptr || meta.partition < 0 || index >= topic->partitions.size()) {
    return corrupt_error("records of a partition that does not exist are deleted");
  }
  topic->partitions[index]->delete_before(meta.before);
  return ok_status();
}

Status LogState::apply_commit(CommitSequence sequence, const EntryView& entry,
                              const std::shared_ptr<WalFile>& file, std::uint64_t data_offset,
                              std::uint64_t& batches_applied) {
  MR_ASSIGN_OR_RETURN(const CommitMeta meta, parse_commit_meta(entry.meta));
  std::string_view rest = entry.data;
  std::uint64_t offset = data_offset;
  for (const auto& batch : meta.batches) {
    if (batch.batch_bytes > rest.size()) return corrupt_error("a commit's batch is cut off");
    MR_RETURN_IF_ERROR(apply_batch(sequence, batch, meta.append_time,
                                   rest.substr(0, batch.batch_bytes), file, offset));
    rest.remove_prefix(batch.batch_bytes);
    offset += batch.batch_bytes;
    ++batches_applied;
  }
  if (!rest.empty()) return corrupt_error("a commit has bytes behind its batches");
  for (const auto& commit : meta.offsets) groups.commit(commit);
  last_append_time = std::max(last_append_time, meta.append_time);
  return ok_status();
}

Status LogState::apply_batch(CommitSequence sequence, const CommitMeta::Batch& batch,
                             WallTime append_time, std::string_view bytes,
                             const std::shared_ptr<WalFile>& file, std::uint64_t offset) {
  const auto topic = topics.find_by_id(batch.topic_id);
  const auto index = static_cast<std::size_t>(batch.partition);
  if (topic == nullptr || batch.partition < 0 || index >= topic->partitions.size()) {
    return corrupt_error("a commit appends to a partition that does not exist");
  }
  MR_ASSIGN_OR_RETURN(const codec::BatchHeader header, codec::parse_batch_header(bytes));
  PartitionLog& partition = *topic->partitions[index];
  if (static_cast<std::uint32_t>(header.batch_bytes) != batch.batch_bytes ||
      header.base_offset != partition.end()) {
    return corrupt_error("a batch of " + partition.identity().source.to_string() + " has offset " +
                         std::to_string(header.base_offset.value) + ", expected is " +
                         std::to_string(partition.end().value));
  }
  MR_ASSIGN_OR_RETURN(const auto step, transaction_step(header, bytes));
  if (header.producer_id != kNoProducerId) {
    const ProducerEntry* known = partition.producers().find(header.producer_id);
    ProducerEntry entry = known != nullptr ? *known : ProducerEntry();
    if (header.producer_epoch < entry.epoch()) {
      return corrupt_error("a batch has an older producer epoch than the one before it");
    }
    if (header.is_control) {
      entry.ended(header.producer_epoch, append_time);
    } else {
      entry.appended(header, header.base_offset, append_time);
    }
    partition.producers().set(header.producer_id, entry);
  }
  partition.append({.sequence = sequence,
                    .base_offset = header.base_offset,
                    .next_offset = header.next_offset(),
                    .append_time = append_time,
                    .bytes = nullptr,
                    .file = file,
                    .wal_offset = offset,
                    .batch_bytes = batch.batch_bytes,
                    .max_timestamp = max_timestamp_of(header)},
                   step);
  return ok_status();
}

}  // namespace millrace::log
