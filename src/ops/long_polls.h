#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/time.h"
#include "log/log.h"

namespace millrace::ops {

// Fetches that wait for data. One thread; callbacks run on it.
class LongPolls {
 public:
  static constexpr std::size_t kWaitingMax = 10'000;

  LongPolls(log::Log& log, const Clock& clock);
  ~LongPolls();  // answers what waits with what is there

  struct Poll {
    TopicPartition source;
    Offset from;
    std::size_t bytes_max = 0;
    std::int64_t wait_ms = 0;
    std::function<void(Result<log::FetchResult>)> answer;
  };
  // Answers at once when there is data, an error, no time to wait, or too many waiting.
  void fetch(Poll poll);

 private:
  struct Waiting {
    Poll poll;
    MonotonicTime deadline;
  };
  void run();
  void tell_news();
  bool try_answer(Waiting& waiting, bool is_last_chance);

  log::Log& log_;
  const Clock& clock_;
  // The log calls listeners under locks of its own, so they take only this mutex, and nobody calls
  // the log while holding it.
  std::mutex news_mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false;  // guarded by news_mutex_
  bool has_news_ = false;     // guarded by news_mutex_
  std::mutex mutex_;
  std::vector<Waiting> waiting_;                       // guarded by mutex_
  std::map<TopicPartition, std::uint64_t> listeners_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace millrace::ops
