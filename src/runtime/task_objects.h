#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "objects/object_store.h"
#include "runtime/snapshot_writer.h"

namespace millrace::runtime {

// The journal sequence in a name that ends as TaskObjects::new_suffix() says; nothing where there
// is none: in names of snapshots, and in those that earlier versions gave.
std::optional<std::uint64_t> object_journal_sequence(std::string_view key);

// Which objects below one task's prefix are needed, and the removal of the others. An object is
// needed while a snapshot that is not retired names it, or the task itself does (`in_use`).
// Snapshots that somebody gave a name are not retired. One thread.
class TaskObjects {
 public:
  // `life`: a number that no other TaskObjects of this prefix ever has.
  TaskObjects(SnapshotWriter& writer, std::string prefix, std::uint64_t life)
      : writer_(writer), prefix_(std::move(prefix)), life_(life) {}

  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  // Of the task's last journal entry: no snapshot older than it can name what is made from now on.
  void set_journal_sequence(std::uint64_t sequence) { journal_sequence_ = sequence; }
  // "-<16 hex digits>-<number>-<journal sequence>": ends a name that no object ever had.
  [[nodiscard]] std::string new_suffix();
  // An object that exists or is about to, and may become garbage.
  void know(std::string key) { known_.insert(std::move(key)); }
  // A journalled snapshot and what it names.
  void keep(const std::string& snapshot, const std::vector<std::string>& names);
  // A journalled snapshot of that journal sequence that cannot be read now, so that nobody knows
  // what it names: while it is kept, what may be older stays.
  void keep_unread(const std::string& snapshot, std::uint64_t journal_sequence);
  // Whether keep() or keep_unread() was told of the snapshot.
  [[nodiscard]] bool is_kept(const std::string& snapshot) const { return kept_.contains(snapshot); }
  // Of a follower: the owner has retired all others, and removes their objects.
  void forget_all_but(const std::set<std::string>& snapshots);
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
  [[nodiscard]] bool may_be_named_unread(const std::string& key) const;

  SnapshotWriter& writer_;
  std::string prefix_;
  const std::uint64_t life_;
  std::uint64_t name_count_ = 0;
  std::uint64_t journal_sequence_ = 0;
  std::set<std::string> known_;
  std::map<std::string, std::set<std::string>> kept_;
  std::map<std::string, std::uint64_t> unread_;  // of these, and their journal sequences
};

}  // namespace millrace::runtime
