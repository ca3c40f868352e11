#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "runtime/snapshot_catalog.h"
#include "sim/world.h"

namespace millrace::sim {

// Those outside who give snapshots names, go back to them and delete them, and remember what they
// were answered. Nothing is checked here of what a restore does to the outputs: every other check
// does that.
class NamedSnapshots {
 public:
  explicit NamedSnapshots(World& world) : world_(world) {}

  // One request, chosen at random. `has_damage`: a flipped bit may be the answer's reason.
  void ask(Process& process, bool has_damage);
  // Once a process is up: what was acknowledged is there and can be used, what was deleted is not.
  void check_started(Process& process, bool has_damage);
  // Without faults every one of the version in force can be gone back to.
  void restore_all(Process& process);
  // Some; the others stay to the end.
  void delete_some(Process& process);
  // Some time after a deletion, in the same life: what only that name kept is retired.
  void check_retired(Process& process);
  // After a last start: no object of a snapshot that nobody keeps.
  void check_garbage(Process& process);

 private:
  using Name = std::pair<std::string, std::string>;  // pipeline, name
  struct Known {
    std::optional<runtime::NamedSnapshot> snapshot;
    bool is_sure = true;  // else the last request had no answer that tells
  };

  void create(Process& process, runtime::PipelineRunner& pipeline, const Name& name);
  void remove(Process& process, const Name& name);
  void forget(const Known& known);
  // Whether it was done.
  bool restore(Process& process, runtime::PipelineRunner& pipeline, const Name& name,
               bool has_damage);
  void check_one(Process& process, const runtime::NamedSnapshot& snapshot, bool has_damage);
  [[nodiscard]] std::optional<std::string> object(const std::string& key) const;
  [[nodiscard]] std::set<std::string> snapshot_keys() const;
  void violation(const Name& name, const std::string& what);

  World& world_;
  std::map<Name, Known> names_;
  std::set<std::string> deleted_runs_;  // that snapshots named whose name was deleted
};

}  // namespace millrace::sim
