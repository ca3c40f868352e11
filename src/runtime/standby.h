#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/thread.h"
#include "base/time.h"
#include "runtime/task_runner.h"

namespace millrace::runtime {

// Who keeps which partition's task ready: what a cooperative sticky assignor would do if the owner
// died, so far as one can know. Its partitions, in order, go to whoever has fewest; of equals to
// the first by name. Every process computes the same from the same news. `owners`: by partition, of
// one stage; `processes`: those that would take a follower.
std::map<std::int32_t, std::string> choose_followers(
    const std::map<std::int32_t, std::string>& owners, const std::set<std::string>& processes);

// The followers of one stage in this process: tasks that others own, kept at what is committed
// (TaskRunner::follow), ready to be taken over. They share nothing with running tasks. One thread
// of its own steps them in turn; all methods are for any thread.
class Standby {
 public:
  // Beyond it partitions are without a follower here. A follower has the memory of a task: windows,
  // up to a million open ids (24 MiB), 1 MiB of input; its fingerprints are what the running tasks
  // leave of the process' bound.
  static constexpr std::size_t kFollowersMax = 32;
  // One that is wanted no more lives so long on: a rebalance passes through assignments that do not
  // last, and may end with this process as the owner.
  static constexpr std::int64_t kKeptMs = 10'000;

  using RunnerMaker = std::function<std::unique_ptr<TaskRunner>(std::int32_t partition)>;

  // `clock` outlives it; `make_runner` gives runners with RunnerOptions::is_follower.
  Standby(const Clock& clock, RunnerMaker make_runner);
  ~Standby();  // stop()
  Standby(const Standby&) = delete;
  Standby& operator=(const Standby&) = delete;

  void stop();

  // From now on. `ended`: given up at once, as this process runs their tasks.
  void follow(const std::set<std::int32_t>& wanted, const std::set<std::int32_t>& ended);
  struct Taken {
    std::unique_ptr<TaskRunner> runner;  // null: there is none
    bool is_busy = false;                // it is at work, ask again
  };
  // Hands a follower over; it is none of these any more.
  Taken take(std::int32_t partition);

  struct Follower {
    bool has_state = false;
    TaskRunner::Followed at;
    std::string last_error;  // empty: the last step went well
  };
  [[nodiscard]] std::map<std::int32_t, Follower> followers() const;
  struct Counters {
    std::uint64_t begun = 0;        // that came to have a state
    std::uint64_t thrown_away = 0;  // begun anew from a snapshot, for an error
  };
  [[nodiscard]] Counters counters() const;

 private:
  struct Entry {
    std::unique_ptr<TaskRunner> runner;  // of the thread while is_busy
    bool is_busy = false;
    bool is_ended = false;  // given up once it is not busy
    std::optional<MonotonicTime> unwanted_since;
    MonotonicTime due;
    Follower shown;
  };

  void run();
  void step(std::int32_t partition, Entry& entry);
  void end_unwanted();

  const Clock& clock_;
  const RunnerMaker make_runner_;
  mutable Mutex mutex_;  // guards what follows
  Condition changed_;
  std::map<std::int32_t, Entry> entries_;
  Counters counters_;
  bool is_stopping_ = false;
  Thread thread_;
};

}  // namespace millrace::runtime
