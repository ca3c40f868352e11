#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "base/thread.h"
#include "base/time.h"
#include "log/log.h"
#include "task/journal.h"

namespace millrace::runtime {

// One snapshot of every task of a pipeline, under a name of the user's: retention leaves it, the
// journals since, and the input since alone (a savepoint, in Flink's words).
struct NamedSnapshot {
  struct Part {
    std::string stage;
    std::int32_t partition = 0;
    task::SnapshotEntry snapshot;
  };
  std::string pipeline;
  std::string name;
  std::int32_t version = 0;  // of the pipeline
  Hash128 file;              // its file
  WallTime created;
  std::vector<Part> parts;  // by stage in the pipeline's order, then partition
};

// Lower-case letters, digits, '-', '_' and '.', 1 to 63 of them, a letter or digit first.
bool is_snapshot_name(std::string_view name);

// docs/formats/named_snapshot.md has the bytes.
std::string encode_named_snapshot(const NamedSnapshot& snapshot);
Result<NamedSnapshot> decode_named_snapshot(std::string_view key, std::string_view value);

// The named snapshots of all pipelines: the newest record per name in the internal, compacted topic
// millrace.snapshots. Thread-safe.
class SnapshotCatalog {
 public:
  // `log` outlives it.
  explicit SnapshotCatalog(log::Log& log) : log_(log) {}

  // Makes the topic if it is missing and reads it. Before anything else.
  Status load();

  // Durable when it returns. `exists` when the name is taken, `invalid` for a bad name.
  Status add(const NamedSnapshot& snapshot);
  // `not_found` names those there are.
  Status remove(const std::string& pipeline, const std::string& name);
  [[nodiscard]] Result<NamedSnapshot> find(const std::string& pipeline,
                                           const std::string& name) const;
  [[nodiscard]] std::vector<NamedSnapshot> list() const;  // by pipeline, then name

  // Whether a name, or somebody who holds it, refers to the object: it must not be retired.
  [[nodiscard]] bool protects(const std::string& object_key) const;
  // Of the task that has the snapshot: begins its retirement, unless it is protected; then false.
  // forget_retired() once the object is released.
  [[nodiscard]] bool retire(const std::string& object_key);
  void forget_retired(const std::string& object_key);
  // Protects the object until the hold is given back; for a snapshot that is about to get a name,
  // or that somebody reads.
  class Hold {
   public:
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    friend class SnapshotCatalog;
    Hold(SnapshotCatalog& catalog, std::string object_key)
        : catalog_(catalog), object_key_(std::move(object_key)) {}
    SnapshotCatalog& catalog_;
    const std::string object_key_;
  };
  // Null when it is being retired. Once that is durable the journal names it no more: who does not
  // own the snapshot looks there after holding it.
  [[nodiscard]] std::unique_ptr<Hold> hold(std::string object_key);

 private:
  using Name = std::pair<std::string, std::string>;  // pipeline, name

  Status append(const Name& name, const std::string* value, WallTime time);
  [[nodiscard]] std::string known_names(const std::string& pipeline) const;

  log::Log& log_;
  mutable Mutex mutex_;
  std::map<Name, NamedSnapshot> snapshots_;
  std::set<Name> names_in_use_;  // being written
  std::multiset<std::string> protected_;
  std::set<std::string> retiring_;
};

}  // namespace millrace::runtime
