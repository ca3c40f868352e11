#include <algorithm>

#include "base/check.h"
#include "log/config_format.h"
#include "log/embedded_log_impl.h"

namespace millrace::log {

namespace {

constexpr std::int64_t kProducerIdBlock = 1000;
// Numbers and a topic's configuration at their longest.
constexpr std::size_t kMetaBytesMax = 160;

}  // namespace

// --- topics ---

Result<TopicInfo> EmbeddedLogImpl::create_topic(const std::string& name,
                                                const TopicConfig& config) {
  MR_RETURN_IF_ERROR(check_topic_name(name));
  MR_RETURN_IF_ERROR(check_topic_config(config));
  TopicInfo created;
  MR_RETURN_IF_ERROR(place_and_wait(EntryKind::topic_created, kMetaBytesMax + name.size(),
                                    [&](CommitSequence) -> Result<std::string> {
                                      if (state_->topics.find(name) != nullptr) {
                                        return exists_error("topic '" + name + "' exists already");
                                      }
                                      const TopicCreatedMeta meta{.name = name,
                                                                  .topic_id = state_->next_topic_id,
                                                                  .config = config};
                                      state_->create_topic(meta);
                                      created = state_->topics.find(name)->info;
                                      return encode_topic_created(meta);
                                    }));
  return created;
}

Status EmbeddedLogImpl::delete_topic(const std::string& name) {
  return place_and_wait(EntryKind::topic_deleted, kMetaBytesMax + name.size(),
                        [&](CommitSequence sequence) -> Result<std::string> {
                          const auto topic = state_->topics.find(name);
                          if (topic == nullptr) {
                            return not_found_error("topic '" + name + "' does not exist");
                          }
                          state_->delete_topic(*topic, sequence);
                          return encode_topic_deleted({topic->topic_id, name});
                        });
}

Status EmbeddedLogImpl::alter_topic(const std::string& name, const TopicConfig& config) {
  MR_RETURN_IF_ERROR(check_topic_config(config));
  return place_and_wait(
      EntryKind::topic_altered, kMetaBytesMax + name.size(),
      [&](CommitSequence) -> Result<std::string> {
        const auto topic = state_->topics.find(name);
        if (topic == nullptr) return not_found_error("topic '" + name + "' does not exist");
        const std::int32_t old_count = topic->info.config.partition_count;
        if (config.partition_count < old_count) {
          return invalid_error("topic '" + name + "' has " + std::to_string(old_count) +
                               " partitions; the count cannot be lowered, as the records of the "
                               "removed ones would be lost");
        }
        state_->alter_topic(*topic, config);
        return encode_topic_created({.name = name, .topic_id = topic->topic_id, .config = config});
      });
}

Result<TopicInfo> EmbeddedLogImpl::topic(const std::string& name) const {
  const auto found = state_->topics.find(name);
  if (found == nullptr) return not_found_error("topic '" + name + "' does not exist");
  return found->info;
}

std::vector<TopicInfo> EmbeddedLogImpl::topics() const {
  std::vector<TopicInfo> out;
  for (const auto& topic : state_->topics.all()) out.push_back(topic->info);
  return out;
}

// --- reading ---

Result<std::shared_ptr<PartitionLog>> EmbeddedLogImpl::open_partition(
    const TopicPartition& source) const {
  if (is_closed_) return cancelled_error("the log is closed");
  return state_->topics.partition(source.topic, source.partition);
}

Result<FetchResult> EmbeddedLogImpl::fetch(const TopicPartition& source, Offset from,
                                           std::size_t bytes_max, Visibility visibility) const {
  MR_ASSIGN_OR_RETURN(const auto partition, open_partition(source));
  return partition->fetch(from, bytes_max, durable_sequence(), visibility);
}

Result<PartitionOffsets> EmbeddedLogImpl::offsets(const TopicPartition& source) const {
  MR_ASSIGN_OR_RETURN(const auto partition, open_partition(source));
  return partition->offsets(durable_sequence());
}

Result<Offset> EmbeddedLogImpl::offset_for_time(const TopicPartition& source, WallTime time) const {
  MR_ASSIGN_OR_RETURN(const auto partition, open_partition(source));
  return partition->offset_for_time(time, durable_sequence());
}

Result<std::optional<TimestampedOffset>> EmbeddedLogImpl::first_at_timestamp(
    const TopicPartition& source, WallTime timestamp) const {
  MR_ASSIGN_OR_RETURN(const auto partition, open_partition(source));
  return partition->first_at_timestamp(timestamp, durable_sequence());
}

Result<std::optional<TimestampedOffset>> EmbeddedLogImpl::max_timestamp(
    const TopicPartition& source) const {
  MR_ASSIGN_OR_RETURN(const auto partition, open_partition(source));
  return partition->max_timestamp(durable_sequence());
}

Result<std::vector<AbortedTransaction>> EmbeddedLogImpl::aborted_transactions(
    const TopicPartition& source, Offset from, Offset until) const {
  MR_ASSIGN_OR_RETURN(const auto partition, open_partition(source));
  return partition->aborted_transactions(from, until);
}

Result<std::vector<ProducerInfo>> EmbeddedLogImpl::producers(const TopicPartition& source) const {
  MR_ASSIGN_OR_RETURN(const auto partition, open_partition(source));
  std::vector<ProducerInfo> out;
  const std::lock_guard lock(commit_mutex_);
  for (const ProducerId id : partition->producers().ids()) {
    const ProducerEntry* entry = partition->producers().find(id);
    MR_CHECK(entry != nullptr);
    out.push_back({.id = id,
                   .epoch = entry->epoch(),
                   .last_sequence = entry->last_sequence(),
                   .last_append_time = entry->last_append_time(),
                   .transaction_start = partition->transaction_start(id)});
  }
  return out;
}

// --- groups and producers ---

std::vector<std::string> EmbeddedLogImpl::groups() const {
  const std::lock_guard lock(durable_mutex_);
  return state_->groups.groups();
}

std::vector<GroupOffset> EmbeddedLogImpl::group_offsets(const std::string& group) const {
  const std::lock_guard lock(durable_mutex_);
  return state_->groups.offsets(group);
}

Status EmbeddedLogImpl::delete_group(const std::string& group) {
  return place_and_wait(EntryKind::group_deleted, kMetaBytesMax + group.size(),
                        [&](CommitSequence) -> Result<std::string> {
                          if (!state_->groups.has(group)) {
                            return not_found_error("group '" + group + "' has no offsets");
                          }
                          return encode_group_deleted(group);
                        });
}

// Ids are allocated in blocks, so that most producers cost no sync; the rest of a block is skipped
// after a restart.
Result<ProducerIdentity> EmbeddedLogImpl::new_producer() {
  for (;;) {
    {
      const std::lock_guard lock(commit_mutex_);
      MR_RETURN_IF_ERROR(check_open());
      if (next_producer_ < producer_ids_end_) {
        return ProducerIdentity{ProducerId(next_producer_++), ProducerEpoch(0)};
      }
    }
    std::int64_t first = 0;
    MR_RETURN_IF_ERROR(place_and_wait(EntryKind::producer_ids_allocated, kMetaBytesMax,
                                      [&](CommitSequence) -> Result<std::string> {
                                        first = state_->next_producer_id;
                                        state_->next_producer_id += kProducerIdBlock;
                                        return encode_producer_ids_allocated(
                                            state_->next_producer_id);
                                      }));
    const std::lock_guard lock(commit_mutex_);
    if (first >= producer_ids_end_) {
      next_producer_ = first;
      producer_ids_end_ = first + kProducerIdBlock;
    }
  }
}

// --- retention ---

Status EmbeddedLogImpl::delete_records(const TopicPartition& source, Offset before) {
  MR_ASSIGN_OR_RETURN(const auto partition,
                      state_->topics.partition(source.topic, source.partition));
  return place_and_wait(
      EntryKind::records_deleted, kMetaBytesMax, [&](CommitSequence) -> Result<std::string> {
        if (partition->is_deleted()) {
          return not_found_error("topic '" + source.topic + "' was deleted");
        }
        const Offset watermark = partition->offsets(durable_sequence()).high_watermark;
        if (before > watermark || before.value < 0) {
          return out_of_range_error(
              "records of " + source.to_string() + " before " + std::to_string(before.value) +
              " cannot be deleted, the high watermark is " + std::to_string(watermark.value));
        }
        const Offset effective = std::min(before, partition->oldest_pin());
        partition->delete_before(effective);
        return encode_records_deleted({.topic_id = partition->identity().topic_id,
                                       .partition = source.partition,
                                       .before = effective});
      });
}

void EmbeddedLogImpl::pin(const std::string& holder, const TopicPartition& source,
                          Offset oldest_needed) {
  const auto partition = state_->topics.partition(source.topic, source.partition);
  if (partition.is_ok()) partition.value()->pin(holder, oldest_needed);
}

void EmbeddedLogImpl::unpin(const std::string& holder, const TopicPartition& source) {
  const auto partition = state_->topics.partition(source.topic, source.partition);
  if (partition.is_ok()) partition.value()->unpin(holder);
}

// --- events ---

std::uint64_t EmbeddedLogImpl::add_listener(const TopicPartition& source, Listener listener) {
  return state_->listeners.add(source, std::move(listener));
}

void EmbeddedLogImpl::remove_listener(std::uint64_t id) {
  state_->listeners.remove(id);
}

}  // namespace millrace::log
