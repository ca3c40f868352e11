#pragma once

// Only for tests.

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "lake/faults_for_tests.h"
#include "objects/object_store.h"

namespace millrace::lake {

// An object store in memory whose calls fail as the plan says. Thread-safe.
class MemoryStore final : public objects::ObjectStore {
 public:
  // Without a plan nothing fails.
  MemoryStore() : faults_(nothing_) {}
  explicit MemoryStore(FaultPlan& faults) : faults_(faults) {}

  Status put(const std::string& key, std::string_view bytes, bool only_if_absent) override {
    return with_fault(faults_, [&] {
      const std::lock_guard lock(mutex_);
      return store(key, std::string(bytes), only_if_absent);
    });
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
      const std::lock_guard lock(mutex_);
      const auto upload = uploads_.find(upload_id);
      if (upload == uploads_.end()) return not_found_error(upload_id);
      std::string bytes;
      for (const auto& part : parts) bytes += upload->second.parts.at(part.number);
      MR_RETURN_IF_ERROR(store(key, std::move(bytes), only_if_absent));
      uploads_.erase(upload);
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

  // With the lock held.
  Status store(const std::string& key, std::string bytes, bool only_if_absent) {
    if (only_if_absent && objects_.contains(key)) return exists_error(key);
    objects_[key] = std::move(bytes);
    return ok_status();
  }

  FaultPlan nothing_;
  FaultPlan& faults_;
  mutable Mutex mutex_;
  std::map<std::string, std::string> objects_;
  std::map<std::string, Upload> uploads_;
  std::uint64_t upload_count_ = 0;
  BeforeComplete before_complete_;
};

}  // namespace millrace::lake
