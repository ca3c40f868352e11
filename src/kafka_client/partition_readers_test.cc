#include "kafka_client/partition_readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/random.h"
#include "kafka_client/fake_answers_for_tests.h"
#include "log/log_test_support.h"
#include "sys/real_clock.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ApiKey;
using log::BatchKind;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = FakeFate::Kind;
using Cuts = std::vector<std::tuple<Offset, Offset, BatchKind, std::string>>;

bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 5'000; ++i) {
    if (condition()) return true;
    pause_for(std::chrono::milliseconds(2));
  }
  return false;
}

class PartitionReadersTest : public testing::Test {
 protected:
  PartitionReadersTest() {
    fake_.broker_count = 2;
    fake_.add_topic("t", 2);
  }

  FakePartition& partition(std::int32_t index = 0) { return fake_.state.partitions[{"t", index}]; }
  void append(const std::vector<std::string>& values, std::int32_t index = 0) {
    const std::lock_guard lock(fake_.mutex);
    partition(index).append(log::make_batch(values), false);
  }
  void append_transactional(std::int64_t producer, const char* value) {
    const log::TestProducer as{ProducerId(producer), ProducerEpoch(0), 0, true};
    partition().append(log::make_batch({value}, as), true);
  }
  // Everything from an offset on, so many bytes at a time, until there is no more.
  Cuts read(Offset from, std::size_t bytes_max = 1 << 20, std::int32_t index = 0) {
    Cuts out;
    for (auto next = from;;) {
      const auto fetched = readers_.fetch({"t", index}, next, bytes_max);
      EXPECT_TRUE(fetched.is_ok()) << fetched.status().to_string();
      if (!fetched.is_ok() || fetched->batches.empty()) return out;
      for (const auto& batch : fetched->batches) {
        next = batch.next_offset;
        out.emplace_back(batch.base_offset, next, batch.kind, batch.bytes.view());
      }
    }
  }
  static std::vector<BatchKind> kinds(const Cuts& cuts) {
    std::vector<BatchKind> out;
    for (const auto& [base, next, kind, bytes] : cuts) out.push_back(kind);
    return out;
  }
  StatusCode code(Offset from) { return readers_.fetch(at_, from, 1).status().code(); }

