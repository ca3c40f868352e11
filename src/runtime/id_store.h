#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/thread.h"
#include "base/time.h"
#include "runtime/dedup_memory.h"
#include "runtime/id_run_object.h"
#include "runtime/snapshot_writer.h"
#include "runtime/task_objects.h"
#include "task/dedup.h"

namespace millrace::runtime {

// Readers and fingerprints for a deduplication just restored, whose runs have these keys. Fails
// when a run is not in `existing`, the objects there, or one that must be read is damaged.
Status attach_ids(objects::ObjectStore& store, const IdKeys& keys,
                  const std::shared_ptr<OpenObjects>& open, task::Dedup& dedup,
                  const std::vector<objects::ObjectInfo>& existing);

// Keeps the sealed runs of one task's deduplication in the object store: stores them, merges those
// of one bucket, dumps the fingerprints, all on the writer's thread. Belongs to the task's thread.
class IdStore {
 public:
  // Sealed runs that are not stored yet; with more of them the task applies no input.
  static constexpr std::size_t kUnattachedRunsMax = 16;
  // Runs of a bucket that are merged at once.
  static constexpr std::size_t kMergeFanIn = 8;

  // `owner` identifies the task to the writer. The fingerprints are dumped when a restore would
  // have to read more than `dump_ids_min` ids from runs, and more than an eighth of all. `memory`
  // bounds them; null: nothing does. `kind`: a follower is a guest there.
  IdStore(const void* owner, objects::ObjectStore& store, SnapshotWriter& writer,
          const Clock& clock, TaskObjects& objects, std::uint64_t dump_ids_min,
          DedupMemory* memory = nullptr, DedupMemory::Kind kind = DedupMemory::Kind::task);

  // attach_ids() with the keys among `names`, the objects that the snapshot names.
  Status attach(task::Dedup& dedup, const std::vector<objects::ObjectInfo>& existing,
                std::span<const std::string> names);

  // Of a task that follows another one, which stores the runs: those of the owner's snapshot, which
  // `owner` was restored from and names `names`, are its own from now on. Reads nothing.
  Status follow(task::Dedup& dedup, const task::Dedup& owner, std::span<const std::string> names);
  // The bound of memory; between two batches of a follower, instead of pump().
  void tidy(task::Dedup& dedup);
  // It follows nobody any more.
  void begin_to_store();

  // Between two batches: hands over what was sealed, takes what has become of earlier work, starts
  // more. Never waits. True when anything was done.
  bool pump(task::Dedup& dedup);
  [[nodiscard]] static bool is_overloaded(const task::Dedup& dedup) {
    return dedup.unattached_runs() >= kUnattachedRunsMax;
  }
  // Returns when some work handed to the writer is done, or false after a while.
  bool wait();
  // Waits until all runs are stored, and the fingerprints, too, if a restore would be slow without.
  // `overloaded` when the writer does nothing of it for so many waits in a row, a minute; another
  // flush goes on from there.
  static constexpr int kFlushWaitsMax = 600;
  Status flush(task::Dedup& dedup, int waits_max = kFlushWaitsMax);

  // What a snapshot taken now names, and what of it is still on its way.
  [[nodiscard]] std::vector<std::string> named_keys(const task::Dedup& dedup) const;
  [[nodiscard]] std::vector<std::shared_ptr<PendingObject>> pending() const;
  // What must not be removed: also inputs of work on its way. Forgets the keys of all else.
  [[nodiscard]] std::set<std::string> keys_in_use(const task::Dedup& dedup);

 private:
  struct PendingRun {
    task::IdRunName name;
    std::shared_ptr<PendingObject> object;
    bool is_submitted = false;
  };
  struct RunStored {
    Hash128 content;
    Status status;
  };
  struct PartStored {
    Status status;
  };
  struct Merged {
    Result<task::IdRunName> result;
    std::string key;
  };
  using Event = std::variant<RunStored, PartStored, Merged>;
  // Outlives the IdStore while the writer works for it.
  struct Mailbox {
    Mutex mutex;
    Condition changed;
    std::vector<Event> events;

    void put(Event event);
  };
  struct Dump {
    std::string part;  // being filled
    std::vector<task::Dedup::DumpPart> parts;
    std::size_t in_flight = 0;
    bool is_encoded = false;
    bool has_failed = false;
  };

  void take_sealed(task::Dedup& dedup);
  void submit_pending();
  bool take_events(task::Dedup& dedup);
  void take_event(task::Dedup& dedup, RunStored& event);
  void take_event(task::Dedup& dedup, PartStored& event);
  void take_event(task::Dedup& dedup, Merged& event);
  void start_merge(const task::Dedup& dedup);
  void submit_merge(std::int64_t bucket, std::vector<task::IdRunName> inputs);
  [[nodiscard]] bool is_dump_due(const task::Dedup& dedup) const;
  bool continue_dump(task::Dedup& dedup);
  void submit_part();
  void try_later();
  [[nodiscard]] bool is_trying() const;
  std::shared_ptr<task::IdRunReader> reader(const task::IdRunName& name);
  [[nodiscard]] const std::string& key_of(const Hash128& content) const;

  const void* owner_;
  objects::ObjectStore& store_;
  SnapshotWriter& writer_;
  const Clock& clock_;
  TaskObjects& objects_;
  std::uint64_t dump_ids_min_;
  DedupMemory* const memory_;
  std::optional<DedupMemory::Claim> claim_;
  std::shared_ptr<OpenObjects> open_;
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  IdKeys keys_;  // of all that is stored or on its way
  std::vector<PendingRun> pending_;
  std::vector<task::IdRunName> merging_;  // inputs of the merge on its way
  std::optional<Dump> dump_;
  std::uint64_t seen_version_ = 0;  // of the runs, when there was nothing to merge or to dump
  MonotonicTime idle_until_{0};     // after a failure
  MonotonicTime merge_not_before_{0};
  Status last_failure_;  // to store a run or a part
};

}  // namespace millrace::runtime
