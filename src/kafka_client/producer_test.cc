#include "kafka_client/producer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "kafka_client/fake_answers_for_tests.h"
#include "kafka_client/virtual_time_for_tests.h"
#include "log/log_test_support.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ApiKey;
using log::TransactionOutcome;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = FakeFate::Kind;

constexpr TopicPartition at(std::int32_t partition) {
  return {"out", partition};
}

class ProducerTest : public testing::TestWithParam<bool> {
 protected:
  ProducerTest() {
    fake_.state.is_v2 = GetParam();
    fake_.broker_count = 3;
    fake_.add_topic("out", 3);
    fake_.coordinators = {{"slot", 2}, {"g", 3}};
  }

  static log::Commit unit(const std::vector<std::pair<std::int32_t, std::string>>& values,
                          std::int64_t offset = -1) {
    log::Commit out;
    for (const auto& [partition, value] : values) {
      out.appends.push_back(log::append_to(at(partition), log::make_batch({value.c_str()})));
    }
    if (offset >= 0) {
      out.offsets.push_back({"g", {"in", 0}, Offset(offset), "m" + std::to_string(offset)});
    }
    return out;
  }
  TransactionOutcome commit(const log::Commit& commit) {
    return producer_.commit(commit, {"g", "", -1});
  }
  std::vector<std::string> values(std::int32_t partition) {
    return fake_.state.partitions[at(partition)].values();
  }
  Offset committed_offset() { return fake_.state.groups["g"].offsets[{"in", 0}].next_offset; }
  // The n-th request of an API, from now on, meets this; all else is answered.
  void let(ApiKey api, int nth, FakeFate fate) {
    const auto first = fake_.count(api) + nth;
    fake_.fate = [this, api, first, fate](std::int32_t, ApiKey asked) {
      return asked == api && fake_.count(api) == first ? fate : FakeFate{};
    };
  }

