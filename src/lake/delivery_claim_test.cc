#include <gtest/gtest.h>

#include <functional>

#include "lake/delivery_world_for_tests.h"

// Deliveries on a log that several processes share: who commits must still have the partition.

namespace millrace::lake {
namespace {

const auto kNever = [] { return false; };

// A process' way into the shared log's transactions, until the partition is dealt to another one.
class SharedPort final : public log::CommitPort {
 public:
  explicit SharedPort(log::Log& log) : log_(log) {}

  Result<log::Appended> commit(log::Commit&& commit) override {
    if (is_dropped_) return fenced_error("dealt to another process");
    EXPECT_EQ(commit.offsets.size(), 1u);
    EXPECT_EQ(commit.offsets.at(0).source, kSource);
    offsets_.push_back(commit.offsets.at(0));
    const auto number = offsets_.size();
    if (on_commit) on_commit(number, false);
    if (is_dropped_) return fenced_error("dealt to another process");
    auto appended = log_.commit(std::move(commit));
    MR_RETURN_IF_ERROR(log_.wait_durable(appended->sequence));
    if (on_commit) on_commit(number, true);
    return appended;
  }
  // What has ended is known to have, whoever has the partition now.
  Status wait_durable(log::CommitSequence) override { return ok_status(); }
  [[nodiscard]] log::CommitSequence durable_sequence() const override {
    return log_.durable_sequence();
  }

  void drop() { is_dropped_ = true; }
  [[nodiscard]] const std::vector<log::OffsetCommit>& offsets() const { return offsets_; }

  // Before and after the n-th commit takes effect.
  std::function<void(std::size_t number, bool is_done)> on_commit;

 private:
  log::Log& log_;
  bool is_dropped_ = false;
  std::vector<log::OffsetCommit> offsets_;
};

std::optional<log::GroupOffset> committed(World& world) {
  const auto offsets = world.log.group_offsets(kGroup);
  if (offsets.empty()) return std::nullopt;
  return offsets.front();
}

struct Process {
  Process(World& its_world, std::string its_name)
      : world(its_world),
        name(std::move(its_name)),
        port(std::make_shared<SharedPort>(world.log)),
        delivery(world.make_delivery()) {}

  Status deliver() {
    MR_RETURN_IF_ERROR(delivery->attach({port, name, committed(world)}));
    return delivery->flush(kNever);
  }

