#include "runtime/snapshot_writer.h"

namespace millrace::runtime {

SnapshotWriter::SnapshotWriter(objects::ObjectStore& store)
    : store_(store), thread_([this] { run(); }) {}

SnapshotWriter::~SnapshotWriter() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  has_work_.notify_all();
  thread_.join();
}

void SnapshotWriter::submit(const void* owner, SnapshotIdentity identity, std::string object) {
  MR_CHECK(owner != nullptr);
  {
    const std::lock_guard lock(mutex_);
    MR_CHECK(!results_.contains(owner));
    jobs_.push_back({owner, std::move(identity), std::move(object)});
  }
  has_work_.notify_one();
}

void SnapshotWriter::forget(const void* owner) {
  const std::lock_guard lock(mutex_);
  results_.erase(owner);
  std::erase_if(jobs_, [&](const Job& job) { return job.owner == owner; });
  if (running_owner_ == owner) running_owner_ = nullptr;
}

void SnapshotWriter::remove(std::string object_key) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({nullptr, {}, std::move(object_key)});
  }
  has_work_.notify_one();
}

std::optional<Result<task::SnapshotEntry>> SnapshotWriter::take_result(const void* owner) {
  const std::lock_guard lock(mutex_);
  const auto it = results_.find(owner);
  if (it == results_.end()) return std::nullopt;
  auto result = std::move(it->second);
  results_.erase(it);
  return result;
}

void SnapshotWriter::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    has_work_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
    if (is_stopping_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    running_owner_ = job.owner;
    lock.unlock();
    if (job.owner == nullptr) {
      // A left-over object costs space only; the next start lists and removes what no journal
      // names.
      (void)store_.remove(job.object);
      lock.lock();
      continue;
    }
    auto result = put_snapshot(store_, job.identity, job.object);
    lock.lock();
    if (running_owner_ == job.owner) results_.emplace(job.owner, std::move(result));
    running_owner_ = nullptr;
  }
}

}  // namespace millrace::runtime
