#include "runtime/task_objects.h"

#include <gtest/gtest.h>

#include "runtime/runtime_for_tests.h"
#include "sys/real_clock.h"

namespace millrace::runtime {
namespace {

class TaskObjectsTest : public testing::Test {
 protected:
  TaskObjectsTest() {
    for (const auto* key : {"p/1", "p/2", "p/runs/a", "p/runs/b"}) {
      EXPECT_TRUE(storage_.objects().put(key, "x", false).is_ok());
    }
  }
  // Behind all removals, on the writer's one thread.
  std::size_t count() {
    Answer<int> done;
    writer_.run(this, SnapshotWriter::Turn::in_order, [&](objects::ObjectStore&) { done.give(1); });
    EXPECT_TRUE(done.wait([] { return false; }).is_ok());
    return storage_.objects().list("p/")->size();
  }

  sys::RealClock clock_;
  Storage storage_{clock_};
  SnapshotWriter writer_{storage_.objects()};
  TaskObjects objects_{writer_, "p/", 1};
};

TEST_F(TaskObjectsTest, what_no_kept_snapshot_names_is_collected) {
  objects_.keep("p/1", {"p/runs/a"});
  objects_.keep("p/2", {"p/runs/a", "p/runs/b"});
  objects_.release("p/2");
  objects_.collect({});
  EXPECT_EQ(count(), 2u);
  objects_.release("p/1");
  objects_.collect({"p/runs/a"});
  EXPECT_EQ(count(), 1u);
}

TEST_F(TaskObjectsTest, while_one_is_kept_that_nobody_could_read_nothing_is_collected) {
  objects_.keep_unread("p/1");
  objects_.keep("p/2", {"p/runs/a", "p/runs/b"});
  objects_.release("p/2");
  objects_.collect({});
  EXPECT_EQ(count(), 3u);
  objects_.release("p/1");
  objects_.collect({});
  EXPECT_EQ(count(), 0u);
}

TEST_F(TaskObjectsTest, no_name_ends_as_another_does) {
  TaskObjects others(writer_, "p/", 2);
  const auto first = objects_.new_suffix();
  EXPECT_EQ(first, "-0000000000000001-1");
  EXPECT_NE(objects_.new_suffix(), first);
  EXPECT_NE(others.new_suffix(), first);
}

}  // namespace
}  // namespace millrace::runtime