  World& world;
  std::string name;
  std::shared_ptr<SharedPort> port;
  std::unique_ptr<Delivery> delivery;
};

TEST(DeliveryClaim, every_commit_says_how_far_it_is_and_whose_it_is) {
  World world(FileFormat::json_lines);
  world.produce(0, kEvents);
  Process process(world, "g.a.0");
  ASSERT_TRUE(process.deliver().is_ok());
  // Entry by entry as in the journal: begin; writer and freeze; uploads; done; ...
  std::uint64_t entries = 0;
  Offset delivered(0);
  for (const auto& offset : process.port->offsets()) {
    const auto slash = offset.metadata.find('/');
    const auto sequence = std::stoull(offset.metadata.substr(0, slash));
    EXPECT_GT(sequence, entries);
    EXPECT_EQ(offset.metadata,
              std::to_string(sequence) + "/" + std::to_string(sequence) + "/g.a.0");
    EXPECT_GE(offset.next_offset, delivered);
    entries = sequence;
    delivered = offset.next_offset;
  }
  EXPECT_EQ(delivered, Offset(kEvents));
  EXPECT_EQ(process.port->offsets().front().metadata, "1/1/g.a.0");
  EXPECT_EQ(process.port->offsets().front().next_offset, Offset(0));
  EXPECT_EQ(outcome_of(world), undisturbed(FileFormat::json_lines));
}

// At every commit, just before or just after it takes effect, the partition goes to another
// process, which delivers all there is; the first one knows nothing and goes on.
TEST(DeliveryClaim, one_that_was_overtaken_changes_nothing_whenever_it_happens) {
  for (const auto format : {FileFormat::json_lines, FileFormat::parquet}) {
    const auto expected = undisturbed(format);
    bool was_overtaken = true;
    std::size_t moments = 0;
    for (std::size_t number = 1; was_overtaken; ++number) {
      for (const bool is_after : {false, true}) {
        SCOPED_TRACE("commit " + std::to_string(number) +
                     (is_after ? ", after it" : ", before it"));
        World world(format);
        world.produce(0, kEvents);
        Process first(world, "g.a.0");
        Process second(world, "g.b.0");
        was_overtaken = false;
        first.port->on_commit = [&](std::size_t now, bool is_done) {
          if (now != number || is_done != is_after) return;
          was_overtaken = true;
          first.port->drop();
          const auto status = second.deliver();
          ASSERT_TRUE(status.is_ok()) << status.to_string();
        };
        const auto status = first.deliver();
        if (was_overtaken) {
          ++moments;
          const bool was_last = number == first.port->offsets().size() && is_after;
          EXPECT_TRUE(status.code() == StatusCode::fenced || was_last) << status.to_string();
        }
        EXPECT_EQ(outcome_of(world), expected);
        EXPECT_EQ(world.faults_found(), "");
      }
    }
    EXPECT_GT(moments, 10u);
  }
}

TEST(DeliveryClaim, a_journal_that_does_not_show_what_the_offset_stands_for_is_waited_for) {
  World world(FileFormat::json_lines);
  world.produce(0, kEvents);
  Process first(world, "g.a.0");
  ASSERT_TRUE(first.deliver().is_ok());
  auto ahead = *committed(world);
  const auto entries = first.port->offsets().back().metadata;
  const auto sequence = std::stoull(entries.substr(0, entries.find('/')));
  const auto next = std::to_string(sequence + 1);
  ahead.metadata = next + "/" + next + "/g.a.0";
  Process second(world, "g.b.0");
  EXPECT_EQ(second.delivery->attach({second.port, second.name, ahead}).code(),
            StatusCode::overloaded);
  EXPECT_FALSE(second.delivery->is_attached());
  EXPECT_TRUE(second.deliver().is_ok());
}

TEST(DeliveryClaim, an_offset_that_is_not_the_journals_is_refused) {
  World world(FileFormat::json_lines);
  world.produce(0, kEvents);
  Process first(world, "g.a.0");
  ASSERT_TRUE(first.deliver().is_ok());
  auto moved = *committed(world);
  moved.next_offset = Offset(kEvents - 1);
  Process second(world, "g.b.0");
  const auto status = second.delivery->attach({second.port, second.name, moved});
  EXPECT_EQ(status.code(), StatusCode::fenced) << status.to_string();
  // Offsets expire; the journal is what counts.
  EXPECT_TRUE(second.delivery->attach({second.port, second.name, std::nullopt}).is_ok());
  EXPECT_EQ(second.delivery->report().delivered_offset, Offset(kEvents));
}

// The offset of a commit that did not happen, or of a journal that somebody else wrote to.
TEST(DeliveryClaim, a_journal_that_is_ahead_of_the_offset_is_refused) {
  World world(FileFormat::json_lines);
  world.produce(0, kEvents);
  Process first(world, "g.a.0");
  ASSERT_TRUE(first.deliver().is_ok());
  auto behind = *committed(world);
  const auto sequence = std::stoull(behind.metadata.substr(0, behind.metadata.find('/')));
  const auto previous = std::to_string(sequence - 1);
  behind.metadata = previous + "/" + previous + "/g.a.0";
  Process second(world, "g.b.0");
  const auto status = second.delivery->attach({second.port, second.name, behind});
  EXPECT_EQ(status.code(), StatusCode::fenced) << status.to_string();
}

TEST(DeliveryClaim, an_offset_whose_metadata_is_not_ours_is_refused) {
  World world(FileFormat::json_lines);
  world.produce(0, kEvents);
  Process first(world, "g.a.0");
  ASSERT_TRUE(first.deliver().is_ok());
  auto foreign = *committed(world);
  foreign.metadata = "by hand";
  Process second(world, "g.b.0");
  const auto status = second.delivery->attach({second.port, second.name, foreign});
  EXPECT_FALSE(status.is_ok());
  EXPECT_FALSE(Delivery::is_wait(status)) << status.to_string();
}

TEST(DeliveryClaim, a_delivery_begins_where_the_topic_does) {
  World world(FileFormat::json_lines);
  world.produce(0, kEvents);
  const auto batch = world.log.fetch(kSource, Offset(0), 1, log::Visibility::durable);
  const auto start = batch->batches.front().next_offset;
  ASSERT_TRUE(world.log.delete_records(kSource, start).is_ok());
  Process process(world, "g.a.0");
  ASSERT_TRUE(process.deliver().is_ok());
  EXPECT_EQ(process.port->offsets().front().next_offset, start);
  EXPECT_EQ(process.port->offsets().back().next_offset, Offset(kEvents));
}

TEST(DeliveryClaim, a_wait_is_told_and_is_no_failure) {
  World world(FileFormat::json_lines);
  world.produce(0, kEvents);
  Process first(world, "g.a.0");
  ASSERT_TRUE(first.deliver().is_ok());
  auto ahead = *committed(world);
  ahead.metadata = "1000/1000/g.a.0";
  Process second(world, "g.b.0");
  second.delivery->note_wait(overloaded_error("the last owner's transaction has not ended"));
  EXPECT_EQ(second.delivery->report().waiting_for, "the last owner's transaction has not ended");
  ASSERT_EQ(second.delivery->attach({second.port, second.name, ahead}).code(),
            StatusCode::overloaded);
  const auto waiting = second.delivery->report();
  EXPECT_NE(waiting.waiting_for.find("not yet entry 1000"), std::string::npos);
  EXPECT_EQ(waiting.failures, 0u);
  EXPECT_EQ(waiting.last_error, "");
  ASSERT_TRUE(second.deliver().is_ok());
  EXPECT_EQ(second.delivery->report().waiting_for, "");
}

TEST(DeliveryClaim, what_is_given_up_holds_nothing_back) {
  World world(FileFormat::json_lines);
  world.produce(0, kEvents);
  Process process(world, "g.a.0");
  ASSERT_TRUE(process.deliver().is_ok());
  EXPECT_EQ(world.log.pins().count({kGroup, kSource}), 1u);
  process.delivery->detach();
  EXPECT_FALSE(process.delivery->is_attached());
  EXPECT_EQ(world.log.pins().count({kGroup, kSource}), 0u);
}

}  // namespace
}  // namespace millrace::lake
