#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/thread.h"
#include "objects/object_store.h"
#include "runtime/snapshot_store.h"

namespace millrace::runtime {

// One thread that puts snapshots into the object store, so that no task waits for it. At most one
// snapshot per task is on its way: the owner asks for the result before it hands in the next.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(objects::ObjectStore& store);
  ~SnapshotWriter();  // finishes the one being written, drops the rest

  // `owner` is any address that identifies the task.
  void submit(const void* owner, SnapshotIdentity identity, std::string object);
  // The result of the owner's snapshot once it is there; a failure is reported once.
  std::optional<Result<task::SnapshotEntry>> take_result(const void* owner);
  // Drops the owner's snapshot, wherever it is: another task may come to live at the same address.
  void forget(const void* owner);
  // Removes objects that no journal names any more; failures leave garbage, never a gap.
  void remove(std::string object_key);

 private:
  struct Job {
    const void* owner = nullptr;  // null: remove `object` as a key
    SnapshotIdentity identity;
    std::string object;
  };
  void run();

  objects::ObjectStore& store_;
  Mutex mutex_;
  Condition has_work_;
  bool is_stopping_ = false;
  const void* running_owner_ = nullptr;  // of the snapshot being written
  std::deque<Job> jobs_;
  std::map<const void*, Result<task::SnapshotEntry>> results_;
  Thread thread_;
};

}  // namespace millrace::runtime
