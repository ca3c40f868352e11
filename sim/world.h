#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/thread.h"
#include "sim/census.h"
#include "sim/event.h"
#include "sim/fault_file_system.h"
#include "sim/process.h"
#include "sim/profile.h"
#include "sim/recorder.h"
#include "sim/scheduler.h"

namespace millrace::sim {

// What stays while processes come and go: time, disk, object store, and those outside who produce,
// read and ask. One simulation's threads share it.
class World {
 public:
  explicit World(const Profile& profile);

  // Prints it; the run has failed, but goes on to its end.
  void violation(const std::string& what);
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

  // --- the process, for those outside ---
  // While one lives, the process does not go away, though its calls may fail. Check it first.
  class Visit {
   public:
    explicit Visit(World& world);
    ~Visit();
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    explicit operator bool() const { return process_ != nullptr; }
    Process* operator->() const { return process_; }

   private:
    World& world_;
    Process* process_;
  };
  void open_doors(Process& process);
  // Nobody comes in any more; returns at once.
  void close_doors();
  void wait_until_empty();

  [[nodiscard]] ProcessWorld for_process() {
    return {&scheduler, &disk, &objects, &online, &clock, &census, &profile};
  }
  [[nodiscard]] std::int64_t random_ms(std::int64_t below_ms) {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(below_ms) + 1));
  }
  void sleep_ms(std::int64_t ms) { scheduler.sleep_ns(ms * 1'000'000); }

  const Profile profile;
  Scheduler scheduler;
  SimClock clock;
  Census census;
  FaultFileSystem platter;
  SimDisk disk;
  ObjectWorld objects;
  OnlineStoreWorld online;
  Random random;
  Recorder recorder;
  EventBook events;
  std::set<std::string> features_seen;  // what readers were told
  bool is_ending = false;               // those outside stop what they do
  bool is_finishing = false;            // no more faults; producers send what they still have to

 private:
  friend class Visit;
  Mutex mutex_;
  Condition changed_;
  Process* process_ = nullptr;
  int visitors_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace millrace::sim
