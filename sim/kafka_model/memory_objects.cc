#include "sim/kafka_model/memory_objects.h"

#include <mutex>

namespace millrace::kafka_model {

Status MemoryObjects::put(const std::string& key, std::string_view bytes, bool only_if_absent) {
  const std::lock_guard lock(mutex_);
  if (only_if_absent && objects_.contains(key)) return exists_error(key);
  objects_[key] = bytes;
  return ok_status();
}

Result<std::string> MemoryObjects::get(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto known = objects_.find(key);
  if (known == objects_.end()) return not_found_error(key);
  return known->second;
}

Result<objects::ObjectInfo> MemoryObjects::head(const std::string& key) {
  MR_ASSIGN_OR_RETURN(const auto bytes, get(key));
  return objects::ObjectInfo{key, bytes.size()};
}

Status MemoryObjects::remove(const std::string& key) {
  const std::lock_guard lock(mutex_);
  objects_.erase(key);
  return ok_status();
}

Result<std::vector<objects::ObjectInfo>> MemoryObjects::list(const std::string& prefix) {
  const std::lock_guard lock(mutex_);
  std::vector<objects::ObjectInfo> found;
  for (const auto& [key, bytes] : objects_) {
    if (key.starts_with(prefix)) found.push_back({key, bytes.size()});
  }
  return found;
}

Result<std::string> MemoryObjects::start_upload(const std::string& key) {
  const std::lock_guard lock(mutex_);
  auto id = key + "#" + std::to_string(++last_upload_);
  uploads_[id];
  return id;
}

Result<objects::UploadPart> MemoryObjects::put_part(const std::string&,
                                                    const std::string& upload_id, int number,
                                                    std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  const auto known = uploads_.find(upload_id);
  if (known == uploads_.end()) return not_found_error(upload_id);
  known->second[number] = bytes;
  return objects::UploadPart{number, std::to_string(number)};
}

Status MemoryObjects::complete_upload(const std::string& key, const std::string& upload_id,
                                      const std::vector<objects::UploadPart>&,
                                      bool only_if_absent) {
  const std::lock_guard lock(mutex_);
  const auto known = uploads_.find(upload_id);
  if (known == uploads_.end()) return not_found_error(upload_id);
  if (only_if_absent && objects_.contains(key)) return exists_error(key);
  std::string whole;
  for (const auto& [number, part] : known->second) whole += part;
  objects_[key] = std::move(whole);
  uploads_.erase(known);
  return ok_status();
}

Status MemoryObjects::abort_upload(const std::string&, const std::string& upload_id) {
  const std::lock_guard lock(mutex_);
  uploads_.erase(upload_id);
  return ok_status();
}

}  // namespace millrace::kafka_model
