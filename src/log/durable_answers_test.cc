#include "log/durable_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <vector>

namespace millrace::log {
namespace {

using ::testing::ElementsAre;

// Commits become durable when the test says so.
class HandMadePort final : public CommitPort {
 public:
  Result<Appended> commit(Commit&&) override { return unsupported_error("not here"); }
  Status wait_durable(CommitSequence sequence) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return durable_ >= sequence || !failure_.is_ok(); });
    return durable_ >= sequence ? ok_status() : Status(failure_);
  }
  [[nodiscard]] CommitSequence durable_sequence() const override {
    const std::lock_guard lock(mutex_);
    return durable_;
  }

  void make_durable(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    durable_ = CommitSequence(sequence);
    changed_.notify_all();
  }
  void fail(const Status& status) {
    const std::lock_guard lock(mutex_);
    failure_ = status;
    changed_.notify_all();
  }

 private:
  mutable Mutex mutex_;
  Condition changed_;
  CommitSequence durable_{0};
  Status failure_;
};

class DurableAnswersTest : public ::testing::Test {
 protected:
  void ask(std::uint64_t sequence) {
    answers_.after(CommitSequence(sequence), [this, sequence](const Status& status) {
      const std::lock_guard lock(mutex_);
      given_.emplace_back(sequence, status.code());
      changed_.notify_all();
    });
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return given_.size() >= count; });
  }
  std::vector<std::pair<std::uint64_t, StatusCode>> given() {
    const std::lock_guard lock(mutex_);
    return given_;
  }

  HandMadePort port_;
  Mutex mutex_;
  Condition changed_;
  std::vector<std::pair<std::uint64_t, StatusCode>> given_;
  DurableAnswers answers_{port_};
};

TEST_F(DurableAnswersTest, come_in_the_order_of_the_commits_and_only_when_they_are_durable) {
  ask(1);
  ask(3);
  ask(2);
  EXPECT_TRUE(given().empty());
  port_.make_durable(2);
  wait_for(2);
  EXPECT_THAT(given(), ElementsAre(std::pair(1, StatusCode::ok), std::pair(2, StatusCode::ok)));
  port_.make_durable(3);
  wait_for(3);
  EXPECT_EQ(given().back(), std::pair(std::uint64_t{3}, StatusCode::ok));
}

TEST_F(DurableAnswersTest, come_at_once_for_what_is_durable_already) {
  port_.make_durable(5);
  ask(5);
  EXPECT_THAT(given(), ElementsAre(std::pair(5, StatusCode::ok)));
}

TEST_F(DurableAnswersTest, say_why_when_the_outcome_is_unknown) {
  ask(1);
  ask(2);
  port_.fail(io_error("the disk"));
  wait_for(2);
  EXPECT_THAT(given(), ElementsAre(std::pair(1, StatusCode::io), std::pair(2, StatusCode::io)));
}

TEST_F(DurableAnswersTest, are_all_given_at_a_stop_and_cancelled_behind_it) {
  ask(1);
  ask(2);
  port_.make_durable(2);
  answers_.stop();
  ask(3);
  EXPECT_THAT(given(), ElementsAre(std::pair(1, StatusCode::ok), std::pair(2, StatusCode::ok),
                                   std::pair(3, StatusCode::cancelled)));
}

}  // namespace
}  // namespace millrace::log
