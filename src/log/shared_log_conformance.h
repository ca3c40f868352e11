#pragma once

// What a log that several processes share must do beside log_conformance.h; see there.

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "log/log_conformance.h"
#include "log/shared_log.h"

namespace millrace::log {

class SharedLogHarness {
 public:
  virtual ~SharedLogHarness() = default;
  // Two processes' logs over the same data, which is empty at first.
  virtual SharedLog& log() = 0;
  virtual SharedLog& other() = 0;
  [[nodiscard]] virtual TopicConfig topic_config() const { return {}; }
};

// Keeps what it is told.
class RecordedAssignment final : public AssignmentHandler {
 public:
  void assigned(const std::vector<TopicPartition>& partitions) override {
    for (const auto& at : partitions) EXPECT_TRUE(owned.insert(at).second) << at.to_string();
    ++assigned_count;
  }
  void revoked(const std::vector<TopicPartition>& partitions) override {
    if (on_revoked) on_revoked();
    drop(partitions);
    ++revoked_count;
  }
  void lost(const std::vector<TopicPartition>& partitions) override {
    drop(partitions);
    ++lost_count;
  }

  std::set<TopicPartition> owned;
  int assigned_count = 0;
  int revoked_count = 0;
  int lost_count = 0;
  std::function<void()> on_revoked;

 private:
  void drop(const std::vector<TopicPartition>& partitions) {
    for (const auto& at : partitions) EXPECT_EQ(owned.erase(at), 1u) << at.to_string();
  }
};

class SharedLogConformance
    : public testing::TestWithParam<std::unique_ptr<SharedLogHarness> (*)()> {
 protected:
  struct Joined {
    std::unique_ptr<GroupMember> member;
    RecordedAssignment seen;

    void poll() { (void)member->poll(seen); }
  };

  void SetUp() override {
    harness_ = GetParam()();
    auto config = harness_->topic_config();
    config.partition_count = 2;
    for (const auto* name : {"in", "out"}) {
      const auto created = log().create_topic(name, config);
      ASSERT_TRUE(created.is_ok()) << created.status().to_string();
    }
  }

  SharedLog& log() { return harness_->log(); }
  SharedLog& other() { return harness_->other(); }
  SharedLogHarness& harness() { return *harness_; }

  std::unique_ptr<Joined> join(SharedLog& to, const std::string& instance_id = "") {
    auto joined = std::make_unique<Joined>();
    joined->member = to.join("g", {"in"}, instance_id);
    return joined;
  }
  static bool poll_until(const std::vector<Joined*>& members,
                         const std::function<bool()>& condition) {
    return comes_true([&] {
      for (auto* joined : members) joined->poll();
      return condition();
    });
  }
  bool owns_all(const Joined& joined) const { return joined.seen.owned.size() == 2; }

  std::unique_ptr<TransactionalProducer> producer(SharedLog& of, const std::string& id) {
    auto made = of.make_producer(id);
    Status status;
    EXPECT_TRUE(comes_true([&] {
      status = made->initialize();
      return status.is_ok();
    })) << status.to_string();
    return made;
  }
  static Commit commit_with(const char* value, std::int64_t next_offset,
                            const std::string& metadata) {
    Commit unit;
    unit.appends.push_back(append_to({"out", 0}, make_batch({value})));
    unit.appends.push_back(append_to({"out", 1}, make_batch({value})));
    unit.offsets.push_back({"g", {"in", 0}, Offset(next_offset), metadata});
    return unit;
  }
  std::vector<std::string> values(SharedLog& of, std::int32_t partition) {
    const auto read = read_all(of, {"out", partition});
    EXPECT_TRUE(read.is_ok()) << read.status().to_string();
    return read.is_ok() ? values_of(read.value()) : std::vector<std::string>();
  }
  std::optional<GroupOffset> committed(GroupMember& member) {
    Result<std::optional<GroupOffset>> found = std::optional<GroupOffset>();
    EXPECT_TRUE(comes_true([&] {
      found = member.committed_offset({"in", 0});
      return found.is_ok();
    })) << found.status().to_string();
    return found.is_ok() ? found.value() : std::nullopt;
  }

 private:
  std::unique_ptr<SharedLogHarness> harness_;
};

TEST_P(SharedLogConformance, a_transaction_shows_its_records_and_its_offsets) {
  auto a = join(log());
  ASSERT_TRUE(poll_until({a.get()}, [&] { return owns_all(*a); }));
  EXPECT_EQ(committed(*a->member), std::nullopt);
  auto slot = producer(log(), "slot");
  EXPECT_EQ(slot->transactional_id(), "slot");
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(slot->commit(commit_with(std::to_string(i).c_str(), i, "m" + std::to_string(i)),
                           a->member->membership()),
              TransactionOutcome::committed);
  }
  const auto offset = committed(*a->member);
  ASSERT_TRUE(offset.has_value());
  EXPECT_EQ(offset->source, (TopicPartition{"in", 0}));
  EXPECT_EQ(offset->next_offset, Offset(3));
  EXPECT_EQ(offset->metadata, "m3");
  for (const std::int32_t partition : {0, 1}) {
    EXPECT_TRUE(comes_true([&] { return values(other(), partition).size() == 3; }));
    EXPECT_THAT(values(other(), partition), ElementsAre("1", "2", "3"));
  }
}

