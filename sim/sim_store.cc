#include "sim/sim_store.h"

#include <type_traits>
#include <utility>

namespace millrace::sim {
namespace {

constexpr std::int64_t kAnswerNs = 8'000'000;
constexpr std::int64_t kLateNs = 3'000'000'000;

template <typename Answer>
StatusCode code_of(const Answer& answer) {
  if constexpr (std::is_same_v<Answer, Status>) {
    return answer.code();
  } else {
    return answer.status().code();
  }
}

}  // namespace

void LateRequests::add(std::int64_t due_ns, std::function<void()> apply) {
  waiting_.emplace(due_ns, std::move(apply));
}

void LateRequests::deliver(std::int64_t now_ns) {
  while (!waiting_.empty() && waiting_.begin()->first <= now_ns) {
    const auto apply = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    apply();
  }
}

Status ObjectWorld::put(const std::string& key, const std::string& bytes, bool only_if_absent) {
  if (only_if_absent && objects.contains(key)) return exists_error("object " + key);
  objects[key] = bytes;
  return ok_status();
}

Status ObjectWorld::complete(const std::string& key, const std::string& upload_id,
                             const std::vector<objects::UploadPart>& parts, bool only_if_absent) {
  const auto upload = uploads.find(upload_id);
  if (upload == uploads.end() || upload->second.key != key) {
    return not_found_error("upload " + upload_id);
  }
  std::string bytes;
  for (const auto& part : parts) {
    const auto known = upload->second.parts.find(part.number);
    if (known == upload->second.parts.end()) return invalid_error("a part was not put");
    bytes += known->second;
  }
  MR_RETURN_IF_ERROR(put(key, bytes, only_if_absent));
  uploads.erase(upload);
  return ok_status();
}

template <typename Apply>
auto SimStore::request(const char* name, const std::string& key, bool changes, Apply apply)
    -> decltype(apply()) {
  scheduler_.note(std::string(name) + " " + key);
  world_.late.deliver(scheduler_.now_ns());
  if (is_dead_) return io_error("the process is gone");
  auto ns = static_cast<std::int64_t>(random_.below(kAnswerNs));
  if (strikes(faults_.late_one_in)) {
    census_.count("store.late");
    ns = static_cast<std::int64_t>(random_.below(kLateNs));
  }
  const bool is_lost = strikes(faults_.error_one_in);
  const bool has_network = backend_ == nullptr;
  // 0: the request is lost, 1: the answer, 2: the request takes until after the time-out
  const std::uint64_t loss = random_.below(has_network && changes ? 3 : 2);
  const std::int64_t there_ns =
      static_cast<std::int64_t>(ns == 0 ? 0 : random_.below(static_cast<std::uint64_t>(ns)));
  scheduler_.sleep_ns(there_ns);
  world_.late.deliver(scheduler_.now_ns());
  if (has_network && world_.is_away) {
    census_.count("store.away");
    return disconnected_error("no route to the object store");
  }
  if (strikes(faults_.busy_one_in)) {
    census_.count("store.busy");
    return overloaded_error("503 Slow Down");
  }
  if (is_lost && loss == 0) {
    census_.count("store.request_lost");
    return disconnected_error("the request timed out");
  }
  const auto later_ns = scheduler_.now_ns() + static_cast<std::int64_t>(random_.below(2 * kLateNs));
  if (is_lost && loss == 2) {
    census_.count("store.applied_after_time_out");
    world_.late.add(later_ns, [apply]() mutable { (void)apply(); });
    return disconnected_error("the request timed out");
  }
  if (is_dead_) return io_error("the process is gone");
  auto answer = apply();
  if (code_of(answer) == StatusCode::exists) census_.count("store.name_taken");
  if (has_network && changes && strikes(faults_.duplicate_one_in)) {
    census_.count("store.applied_twice");
    world_.late.add(later_ns, [apply]() mutable { (void)apply(); });
  }
  scheduler_.sleep_ns(ns - there_ns);
  if (is_dead_) return io_error("the process is gone");
  if (is_lost) {
    census_.count("store.answer_lost");
    return io_error("200 OK, and an error in the body");
  }
  return answer;
}

Status SimStore::put(const std::string& key, std::string_view bytes, bool only_if_absent) {
  if (key.find("/runs/") != std::string::npos) census_.count("store.run_of_ids_put");
  return request(
      "put", key, true,
      [world = &world_, backend = backend_.get(), key, kept = std::string(bytes), only_if_absent] {
        return backend != nullptr ? backend->put(key, kept, only_if_absent)
                                  : world->put(key, kept, only_if_absent);
      });
}

Result<std::string> SimStore::get(const std::string& key) {
  return request("get", key, false, [this, key]() -> Result<std::string> {
    if (backend_ != nullptr) return backend_->get(key);
    const auto known = world_.objects.find(key);
    if (known == world_.objects.end()) return not_found_error("object " + key);
    return known->second;
  });
}

Result<objects::ObjectInfo> SimStore::head(const std::string& key) {
  return request("head", key, false, [this, key]() -> Result<objects::ObjectInfo> {
    if (backend_ != nullptr) return backend_->head(key);
    const auto known = world_.objects.find(key);
    if (known == world_.objects.end()) return not_found_error("object " + key);
    return objects::ObjectInfo{key, known->second.size()};
  });
}

Status SimStore::remove(const std::string& key) {
  if (key.find("/runs/") != std::string::npos) census_.count("store.run_of_ids_removed");
  return request("remove", key, true, [world = &world_, backend = backend_.get(), key]() -> Status {
    if (backend != nullptr) return backend->remove(key);
    world->objects.erase(key);
    return ok_status();
  });
}

Result<std::vector<objects::ObjectInfo>> SimStore::list(const std::string& prefix) {
  return request("list", prefix, false,
                 [this, prefix]() -> Result<std::vector<objects::ObjectInfo>> {
                   if (backend_ != nullptr) return backend_->list(prefix);
                   std::vector<objects::ObjectInfo> found;
                   for (const auto& [key, bytes] : world_.objects) {
                     if (key.starts_with(prefix)) found.push_back({key, bytes.size()});
                   }
                   return found;
                 });
}

Result<std::string> SimStore::start_upload(const std::string& key) {
  return request("start_upload", key, true,
                 [world = &world_, backend = backend_.get(), key]() -> Result<std::string> {
                   if (backend != nullptr) return backend->start_upload(key);
                   auto id = "upload-" + std::to_string(++world->upload_count);
                   world->uploads[id].key = key;
                   return id;
                 });
}

Result<objects::UploadPart> SimStore::put_part(const std::string& key, const std::string& upload_id,
                                               int number, std::string_view bytes) {
  return request("put_part", key, true,
                 [world = &world_, backend = backend_.get(), key, upload_id, number,
                  kept = std::string(bytes)]() -> Result<objects::UploadPart> {
                   if (backend != nullptr) return backend->put_part(key, upload_id, number, kept);
                   const auto upload = world->uploads.find(upload_id);
                   if (upload == world->uploads.end() || upload->second.key != key) {
                     return not_found_error("upload " + upload_id);
                   }
                   upload->second.parts[number] = kept;
                   return objects::UploadPart{number, "etag"};
                 });
}

Status SimStore::complete_upload(const std::string& key, const std::string& upload_id,
                                 const std::vector<objects::UploadPart>& parts,
                                 bool only_if_absent) {
  return request(
      "complete", key, true,
      [world = &world_, backend = backend_.get(), key, upload_id, parts, only_if_absent] {
        return backend != nullptr ? backend->complete_upload(key, upload_id, parts, only_if_absent)
                                  : world->complete(key, upload_id, parts, only_if_absent);
      });
}

Status SimStore::abort_upload(const std::string& key, const std::string& upload_id) {
  return request("abort", key, true,
                 [world = &world_, backend = backend_.get(), key, upload_id]() -> Status {
                   if (backend != nullptr) return backend->abort_upload(key, upload_id);
                   world->uploads.erase(upload_id);
                   return ok_status();
                 });
}

}  // namespace millrace::sim
