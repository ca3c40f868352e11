#include "sim/kafka_model/process.h"

#include <algorithm>
#include <chrono>
#include <mutex>

namespace millrace::kafka_model {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kRequestTimeoutNs = 400 * kMillisecond;
constexpr std::int64_t kSliceNs = 200 * kMillisecond;  // how soon a sleeper notices its death

}  // namespace

std::int64_t Process::now_ns() const {
  return cluster_.now_ns();
}

void Process::freeze(std::int64_t for_ns) {
  frozen_until_ns_ = now_ns() + for_ns;
}

void Process::pass_gate() {
  while (!is_dead_ && now_ns() < frozen_until_ns_) {
    pause_for(std::chrono::nanoseconds(
        std::min(kSliceNs, std::max<std::int64_t>(1, frozen_until_ns_ - now_ns()))));
  }
}

void Process::sleep_ns(std::int64_t ns) {
  const auto until = now_ns() + ns;
  while (!is_dead_ && now_ns() < until)
    pause_for(std::chrono::nanoseconds(std::min(kSliceNs, until - now_ns())));
  pass_gate();
}

Process::Sent Process::send(int broker, std::function<void()> apply) {
  pass_gate();
  if (is_dead_) return Sent::disconnected;
  if (!cluster_.is_up(broker)) {
    sleep_ns(cluster_.draw_ns(kMillisecond, 20 * kMillisecond));
    return Sent::disconnected;
  }
  sleep_ns(cluster_.draw_ns(kMillisecond / 10, 2 * kMillisecond));
  if (is_dead_) return Sent::disconnected;
  const auto delivery = cluster_.draw_delivery();
  switch (delivery) {
    case Cluster::Delivery::now:
      apply();
      sleep_ns(cluster_.draw_ns(kMillisecond / 10, 2 * kMillisecond));
      return is_dead_ ? Sent::disconnected : Sent::answered;
    case Cluster::Delivery::reply_lost:
      apply();
      break;
    case Cluster::Delivery::later:
      cluster_.run_later(cluster_.draw_ns(0, 9'000 * kMillisecond), std::move(apply));
      break;
    case Cluster::Delivery::never:
      break;
  }
  sleep_ns(kRequestTimeoutNs);
  return is_dead_ ? Sent::disconnected : Sent::timed_out;
}

bool Process::may_go_on() {
  pass_gate();
  return !is_dead_;
}

bool Process::may_read(int broker) {
  pass_gate();
  return !is_dead_ && cluster_.is_up(broker);
}

}  // namespace millrace::kafka_model