// decided_offset() may use the id's transactions: what is committed stays as it is, for everybody.
TEST_P(SharedLogConformance, a_decided_offset_is_the_committed_one_and_changes_nothing) {
  auto a = join(log());
  ASSERT_TRUE(poll_until({a.get()}, [&] { return owns_all(*a); }));
  auto slot = producer(log(), "slot");
  const auto decided = [&](std::int32_t partition) {
    Result<std::optional<GroupOffset>> found = std::optional<GroupOffset>();
    EXPECT_TRUE(comes_true([&] {
      found = slot->decided_offset("g", {"in", partition});
      return found.is_ok();
    })) << found.status().to_string();
    return found.is_ok() ? found.value() : std::nullopt;
  };
  EXPECT_EQ(decided(0), std::nullopt);
  EXPECT_EQ(committed(*a->member), std::nullopt);
  for (int i = 1; i <= 2; ++i) {
    const auto text = std::to_string(i);
    ASSERT_EQ(slot->commit(commit_with(text.c_str(), i, "m" + text), a->member->membership()),
              TransactionOutcome::committed);
    const auto found = decided(0);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->source, (TopicPartition{"in", 0}));
    EXPECT_EQ(found->next_offset, Offset(i));
    EXPECT_EQ(found->metadata, "m" + text);
    EXPECT_EQ(committed(*a->member)->next_offset, Offset(i));
    EXPECT_EQ(decided(1), std::nullopt);
  }
  EXPECT_TRUE(comes_true([&] { return values(other(), 0).size() == 2; }));
  EXPECT_THAT(values(other(), 0), ElementsAre("1", "2"));
}

TEST_P(SharedLogConformance, a_producer_whose_id_was_taken_over_is_fenced) {
  auto a = join(log());
  ASSERT_TRUE(poll_until({a.get()}, [&] { return owns_all(*a); }));
  auto old = producer(log(), "slot");
  ASSERT_EQ(old->commit(commit_with("1", 1, "m"), a->member->membership()),
            TransactionOutcome::committed);
  auto next = producer(other(), "slot");
  EXPECT_EQ(old->commit(commit_with("late", 2, "late"), a->member->membership()),
            TransactionOutcome::fenced);
  EXPECT_EQ(next->commit(commit_with("2", 2, "m"), a->member->membership()),
            TransactionOutcome::committed);
  EXPECT_TRUE(comes_true([&] { return values(log(), 0).size() == 2; }));
  EXPECT_THAT(values(log(), 0), ElementsAre("1", "2"));
  EXPECT_EQ(committed(*a->member)->metadata, "m");
}

TEST_P(SharedLogConformance, offsets_of_another_member_or_generation_fence_and_show_nothing) {
  auto a = join(log());
  ASSERT_TRUE(poll_until({a.get()}, [&] { return owns_all(*a); }));
  const auto membership = a->member->membership();
  EXPECT_EQ(membership.group, "g");
  EXPECT_GE(membership.generation, 0);
  auto older = membership;
  --older.generation;
  auto stranger = membership;
  stranger.member_id = "stranger";
  auto slot = producer(log(), "slot");
  for (const auto& refused : {older, stranger}) {
    EXPECT_EQ(slot->commit(commit_with("refused", 7, "refused"), refused),
              TransactionOutcome::fenced);
    ASSERT_TRUE(slot->initialize().is_ok());
  }
  EXPECT_EQ(slot->commit(commit_with("kept", 1, "kept"), membership),
            TransactionOutcome::committed);
  EXPECT_TRUE(comes_true([&] { return !values(other(), 1).empty(); }));
  EXPECT_THAT(values(other(), 1), ElementsAre("kept"));
  EXPECT_EQ(committed(*a->member)->metadata, "kept");
}

TEST_P(SharedLogConformance, what_cannot_be_written_is_aborted_and_may_be_sent_again) {
  auto a = join(log());
  ASSERT_TRUE(poll_until({a.get()}, [&] { return owns_all(*a); }));
  auto slot = producer(log(), "slot");
  auto config = harness().topic_config();
  auto unit = commit_with("x", 1, "m");
  unit.appends.push_back(append_to({"later", 0}, make_batch({"x"})));
  EXPECT_EQ(slot->commit(unit, a->member->membership()), TransactionOutcome::aborted);
  EXPECT_EQ(committed(*a->member), std::nullopt);
  ASSERT_TRUE(log().create_topic("later", config).is_ok());
  ASSERT_TRUE(slot->initialize().is_ok());
  EXPECT_EQ(slot->commit(unit, a->member->membership()), TransactionOutcome::committed);
  EXPECT_TRUE(comes_true([&] { return !values(other(), 0).empty(); }));
  EXPECT_THAT(values(other(), 0), ElementsAre("x"));
}

