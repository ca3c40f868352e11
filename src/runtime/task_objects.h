#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "objects/object_store.h"
#include "runtime/snapshot_writer.h"

namespace millrace::runtime {

// Which objects below one task's prefix are needed, and the removal of the others. An object is
// needed while a snapshot that is not retired names it, or the task itself does (`in_use`).
// Snapshots that somebody gave a name are not retired. One thread.
class TaskObjects {
 public:
  // `life`: a number that no other TaskObjects of this prefix ever has.
  TaskObjects(SnapshotWriter& writer, std::string prefix, std::uint64_t life)
      : writer_(writer), prefix_(std::move(prefix)), life_(life) {}

  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  // "-<16 hex digits>-<number>": ends a name that no object ever had.
  [[nodiscard]] std::string new_suffix();
  // An object that exists or is about to, and may become garbage.
  void know(std::string key) { known_.insert(std::move(key)); }
  // A journalled snapshot and what it names.
  void keep(const std::string& snapshot, const std::vector<std::string>& names);
  // A journalled snapshot that cannot be read now, so that nobody knows what it names: nothing is
  // collected while it is kept.
  void keep_unread(const std::string& snapshot);
  // The snapshot's retirement is durable: its object is removed (R6).
  void release(const std::string& snapshot);
  // Removes what is known and not needed any more.
  void collect(const std::set<std::string>& in_use);
  // What a crash left behind: removes what is listed and not needed. Snapshots of
  // `journal_sequence`, the journal's last one, and later ones stay: this life may make the same
  // one again, and its name comes from its content, so that a removal on its way would take the new
  // one.
  void sweep(const std::vector<objects::ObjectInfo>& existing, const std::set<std::string>& in_use,
             std::uint64_t journal_sequence);

 private:
  [[nodiscard]] bool is_needed(const std::string& key, const std::set<std::string>& in_use) const;

  SnapshotWriter& writer_;
  std::string prefix_;
  const std::uint64_t life_;
  std::uint64_t name_count_ = 0;
  std::set<std::string> known_;
  std::map<std::string, std::set<std::string>> kept_;
  std::set<std::string> unread_;  // of these
};

}  // namespace millrace::runtime
