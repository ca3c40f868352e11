#pragma once

// Time that passes only while somebody pauses, for tests with one thread: what waits for a deadline
// takes no time, and takes the same path on a busy machine. Only for tests.

#include "base/check.h"
#include "base/thread.h"
#include "base/time.h"

namespace millrace::kafka_client {

class VirtualTime final : public Clock, private ThreadScheduler {
 public:
  VirtualTime() { install(this); }
  ~VirtualTime() override { install(nullptr); }
  VirtualTime(const VirtualTime&) = delete;
  VirtualTime& operator=(const VirtualTime&) = delete;

  [[nodiscard]] WallTime wall_now() const override { return WallTime(now_ns_ / 1'000'000); }
  [[nodiscard]] MonotonicTime monotonic_now() const override { return MonotonicTime(now_ns_); }

 private:
  std::uint64_t start_thread(std::function<void()>) override {
    MR_CHECK(false);
    return 0;
  }
  void join_thread(std::uint64_t) override { MR_CHECK(false); }
  void yield() override {}
  bool block(const void*, std::int64_t ns_max) override {
    MR_CHECK(ns_max >= 0);  // nobody could wake it
    now_ns_ += ns_max;
    return false;
  }
  void wake_one(const void*) override {}
  void wake_all(const void*) override {}

  std::int64_t now_ns_ = 1'700'000'000'000'000'000;
};

}  // namespace millrace::kafka_client
