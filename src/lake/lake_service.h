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
#include "base/time.h"
#include "lake/delivery.h"
#include "lake/flush_requests.h"
#include "lake/manifest.h"
#include "lake/sink_ownership.h"
#include "log/shared_log.h"
#include "objects/object_store.h"
#include "pipeline/pipeline.h"
#include "runtime/exclusive_append.h"

namespace millrace::lake {

// For a log that several processes share: its consumer groups deal the partitions out.
struct LakeSharing {
  log::SharedLog* log = nullptr;  // the service's log
  std::string process;            // SinkOwnershipOptions::process
  bool is_static_member = true;
  std::int64_t log_wait_ms_max = 60'000;  // start() waits for the log so long
  // How long flush() waits for the other processes.
  std::int64_t flush_wait_ms_max = 120'000;
};

struct LakeOptions {
  // Of all deliveries together, about; beyond it the largest buffer is rolled before its time.
  std::size_t buffered_bytes_max = std::size_t{32} << 20;
  // When nothing is to be done, and between attempts after a failure (doubling up to the second).
  std::int64_t poll_interval_ms = 100;
  std::int64_t retry_interval_max_ms = 30'000;
  std::optional<LakeSharing> sharing;
  // Called on the lake's thread after each failed attempt, e.g. to log it.
  std::function<void(const DeliveryReport&, const Status&)> on_failure;
};

// All lake deliveries of this process, on one thread. `log`, `objects` and `clock` outlive it. A
// store that fails delays deliveries and nothing else: each is tried again until it succeeds.
//
// On a log that several processes share each delivers the partitions that are its own at the time;
// `objects` is the same store for all of them.
class LakeService {
 public:
  LakeService(log::Log& log, objects::ObjectStore& objects, const Clock& clock,
              LakeOptions options);
  ~LakeService();  // stops
  LakeService(const LakeService&) = delete;
  LakeService& operator=(const LakeService&) = delete;

  // Makes the journals' topics and a delivery per sink and partition, reads their journals, starts
  // the thread. After the pipelines' own topics exist; once. Pipelines are not kept. `invalid` and
  // the like say what a human has to change; what may pass (a store that does not answer) is left
  // to the thread.
  Status start(const std::vector<const pipeline::Pipeline*>& pipelines);
  // start() and flush() end soon, with `cancelled`. Any thread.
  void cancel();
  // Returns after the running step. What is buffered or frozen is taken up by the next start.
  void stop();

  // Any thread, after start(). Delivers everything that is durable by now, and returns when the
  // files are complete and journalled; the first error of a delivery that cannot, which goes on
  // trying. On a shared log every process delivers; `overloaded` when some do not in time.
  Status flush();

  // Any thread, after start(). From the journals, so also of sinks' earlier runs; "" is every sink.
  [[nodiscard]] Result<std::vector<LakeFile>> list(std::string_view sink = {}) const;
  // Reads every file. Ends early when the service stops.
  [[nodiscard]] std::vector<LakeCheck> verify(std::string_view sink = {}) const;
  // One per delivery of this process, by sink and partition; of a shared log also those that wait
  // for what their last owner has open.
  [[nodiscard]] std::vector<DeliveryReport> report() const;

 private:
  struct Slot {
    std::unique_ptr<Delivery> delivery;
    ManifestSource manifest;
    SinkOwnership* ownership = nullptr;  // of the sink; null: all partitions are ours
    MonotonicTime retry_at;
    std::int64_t retry_interval_ms = 0;  // 0: the last attempt went well
  };

  Status add_sink(const pipeline::Pipeline& pipeline, const pipeline::LakeSink& sink);
  Status open_sharing();
  Status patiently(const std::function<Status()>& attempt) const;
  void run();
  bool step_all();
  Result<bool> take_up(Slot& slot);
  Result<bool> step(Slot& slot);
  void note_failure(Slot& slot, const Status& status);
  void relieve_memory();
  Status flush_all();
  void flush_as_asked();
  Status flush_slot(Slot& slot);
  Status flush_here();
  struct FlushTarget {
    const Slot* slot = nullptr;
    Offset end;
  };
  [[nodiscard]] Result<std::vector<FlushTarget>> flush_targets() const;
  // Those of `targets` whose records their groups' offsets have not reached.
  [[nodiscard]] std::vector<FlushTarget> undelivered(const std::vector<FlushTarget>& targets) const;
  Status flush_everywhere();
  [[nodiscard]] bool is_stopping() const;

  log::Log& log_;
  objects::ObjectStore& objects_;
  const Clock& clock_;
  LakeOptions options_;
  std::vector<std::unique_ptr<SinkOwnership>> ownerships_;  // on a shared log: one per sink
  std::unique_ptr<FlushRequests> requests_;                 // on a shared log
  std::vector<Slot> slots_;                                 // fixed after start()

  mutable Mutex mutex_;  // guards what follows
  Condition changed_;
  bool is_stopping_ = false;
  std::uint64_t flushes_requested_ = 0;
  std::uint64_t flushes_served_ = 0;
  Status flush_status_;  // of the last one served
  Thread thread_;
};

}  // namespace millrace::lake