  const TopicPartition at_{"t", 0};
  sys::RealClock clock_;
  KafkaLogOptions options_ = FakeCluster::options(60'000);
  FakeCluster fake_;
  BrokerPool pool_{options_, clock_, fake_.dial()};
  Cluster cluster_{pool_, clock_};
  PartitionReaders readers_{options_, clock_, cluster_};
};

TEST_F(PartitionReadersTest, gives_whole_batches_as_they_are_stored) {
  EXPECT_THAT(read(Offset(0)), IsEmpty());
  append({"a", "b", "c"});
  append({"d"});
  ASSERT_TRUE(comes_true([&] { return read(Offset(0)).size() == 2; }));
  const auto all = read(Offset(0));
  EXPECT_EQ(std::get<3>(all[0]), partition().batches[0].bytes);
  EXPECT_EQ(read(Offset(2)), all);  // from inside the first
  EXPECT_EQ(read(Offset(3)), Cuts(all.begin() + 1, all.end()));
  EXPECT_THAT(read(Offset(4)), IsEmpty());
}

TEST_F(PartitionReadersTest, tells_markers_and_aborted_batches_and_stops_at_what_is_open) {
  append_transactional(1, "lost");
  append_transactional(2, "kept");
  append({"plain"});
  append_transactional(1, "lost too");
  partition().end_transaction(ProducerId(1), ProducerEpoch(0), false);
  append_transactional(1, "kept too");
  partition().end_transaction(ProducerId(2), ProducerEpoch(0), true);
  partition().end_transaction(ProducerId(1), ProducerEpoch(0), true);
  append_transactional(3, "open");
  append({"behind"});
  const auto r = BatchKind::records;
  const auto x = BatchKind::aborted;
  const auto c = BatchKind::control;
  EXPECT_THAT(kinds(read(Offset(0))), ElementsAre(x, r, r, x, c, r, c, c));
  EXPECT_THAT(kinds(read(Offset(0), 1)), ElementsAre(x, r, r, x, c, r, c, c));
  EXPECT_THAT(kinds(read(Offset(3))), ElementsAre(x, c, r, c, c));  // began below
}

// Brokers list aborted transactions in the order in which they ended.
TEST_F(PartitionReadersTest, a_transaction_that_ends_before_one_that_began_earlier_is_aborted_too) {
  append_transactional(1, "lost, began first");
  append_transactional(2, "lost, ends first");
  partition().end_transaction(ProducerId(2), ProducerEpoch(0), false);
  append_transactional(2, "kept");
  partition().end_transaction(ProducerId(1), ProducerEpoch(0), false);
  partition().end_transaction(ProducerId(2), ProducerEpoch(0), true);
  const auto r = BatchKind::records;
  const auto x = BatchKind::aborted;
  const auto c = BatchKind::control;
  EXPECT_THAT(kinds(read(Offset(0))), ElementsAre(x, x, c, r, c, c));
}

// A reader that stands still would otherwise hold answers that were full of other partitions.
TEST_F(PartitionReadersTest, a_small_part_of_an_answer_does_not_keep_all_of_it) {
  append({std::string(100'000, 'x')});
  append({"small"}, 1);
  partition(1).leader = partition(0).leader;
  const auto deadline = clock_.monotonic_now() + 5'000'000'000;
  auto lease = cluster_.brokers().to(cluster_.leader(at_, deadline)->node, deadline);
  ASSERT_TRUE(lease.is_ok()) << lease.status().to_string();
  auto& connection = *lease.value();
  const auto id = cluster_.leader(at_, deadline)->topic_id;
  const std::vector<FetchAsk> asks = {{at_, Offset(0), id, -1, 1 << 20},
                                      {{"t", 1}, Offset(0), id, -1, 1 << 20}};
  auto answers = fetch_batches(connection, asks, {0, 8 << 20, ""}, deadline);
  ASSERT_TRUE(answers.is_ok()) << answers.status().to_string();
  ASSERT_EQ((*answers)[0].batches.size(), 1u);
  ASSERT_EQ((*answers)[1].batches.size(), 1u);
  const auto with_both = connection.frame().use_count();
  (*answers)[1].batches.clear();
  EXPECT_EQ(connection.frame().use_count(), with_both);
  EXPECT_EQ((*answers)[0].batches[0].bytes.view(), partition(0).batches[0].bytes);
  (*answers)[0].batches.clear();
  EXPECT_EQ(connection.frame().use_count(), with_both - 1);
}

TEST_F(PartitionReadersTest, a_fetch_below_what_is_known_to_be_committed_waits_for_it) {
  readers_.note_bounds(at_, Offset(0), Offset(2));
  Thread later([&] {
    append({"a"});
    append({"b"});
  });
  EXPECT_EQ(read(Offset(0)).size(), 2u);
  later.join();
  options_.request_timeout_ms = 100;
  readers_.note_bounds(at_, Offset(0), Offset(3));
  EXPECT_EQ(code(Offset(2)), StatusCode::disconnected);
}

TEST_F(PartitionReadersTest, listeners_hear_of_arrivals_at_a_cursor_wherever_it_is_led) {
  std::atomic<int> calls{0};
  const auto id = readers_.add_listener(at_, [&] { ++calls; });
  EXPECT_THAT(read(Offset(0)), IsEmpty());
  append({"a"});
  ASSERT_TRUE(comes_true([&] { return calls > 0; }));
  EXPECT_EQ(read(Offset(0)).size(), 1u);
  const int before = calls;
  {
    const std::lock_guard lock(fake_.mutex);
    partition().leader = 2;
    ++partition().leader_epoch;
  }
  append({"b"});
  ASSERT_TRUE(comes_true([&] { return calls > before; }));
  EXPECT_EQ(read(Offset(1)).size(), 1u);
  readers_.remove_listener(id);
}

TEST_F(PartitionReadersTest, offsets_that_are_gone_or_not_there_yet_are_errors) {
  append({"a", "b"});
  partition().start = Offset(1);
  EXPECT_EQ(code(Offset(3)), StatusCode::out_of_range);
  EXPECT_EQ(code(Offset(0)), StatusCode::out_of_range);
  EXPECT_EQ(read(Offset(1)).size(), 1u);
  readers_.note_bounds(at_, Offset(2), Offset(2));
  EXPECT_EQ(code(Offset(1)), StatusCode::out_of_range);
  EXPECT_EQ(readers_.fetch({"t", 2}, Offset(0), 1).status().code(), StatusCode::not_found);
  EXPECT_EQ(readers_.fetch({"u", 0}, Offset(0), 1).status().code(), StatusCode::not_found);
}

TEST_F(PartitionReadersTest, a_topic_that_was_made_again_is_not_taken_for_the_old_one) {
  append({"old"});
  EXPECT_EQ(read(Offset(0)).size(), 1u);
  {
    const std::lock_guard lock(fake_.mutex);
    fake_.topic_ids["t"].bytes[1] = 1;
    partition().batches.clear();
    partition().end = Offset(0);
    partition().append(log::make_batch({"new", "newer"}), false);
  }
  ASSERT_TRUE(comes_true([&] { return code(Offset(1)) == StatusCode::not_found; }));
  EXPECT_EQ(std::get<3>(read(Offset(0)).at(0)), partition().batches[0].bytes);
}

TEST_F(PartitionReadersTest, a_batch_that_is_damaged_is_told_behind_the_good_ones) {
  append({"good"});
  append({"bad"});
  partition().batches[1].bytes.back() ^= 1;
  const auto fetched = readers_.fetch(at_, Offset(0), 1 << 20);
  ASSERT_TRUE(fetched.is_ok()) << fetched.status().to_string();
  EXPECT_EQ(fetched->batches.size(), 1u);
  EXPECT_EQ(code(Offset(1)), StatusCode::corrupt);
}

TEST_F(PartitionReadersTest, brokers_that_are_gone_for_good_are_an_error_in_time) {
  options_.request_timeout_ms = 100;
  fake_.fate = [](std::int32_t, ApiKey) { return FakeFate{Kind::lost}; };
  EXPECT_EQ(code(Offset(0)), StatusCode::disconnected);
}

// The twin is what the partition holds. Cursors of several readers, brokers that fail, leaders that
// move, transactions that end while they are read.
TEST_F(PartitionReadersTest, a_range_is_cut_the_same_way_however_and_whenever_it_is_read) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto name = "s" + std::to_string(seed);
    const TopicPartition at{name, 0};
    FakePartition* of = nullptr;
    {
      const std::lock_guard lock(fake_.mutex);
      fake_.add_topic(name, 1);
      of = &fake_.state.partitions[at];
      fake_.fetch_bytes_max = 1 + random.below(400);
      fake_.fate = [&](std::int32_t, ApiKey api) -> FakeFate {
        if (api == ApiKey::api_versions || !random.one_in(20)) return {};
        return {static_cast<Kind>(random.below(4)), ErrorCode::not_leader_or_follower};
      };
    }
    std::vector<Offset> next(3);
    std::vector<Cuts> cuts(3);
    for (int step = 0; step < 120; ++step) {
      Offset stable;
      {
        const std::lock_guard lock(fake_.mutex);
        const ProducerId id(static_cast<std::int64_t>(random.below(3)));
        const std::vector<std::string> values(1 + random.below(3),
                                              std::string(random.below(60), 'v'));
        if (random.one_in(3)) of->end_transaction(id, ProducerEpoch(0), random.one_in(2));
        const bool is_open = random.one_in(2);
        const log::TestProducer as{is_open ? id : kNoProducerId, ProducerEpoch(0), 0, true};
        of->append(log::make_batch(values, as), is_open);
        if (random.one_in(15)) of->leader = 3 - of->leader;
        stable = of->last_stable();
      }
      readers_.note_bounds(at, Offset(0), stable);
      const auto reader = random.below(3);
      for (auto reads = random.below(6); reads > 0; --reads) {
        const auto fetched = readers_.fetch(at, next[reader], random.below(600));
        if (!fetched.is_ok()) continue;  // brokers fail
        for (const auto& batch : fetched->batches) {
          next[reader] = batch.next_offset;
          cuts[reader].emplace_back(batch.base_offset, batch.next_offset, batch.kind,
                                    batch.bytes.view());
        }
      }
    }
    const std::lock_guard lock(fake_.mutex);
    fake_.fate = nullptr;
    Cuts wanted;
    for (const auto& batch : of->batches) {
      const auto kind = batch.header.is_control ? BatchKind::control
                        : batch.is_aborted      ? BatchKind::aborted
                                                : BatchKind::records;
      wanted.emplace_back(batch.header.base_offset, batch.header.next_offset(), kind, batch.bytes);
    }
    for (const auto& one : cuts) {
      EXPECT_GT(one.size(), 20u);
      ASSERT_LE(one.size(), wanted.size());
      EXPECT_EQ(one,
                Cuts(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(one.size())));
    }
  }
}

}  // namespace
}  // namespace millrace::kafka_client
