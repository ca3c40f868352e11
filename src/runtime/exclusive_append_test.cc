#include "runtime/exclusive_append.h"

#include <gtest/gtest.h>

#include "runtime/runtime_for_tests.h"

namespace millrace::runtime {
namespace {

class PerseveranceTest : public testing::Test {
 protected:
  log::ManualClock clock_;
  Perseverance how_{&clock_, {}, 60'000, 1};
  int attempts_ = 0;

  // The first answer is `first`, the second one is fine.
  Status run(const Status& first) {
    return persevere(how_, [&] { return ++attempts_ == 1 ? first : ok_status(); });
  }
};

TEST_F(PerseveranceTest, a_topic_that_a_broker_has_not_heard_of_yet_is_asked_for_again) {
  EXPECT_TRUE(run(not_found_error("topic t")).is_ok());
  EXPECT_EQ(attempts_, 2);
}

TEST_F(PerseveranceTest, a_log_that_is_away_is_asked_again) {
  EXPECT_TRUE(run(disconnected_error("no broker")).is_ok());
  EXPECT_EQ(attempts_, 2);
}

TEST_F(PerseveranceTest, what_no_attempt_can_mend_is_told_at_once) {
  EXPECT_EQ(run(invalid_error("another file")).code(), StatusCode::invalid);
  EXPECT_EQ(attempts_, 1);
}

TEST_F(PerseveranceTest, a_stop_ends_the_attempts) {
  how_.is_cancelled = [] { return true; };
  EXPECT_EQ(run(not_found_error("topic t")).code(), StatusCode::cancelled);
  EXPECT_EQ(attempts_, 1);
}

}  // namespace
}  // namespace millrace::runtime
