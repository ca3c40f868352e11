#include "sim/kafka_model/model_log.h"

#include <algorithm>
#include <mutex>

#include "sim/kafka_model/model_member.h"
#include "sim/kafka_model/model_producer.h"

namespace millrace::kafka_model {

std::unique_ptr<log::TransactionalProducer> ModelLog::make_producer(
    const std::string& transactional_id) {
  return std::make_unique<ModelProducer>(process_, transactional_id);
}

std::unique_ptr<log::GroupMember> ModelLog::join(const std::string& group,
                                                 const std::vector<std::string>& topics,
                                                 const std::string& instance_id) {
  return std::make_unique<ModelMember>(process_, group, topics, instance_id);
}

Status ModelLog::reach(const TopicPartition& source) const {
  if (process_.may_read(cluster_.leader_of(source))) return ok_status();
  return disconnected_error("the leader of " + source.to_string() + " does not answer");
}

Result<log::Appended> ModelLog::commit(log::Commit&& commit) {
  for (const auto& batch : commit.appends) {
    MR_RETURN_IF_ERROR(reach({batch.topic, batch.partition}));
  }
  std::vector<TopicPartition> touched;
  for (const auto& batch : commit.appends) touched.push_back({batch.topic, batch.partition});
  auto appended = cluster_.commit_plainly(std::move(commit));
  if (!appended.is_ok()) return appended;
  for (const auto& source : touched) cluster_.call_listeners(source);
  return appended;
}

Result<log::TopicInfo> ModelLog::topic(const std::string& name) const {
  MR_RETURN_IF_ERROR(reach({name, 0}));
  return cluster_.topic(name);
}

Result<log::FetchResult> ModelLog::fetch(const TopicPartition& source, Offset from,
                                         std::size_t bytes_max, log::Visibility visibility) const {
  MR_RETURN_IF_ERROR(reach(source));
  return cluster_.fetch(source, from, bytes_max, visibility);
}

Result<log::PartitionOffsets> ModelLog::offsets(const TopicPartition& source) const {
  MR_RETURN_IF_ERROR(reach(source));
  return cluster_.offsets(source);
}

Result<std::vector<log::GroupOffset>> ModelLog::stable_group_offsets(
    const std::string& group) const {
  std::vector<log::GroupOffset> all;
  for (const auto& topic : cluster_.topics()) {
    for (std::int32_t p = 0; p < topic.config.partition_count; ++p) {
      const TopicPartition source{topic.name, p};
      std::optional<CommittedOffset> offset;
      if (cluster_.fetch_offset(group, source, true, offset) == ErrorCode::unstable_offset_commit) {
        return overloaded_error("a transaction carries an offset of " + source.to_string());
      }
      if (offset) all.push_back({source, Offset(offset->next_offset), offset->metadata});
    }
  }
  return all;
}

Status ModelLog::delete_records(const TopicPartition& source, Offset before) {
  MR_RETURN_IF_ERROR(reach(source));
  auto limit = before;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [pinned, oldest] : pins_) {
      if (pinned.second == source) limit = std::min(limit, oldest);
    }
  }
  return cluster_.delete_records(source, limit);
}

void ModelLog::pin(const std::string& holder, const TopicPartition& source, Offset oldest_needed) {
  const std::lock_guard lock(mutex_);
  pins_[{holder, source}] = oldest_needed;
}

void ModelLog::unpin(const std::string& holder, const TopicPartition& source) {
  const std::lock_guard lock(mutex_);
  pins_.erase({holder, source});
}

}  // namespace millrace::kafka_model
