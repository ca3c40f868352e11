#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "objects/object_store.h"
#include "sim/census.h"
#include "sim/scheduler.h"

namespace millrace::sim {

struct StoreFaults {
  std::uint32_t error_one_in = 0;      // unknown outcome: applied, not applied, or applied later
  std::uint32_t busy_one_in = 0;       // 503, 409: not applied
  std::uint32_t late_one_in = 0;       // the answer takes up to seconds
  std::uint32_t duplicate_one_in = 0;  // the request is applied once more, later
};

// Requests that are still on their way; they arrive whether the sender still
// lives or not.
class LateRequests {
 public:
  void add(std::int64_t due_ns, std::function<void()> apply);
  void deliver(std::int64_t now_ns);

 private:
  std::multimap<std::int64_t, std::function<void()>> waiting_;
};

// What the object store holds, as long as the world stands: no process' crash touches it. Strongly
// consistent, with conditional completion, as S3 is.
class ObjectWorld {
 public:
  struct Upload {
    std::string key;
    std::map<int, std::string> parts;
  };

  Status put(const std::string& key, const std::string& bytes, bool only_if_absent);
  Status complete(const std::string& key, const std::string& upload_id,
                  const std::vector<objects::UploadPart>& parts, bool only_if_absent);

  std::map<std::string, std::string> objects;
  std::map<std::string, Upload> uploads;
  std::uint64_t upload_count = 0;
  LateRequests late;
  bool is_away = false;  // no request gets there
};

// The way to the store as one process sees it: requests get lost, come late or twice, answers get
// lost. `backend`, if given, holds the objects instead of the world (a directory on the crashing
// disk), and then nothing is applied later, as there is no network.
class SimStore final : public objects::ObjectStore {
 public:
  SimStore(Scheduler& scheduler, Census& census, ObjectWorld& world,
           std::unique_ptr<objects::ObjectStore> backend, std::uint64_t seed)
      : scheduler_(scheduler),
        census_(census),
        world_(world),
        backend_(std::move(backend)),
        random_(seed ^ 0x0b3ec7ULL) {}

  void set_faults(const StoreFaults& faults) { faults_ = faults; }
  // The process died: every call fails from now on; requests on their way may still arrive.
  void die() { is_dead_ = true; }

  Status put(const std::string& key, std::string_view bytes, bool only_if_absent) override;
  [[nodiscard]] Result<std::string> get(const std::string& key) override;
  [[nodiscard]] Result<objects::ObjectInfo> head(const std::string& key) override;
  Status remove(const std::string& key) override;
  [[nodiscard]] Result<std::vector<objects::ObjectInfo>> list(const std::string& prefix) override;
  [[nodiscard]] Result<std::string> start_upload(const std::string& key) override;
  [[nodiscard]] Result<objects::UploadPart> put_part(const std::string& key,
                                                     const std::string& upload_id, int number,
                                                     std::string_view bytes) override;
  Status complete_upload(const std::string& key, const std::string& upload_id,
                         const std::vector<objects::UploadPart>& parts,
                         bool only_if_absent) override;
  Status abort_upload(const std::string& key, const std::string& upload_id) override;

 private:
  bool strikes(std::uint32_t one_in) { return one_in > 0 && random_.one_in(one_in); }
  // `apply` is kept and may be called again, or only, when this store is gone: it owns what it
  // needs, except for the world.
  template <typename Apply>
  auto request(const char* name, const std::string& key, bool changes, Apply apply)
      -> decltype(apply());

  Scheduler& scheduler_;
  Census& census_;
  ObjectWorld& world_;
  const std::unique_ptr<objects::ObjectStore> backend_;
  Random random_;
  StoreFaults faults_;
  bool is_dead_ = false;
};

}  // namespace millrace::sim
