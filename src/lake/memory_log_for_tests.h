#pragma once

// Only for tests.

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "codec/record_batch.h"
#include "lake/faults_for_tests.h"
#include "log/log.h"

namespace millrace::lake {

// A log in memory whose calls fail as the plan says. Thread-safe.
//
// Commits are durable once somebody waited for them or for a later one; crash() takes the others
// back, or finds that they had come through.
class MemoryLog final : public log::Log {
 public:
  MemoryLog(FaultPlan& faults, const Clock& clock) : faults_(faults), clock_(clock) {}

  void crash(bool keeps_unsynced) {
    const std::lock_guard lock(mutex_);
    if (keeps_unsynced) durable_ = last_;
    for (auto& [source, batches] : batches_) {
      std::erase_if(batches, [&](const auto& batch) { return batch.sequence > durable_; });
    }
    std::erase_if(commits_, [&](const auto& commit) { return commit.first > durable_; });
    pins_.clear();
  }
  [[nodiscard]] std::map<std::pair<std::string, TopicPartition>, Offset> pins() const {
    const std::lock_guard lock(mutex_);
    return pins_;
  }
  // Says that a batch is no data, as a log with transactions would.
  void set_kind(const TopicPartition& source, Offset base_offset, log::BatchKind kind) {
    const std::lock_guard lock(mutex_);
    for (auto& batch : batches_.at(source)) {
      if (batch.fetched.base_offset == base_offset) batch.fetched.kind = kind;
    }
  }
  // As a log that deletes by key would.
  void lose(const TopicPartition& source, Offset base_offset) {
    const std::lock_guard lock(mutex_);
    std::erase_if(batches_.at(source),
                  [&](const auto& batch) { return batch.fetched.base_offset == base_offset; });
  }
  void set_incarnation(const std::string& topic, std::uint64_t incarnation) {
    const std::lock_guard lock(mutex_);
    topics_.at(topic).incarnation = incarnation;
  }
  // Moves a group's offset as an operator would.
  void set_group_offset(const log::OffsetCommit& commit) {
    const std::lock_guard lock(mutex_);
    commits_.emplace_back(durable_, commit);
  }

  Result<log::TopicInfo> create_topic(const std::string& name,
                                      const log::TopicConfig& config) override {
    const std::lock_guard lock(mutex_);
    if (topics_.contains(name)) return exists_error(name);
    topics_[name] = {name, topics_.size() + 1, config};
    for (std::int32_t p = 0; p < config.partition_count; ++p) batches_[{name, p}];
    return topics_[name];
  }
  Status delete_topic(const std::string&) override { return unsupported_error("delete_topic"); }
  Status alter_topic(const std::string&, const log::TopicConfig&) override {
    return unsupported_error("alter_topic");
  }
  [[nodiscard]] Result<log::TopicInfo> topic(const std::string& name) const override {
    const std::lock_guard lock(mutex_);
    const auto known = topics_.find(name);
    if (known == topics_.end()) return not_found_error("topic " + name);
    return known->second;
  }
  [[nodiscard]] std::vector<log::TopicInfo> topics() const override { return {}; }

  Result<log::Appended> commit(log::Commit&& commit) override {
    return with_fault(faults_, [&]() -> Result<log::Appended> {
      const std::lock_guard lock(mutex_);
      for (const auto& append : commit.appends) {
        if (!batches_.contains({append.topic, append.partition})) return not_found_error("topic");
      }
      log::Appended appended;
      appended.sequence = ++last_;
      appended.append_time = clock_.wall_now();
      for (auto& append : commit.appends) {
        auto& batches = batches_.at({append.topic, append.partition});
        const auto base = batches.empty() ? Offset(0) : batches.back().fetched.next_offset;
        auto header = codec::parse_batch_header(append.bytes);
        if (!header.is_ok()) return header.status();
        codec::set_base_offset(append.bytes, 0, base);
        const auto next = base + (header->last_offset_delta + 1);
        batches.push_back({last_,
                           {.bytes = SharedBytes(std::move(append.bytes)),
                            .base_offset = base,
                            .next_offset = next,
                            .append_time = appended.append_time}});
        appended.batches.push_back({base, false});
      }
      for (auto& offset : commit.offsets) commits_.emplace_back(last_, std::move(offset));
      return appended;
    });
  }
  Status wait_durable(log::CommitSequence sequence) override {
    return with_fault(faults_, [&] {
      const std::lock_guard lock(mutex_);
      durable_ = std::max(durable_, std::min(sequence, last_));
      return ok_status();
    });
  }
  [[nodiscard]] log::CommitSequence durable_sequence() const override {
    const std::lock_guard lock(mutex_);
    return durable_;
  }
  Result<log::ProducerIdentity> new_producer() override { return unsupported_error("producer"); }

