#include "runtime/task_objects.h"

#include <gtest/gtest.h>

#include "runtime/runtime_for_tests.h"
#include "runtime/snapshot_store.h"
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

// As a damaged one that has a name is, for ever: what came later must not pile up.
TEST_F(TaskObjectsTest, while_one_is_kept_that_nobody_could_read_only_what_may_be_older_stays) {
  objects_.set_journal_sequence(7);
  const auto older = "p/runs/c" + objects_.new_suffix();
  objects_.set_journal_sequence(8);
  const auto newer = "p/runs/d" + objects_.new_suffix();
  for (const auto& key : {older, newer}) {
    ASSERT_TRUE(storage_.objects().put(key, "x", false).is_ok());
  }
  objects_.keep_unread("p/1", 7);
  objects_.keep("p/2", {"p/runs/a", "p/runs/b", older, newer});
  objects_.release("p/2");
  objects_.collect({});
  EXPECT_EQ(count(), 4u);  // p/1, a, b: of unknown age, and `older`
  EXPECT_FALSE(storage_.objects().head(newer).is_ok());
  objects_.release("p/1");
  objects_.collect({});
  EXPECT_EQ(count(), 0u);
}

TEST_F(TaskObjectsTest, a_sweep_leaves_what_an_unread_snapshot_may_name_and_no_more) {
  const std::string snapshots = "p/00000000000000000011-";
  const std::string hash = "-00000000000000aa";
  const auto unread = snapshots + "000000000005" + hash;
  const std::string run = "p/runs/000000000000000000000000000000aa-00000000000000bb-1-";
  std::vector<objects::ObjectInfo> existing;
  for (const auto& key :
       {unread, snapshots + "000000000003" + hash, snapshots + "000000000009" + hash, run + "5",
        run + "6", std::string("p/runs/a"), std::string("p/runs/b"), std::string("p/1"),
        std::string("p/2")}) {
    ASSERT_TRUE(storage_.objects().put(key, "x", false).is_ok());
    if (key != "p/1" && key != "p/2") existing.push_back({key, 1});
  }
  objects_.keep_unread(unread, 5);
  objects_.sweep(existing, {}, 9);
  ASSERT_EQ(count(), 7u);
  EXPECT_FALSE(storage_.objects().head(snapshots + "000000000003" + hash).is_ok());
  EXPECT_FALSE(storage_.objects().head(run + "6").is_ok());
}

TEST_F(TaskObjectsTest, only_names_of_today_say_when_they_were_made) {
  const std::string run = "snapshots/a-b/source/0000/runs/000000000000000000000000000000aa";
  EXPECT_EQ(object_journal_sequence(run + "-00000000000000bb-1-42"), 42u);
  EXPECT_EQ(object_journal_sequence(run + "-00000000000000bb-1-0"), 0u);
  for (const auto* end :
       {"", "-00000000000000bb-1", "-00000000000000bb-1-", "-00000000000000bb-1-x",
        "-00000000000000bb-1-2-3", "-00000000000000bb-1-99999999999999999999"}) {
    EXPECT_FALSE(object_journal_sequence(run + end)) << end;
  }
  SnapshotIdentity identity;
  identity.journal_sequence = 4;
  const auto snapshot = snapshot_key(identity, {1, 2});
  EXPECT_FALSE(object_journal_sequence(snapshot));
}

TEST_F(TaskObjectsTest, no_name_ends_as_another_does) {
  TaskObjects others(writer_, "p/", 2);
  const auto first = objects_.new_suffix();
  EXPECT_EQ(first, "-0000000000000001-1-0");
  EXPECT_NE(objects_.new_suffix(), first);
  EXPECT_NE(others.new_suffix(), first);
}

}  // namespace
}  // namespace millrace::runtime
