#include "features/group_applier.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::features {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;

bool has_names(std::span<const MapEntry> members, const std::vector<std::string>& names) {
  return std::equal(
      members.begin(), members.end(), names.begin(), names.end(),
      [](const auto& member, const auto& name) { return member.key.as_string() == name; });
}

}  // namespace

GroupApplier::GroupApplier(log::Log& log, OnlineStore& store, FeatureGroup group)
    : log_(log), store_(store), group_(std::move(group)), decoder_(group_.event_time) {
  MR_CHECK(!group_.name.empty() && !group_.event_time.empty());
}

TopicPartition GroupApplier::partition(std::size_t index) const {
  return {group_.topic, static_cast<std::int32_t>(index)};
}

GroupProgress GroupApplier::progress() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

void GroupApplier::publish() {
  const bool has_caught_up =
      std::equal(targets_.begin(), targets_.end(), position_.partitions.begin(),
                 position_.partitions.begin() + static_cast<std::ptrdiff_t>(targets_.size()),
                 [](Offset target, const auto& at) { return at.next_offset >= target; });
  const std::lock_guard lock(mutex_);
  published_.position = position_;
  published_.counters = counters_;
  published_.last_unreadable = last_unreadable_;
  published_.has_caught_up = has_caught_up;
  is_readable_.store(has_caught_up);
}

// --- where to go on ---

Status GroupApplier::open() {
  MR_ASSIGN_OR_RETURN(const auto topic, log_.topic(group_.topic));
  MR_ASSIGN_OR_RETURN(const auto bytes, store_.get(group_key(group_.name)));
  if (bytes) {
    auto stored = decode_position(*bytes);
    bool is_ours = false;
    if (stored.is_ok()) {
      MR_ASSIGN_OR_RETURN(is_ours, belongs(*stored, topic));
    }
    if (is_ours) {
      position_ = std::move(stored).value();
      MR_RETURN_IF_ERROR(take_new_partitions(topic, position_));
      MR_RETURN_IF_ERROR(set_targets());
      publish();
      return ok_status();
    }
  }
  return start_over(topic);
}

Status GroupApplier::start_over(const log::TopicInfo& topic) {
  GroupPosition fresh;
  fresh.incarnation = topic.incarnation;
  fresh.event_time = group_.event_time;
  MR_RETURN_IF_ERROR(take_new_partitions(topic, fresh));
  StoreChange change;
  change.removed = record_keys(group_.name);
  change.puts.push_back({group_key(group_.name), encode_position(fresh)});
  MR_RETURN_IF_ERROR(store_.apply(change));
  position_ = std::move(fresh);
  ++counters_.rebuilds;
  MR_RETURN_IF_ERROR(set_targets());
  publish();
  return ok_status();
}

Result<bool> GroupApplier::belongs(const GroupPosition& stored, const log::TopicInfo& topic) const {
  if (stored.incarnation != topic.incarnation || stored.event_time != group_.event_time) {
    return false;
  }
  if (stored.partitions.size() > static_cast<std::size_t>(topic.config.partition_count)) {
    return false;
  }
  for (std::size_t i = 0; i < stored.partitions.size(); ++i) {
    MR_ASSIGN_OR_RETURN(const bool is_same, is_same_history(i, stored.partitions[i]));
    if (!is_same) return false;
  }
  return true;
}

// The store never saw what was not durable, so the topic still has the batch applied last, unless
// it is another topic under the same name and number.
Result<bool> GroupApplier::is_same_history(std::size_t index,
                                           const PartitionPosition& stored) const {
  const auto source = partition(index);
  MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(source));
  const auto last = stored.next_offset - 1;
  if (stored.next_offset > offsets.high_watermark) return false;
  if (stored.last_batch_crc == 0 || last < offsets.start) return true;
  const auto fetched = log_.fetch(source, last, 1, log::Visibility::durable);
  // A damaged batch is none that is needed: it has been applied.
  if (fetched.status().code() == StatusCode::corrupt) return true;
  if (!fetched.is_ok()) return fetched.status();
  if (fetched->batches.empty()) return false;
  const auto& batch = fetched->batches.front();
  MR_ASSIGN_OR_RETURN(const auto header, codec::parse_batch_header(batch.bytes.view()));
  return batch.next_offset == stored.next_offset && header.crc == stored.last_batch_crc;
}

Status GroupApplier::take_new_partitions(const log::TopicInfo& topic,
                                         GroupPosition& position) const {
  const auto count = static_cast<std::size_t>(topic.config.partition_count);
  while (position.partitions.size() < count) {
    MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(partition(position.partitions.size())));
    position.partitions.push_back({offsets.start, 0});
  }
  return ok_status();
}

Status GroupApplier::set_targets() {
  targets_.clear();
  for (std::size_t i = 0; i < position_.partitions.size(); ++i) {
    const auto source = partition(i);
    MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(source));
    targets_.push_back(offsets.last_stable);
    log_.pin("millrace.features." + group_.name, source, offsets.start);
  }
  return ok_status();
}

