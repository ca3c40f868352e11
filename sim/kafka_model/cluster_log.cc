#include <algorithm>

#include "codec/record_batch.h"
#include "sim/kafka_model/cluster.h"

// What all clients share of log::Log: topics, plain appends, reads, retention.

namespace millrace::kafka_model {
namespace {

Status check_topic(const std::string& name, const log::TopicConfig& config) {
  const auto is_legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty() || name == "." || name == ".." ||
      !std::all_of(name.begin(), name.end(), is_legal)) {
    return invalid_error("topic name \"" + name + "\": letters, digits, '.', '_' and '-' only");
  }
  if (config.partition_count < 1) return invalid_error("a topic needs at least one partition");
  return ok_status();
}

// Clients of this cluster read committed records only: what they take for the high watermark is the
// last stable offset.
log::PartitionOffsets offsets_of(const Partition& partition) {
  const Offset last_stable(partition.last_stable_offset());
  return {.start = Offset(partition.start()),
          .high_watermark = last_stable,
          .last_stable = last_stable,
          .end = Offset(partition.end()),
          .stored_bytes = partition.bytes()};
}

}  // namespace

Result<Partition*> Cluster::find(const TopicPartition& source) {
  const auto known = topics_.find(source.topic);
  if (known == topics_.end() || source.partition < 0 ||
      source.partition >= known->second.info.config.partition_count) {
    return not_found_error(source.to_string());
  }
  return &known->second.partitions[static_cast<std::size_t>(source.partition)];
}

Result<const Partition*> Cluster::find(const TopicPartition& source) const {
  MR_ASSIGN_OR_RETURN(const Partition* partition, const_cast<Cluster*>(this)->find(source));
  return partition;
}

Result<log::TopicInfo> Cluster::create_topic(const std::string& name,
                                             const log::TopicConfig& config) {
  MR_RETURN_IF_ERROR(check_topic(name, config));
  const Lock lock(mutex_);
  if (topics_.contains(name)) return exists_error("topic " + name);
  auto& topic = topics_[name];
  topic.info = {name, next_incarnation_++, config};
  topic.partitions.resize(static_cast<std::size_t>(config.partition_count));
  return topic.info;
}

Status Cluster::delete_topic(const std::string& name) {
  const Lock lock(mutex_);
  if (topics_.erase(name) == 0) return not_found_error("topic " + name);
  groups_.delete_topic(name);
  return ok_status();
}

Status Cluster::alter_topic(const std::string& name, const log::TopicConfig& config) {
  MR_RETURN_IF_ERROR(check_topic("x", config));
  const Lock lock(mutex_);
  const auto known = topics_.find(name);
  if (known == topics_.end()) return not_found_error("topic " + name);
  auto& topic = known->second;
  if (config.partition_count < topic.info.config.partition_count) {
    return invalid_error("the partition count cannot be lowered");
  }
  topic.info.config = config;
  topic.partitions.resize(static_cast<std::size_t>(config.partition_count));
  return ok_status();
}

Result<log::TopicInfo> Cluster::topic(const std::string& name) const {
  const Lock lock(mutex_);
  const auto known = topics_.find(name);
  if (known == topics_.end()) return not_found_error("topic " + name);
  return known->second.info;
}

std::vector<log::TopicInfo> Cluster::topics() const {
  const Lock lock(mutex_);
  std::vector<log::TopicInfo> all;
  for (const auto& [name, topic] : topics_) all.push_back(topic.info);
  return all;
}

log::ProducerIdentity Cluster::new_producer() {
  const Lock lock(mutex_);
  return {ProducerId(next_producer_id_++), ProducerEpoch(0)};
}

Status Cluster::check_append(const log::AppendBatch& batch) const {
  MR_ASSIGN_OR_RETURN(const Partition* partition, find({batch.topic, batch.partition}));
  auto header = codec::parse_batch_header(batch.bytes);
  if (!header.is_ok()) return corrupt_error(std::string(header.status().message()));
  MR_RETURN_IF_ERROR(codec::verify_batch_crc(batch.bytes, *header));
  const auto bytes_max = topics_.at(batch.topic).info.config.batch_bytes_max;
  if (batch.bytes.size() > static_cast<std::size_t>(bytes_max)) {
    return invalid_error("a batch of " + batch.topic + " has at most " + std::to_string(bytes_max) +
                         " bytes");
  }
  (void)partition;
  return ok_status();
}

