#pragma once

#include <cstdint>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace millrace::ops {

// How far a long job is, for those who wait for it. Thread-safe.
class JobProgress {
 public:
  struct Snapshot {
    bool is_running = false;
    std::string what;        // "replay of ticks source/3"
    std::int64_t done = 0;   // records
    std::int64_t total = 0;  // 0: not known
  };

  void begin(std::string what, std::int64_t total) {
    const std::lock_guard lock(mutex_);
    now_ = {true, std::move(what), 0, total};
  }
  void set_done(std::int64_t done) {
    const std::lock_guard lock(mutex_);
    now_.done = done;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    now_ = {};
  }
  [[nodiscard]] Snapshot now() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }

 private:
  mutable std::mutex mutex_;
  Snapshot now_;
};

// {"running","what","done","total"}
nlohmann::ordered_json progress_json(const JobProgress::Snapshot& now);

}  // namespace millrace::ops
