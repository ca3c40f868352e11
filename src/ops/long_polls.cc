#include "ops/long_polls.h"

#include <algorithm>
#include <chrono>

namespace millrace::ops {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;

}  // namespace

LongPolls::LongPolls(log::Log& log, const Clock& clock)
    : log_(log), clock_(clock), thread_([this] { run(); }) {}

LongPolls::~LongPolls() {
  {
    const std::lock_guard lock(news_mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  for (const auto& [source, id] : listeners_) log_.remove_listener(id);
}

void LongPolls::tell_news() {
  {
    const std::lock_guard lock(news_mutex_);
    has_news_ = true;
  }
  changed_.notify_one();
}

bool LongPolls::try_answer(Waiting& waiting, bool is_last_chance) {
  auto fetched = log_.fetch(waiting.poll.source, waiting.poll.from, waiting.poll.bytes_max,
                            log::Visibility::durable);
  if (fetched.is_ok() && fetched->batches.empty() && !is_last_chance) return false;
  waiting.poll.answer(std::move(fetched));
  return true;
}

void LongPolls::fetch(Poll poll) {
  const auto give_up = clock_.monotonic_now() + poll.wait_ms * kNanosPerMilli;
  Waiting waiting{std::move(poll), give_up};
  if (try_answer(waiting, waiting.poll.wait_ms <= 0)) return;
  bool is_full = false;
  {
    const std::lock_guard lock(mutex_);
    is_full = waiting_.size() >= kWaitingMax;
    if (!is_full) {
      const auto& source = waiting.poll.source;
      if (!listeners_.contains(source)) {
        // Lives as long as this object: partitions are few, and a listener costs nothing while
        // quiet.
        listeners_[source] = log_.add_listener(source, [this] { tell_news(); });
      }
      waiting_.push_back(std::move(waiting));
    }
  }
  if (is_full) {
    try_answer(waiting, true);
  } else {
    tell_news();  // data may have come between the try above and the listener
  }
}

void LongPolls::run() {
  constexpr std::int64_t kWaitMaxNs = 1'000'000'000;
  auto deadline = clock_.monotonic_now() + kWaitMaxNs;
  bool is_stopping = false;
  while (!is_stopping) {
    {
      std::unique_lock lock(news_mutex_);
      const auto wait_ns = std::max<std::int64_t>(0, deadline - clock_.monotonic_now());
      changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns),
                        [this] { return is_stopping_ || has_news_; });
      has_news_ = false;
      is_stopping = is_stopping_;
    }
    std::vector<Waiting> current;
    {
      const std::lock_guard lock(mutex_);
      current.swap(waiting_);
    }
    const auto now = clock_.monotonic_now();
    std::erase_if(current, [&](Waiting& waiting) {
      return try_answer(waiting, is_stopping || now >= waiting.deadline);
    });
    const std::lock_guard lock(mutex_);
    for (auto& waiting : current) waiting_.push_back(std::move(waiting));
    deadline = now + kWaitMaxNs;
    for (const auto& waiting : waiting_) deadline = std::min(deadline, waiting.deadline);
  }
}

}  // namespace millrace::ops
