#include "runtime/snapshot_writer.h"

namespace millrace::runtime {

Status PendingObject::put(objects::ObjectStore& store) {
  if (is_stored_) return ok_status();
  auto status = store.put(key_, bytes_, false);
  is_stored_ = status.is_ok();
  return status;
}

SnapshotWriter::SnapshotWriter(objects::ObjectStore& store)
    : store_(store), thread_([this] { work_off(); }) {}

SnapshotWriter::~SnapshotWriter() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  has_work_.notify_all();
  thread_.join();
}

void SnapshotWriter::run(const void* owner, Turn turn,
                         std::function<void(objects::ObjectStore&)> work) {
  {
    const std::lock_guard lock(mutex_);
    (turn == Turn::later ? later_ : jobs_).push_back({owner, std::move(work)});
  }
  has_work_.notify_one();
}

void SnapshotWriter::submit(const void* owner, SnapshotIdentity identity, std::string object,
                            std::vector<std::shared_ptr<PendingObject>> before) {
  MR_CHECK(owner != nullptr);
  {
    const std::lock_guard lock(mutex_);
    MR_CHECK(!results_.contains(owner));
  }
  run(owner, Turn::in_order,
      [this, owner, identity = std::move(identity), object = std::move(object),
       before = std::move(before)](objects::ObjectStore&) {
        put_snapshot_of(owner, identity, object, before);
      });
}

void SnapshotWriter::put_snapshot_of(const void* owner, const SnapshotIdentity& identity,
                                     const std::string& object,
                                     const std::vector<std::shared_ptr<PendingObject>>& before) {
  Status status;
  for (const auto& needed : before) {
    status = needed->put(store_);
    if (!status.is_ok()) break;
  }
  auto result = status.is_ok() ? put_snapshot(store_, identity, object)
                               : Result<task::SnapshotEntry>(std::move(status));
  const std::lock_guard lock(mutex_);
  if (running_owner_ == owner) results_.emplace(owner, std::move(result));
}

void SnapshotWriter::forget(const void* owner) {
  const std::lock_guard lock(mutex_);
  results_.erase(owner);
  std::erase_if(jobs_, [&](const Job& job) { return job.owner == owner; });
  std::erase_if(later_, [&](const Job& job) { return job.owner == owner; });
  if (running_owner_ == owner) running_owner_ = nullptr;
}

// A left-over object costs space only; the next start lists and removes what no journal names.
void SnapshotWriter::remove(std::string object_key) {
  run(nullptr, Turn::in_order,
      [key = std::move(object_key)](objects::ObjectStore& store) { (void)store.remove(key); });
}

std::optional<Result<task::SnapshotEntry>> SnapshotWriter::take_result(const void* owner) {
  const std::lock_guard lock(mutex_);
  const auto it = results_.find(owner);
  if (it == results_.end()) return std::nullopt;
  auto result = std::move(it->second);
  results_.erase(it);
  return result;
}

void SnapshotWriter::work_off() {
  std::unique_lock lock(mutex_);
  while (true) {
    has_work_.wait(lock, [this] { return is_stopping_ || !jobs_.empty() || !later_.empty(); });
    if (is_stopping_) return;
    auto& from = jobs_.empty() ? later_ : jobs_;
    const Job job = std::move(from.front());
    from.pop_front();
    running_owner_ = job.owner;
    lock.unlock();
    job.work(store_);
    lock.lock();
    running_owner_ = nullptr;
  }
}

}  // namespace millrace::runtime