TEST_P(SharedLogConformance, a_second_member_gets_its_share_and_what_a_leaving_one_had) {
  auto a = join(log());
  ASSERT_TRUE(poll_until({a.get()}, [&] { return owns_all(*a); }));
  auto b = join(other());
  // What is revoked is still the member's until the handler returns: it may commit.
  auto slot = producer(log(), "slot");
  auto released = TransactionOutcome::unknown;
  a->seen.on_revoked = [&] {
    released = slot->commit(commit_with("released", 9, "released"), a->member->membership());
  };
  ASSERT_TRUE(poll_until({a.get(), b.get()},
                         [&] { return a->seen.owned.size() == 1 && b->seen.owned.size() == 1; }));
  EXPECT_EQ(released, TransactionOutcome::committed);
  EXPECT_NE(*a->seen.owned.begin(), *b->seen.owned.begin());
  EXPECT_EQ(a->seen.revoked_count, 1);
  EXPECT_EQ(a->seen.lost_count + b->seen.lost_count, 0);
  EXPECT_TRUE(poll_until({a.get(), b.get()}, [&] {
    return a->member->membership().generation == b->member->membership().generation;
  }));
  EXPECT_EQ(committed(*b->member)->metadata, "released");
  a->member.reset();
  ASSERT_TRUE(poll_until({b.get()}, [&] { return owns_all(*b); }));
}

TEST_P(SharedLogConformance, a_round_that_changes_nothing_for_a_member_moves_its_generation_on) {
  auto config = harness().topic_config();
  config.partition_count = 1;
  ASSERT_TRUE(log().create_topic("single", config).is_ok());
  Joined a;
  a.member = log().join("g", {"single"}, "");
  ASSERT_TRUE(poll_until({&a}, [&] { return a.seen.owned.size() == 1; }));
  const auto before = a.member->membership();
  Joined b;
  b.member = other().join("g", {"single"}, "");
  ASSERT_TRUE(poll_until({&a, &b}, [&] {
    return a.member->membership().generation > before.generation &&
           a.member->membership().generation == b.member->membership().generation;
  }));
  EXPECT_EQ(a.seen.owned.size() + b.seen.owned.size(), 1u);
  auto slot = producer(log(), "slot");
  EXPECT_EQ(slot->commit(commit_with("x", 1, "m"), before), TransactionOutcome::fenced);
  ASSERT_TRUE(slot->initialize().is_ok());
  EXPECT_EQ(slot->commit(commit_with("x", 1, "m"), a.member->membership()),
            TransactionOutcome::committed);
}

TEST_P(SharedLogConformance, a_static_member_gets_its_partitions_back_without_a_round) {
  auto a = join(log(), "one");
  auto b = join(other(), "two");
  ASSERT_TRUE(poll_until({a.get(), b.get()},
                         [&] { return a->seen.owned.size() == 1 && b->seen.owned.size() == 1; }));
  const auto had = a->seen.owned;
  // Whoever joined first had both and gave one up.
  const int moved_before = b->seen.revoked_count + b->seen.lost_count;
  a->member.reset();
  a = join(log(), "one");
  ASSERT_TRUE(poll_until({a.get(), b.get()}, [&] { return !a->seen.owned.empty(); }));
  EXPECT_EQ(a->seen.owned, had);
  EXPECT_EQ(b->seen.owned.size(), 1u);
  EXPECT_EQ(b->seen.revoked_count + b->seen.lost_count, moved_before);
}

TEST_P(SharedLogConformance, a_member_whose_instance_id_was_taken_loses_its_partitions) {
  auto a = join(log(), "one");
  ASSERT_TRUE(poll_until({a.get()}, [&] { return owns_all(*a); }));
  const auto membership = a->member->membership();
  auto b = join(other(), "one");
  ASSERT_TRUE(poll_until({a.get(), b.get()}, [&] { return a->seen.lost_count > 0; }));
  EXPECT_THAT(a->seen.owned, IsEmpty());
  EXPECT_EQ(a->seen.revoked_count, 0);
  auto slot = producer(log(), "slot");
  EXPECT_EQ(slot->commit(commit_with("x", 1, "m"), membership), TransactionOutcome::fenced);
}

TEST_P(SharedLogConformance, a_listener_hears_of_another_process_records) {
  const TopicPartition at{"out", 0};
  std::atomic<int> calls{0};
  const auto id = log().add_listener(at, [&] { ++calls; });
  // Whoever listens has read up to the end.
  ASSERT_TRUE(log().fetch(at, Offset(0), 1 << 20, Visibility::durable).is_ok());
  ASSERT_TRUE(append_and_wait(other(), append_to(at, make_batch({"a"}))).is_ok());
  EXPECT_TRUE(comes_true([&] { return calls > 0; }));
  EXPECT_TRUE(comes_true([&] { return !values(log(), 0).empty(); }));
  log().remove_listener(id);
}

}  // namespace millrace::log