  VirtualTime clock_;
  const KafkaLogOptions options_ = FakeCluster::options(5'000);
  FakeCluster fake_;
  BrokerPool pool_{options_, clock_, fake_.dial()};
  Cluster cluster_{pool_, clock_};
  std::map<TopicPartition, Offset> told_;
  Producer producer_{options_, clock_, cluster_,
                     [this](const TopicPartition& where, Offset end) { told_[where] = end; },
                     "slot"};
};

TEST_P(ProducerTest, a_commit_shows_its_records_and_offsets_and_says_where_they_are) {
  ASSERT_TRUE(producer_.initialize().is_ok());
  EXPECT_EQ(commit(unit({{0, "a"}, {1, "b"}, {0, "c"}}, 5)), TransactionOutcome::committed);
  EXPECT_THAT(producer_.base_offsets(), ElementsAre(Offset(0), Offset(0), Offset(1)));
  EXPECT_EQ(commit(unit({{2, "d"}, {0, "e"}}, 6)), TransactionOutcome::committed);
  EXPECT_THAT(producer_.base_offsets(), ElementsAre(Offset(0), Offset(3)));
  EXPECT_EQ(told_[at(0)], Offset(4));
  EXPECT_THAT(values(0), ElementsAre("a", "c", "e"));
  EXPECT_THAT(values(1), ElementsAre("b"));
  EXPECT_THAT(values(2), ElementsAre("d"));
  const auto& offset = fake_.state.groups["g"].offsets[{"in", 0}];
  EXPECT_EQ(offset.next_offset, Offset(6));
  EXPECT_EQ(offset.metadata, "m6");
  EXPECT_EQ(fake_.count(ApiKey::add_partitions_to_txn), GetParam() ? 0 : 2);
  EXPECT_EQ(fake_.count(ApiKey::end_txn), 2);
}

TEST_P(ProducerTest, more_batches_of_a_partition_than_may_be_in_flight_keep_their_order) {
  log::Commit many;
  std::vector<std::string> wanted;
  for (int i = 0; i < 23; ++i) {
    wanted.push_back(std::to_string(i));
    many.appends.push_back(log::append_to(at(1), log::make_batch({wanted.back().c_str()})));
  }
  EXPECT_EQ(commit(many), TransactionOutcome::committed);
  EXPECT_EQ(values(1), wanted);
}

TEST_P(ProducerTest, a_commit_of_nothing_is_committed_and_asks_nobody) {
  ASSERT_TRUE(producer_.initialize().is_ok());
  const auto before = fake_.requests.size();
  EXPECT_EQ(commit({}), TransactionOutcome::committed);
  EXPECT_EQ(fake_.requests.size(), before);
}

TEST_P(ProducerTest, a_batch_that_is_none_aborts) {
  auto bad = unit({{0, "a"}});
  bad.appends[0].bytes.back() ^= 1;
  EXPECT_EQ(commit(bad), TransactionOutcome::aborted);
  EXPECT_EQ(producer_.failure().code(), StatusCode::corrupt);
}

TEST_P(ProducerTest, a_topic_that_is_missing_aborts_at_once) {
  auto bad = unit({{0, "a"}});
  bad.appends.push_back(log::append_to({"nowhere", 0}, log::make_batch({"x"})));
  EXPECT_EQ(commit(bad), TransactionOutcome::aborted);
  EXPECT_EQ(producer_.failure().code(), StatusCode::not_found);
  EXPECT_EQ(commit(unit({{0, "b"}})), TransactionOutcome::committed);
  EXPECT_THAT(values(0), ElementsAre("b"));
}

TEST_P(ProducerTest, an_id_that_was_taken_over_is_fenced) {
  ASSERT_TRUE(producer_.initialize().is_ok());
  (void)fake_.state.initialize("slot");
  EXPECT_EQ(commit(unit({{0, "late"}}, 1)), TransactionOutcome::fenced);
  EXPECT_THAT(values(0), IsEmpty());
}

TEST_P(ProducerTest, another_member_or_generation_is_fenced) {
  fake_.state.groups["g"] = {"me", 3, {}};
  for (const auto& as : {log::GroupMembership{"g", "me", 2}, {"g", "you", 3}}) {
    EXPECT_EQ(producer_.commit(unit({{0, "x"}}, 1), as), TransactionOutcome::fenced);
  }
  EXPECT_EQ(producer_.commit(unit({{0, "y"}}, 1), {"g", "me", 3}), TransactionOutcome::committed);
  EXPECT_THAT(values(0), ElementsAre("y"));
}

TEST_P(ProducerTest, leaders_and_coordinators_that_moved_are_found) {
  EXPECT_EQ(commit(unit({{0, "a"}}, 1)), TransactionOutcome::committed);
  fake_.state.partitions[at(0)].leader = 2;
  fake_.coordinators = {{"slot", 3}, {"g", 1}};
  EXPECT_EQ(commit(unit({{0, "b"}}, 2)), TransactionOutcome::committed);
  EXPECT_THAT(values(0), ElementsAre("a", "b"));
}

TEST_P(ProducerTest, what_is_refused_for_the_moment_is_sent_again) {
  ASSERT_TRUE(producer_.initialize().is_ok());
  for (const auto api : {ApiKey::produce, ApiKey::txn_offset_commit, ApiKey::end_txn}) {
    let(api, 1, {Kind::refused, ErrorCode::concurrent_transactions});
    EXPECT_EQ(commit(unit({{0, "x"}, {0, "y"}}, 1)), TransactionOutcome::committed);
  }
  EXPECT_THAT(values(0), ElementsAre("x", "y", "x", "y", "x", "y"));
}

TEST_P(ProducerTest, a_connection_that_fails_before_the_end_changes_nothing) {
  ASSERT_TRUE(producer_.initialize().is_ok());
  std::vector<std::string> wanted;
  for (const auto kind : {Kind::lost, Kind::unanswered, Kind::late}) {
    for (const auto api : {ApiKey::produce, ApiKey::txn_offset_commit}) {
      let(api, 1, {kind});
      wanted.push_back(std::to_string(wanted.size()));
      EXPECT_EQ(commit(unit({{0, wanted.back()}}, static_cast<std::int64_t>(wanted.size()))),
                TransactionOutcome::committed);
      fake_.deliver_late();
    }
  }
  EXPECT_EQ(values(0), wanted);
}

TEST_P(ProducerTest, a_repeat_of_the_end_tells_what_became_of_it_only_with_an_epoch_of_its_own) {
  for (const auto kind : {Kind::lost, Kind::unanswered}) {
    ASSERT_TRUE(producer_.initialize().is_ok());
    let(ApiKey::end_txn, 1, {kind});
    EXPECT_EQ(commit(unit({{0, "x"}}, 1)),
              GetParam() ? TransactionOutcome::committed : TransactionOutcome::unknown);
  }
  if (GetParam()) EXPECT_EQ(commit(unit({{1, "y"}})), TransactionOutcome::committed);
}

TEST_P(ProducerTest, a_transaction_waits_for_the_markers_of_the_one_before_but_not_for_long) {
  ASSERT_TRUE(producer_.initialize().is_ok());
  for (const int pending : {0, 7, 1'000'000}) {
    fake_.pending_markers = pending;
    EXPECT_EQ(commit(unit({{0, "x"}})), TransactionOutcome::committed);
  }
  fake_.fate = [](std::int32_t, ApiKey api) {
    return api == ApiKey::describe_transactions ? FakeFate{Kind::lost} : FakeFate{};
  };
  EXPECT_EQ(commit(unit({{0, "x"}})), TransactionOutcome::committed);
  const auto asked = fake_.count(ApiKey::describe_transactions);
  EXPECT_EQ(asked > 8, GetParam());
  EXPECT_LT(asked, 300);
}

TEST_P(ProducerTest, an_end_that_is_refused_is_unknown) {
  for (const auto error : {ErrorCode::producer_fenced, ErrorCode::invalid_txn_state,
                           ErrorCode::invalid_producer_epoch}) {
    ASSERT_TRUE(producer_.initialize().is_ok());
    let(ApiKey::end_txn, 1, {Kind::refused, error});
    EXPECT_EQ(commit(unit({{0, "x"}})), TransactionOutcome::unknown);
    EXPECT_FALSE(producer_.failure().is_ok());
  }
}

TEST_P(ProducerTest, nobody_who_answers_is_aborted_or_unknown_in_time) {
  ASSERT_TRUE(producer_.initialize().is_ok());
  fake_.fate = [](std::int32_t, ApiKey api) {
    return api == ApiKey::produce ? FakeFate{Kind::lost} : FakeFate{};
  };
  EXPECT_EQ(commit(unit({{0, "x"}})), TransactionOutcome::aborted);
  fake_.fate = [](std::int32_t, ApiKey api) {
    return api == ApiKey::end_txn ? FakeFate{Kind::lost} : FakeFate{};
  };
  EXPECT_EQ(commit(unit({{0, "y"}})), TransactionOutcome::unknown);
  fake_.fate = [](std::int32_t, ApiKey) { return FakeFate{Kind::lost}; };
  EXPECT_FALSE(producer_.initialize().is_ok());
  EXPECT_EQ(commit(unit({{0, "z"}})), TransactionOutcome::aborted);
}

TEST_P(ProducerTest, an_offset_is_never_read_from_a_broker_that_cannot_write) {
  ASSERT_TRUE(producer_.initialize().is_ok());
  ASSERT_EQ(commit(unit({{0, "a"}}, 1)), TransactionOutcome::committed);
  fake_.stale_groups[{3, "g"}] = fake_.state.groups["g"];
  fake_.coordinators["g"] = 2;
  ASSERT_EQ(commit(unit({{0, "b"}}, 2)), TransactionOutcome::committed);
  // All brokers say that it is 3, until 3 hears that it is not.
  fake_.coordinators["g"] = 3;
  cluster_.forget_coordinator(CoordinatorKind::group, "g");
  int reads_of_3 = 0;
  fake_.fate = [&](std::int32_t node, ApiKey api) -> FakeFate {
    reads_of_3 += node == 3 && api == ApiKey::offset_fetch ? 1 : 0;
    if (node != 3 || api != ApiKey::txn_offset_commit) return {};
    fake_.coordinators["g"] = 2;
    return {Kind::refused, ErrorCode::not_coordinator};
  };
  auto found = producer_.decided_offset("g", {"in", 0});
  ASSERT_TRUE(found.is_ok()) << found.status().to_string();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->next_offset, Offset(2));
  EXPECT_EQ((*found)->metadata, "m2");
  EXPECT_EQ(reads_of_3, 0);
  EXPECT_FALSE(producer_.decided_offset("g", {"in", 1})->has_value());
  EXPECT_EQ(commit(unit({{0, "c"}}, 3)), TransactionOutcome::committed);
  EXPECT_THAT(values(0), ElementsAre("a", "b", "c"));
  EXPECT_EQ(committed_offset(), Offset(3));
}

