#include "lake/flush_requests.h"

#include <gtest/gtest.h>

#include "lake/memory_log_for_tests.h"

namespace millrace::lake {
namespace {

const TopicPartition kRequests{"millrace.lake.flushes", 0};

class Requests : public testing::Test {
 protected:
  Requests() : log_(faults_, clock_) {
    EXPECT_TRUE(a_.open().is_ok());
    EXPECT_TRUE(b_.open().is_ok());
  }

  FaultPlan faults_;
  ManualClock clock_;
  MemoryLog log_;
  FlushRequests a_{log_, clock_};
  FlushRequests b_{log_, clock_};
};

TEST_F(Requests, everybody_hears_a_request_once) {
  EXPECT_FALSE(a_.poll());
  ASSERT_TRUE(a_.ask("a").is_ok());
  ASSERT_TRUE(a_.ask("a").is_ok());
  EXPECT_TRUE(a_.poll());
  EXPECT_TRUE(b_.poll());
  EXPECT_FALSE(a_.poll());
  EXPECT_FALSE(b_.poll());
}

TEST_F(Requests, what_was_asked_before_the_start_is_not_heard) {
  ASSERT_TRUE(a_.ask("a").is_ok());
  FlushRequests late(log_, clock_);
  ASSERT_TRUE(late.open().is_ok());
  EXPECT_FALSE(late.poll());
  ASSERT_TRUE(a_.ask("a").is_ok());
  EXPECT_TRUE(late.poll());
}

TEST_F(Requests, expired_ones_are_passed_over_and_the_next_is_heard) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(a_.ask("a").is_ok());
  ASSERT_TRUE(log_.delete_records(kRequests, Offset(3)).is_ok());
  EXPECT_FALSE(b_.poll());
  EXPECT_FALSE(b_.poll());
  ASSERT_TRUE(a_.ask("a").is_ok());
  EXPECT_TRUE(b_.poll());
}

TEST_F(Requests, who_cannot_deliver_is_named_to_the_others) {
  const auto then = clock_.monotonic_now();
  ASSERT_TRUE(b_.tell_failure("b", io_error("no space")).is_ok());
  EXPECT_FALSE(a_.poll());  // no request
  EXPECT_FALSE(b_.poll());
  EXPECT_EQ(a_.failure_since(then, "a"), "process b: " + io_error("no space").to_string());
  EXPECT_EQ(b_.failure_since(then, "b"), std::nullopt);
  clock_.advance_ms(1);
  EXPECT_EQ(a_.failure_since(clock_.monotonic_now(), "a"), std::nullopt);
}

TEST_F(Requests, a_log_that_fails_for_a_moment_is_asked_again) {
  ASSERT_TRUE(a_.ask("a").is_ok());
  faults_.fail_at(1, FaultPlan::Kind::before, false);
  EXPECT_FALSE(b_.poll());
  faults_.recover();
  EXPECT_TRUE(b_.poll());
}

}  // namespace
}  // namespace millrace::lake