// Not in a transaction: batch after batch, as an idempotent producer sends them. That a bad one
// keeps the others out is more than Kafka does.
Result<log::Appended> Cluster::commit_plainly(log::Commit&& commit) {
  if (!commit.markers.empty()) return unsupported_error("transactions go through make_producer");
  const Lock lock(mutex_);
  const auto now = clock_.wall_now();
  for (const auto& batch : commit.appends) MR_RETURN_IF_ERROR(check_append(batch));
  log::Appended appended;
  std::map<TopicPartition, Partition> before;  // if a sequence does not fit half-way
  if (commit.appends.size() > 1) {
    for (const auto& batch : commit.appends) {
      const TopicPartition to{batch.topic, batch.partition};
      before.emplace(to, **find(to));
    }
  }
  for (const auto& batch : commit.appends) {
    const TopicPartition to{batch.topic, batch.partition};
    const auto answer = (*find(to))->append(batch.bytes, now, false);
    if (answer.error == ErrorCode::none) {
      appended.batches.push_back({Offset(answer.base_offset), answer.is_duplicate});
      continue;
    }
    for (auto& [place, partition] : before) **find(place) = std::move(partition);
    if (answer.error == ErrorCode::producer_fenced) return fenced_error("an older producer epoch");
    return out_of_sequence_error("producer sequence: expected is " +
                                 std::to_string(answer.expected_sequence));
  }
  for (const auto& offset : commit.offsets) {
    if (offset.next_offset == log::kNoOffset) {
      groups_.forget_offset(offset.group, offset.source);
      continue;
    }
    groups_.set_offset(offset.group, offset.source, {offset.next_offset.value, offset.metadata});
  }
  for (const auto& batch : commit.appends) notify({batch.topic, batch.partition});
  commit = {};
  appended.sequence = log::CommitSequence(++commits_);
  appended.append_time = now;
  return appended;
}

Result<log::FetchResult> Cluster::fetch(const TopicPartition& source, Offset from,
                                        std::size_t bytes_max, log::Visibility visibility) const {
  const Lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Partition* partition, find(source));
  if (from.value < partition->start() || from.value > partition->end()) {
    return out_of_range_error(source.to_string() + " holds " + std::to_string(partition->start()) +
                              " to " + std::to_string(partition->end()) + ", not " +
                              std::to_string(from.value));
  }
  log::FetchResult result;
  result.offsets = offsets_of(*partition);
  result.batches = partition->fetch(from.value, bytes_max, visibility == log::Visibility::durable);
  return result;
}

Result<log::PartitionOffsets> Cluster::offsets(const TopicPartition& source) const {
  const Lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Partition* partition, find(source));
  return offsets_of(*partition);
}

Result<Offset> Cluster::offset_for_time(const TopicPartition& source, WallTime time) const {
  const Lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(const Partition* partition, find(source));
  return Offset(partition->offset_for_time(time));
}

std::vector<log::FetchedBatch> Cluster::history(const TopicPartition& of) const {
  const Lock lock(mutex_);
  const auto partition = find(of);
  if (!partition.is_ok()) return {};
  return (*partition)->fetch(0, SIZE_MAX, true);
}

bool Cluster::forget_offset(const std::string& group, const TopicPartition& source) {
  const Lock lock(mutex_);
  if (transactions_.is_any_open()) return false;
  return groups_.forget_offset(group, source);
}

std::vector<std::string> Cluster::groups() const {
  const Lock lock(mutex_);
  return groups_.groups();
}

std::vector<log::GroupOffset> Cluster::group_offsets(const std::string& group) const {
  const Lock lock(mutex_);
  std::vector<log::GroupOffset> all;
  for (const auto& [source, offset] : groups_.offsets(group)) {
    all.push_back({source, Offset(offset.next_offset), offset.metadata});
  }
  return all;
}

Status Cluster::delete_group(const std::string& group) {
  const Lock lock(mutex_);
  if (!groups_.delete_group(group)) return not_found_error("group " + group);
  return ok_status();
}

Status Cluster::delete_records(const TopicPartition& source, Offset before) {
  const Lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Partition * partition, find(source));
  if (before.value > partition->last_stable_offset()) {
    return out_of_range_error("nothing is deleted beyond the high watermark");
  }
  partition->delete_before(before.value);
  return ok_status();
}

}  // namespace millrace::kafka_model
