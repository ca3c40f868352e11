#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "objects/object_store.h"
#include "task/id_run.h"

namespace millrace::runtime {

// "<prefix>runs/<32 hex digits><suffix>" and "<prefix>fingerprints/<32 hex digits><suffix>". The
// suffix makes the name one that no object ever had: a request to remove an earlier one of the same
// content may arrive at any time (see TaskObjects::new_suffix).
std::string id_run_key(const std::string& prefix, const Hash128& content,
                       const std::string& suffix);
std::string fingerprints_key(const std::string& prefix, const Hash128& content,
                             const std::string& suffix);
// Keys of runs and of parts of a dump, by content.
using IdKeys = std::map<Hash128, std::string>;
// Those among the objects that a snapshot names.
IdKeys find_id_keys(const std::string& prefix, std::span<const std::string> names);

// Whether an object that could not be read may still be whole, and only the way to it is not.
bool may_pass(const Status& status);

// How many objects a task has open at once; the one used longest ago is closed for another. Enough
// for a day of buckets of four million ids: a bound of memory may have all runs asked each time.
class OpenObjects {
 public:
  static constexpr std::size_t kOpenMax = 64;

  explicit OpenObjects(objects::ObjectStore& store) : store_(store) {}
  // Valid until the next call.
  Result<const objects::ObjectReader*> open(const std::string& key);
  void close(const std::string& key);

 private:
  struct Open {
    std::string key;
    std::unique_ptr<objects::ObjectReader> reader;
  };
  objects::ObjectStore& store_;
  std::list<Open> open_;  // the last one used first
};

// A stored run. Opened, and its index read, when it is first asked. `open` is shared by the readers
// of one task and its thread, which waits while the store does not answer, 1.3 s at most.
class StoredRun final : public task::IdRunReader {
 public:
  StoredRun(std::shared_ptr<OpenObjects> open, std::string key, const task::IdRunName& name)
      : open_(std::move(open)), key_(std::move(key)), name_(name) {}
  ~StoredRun() override { open_->close(key_); }
  StoredRun(const StoredRun&) = delete;
  StoredRun& operator=(const StoredRun&) = delete;

  [[nodiscard]] Result<bool> contains(const Hash128& id) override;

 private:
  Result<bool> find(const Hash128& id);

  std::shared_ptr<OpenObjects> open_;
  std::string key_;
  task::IdRunName name_;
  std::optional<task::IdRunIndex> index_;
  std::string block_;
};

// Hands all ids of a stored run to `take`, in order and in pieces, checking every block.
Status read_id_run(objects::ObjectStore& store, const std::string& key, const task::IdRunName& name,
                   const std::function<void(std::span<const Hash128>)>& take);

struct RunToMerge {
  std::string key;
  task::IdRunName name;
};
// The bytes of one run with the ids of all of them; at most kIdsPerRunMax together.
Result<std::pair<task::IdRunName, std::string>> merge_id_runs(objects::ObjectStore& store,
                                                              std::int64_t bucket,
                                                              std::span<const RunToMerge> inputs);

}  // namespace millrace::runtime