// As runtime::SlotCommitter does it (R4), under every fault at random, with requests that arrive
// after their connection is gone: nothing is lost, nothing is doubled.
TEST_P(ProducerTest, commits_lose_and_double_nothing_whatever_becomes_of_requests) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    for (auto& [where, partition] : fake_.state.partitions) {
      const auto leader = partition.leader;
      partition = {};
      partition.leader = leader;
    }
    fake_.state.groups.clear();
    std::map<std::int32_t, std::vector<std::string>> wanted;
    std::map<TransactionOutcome, int> outcomes;
    fake_.fate = [&](std::int32_t, ApiKey api) -> FakeFate {
      if (api == ApiKey::api_versions || !random.one_in(12)) return {};
      if (random.one_in(3)) fake_.deliver_late();
      const auto error = random.one_in(2) ? ErrorCode::concurrent_transactions
                                          : ErrorCode::coordinator_load_in_progress;
      const bool has_error = api != ApiKey::metadata;
      return {static_cast<Kind>(random.below(5)), has_error ? error : ErrorCode::none};
    };
    for (std::int64_t i = 1; i <= 40; ++i) {
      log::Commit one;
      for (auto n = random.below(4); n > 0; --n) {
        const auto partition = static_cast<std::int32_t>(random.below(3));
        wanted[partition].push_back(std::to_string(i) + "." + std::to_string(n));
        one.appends.push_back(
            log::append_to(at(partition), log::make_batch({wanted[partition].back().c_str()})));
      }
      one.offsets.push_back({"g", {"in", 0}, Offset(i), "m" + std::to_string(i)});
      for (bool is_done = false; !is_done;) {
        const auto outcome = commit(one);
        ++outcomes[outcome];
        is_done = outcome == TransactionOutcome::committed;
        if (is_done) continue;
        int attempts = 0;
        std::optional<log::GroupOffset> decided;
        for (bool is_known = false; !is_known;) {
          ASSERT_LT(++attempts, 100);
          auto asked = producer_.decided_offset("g", {"in", 0});
          is_known = asked.is_ok();
          if (is_known) decided = *asked;
        }
        is_done = decided && decided->next_offset == Offset(i);
        if (is_done) ASSERT_EQ(outcome, TransactionOutcome::unknown);
      }
      ASSERT_EQ(committed_offset(), Offset(i));
    }
    fake_.deliver_late();
    for (std::int32_t partition = 0; partition < 3; ++partition) {
      ASSERT_EQ(values(partition), wanted[partition]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Protocols, ProducerTest, testing::Bool(),
                         [](const auto& of) { return std::string(of.param ? "v2" : "v1"); });

}  // namespace
}  // namespace millrace::kafka_client
