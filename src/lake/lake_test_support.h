#pragma once

// What the tests of this folder share: a log and an object store in memory that can fail or crash
// at any call. Only for tests.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "codec/record_batch.h"
#include "log/log.h"
#include "objects/object_store.h"

namespace millrace::lake {

// Stands still until told otherwise. Thread-safe.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override {
    const std::lock_guard lock(mutex_);
    return WallTime(wall_ms_);
  }
  [[nodiscard]] MonotonicTime monotonic_now() const override {
    return MonotonicTime(wall_now().value * 1'000'000);
  }
  void advance_ms(std::int64_t ms) {
    const std::lock_guard lock(mutex_);
    wall_ms_ += ms;
  }

 private:
  mutable std::mutex mutex_;
  std::int64_t wall_ms_ = 1'700'000'000'000;
};

// Counts the calls of log and store together and makes the n-th one fail, before or after it took
// effect. A crash makes all later calls fail, too, until recover().
class FaultPlan {
 public:
  enum class Kind : std::uint8_t { none, before, after };

  void fail_at(std::uint64_t call, Kind kind, bool is_crash) {
    const std::lock_guard lock(mutex_);
    fail_at_ = call;
    kind_ = kind;
    is_crash_ = is_crash;
    calls_ = 0;
    has_fired_ = false;
  }
  void recover() { fail_at(0, Kind::none, false); }
  [[nodiscard]] bool has_fired() const {
    const std::lock_guard lock(mutex_);
    return has_fired_;
  }

  Kind next() {
    const std::lock_guard lock(mutex_);
    ++calls_;
    if (kind_ == Kind::none) return Kind::none;
    if (has_fired_ && is_crash_) return Kind::before;
    if (calls_ != fail_at_) return Kind::none;
    has_fired_ = true;
    return kind_;
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t calls_ = 0;
  std::uint64_t fail_at_ = 0;
  Kind kind_ = Kind::none;
  bool is_crash_ = false;
  bool has_fired_ = false;
};

// What `run` gives, or a failure instead of or after it.
template <typename Run>
auto with_fault(FaultPlan& plan, Run&& run) -> decltype(run()) {
  const auto kind = plan.next();
  if (kind == FaultPlan::Kind::before) return io_error("the fault before the call");
  auto result = run();
  if (kind == FaultPlan::Kind::after) return io_error("the fault after the call");
  return result;
}

class MemoryStore final : public objects::ObjectStore {
 public:
  explicit MemoryStore(FaultPlan& faults) : faults_(faults) {}

