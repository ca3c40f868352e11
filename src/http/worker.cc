#include "http/worker.h"

#include <algorithm>
#include <chrono>

#include "http/connection.h"

namespace millrace::http {
namespace {

constexpr int kSweepMsMin = 5;
constexpr int kSweepMsMax = 100;

// A quarter of the shortest deadline: it is then kept within 25 %.
int sweep_interval_ms(const ServerOptions& options) {
  const int shortest =
      std::min({options.idle_ms, options.request_read_ms, options.response_write_ms});
  return std::clamp(shortest / 4, kSweepMsMin, kSweepMsMax);
}

}  // namespace

Worker::Worker(std::shared_ptr<ServerShared> shared)
    : shared_(std::move(shared)),
      sweep_timer_(loop_.io()),
      sweep_interval_ms_(sweep_interval_ms(shared_->options)) {}

Worker::~Worker() {
  MR_CHECK(connections_.empty());
}

void Worker::join() {
  loop_.join();
  MR_CHECK(connections_.empty());
}

void Worker::add(Connection& connection) {
  connection.set_registry_index(connections_.size());
  connections_.push_back(&connection);
  schedule_sweep();
}

void Worker::remove(Connection& connection) {
  const std::size_t index = connection.registry_index();
  MR_CHECK(index < connections_.size() && connections_[index] == &connection);
  connections_[index] = connections_.back();
  connections_[index]->set_registry_index(index);
  connections_.pop_back();
  if (connections_.empty()) sweep_timer_.cancel();
  {
    // Under the lock, or stop() could look, miss this one and then sleep through the signal.
    const std::lock_guard lock(shared_->drained_mutex);
    MR_CHECK(shared_->connections_open.fetch_sub(1) > 0);
  }
  shared_->drained.notify_all();
}

std::uint64_t Worker::deadline_after(int ms) const {
  // One more, since the current interval has partly passed.
  return sweeps_ + static_cast<std::uint64_t>(ms / sweep_interval_ms_) + 1;
}

void Worker::schedule_sweep() {
  if (sweep_scheduled_) return;
  sweep_scheduled_ = true;
  sweep_timer_.expires_after(std::chrono::milliseconds(sweep_interval_ms_));
  sweep_timer_.async_wait([this](const boost::system::error_code&) {
    sweep_scheduled_ = false;
    sweep();
  });
}

void Worker::sweep() {
  ++sweeps_;
  // Backwards, since an expired connection may remove itself and move the last one into its place.
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (i < connections_.size()) connections_[i]->expire_if_past(sweeps_);
  }
  if (!connections_.empty()) schedule_sweep();
}

void Worker::close_idle() {
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (i < connections_.size()) connections_[i]->close_if_idle();
  }
}

void Worker::close_all() {
  while (!connections_.empty()) connections_.back()->close();
}

}  // namespace millrace::http
