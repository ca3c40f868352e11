#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "objects/object_store.h"
#include "runtime/snapshot_store.h"

namespace millrace::runtime {

// An immutable object on its way into the store. The writer's thread puts it once.
class PendingObject {
 public:
  // `owner` keeps `bytes` alive.
  PendingObject(std::string key, std::string_view bytes, std::shared_ptr<const void> owner)
      : key_(std::move(key)), bytes_(bytes), owner_(std::move(owner)) {}

  [[nodiscard]] const std::string& key() const { return key_; }
  // Only the writer's thread, or nobody else any more.
  Status put(objects::ObjectStore& store);

 private:
  std::string key_;
  std::string_view bytes_;
  std::shared_ptr<const void> owner_;
  bool is_stored_ = false;
};

// One thread that puts snapshots into the object store, so that no task waits for it, and does
// other work for tasks that takes long. At most one snapshot per task is on its way: the owner asks
// for the result before it hands in the next.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(objects::ObjectStore& store);
  ~SnapshotWriter();  // finishes what is being done, drops the rest

  // `owner` is any address that identifies the task. `before` are stored before the snapshot, which
  // names them; it fails when one of them does.
  void submit(const void* owner, SnapshotIdentity identity, std::string object,
              std::vector<std::shared_ptr<PendingObject>> before = {});
  // The result of the owner's snapshot once it is there; a failure is reported once.
  std::optional<Result<task::SnapshotEntry>> take_result(const void* owner);
  // Does `work` on the writer's thread, in the order of the calls and of submit() and remove();
  // `later`: only when nothing else is to be done. It may outlive the owner's forget().
  enum class Turn : unsigned char { in_order, later };
  void run(const void* owner, Turn turn, std::function<void(objects::ObjectStore&)> work);
  // Drops the owner's snapshot and work, wherever it is: another task may come to live at the same
  // address.
  void forget(const void* owner);
  // Removes objects that no journal names any more; failures leave garbage, never a gap.
  void remove(std::string object_key);

 private:
  struct Job {
    const void* owner = nullptr;  // null: of nobody
    std::function<void(objects::ObjectStore&)> work;
  };
  void put_snapshot_of(const void* owner, const SnapshotIdentity& identity,
                       const std::string& object,
                       const std::vector<std::shared_ptr<PendingObject>>& before);
  void work_off();

  objects::ObjectStore& store_;
  Mutex mutex_;
  Condition has_work_;
  bool is_stopping_ = false;
  const void* running_owner_ = nullptr;  // of the job being done
  std::deque<Job> jobs_;
  std::deque<Job> later_;
  std::map<const void*, Result<task::SnapshotEntry>> results_;
  Thread thread_;
};

}  // namespace millrace::runtime