bool GroupApplier::is_same_topic() const {
  const auto topic = log_.topic(group_.topic);
  return topic.is_ok() && topic->incarnation == position_.incarnation;
}

// --- applying ---

Result<bool> GroupApplier::step() {
  MR_CHECK(!has_failed_);
  auto did_work = step_partitions();
  if (did_work.is_ok()) return did_work;
  const auto code = did_work.status().code();
  const bool is_gone = code == StatusCode::not_found || code == StatusCode::out_of_range;
  // The topic went away under the step; the next one starts over if there is another.
  if (is_gone && !is_same_topic()) return log_.topic(group_.topic).is_ok();
  if (code == StatusCode::disconnected || code == StatusCode::overloaded) return did_work;
  has_failed_ = true;
  is_readable_.store(false);
  const std::lock_guard lock(mutex_);
  published_.failure = did_work.status();
  return did_work;
}

Result<bool> GroupApplier::step_partitions() {
  const auto topic = log_.topic(group_.topic);
  if (!topic.is_ok()) return false;  // deleted: what it held stays until it is made again
  if (topic->incarnation != position_.incarnation) {
    MR_RETURN_IF_ERROR(start_over(*topic));
    return true;
  }
  const auto known_count = position_.partitions.size();
  MR_RETURN_IF_ERROR(take_new_partitions(*topic, position_));
  bool did_work = position_.partitions.size() > known_count;
  if (did_work) publish();
  for (std::size_t i = 0; i < position_.partitions.size(); ++i) {
    MR_ASSIGN_OR_RETURN(const bool did_more, apply_partition(i));
    did_work |= did_more;
  }
  return did_work;
}

Result<bool> GroupApplier::apply_partition(std::size_t index) {
  const auto source = partition(index);
  const auto next = position_.partitions[index].next_offset;
  MR_ASSIGN_OR_RETURN(const auto fetched,
                      log_.fetch(source, next, kFetchBytes, log::Visibility::durable));
  if (fetched.batches.empty()) return false;
  auto after = position_;
  candidates_.clear();
  for (const auto& batch : fetched.batches) {
    auto status = collect(index, batch, after);
    if (!status.is_ok()) {
      return std::move(status).with_context(source.to_string() + " at offset " +
                                            std::to_string(batch.base_offset.value));
    }
  }
  // Between looking the topic up and fetching from it, it may have become another one, whose
  // batches would be mixed into the old one's records.
  if (!is_same_topic()) return true;
  MR_RETURN_IF_ERROR(write(after));
  publish();
  return true;
}

Status GroupApplier::collect(std::size_t index, const log::FetchedBatch& batch,
                             GroupPosition& after) {
  auto& at = after.partitions[index];
  MR_RETURN_IF_ERROR(reader_.open(batch.bytes.view()));
  MR_CHECK(batch.next_offset > at.next_offset);
  const bool has_records = batch.kind == log::BatchKind::records;
  while (const auto* record = has_records ? reader_.next() : nullptr) {
    if (record->offset < at.next_offset) continue;
    ++counters_.applied;
    const auto feature = decoder_.decode(*record);
    if (!feature.is_ok()) {
      ++counters_.unreadable;
      last_unreadable_ = partition(index).to_string() + "/" + std::to_string(record->offset.value) +
                         ": " + std::string(feature.status().message());
      continue;
    }
    if (!has_names(feature->members, after.feature_names)) {
      after.feature_names.clear();
      for (const auto& member : feature->members) {
        after.feature_names.emplace_back(member.key.as_string());
      }
    }
    const auto [known, is_first] = candidates_.try_emplace(
        std::string(feature->record_id),
        Candidate{feature->event_time, feature->revision, std::string(feature->json)});
    if (is_first) continue;
    ++counters_.historic;  // this one or the one it replaces
    const FeatureRecord before{{}, known->second.event_time, known->second.revision, {}};
    if (is_newer(feature->event_time, feature->revision, before)) {
      known->second = {feature->event_time, feature->revision, std::string(feature->json)};
    }
  }
  MR_RETURN_IF_ERROR(reader_.status());
  at = {batch.next_offset, reader_.header().crc};
  return ok_status();
}

Status GroupApplier::write(GroupPosition& after) {
  StoreChange change;
  for (const auto& [id, candidate] : candidates_) {
    auto key = record_key(group_.name, id);
    MR_ASSIGN_OR_RETURN(const auto stored, store_.get(key));
    if (stored) {
      MR_ASSIGN_OR_RETURN(const auto record, decode_record(id, *stored));
      if (!is_newer(candidate.event_time, candidate.revision, record)) {
        ++counters_.historic;
        continue;
      }
    } else {
      ++after.record_count;
    }
    change.puts.push_back(
        {std::move(key), encode_record(candidate.event_time, candidate.revision, candidate.json)});
  }
  change.puts.push_back({group_key(group_.name), encode_position(after)});
  MR_RETURN_IF_ERROR(store_.apply(change));
  position_ = std::move(after);
  return ok_status();
}

}  // namespace millrace::features
