#include "sys/loop_thread.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <stdexcept>
#include <vector>

namespace millrace::sys {
namespace {

TEST(LoopThread, what_is_posted_runs_on_its_thread_in_order) {
  LoopThread loop;
  std::vector<int> seen;
  loop.post([&] { seen.push_back(1); });
  loop.start();
  EXPECT_FALSE(loop.runs_here());
  std::promise<bool> done;
  loop.post([&] {
    seen.push_back(2);
    done.set_value(loop.runs_here());
  });
  EXPECT_TRUE(done.get_future().get());
  loop.join();
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

TEST(LoopThread, it_goes_on_after_an_exception) {
  LoopThread loop;
  loop.start();
  loop.post([] { throw std::runtime_error("out of descriptors"); });
  std::promise<void> done;
  loop.post([&] { done.set_value(); });
  done.get_future().wait();
  loop.join();
}

TEST(LoopThread, what_comes_after_its_end_is_dropped_with_what_it_holds) {
  auto held = std::make_shared<int>(0);
  bool has_run = false;
  LoopThread loop;
  loop.start();
  loop.join();
  loop.post([held, &has_run] { has_run = true; });
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(has_run);
}

TEST(LoopThread, what_was_posted_and_found_no_thread_runs_at_the_end) {
  LoopThread loop;
  bool has_run = false;
  loop.post([&] { has_run = true; });
  loop.join();
  EXPECT_TRUE(has_run);
}

}  // namespace
}  // namespace millrace::sys
