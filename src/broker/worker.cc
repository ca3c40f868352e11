#include "broker/worker.h"

#include <algorithm>
#include <chrono>

#include "broker/connection.h"

namespace millrace::broker {
namespace {

constexpr int kSweepMs = 100;

class AsioTimer final : public Timer {
 public:
  AsioTimer(boost::asio::io_context& io, std::int64_t ms, std::function<void()> task) : timer_(io) {
    timer_.expires_after(std::chrono::milliseconds(ms));
    // A timer that expired just before it was destroyed has its callback queued already.
    timer_.async_wait([is_alive = std::weak_ptr(is_alive_),
                       task = std::move(task)](const boost::system::error_code& error) {
      if (!error && !is_alive.expired()) task();
    });
  }

 private:
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
  boost::asio::steady_timer timer_;
};

}  // namespace

Worker::Worker(std::shared_ptr<ServerShared> shared)
    : shared_(std::move(shared)), sweep_timer_(loop_.io()) {}

Worker::~Worker() {
  MR_CHECK(connections_.empty());
}

void Worker::join() {
  loop_.join();
  MR_CHECK(connections_.empty());
}

std::unique_ptr<Timer> Worker::after_ms(std::int64_t ms, std::function<void()> task) {
  return std::make_unique<AsioTimer>(loop_.io(), ms, std::move(task));
}

void Worker::add(const std::shared_ptr<Connection>& connection) {
  connection->set_registry_index(connections_.size());
  connection->set_number(next_number_++);
  connections_.push_back(connection);
  schedule_sweep();
  if (connection->is_entering()) displace_one_entering();
}

// Who is slow to log in, or never will, makes room for who comes: the oldest goes.
void Worker::displace_one_entering() {
  std::size_t count = 0;
  std::shared_ptr<Connection> oldest;
  for (const auto& one : connections_) {
    if (!one->is_entering()) continue;
    ++count;
    if (oldest == nullptr || one->number() < oldest->number()) oldest = one;
  }
  if (count <= shared_->options.entering_max) return;
  shared_->counters.connections_displaced.fetch_add(1, std::memory_order_relaxed);
  oldest->close();
}

void Worker::remove(Connection& connection) {
  const std::size_t index = connection.registry_index();
  MR_CHECK(index < connections_.size() && connections_[index].get() == &connection);
  connections_.back()->set_registry_index(index);
  std::swap(connections_[index], connections_.back());
  connections_.pop_back();
  if (connections_.empty()) sweep_timer_.cancel();
  // Under the lock, or stop() could look, miss this one and then sleep through the signal.
  const std::lock_guard lock(shared_->drained_mutex);
  MR_CHECK(shared_->counters.connections_open.fetch_sub(1) > 0);
  shared_->drained.notify_all();
}

std::uint64_t Worker::deadline_after(int ms) const {
  // One more, since the current interval has partly passed.
  return sweeps_ + static_cast<std::uint64_t>(ms / kSweepMs) + 1;
}

void Worker::schedule_sweep() {
  if (is_sweep_scheduled_) return;
  is_sweep_scheduled_ = true;
  sweep_timer_.expires_after(std::chrono::milliseconds(kSweepMs));
  sweep_timer_.async_wait([this](const boost::system::error_code&) {
    is_sweep_scheduled_ = false;
    sweep();
  });
}

void Worker::sweep() {
  ++sweeps_;
  // Backwards, since an expired connection removes itself and the last one takes its place.
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (i < connections_.size()) connections_[i]->look_at_the_time(sweeps_);
  }
  if (!connections_.empty()) schedule_sweep();
}

void Worker::begin_stop() {
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (i < connections_.size()) connections_[i]->begin_stop();
  }
}

void Worker::close_all() {
  while (!connections_.empty()) connections_.back()->close();
}

}  // namespace millrace::broker