  [[nodiscard]] Result<log::FetchResult> fetch(const TopicPartition& source, Offset from,
                                               std::size_t bytes_max,
                                               log::Visibility visibility) const override {
    return with_fault(faults_, [&]() -> Result<log::FetchResult> {
      const std::lock_guard lock(mutex_);
      log::FetchResult result;
      result.offsets = offsets_of(source);
      if (from < result.offsets.start) return out_of_range_error("records were deleted");
      std::size_t bytes = 0;
      for (const auto& batch : batches_.at(source)) {
        if (batch.fetched.next_offset <= from) continue;
        if (visibility != log::Visibility::appended && batch.sequence > durable_) break;
        if (!result.batches.empty() && bytes + batch.fetched.bytes.size() > bytes_max) break;
        bytes += batch.fetched.bytes.size();
        result.batches.push_back(batch.fetched);
      }
      return result;
    });
  }
  [[nodiscard]] Result<log::PartitionOffsets> offsets(const TopicPartition& source) const override {
    const std::lock_guard lock(mutex_);
    if (!batches_.contains(source)) return not_found_error("topic " + source.to_string());
    return offsets_of(source);
  }
  [[nodiscard]] Result<Offset> offset_for_time(const TopicPartition&, WallTime) const override {
    return unsupported_error("offset_for_time");
  }
  [[nodiscard]] Result<std::optional<log::TimestampedOffset>> first_at_timestamp(
      const TopicPartition&, WallTime) const override {
    return unsupported_error("first_at_timestamp");
  }
  [[nodiscard]] Result<std::optional<log::TimestampedOffset>> max_timestamp(
      const TopicPartition&) const override {
    return unsupported_error("max_timestamp");
  }
  [[nodiscard]] Result<std::vector<log::AbortedTransaction>> aborted_transactions(
      const TopicPartition&, Offset, Offset) const override {
    return unsupported_error("aborted_transactions");
  }
  [[nodiscard]] Result<std::vector<log::ProducerInfo>> producers(
      const TopicPartition&) const override {
    return unsupported_error("producers");
  }

  [[nodiscard]] std::vector<std::string> groups() const override { return {}; }
  [[nodiscard]] std::vector<log::GroupOffset> group_offsets(
      const std::string& group) const override {
    const std::lock_guard lock(mutex_);
    std::map<TopicPartition, log::GroupOffset> newest;
    for (const auto& [sequence, commit] : commits_) {
      if (commit.group != group) continue;
      newest[commit.source] = {commit.source, commit.next_offset, commit.metadata};
    }
    std::vector<log::GroupOffset> offsets;
    for (auto& [source, offset] : newest) offsets.push_back(offset);
    return offsets;
  }
  Status delete_group(const std::string&) override { return unsupported_error("delete_group"); }

  Status delete_records(const TopicPartition& source, Offset before) override {
    const std::lock_guard lock(mutex_);
    starts_[source] = before;
    return ok_status();
  }
  void pin(const std::string& holder, const TopicPartition& source, Offset oldest_needed) override {
    const std::lock_guard lock(mutex_);
    pins_[{holder, source}] = oldest_needed;
  }
  void unpin(const std::string& holder, const TopicPartition& source) override {
    const std::lock_guard lock(mutex_);
    pins_.erase({holder, source});
  }
  std::uint64_t add_listener(const TopicPartition&, Listener) override { return 0; }
  void remove_listener(std::uint64_t) override {}

 private:
  struct Batch {
    log::CommitSequence sequence;
    log::FetchedBatch fetched;
  };

  [[nodiscard]] log::PartitionOffsets offsets_of(const TopicPartition& source) const {
    log::PartitionOffsets offsets;
    for (const auto& batch : batches_.at(source)) {
      offsets.end = batch.fetched.next_offset;
      if (batch.sequence <= durable_) offsets.high_watermark = batch.fetched.next_offset;
    }
    offsets.last_stable = offsets.high_watermark;
    const auto start = starts_.find(source);
    if (start != starts_.end()) offsets.start = start->second;
    return offsets;
  }

  FaultPlan& faults_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, log::TopicInfo> topics_;
  std::map<TopicPartition, std::vector<Batch>> batches_;
  std::map<TopicPartition, Offset> starts_;  // where records were deleted
  std::vector<std::pair<log::CommitSequence, log::OffsetCommit>> commits_;
  std::map<std::pair<std::string, TopicPartition>, Offset> pins_;
  log::CommitSequence last_{0};
  log::CommitSequence durable_{0};
};

// Every value of a partition's durable records.
inline std::vector<std::string> read_values(const log::Log& log, const TopicPartition& source) {
  std::vector<std::string> values;
  const auto fetched = log.fetch(source, Offset(0), std::size_t{1} << 30, log::Visibility::durable);
  MR_CHECK(fetched.is_ok());
  codec::BatchReader reader;
  for (const auto& batch : fetched->batches) {
    if (batch.kind != log::BatchKind::records) continue;
    MR_CHECK(reader.open(batch.bytes.view()).is_ok());
    while (const auto* record = reader.next())
      values.emplace_back(record->value.value_or("(null)"));
  }
  return values;
}

}  // namespace millrace::lake
