#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "features/feature_audit.h"
#include "features/feature_record.h"
#include "features/group_applier.h"
#include "features/online_store.h"
#include "log/log.h"

namespace millrace::features {

struct FeatureServiceOptions {
  // Their topics exist. The same group twice (two pipelines write to it) is one group.
  std::vector<FeatureGroup> groups;
  // start() waits that long for what a crash left unapplied, so that reads need not be refused.
  int catch_up_ms = 1000;
  // A log on other machines is asked for its topics with every step: then not more often than
  // every so many milliseconds, and at least once a second. 0: whenever the log says so.
  int step_interval_ms = 0;
  // Called on the applying thread when a group can go no further; it answers reads with the error
  // from then on. The pipelines are not touched.
  std::function<void(const std::string& group, const Status& status)> on_failure;
};

struct FeatureGroupReport {
  FeatureGroup group;
  std::uint64_t record_count = 0;  // exact
  std::vector<std::string> feature_names;
  std::int64_t lag_records = 0;  // durable in the topic and not yet applied
  ApplyCounters counters;
  std::string last_unreadable;
  Status failure;
};

// The online feature store: for every group the newest record of each id, kept by one thread that
// the log wakes. Every method may be called from any thread.
class FeatureService {
 public:
  // `log` outlives the service. `invalid` when one name stands for two different groups,
  // `not_found` when a topic does not exist.
  static Result<std::unique_ptr<FeatureService>> start(log::Log& log,
                                                       std::unique_ptr<OnlineStore> store,
                                                       FeatureServiceOptions options);
  ~FeatureService();  // stops applying, closes the store; before the log is closed
  FeatureService(const FeatureService&) = delete;
  FeatureService& operator=(const FeatureService&) = delete;

  // `not_found` for an unknown group (the message has the known ones); nullopt for an unknown id.
  // `cancelled` while the group has not yet applied what was durable at the start. May read the
  // disk, a block or two.
  [[nodiscard]] Result<std::optional<FeatureRecord>> get(std::string_view group,
                                                         std::string_view record_id) const;
  // By record id, at most `limit`, those behind `after`; one moment's records.
  [[nodiscard]] Result<std::vector<FeatureRecord>> scan(std::string_view group, std::size_t limit,
                                                        std::string_view after = {}) const;
  [[nodiscard]] std::vector<FeatureGroupReport> groups() const;  // sorted by name

  // Returns when everything is applied that is durable in the group's topic now. The group's
  // failure, or `cancelled` when the service stops.
  Status wait_until_applied(std::string_view group);
  Status wait_until_all_applied();

  [[nodiscard]] std::vector<AuditCheck> audit() const;

 private:
  FeatureService(log::Log& log, std::unique_ptr<OnlineStore> store, FeatureServiceOptions options);

  Status open();
  void listen();
  void run();
  struct Steps {
    bool did_work = false;
    bool is_to_repeat = false;  // something failed that may pass
  };
  Steps step_all();
  void wake();
  void stop();
  [[nodiscard]] Result<GroupApplier*> find(std::string_view group) const;
  [[nodiscard]] Result<GroupApplier*> find_readable(std::string_view group) const;
  [[nodiscard]] std::string known_groups() const;
  [[nodiscard]] bool have_all_caught_up() const;

  log::Log& log_;
  const std::unique_ptr<OnlineStore> store_;
  const FeatureServiceOptions options_;
  std::vector<std::unique_ptr<GroupApplier>> appliers_;  // sorted by name; fixed after open()
  std::vector<std::size_t> listened_;                    // per applier: partitions listened to
  std::vector<std::uint64_t> listeners_;

  // The log calls wake() under locks of its own: nobody calls the log while holding this.
  Mutex mutex_;
  Condition wanted_;              // for the thread: there may be something to apply
  Condition advanced_;            // for those who wait: something was applied, or failed
  std::uint64_t wake_count_ = 0;  // guarded by mutex_
  bool is_stopping_ = false;      // guarded by mutex_
  Thread thread_;
};

}  // namespace millrace::features
