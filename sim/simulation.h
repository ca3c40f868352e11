#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/bit_flips.h"
#include "sim/named_snapshots.h"
#include "sim/producer.h"
#include "sim/world.h"

namespace millrace::sim {

struct Outcome {
  std::uint64_t seed = 0;
  std::vector<std::string> violations;
  Census census;
  std::uint64_t trace_hash = 0;
  std::uint64_t steps = 0;
  std::uint64_t crashes = 0;
  std::uint64_t records = 0;
  std::int64_t simulated_ms = 0;
};

// One seed from its first start to its last check: lives of the process, each ended by a crash, a
// failure or a stop, then one without faults that finishes the work, and the checks on everything
// that was ever visible.
class Simulation {
 public:
  explicit Simulation(const Profile& profile, bool is_tracing = false);
  ~Simulation();

  Outcome run();

 private:
  enum class Death : std::uint8_t { none, kill, power };

  void run_all();
  void start_outsiders();
  void join_outsiders();
  void poll_records();
  void drain_now_and_then();
  void flush_now_and_then();
  void read_features();
  void name_snapshots();
  void sabotage();

  void live(std::uint64_t life);
  bool may_stop(bool wants_stop);
  bool start_process(std::uint64_t life);
  void take_start_failure(const Status& status);
  Status check_recovered(log::Log& log);
  void wait_for_the_end();
  void stop_cleanly();
  void end_process();
  void die(Death death);
  void reap(std::int64_t after_ms, Death death);
  void on_failure(const Status& status);

  void set_faults(bool are_on);

  void finish();
  void check_second_start();

  World world_;
  PipelineVersions versions_;
  std::vector<std::unique_ptr<Producer>> producers_;
  std::vector<Thread> outsiders_;
  std::unique_ptr<Process> process_;
  BitFlips flips_;
  NamedSnapshots names_;
  std::optional<PipelineVersions> version_before_;  // while an upgrade is not sure yet

  Mutex mutex_;
  Condition changed_;
  bool has_failed_ = false;  // the process asked to be ended
  bool is_dead_ = false;     // its disk answers no more
  bool is_life_over_ = false;
  std::string failure_;
  std::uint64_t crashes_ = 0;
};

Outcome simulate(std::uint64_t seed, bool is_tracing);

}  // namespace millrace::sim
