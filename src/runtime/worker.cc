#include "runtime/worker.h"

#include <chrono>

#include "base/check.h"
#include "base/thread.h"

namespace millrace::runtime {
namespace {

// Timed work (snapshots) is looked at this often while nothing else happens.
constexpr std::chrono::milliseconds kIdleInterval{50};

}  // namespace

Worker::Worker(log::Log& log, std::function<void(const Status&)> on_failure)
    : log_(log), on_failure_(std::move(on_failure)) {}

Worker::~Worker() {
  stop();
}

void Worker::add(TaskRunner& runner) {
  MR_CHECK(!thread_.joinable());
  runners_.push_back(&runner);
  for (const auto& topic : {runner.options().source, runner.options().journal}) {
    listeners_.push_back(log_.add_listener(topic, [this] { wake(); }));
  }
}

void Worker::start() {
  MR_CHECK(!thread_.joinable());
  thread_ = Thread([this] { run(); });
}

void Worker::stop() {
  is_stopping_.store(true);
  wake();
  if (thread_.joinable()) thread_.join();
  for (const auto id : listeners_) log_.remove_listener(id);
  listeners_.clear();
}

void Worker::wake() {
  {
    const std::lock_guard lock(mutex_);
    ++wake_count_;
  }
  changed_.notify_one();
}

Result<bool> Worker::step_all() {
  bool did_work = false;
  for (auto* runner : runners_) {
    if (is_stopping_.load()) return false;
    auto result = runner->step();
    if (!result.is_ok()) {
      const auto& options = runner->options();
      return std::move(result).take_status().with_context(options.pipeline + " " + options.stage +
                                                          " " + options.source.to_string());
    }
    did_work |= *result;
  }
  return did_work;
}

void Worker::run() {
  while (!is_stopping_.load()) {
    std::uint64_t seen = 0;
    {
      const std::lock_guard lock(mutex_);
      seen = wake_count_;
    }
    const auto did_work = step_all();
    if (!did_work.is_ok()) {
      on_failure_(did_work.status());
      return;
    }
    if (*did_work) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kIdleInterval,
                      [&] { return wake_count_ != seen || is_stopping_.load(); });
  }
}

}  // namespace millrace::runtime