  Status put(const std::string& key, std::string_view bytes, bool only_if_absent) override {
    return with_fault(faults_, [&] { return store(key, std::string(bytes), only_if_absent); });
  }
  Result<std::string> get(const std::string& key) override {
    return with_fault(faults_, [&]() -> Result<std::string> {
      const std::lock_guard lock(mutex_);
      const auto known = objects_.find(key);
      if (known == objects_.end()) return not_found_error(key);
      return known->second;
    });
  }
  Result<objects::ObjectInfo> head(const std::string& key) override {
    return with_fault(faults_, [&]() -> Result<objects::ObjectInfo> {
      const std::lock_guard lock(mutex_);
      const auto known = objects_.find(key);
      if (known == objects_.end()) return not_found_error(key);
      return objects::ObjectInfo{key, known->second.size()};
    });
  }
  Status remove(const std::string& key) override {
    return with_fault(faults_, [&] {
      const std::lock_guard lock(mutex_);
      objects_.erase(key);
      return ok_status();
    });
  }
  Result<std::vector<objects::ObjectInfo>> list(const std::string& prefix) override {
    return with_fault(faults_, [&]() -> Result<std::vector<objects::ObjectInfo>> {
      const std::lock_guard lock(mutex_);
      std::vector<objects::ObjectInfo> found;
      for (const auto& [key, bytes] : objects_) {
        if (key.starts_with(prefix)) found.push_back({key, bytes.size()});
      }
      return found;
    });
  }
  Result<std::string> start_upload(const std::string& key) override {
    return with_fault(faults_, [&]() -> Result<std::string> {
      const std::lock_guard lock(mutex_);
      auto id = "upload-" + std::to_string(++upload_count_);
      uploads_[id].key = key;
      return id;
    });
  }
  Result<objects::UploadPart> put_part(const std::string& key, const std::string& upload_id,
                                       int number, std::string_view bytes) override {
    return with_fault(faults_, [&]() -> Result<objects::UploadPart> {
      const std::lock_guard lock(mutex_);
      const auto upload = uploads_.find(upload_id);
      if (upload == uploads_.end() || upload->second.key != key) return not_found_error(upload_id);
      upload->second.parts[number] = bytes;
      return objects::UploadPart{number, "etag"};
    });
  }
  Status complete_upload(const std::string& key, const std::string& upload_id,
                         const std::vector<objects::UploadPart>& parts,
                         bool only_if_absent) override {
    return with_fault(faults_, [&]() -> Status {
      if (before_complete_) before_complete_(key, upload_id);
      std::string bytes;
      {
        const std::lock_guard lock(mutex_);
        const auto upload = uploads_.find(upload_id);
        if (upload == uploads_.end()) return not_found_error(upload_id);
        for (const auto& part : parts) bytes += upload->second.parts.at(part.number);
      }
      MR_RETURN_IF_ERROR(store(key, std::move(bytes), only_if_absent));
      const std::lock_guard lock(mutex_);
      uploads_.erase(upload_id);
      return ok_status();
    });
  }
  Status abort_upload(const std::string&, const std::string& upload_id) override {
    return with_fault(faults_, [&] {
      const std::lock_guard lock(mutex_);
      uploads_.erase(upload_id);
      return ok_status();
    });
  }

  // Without faults.
  [[nodiscard]] std::map<std::string, std::string> objects() const {
    const std::lock_guard lock(mutex_);
    return objects_;
  }
  void plant(const std::string& key, std::string bytes) {
    const std::lock_guard lock(mutex_);
    objects_[key] = std::move(bytes);
  }
  void lose(const std::string& key) {
    const std::lock_guard lock(mutex_);
    objects_.erase(key);
  }
  // Called at the start of every completion, as if somebody else had come first.
  using BeforeComplete = std::function<void(const std::string& key, const std::string& upload_id)>;
  void set_before_complete(BeforeComplete before_complete) {
    before_complete_ = std::move(before_complete);
  }
  [[nodiscard]] std::size_t open_uploads() const {
    const std::lock_guard lock(mutex_);
    return uploads_.size();
  }

 private:
  struct Upload {
    std::string key;
    std::map<int, std::string> parts;
  };

  Status store(const std::string& key, std::string bytes, bool only_if_absent) {
    const std::lock_guard lock(mutex_);
    if (only_if_absent && objects_.contains(key)) return exists_error(key);
    objects_[key] = std::move(bytes);
    return ok_status();
  }

  FaultPlan& faults_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> objects_;
  std::map<std::string, Upload> uploads_;
  std::uint64_t upload_count_ = 0;
  BeforeComplete before_complete_;
};

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
        batches.push_back(
            {last_, {SharedBytes(std::move(append.bytes)), base, next, appended.append_time}});
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
      std::size_t bytes = 0;
      for (const auto& batch : batches_.at(source)) {
        if (batch.fetched.next_offset <= from) continue;
        if (visibility == log::Visibility::durable && batch.sequence > durable_) break;
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

  Status delete_records(const TopicPartition&, Offset) override {
    return unsupported_error("delete_records");
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
    return offsets;
  }

  FaultPlan& faults_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, log::TopicInfo> topics_;
  std::map<TopicPartition, std::vector<Batch>> batches_;
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
    MR_CHECK(reader.open(batch.bytes.view()).is_ok());
    while (const auto* record = reader.next())
      values.emplace_back(record->value.value_or("(null)"));
  }
  return values;
}

}  // namespace millrace::lake
