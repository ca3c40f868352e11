#include "broker/transaction_coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/transaction_record.h"
#include "broker/transactions_for_tests.h"
#include "sim/fault_file_system.h"

namespace millrace::broker {
namespace {

using TransactionWorld = TransactionWorldOn<sim::FaultFileSystem>;
using kafka_wire::ErrorCode;
using log::ProducerIdentity;
using testing::ElementsAre;
using testing::IsEmpty;

const TopicPartition kP0{"t", 0};
const TopicPartition kP1{"t", 1};
const std::string kId = "tx";

class TransactionCoordinatorTest : public testing::Test {
 protected:
  TransactionCoordinatorTest() { create("t", 2); }

  void create(const std::string& name, std::int32_t partitions, bool is_internal = false) {
    log::TopicConfig config;
    config.partition_count = partitions;
    config.is_internal = is_internal;
    ASSERT_TRUE(world_.log->create_topic(name, config).is_ok());
  }
  void begin(ProducerIdentity producer) {
    ASSERT_EQ(world_.add(kId, producer, {kP0, kP1}), ErrorCode::none);
    ASSERT_EQ(world_.send(kId, producer, kP0, 0, "x"), ErrorCode::none);
    ASSERT_EQ(world_.send(kId, producer, kP1, 0, "y"), ErrorCode::none);
  }
  // As if the id had been started very often.
  ProducerIdentity with_last_epoch() {
    TransactionRecord record;
    record.producer = {world_.must_init(kId).id, ProducerEpoch(INT16_MAX - 1)};
    record.timeout_ms = 60'000;
    codec::RecordBatchBuilder builder;
    builder.append(WallTime(0), encode_transaction_key(kId), encode_transaction_record(record), {});
    log::AppendBatch batch;
    batch.topic = kTransactionsTopic;
    builder.finish(batch.bytes);
    EXPECT_TRUE(log::append_and_wait(*world_.log, std::move(batch)).is_ok());
    world_.close_and_open();
    return record.producer;
  }
  static ProducerIdentity next(ProducerIdentity producer) {
    producer.epoch = ProducerEpoch(static_cast<std::int16_t>(producer.epoch.value + 1));
    return producer;
  }

  TransactionWorld world_;
};

TEST_F(TransactionCoordinatorTest, a_transaction_shows_in_all_partitions_and_groups_at_its_end) {
  const auto producer = world_.must_init(kId);
  begin(producer);
  ASSERT_EQ(world_.add_group(kId, producer, "g"), ErrorCode::none);
  ASSERT_EQ(world_.stage(kId, producer, "g", kP0, 7), ErrorCode::none);
  EXPECT_TRUE(world_.coordinator->has_staged("g", kP0));
  EXPECT_FALSE(world_.coordinator->has_staged("g", kP1));
  EXPECT_THAT(world_.values(kP0), IsEmpty());
  EXPECT_EQ(world_.group_offset("g", kP0), -1);
  world_.crash_and_open();
  EXPECT_TRUE(world_.coordinator->has_staged("g", kP0));
  ASSERT_EQ(world_.end(kId, producer, true), ErrorCode::none);
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(world_.values(kP0), ElementsAre("x"));
    EXPECT_THAT(world_.values(kP1), ElementsAre("y"));
    EXPECT_EQ(world_.group_offset("g", kP0), 7);
    EXPECT_FALSE(world_.coordinator->has_staged("g", kP0));
    EXPECT_EQ(world_.describe(kId).transaction_state, "CompleteCommit");
    world_.crash_and_open();
  }
}

TEST_F(TransactionCoordinatorTest, an_aborted_transaction_leaves_nothing) {
  const auto producer = world_.must_init(kId);
  begin(producer);
  ASSERT_EQ(world_.add_group(kId, producer, "g"), ErrorCode::none);
  ASSERT_EQ(world_.stage(kId, producer, "g", kP0, 7), ErrorCode::none);
  ASSERT_EQ(world_.end(kId, producer, false), ErrorCode::none);
  EXPECT_THAT(world_.values(kP0), IsEmpty());
  EXPECT_THAT(world_.values(kP0, log::Visibility::uncommitted), ElementsAre("x"));
  EXPECT_EQ(world_.group_offset("g", kP0), -1);
  EXPECT_FALSE(world_.coordinator->has_staged("g", kP0));
  EXPECT_TRUE(world_.is_all_stable(kP0) && world_.is_all_stable(kP1));
}

TEST_F(TransactionCoordinatorTest, a_repeated_end_gets_the_same_answer_and_the_opposite_an_error) {
  const auto producer = world_.must_init(kId);
  EXPECT_EQ(world_.end(kId, producer, true), ErrorCode::invalid_txn_state);
  begin(producer);
  ASSERT_EQ(world_.end(kId, producer, true), ErrorCode::none);
  const auto end = world_.log->offsets(kP0).value().end;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(world_.end(kId, producer, true), ErrorCode::none);
    EXPECT_EQ(world_.end(kId, producer, false), ErrorCode::invalid_txn_state);
    EXPECT_EQ(world_.log->offsets(kP0).value().end, end);
    world_.crash_and_open();
  }
}

TEST_F(TransactionCoordinatorTest, a_new_incarnation_aborts_and_fences_the_one_before_it) {
  const auto zombie = world_.must_init(kId);
  begin(zombie);
  const auto producer = world_.must_init(kId);
  EXPECT_EQ(producer.id, zombie.id);
  EXPECT_EQ(producer.epoch, next(zombie).epoch);
  EXPECT_TRUE(world_.is_all_stable(kP0));
  EXPECT_THAT(world_.values(kP0), IsEmpty());
  EXPECT_EQ(world_.describe(kId).transaction_state, "Empty");
  EXPECT_EQ(world_.end(kId, producer, false), ErrorCode::invalid_txn_state);
  EXPECT_EQ(world_.add(kId, zombie, {kP0}), ErrorCode::producer_fenced);
  EXPECT_EQ(world_.end(kId, zombie, true), ErrorCode::producer_fenced);
  EXPECT_EQ(world_.add_group(kId, zombie, "g"), ErrorCode::producer_fenced);
  EXPECT_EQ(world_.send(kId, zombie, kP0, 1, "z"), ErrorCode::invalid_producer_epoch);
  // Even around the check: the markers have told the partitions.
  EXPECT_EQ(world_.log->commit(world_.transactional(kP0, zombie, 1, "z")).status().code(),
            StatusCode::fenced);
  begin(producer);
  ASSERT_EQ(world_.end(kId, producer, true), ErrorCode::none);
  EXPECT_THAT(world_.values(kP0), ElementsAre("x"));
}

TEST_F(TransactionCoordinatorTest, a_producer_that_asks_for_its_next_epoch_again_gets_the_same) {
  const auto first = world_.must_init(kId);
  const auto bumped = world_.init(kId, first);
  EXPECT_EQ(bumped.error_code, ErrorCode::none);
  EXPECT_EQ(bumped.producer_epoch, next(first).epoch.value);
  world_.crash_and_open();
  const auto again = world_.init(kId, first);
  EXPECT_EQ(again.error_code, ErrorCode::none);
  EXPECT_EQ(again.producer_epoch, bumped.producer_epoch);
  const ProducerIdentity current = next(first);
  begin(current);
  EXPECT_EQ(world_.init(kId, first).error_code, ErrorCode::producer_fenced);
  const auto third = world_.must_init(kId);  // somebody else
  EXPECT_EQ(world_.init(kId, current).error_code, ErrorCode::producer_fenced);
  EXPECT_EQ(world_.init(kId, {ProducerId(999'999), ProducerEpoch(0)}).error_code,
            ErrorCode::producer_fenced);
  EXPECT_EQ(world_.init(kId, third).error_code, ErrorCode::none);
}

TEST_F(TransactionCoordinatorTest, epochs_that_run_out_give_a_new_producer_id) {
  const ProducerIdentity producer = with_last_epoch();
  begin(producer);
  const auto fresh = world_.must_init(kId);
  EXPECT_NE(fresh.id, producer.id);
  EXPECT_EQ(fresh.epoch, ProducerEpoch(0));
  EXPECT_TRUE(world_.is_all_stable(kP0));
  EXPECT_EQ(world_.end(kId, producer, true), ErrorCode::invalid_producer_id_mapping);
  EXPECT_EQ(world_.log->commit(world_.transactional(kP0, producer, 1, "z")).status().code(),
            StatusCode::fenced);
}

TEST_F(TransactionCoordinatorTest, epochs_that_run_out_at_an_end_do_too) {
  const ProducerIdentity before = with_last_epoch();
  ASSERT_EQ(world_.send(kId, before, kP0, 0, "x", true), ErrorCode::none);
  auto producer = before;
  ASSERT_EQ(world_.end_and_go_on(kId, producer, true), ErrorCode::none);
  EXPECT_NE(producer.id, before.id);
  EXPECT_EQ(producer.epoch, ProducerEpoch(0));
  auto again = before;
  ASSERT_EQ(world_.end_and_go_on(kId, again, true), ErrorCode::none);
  EXPECT_EQ(again.id, producer.id);
  EXPECT_THAT(world_.values(kP0), ElementsAre("x"));
  EXPECT_EQ(world_.send(kId, producer, kP0, 0, "y", true), ErrorCode::none);
}

// Nothing could end what is begun in it.
TEST_F(TransactionCoordinatorTest, the_epoch_that_a_time_out_leaves_last_is_nobodys) {
  const ProducerIdentity producer = with_last_epoch();
  begin(producer);
  world_.clock.advance_ms(60'000);
  world_.coordinator->run_due();
  const ProducerIdentity guessed = next(producer);
  ASSERT_EQ(world_.describe(kId).producer_epoch, guessed.epoch.value);
  EXPECT_EQ(world_.add(kId, guessed, {kP0}), ErrorCode::producer_fenced);
  EXPECT_EQ(world_.add_group(kId, guessed, "g"), ErrorCode::producer_fenced);
  EXPECT_EQ(world_.stage(kId, guessed, "g", kP0, 7, 5), ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(world_.send(kId, guessed, kP0, 0, "x", true), ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(world_.end(kId, guessed, false), ErrorCode::producer_fenced);
  auto ending = guessed;
  EXPECT_EQ(world_.end_and_go_on(kId, ending, false), ErrorCode::producer_fenced);
  world_.crash_and_open();
  EXPECT_NE(world_.must_init(kId).id, producer.id);
}

TEST_F(TransactionCoordinatorTest,
       a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced) {
  const auto producer = world_.must_init(kId);
  begin(producer);
  world_.clock.advance_ms(59'999);
  const auto due = world_.coordinator->run_due();
  EXPECT_FALSE(world_.is_all_stable(kP0));
  EXPECT_EQ(due, world_.clock.monotonic_now() + 1'000'000);
  // The time goes on over a restart.
  world_.crash_and_open();
  world_.clock.advance_ms(1);
  world_.coordinator->run_due();
  ASSERT_TRUE(world_.log->wait_durable(world_.log->durable_sequence()).is_ok());
  EXPECT_EQ(world_.describe(kId).transaction_state, "CompleteAbort");
  EXPECT_TRUE(world_.is_all_stable(kP0) && world_.is_all_stable(kP1));
  EXPECT_EQ(world_.end(kId, producer, true), ErrorCode::producer_fenced);
  EXPECT_EQ(world_.send(kId, producer, kP0, 1, "z"), ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(world_.init(kId, producer).error_code, ErrorCode::producer_fenced);
  EXPECT_EQ(world_.coordinator->counts().timed_out, 1u);
  const auto again = world_.must_init(kId);
  EXPECT_GT(again.epoch.value, producer.epoch.value + 1);
}

TEST_F(TransactionCoordinatorTest, a_transaction_without_data_times_out_too) {
  const auto producer = world_.must_init(kId);
  ASSERT_EQ(world_.add(kId, producer, {kP0}), ErrorCode::none);
  world_.close_and_open();
  world_.clock.advance_ms(60'000);
  world_.coordinator->run_due();
  EXPECT_EQ(world_.describe(kId).transaction_state, "CompleteAbort");
}

TEST_F(TransactionCoordinatorTest, only_what_has_been_added_may_be_written_to) {
  const auto producer = world_.must_init(kId);
  EXPECT_EQ(world_.send(kId, producer, kP0, 0, "x"), ErrorCode::invalid_txn_state);
  ASSERT_EQ(world_.add(kId, producer, {kP0}), ErrorCode::none);
  EXPECT_EQ(world_.send(kId, producer, kP0, 0, "x"), ErrorCode::none);
  EXPECT_EQ(world_.send(kId, producer, kP1, 0, "y"), ErrorCode::invalid_txn_state);
  EXPECT_EQ(world_.send("other", producer, kP0, 0, "y"), ErrorCode::invalid_producer_id_mapping);
  EXPECT_EQ(world_.send(kId, {ProducerId(77), ProducerEpoch(0)}, kP0, 0, "y"),
            ErrorCode::invalid_producer_id_mapping);
  ASSERT_EQ(world_.end(kId, producer, true), ErrorCode::none);
  // A delayed batch of the transaction that is over.
  EXPECT_EQ(world_.send(kId, producer, kP0, 1, "z"), ErrorCode::invalid_txn_state);
  EXPECT_TRUE(world_.is_all_stable(kP0));
}

TEST_F(TransactionCoordinatorTest, requests_that_name_the_wrong_thing_are_refused) {
  create("inner", 1, true);
  EXPECT_EQ(world_.init("").error_code, ErrorCode::invalid_request);
  EXPECT_EQ(world_.init(kId, {ProducerId(3), kNoProducerEpoch}).error_code,
            ErrorCode::invalid_request);
  for (const std::int32_t timeout_ms : {0, -1, 900'001}) {
    EXPECT_EQ(world_.init(kId, {kNoProducerId, kNoProducerEpoch}, timeout_ms).error_code,
              ErrorCode::invalid_transaction_timeout);
  }
  const auto producer = world_.must_init(kId);
  EXPECT_EQ(world_.add("nobody", producer, {kP0}), ErrorCode::invalid_producer_id_mapping);
  EXPECT_EQ(world_.add(kId, producer, {{"t", 2}, kP0}), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(world_.add(kId, producer, {kP0, {"t", 2}}), ErrorCode::operation_not_attempted);
  EXPECT_EQ(world_.add(kId, producer, {{"inner", 0}}), ErrorCode::topic_authorization_failed);
  EXPECT_EQ(world_.describe(kId).transaction_state, "Empty");
  EXPECT_EQ(world_.stage(kId, producer, "g", kP0, 1), ErrorCode::invalid_txn_state);
  ASSERT_EQ(world_.add_group(kId, producer, "g"), ErrorCode::none);
  EXPECT_EQ(world_.stage(kId, producer, "h", kP0, 1), ErrorCode::invalid_txn_state);
  EXPECT_EQ(world_.stage(kId, producer, "g", {"t", 2}, 1), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(world_.stage(kId, next(producer), "g", kP0, 1), ErrorCode::invalid_producer_epoch);
}

TEST_F(TransactionCoordinatorTest, the_group_coordinator_has_its_say_on_staged_offsets) {
  ErrorCode answer = ErrorCode::illegal_generation;
  world_.stage_offsets = [&](const auto& request, const auto& stage) {
    EXPECT_EQ(request.group_id, "g");
    return answer == ErrorCode::none ? stage() : answer;
  };
  world_.close_and_open();
  const auto producer = world_.must_init(kId);
  ASSERT_EQ(world_.add_group(kId, producer, "g"), ErrorCode::none);
  EXPECT_EQ(world_.stage(kId, producer, "g", kP0, 1), ErrorCode::illegal_generation);
  EXPECT_FALSE(world_.coordinator->has_staged("g", kP0));
  answer = ErrorCode::none;
  EXPECT_EQ(world_.stage(kId, producer, "g", kP0, 1), ErrorCode::none);
  EXPECT_TRUE(world_.coordinator->has_staged("g", kP0));
}

TEST_F(TransactionCoordinatorTest, a_topic_that_was_deleted_or_made_again_does_not_stop_the_end) {
  create("gone", 1);
  create("again", 1);
  const auto producer = world_.must_init(kId);
  ASSERT_EQ(world_.add(kId, producer, {kP0, {"gone", 0}, {"again", 0}}), ErrorCode::none);
  ASSERT_EQ(world_.send(kId, producer, kP0, 0, "x"), ErrorCode::none);
  ASSERT_EQ(world_.send(kId, producer, {"again", 0}, 0, "x"), ErrorCode::none);
  ASSERT_TRUE(world_.log->delete_topic("gone").is_ok());
  ASSERT_TRUE(world_.log->delete_topic("again").is_ok());
  create("again", 1);
  EXPECT_EQ(world_.send(kId, producer, {"again", 0}, 1, "y"), ErrorCode::invalid_txn_state);
  ASSERT_EQ(world_.end(kId, producer, true), ErrorCode::none);
  EXPECT_THAT(world_.values(kP0), ElementsAre("x"));
  EXPECT_EQ(world_.log->offsets({"again", 0}).value().end, Offset(0));
}

TEST_F(TransactionCoordinatorTest, a_marker_of_an_administrator_ends_a_transaction_for_good) {
  const auto producer = world_.must_init(kId);
  begin(producer);
  kafka_wire::WriteTxnMarkersRequest request;
  request.markers.push_back({.producer_id = producer.id.value,
                             .producer_epoch = next(producer).epoch.value,
                             .transaction_result = false,
                             .topics = {{"t", {0, 9}}},
                             .coordinator_epoch = 0});
  const auto response = world_.wait_for<kafka_wire::WriteTxnMarkersResponse>(
      [&](auto answer) { world_.coordinator->write_markers(request, answer); });
  const auto& errors = response.markers.at(0).topics.at(0).partitions;
  EXPECT_EQ(errors.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(errors.at(1).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_TRUE(world_.is_all_stable(kP0));
  EXPECT_FALSE(world_.is_all_stable(kP1));
  // The rest of the transaction can still be ended.
  ASSERT_EQ(world_.end(kId, producer, true), ErrorCode::none);
  EXPECT_THAT(world_.values(kP0), IsEmpty());
  EXPECT_THAT(world_.values(kP1), ElementsAre("y"));
}

TEST_F(TransactionCoordinatorTest, what_no_transactional_id_knows_of_does_not_hang_for_ever) {
  const ProducerIdentity stranger{ProducerId(5555), ProducerEpoch(2)};
  const auto producer = world_.must_init(kId);
  begin(producer);
  ASSERT_TRUE(world_.log->commit(world_.transactional(kP0, stranger, 0, "hangs")).is_ok());
  world_.crash_and_open();  // may lose it
  ASSERT_TRUE(world_.log->commit(world_.transactional(kP1, stranger, 0, "hangs")).is_ok());
  ASSERT_EQ(world_.end(kId, producer, true), ErrorCode::none);
  EXPECT_FALSE(world_.is_all_stable(kP1));
  world_.clock.advance_ms(60'000);
  world_.coordinator->run_due();
  ASSERT_TRUE(
      log::append_and_wait(*world_.log, log::append_to(kP0, log::make_batch({"last"}))).is_ok());
  EXPECT_TRUE(world_.is_all_stable(kP0) && world_.is_all_stable(kP1));
  EXPECT_THAT(world_.values(kP1), ElementsAre("y"));
  EXPECT_GE(world_.coordinator->counts().hanging_ended, 1u);
}

TEST_F(TransactionCoordinatorTest, an_id_that_nobody_uses_is_forgotten) {
  const auto producer = world_.must_init(kId);
  begin(producer);
  ASSERT_EQ(world_.end(kId, producer, true), ErrorCode::none);
  world_.clock.advance_ms(7 * 86'400'000LL);
  world_.coordinator->run_due();
  EXPECT_EQ(world_.describe(kId).error_code, ErrorCode::none);
  world_.clock.advance_ms(60'001);
  world_.coordinator->run_due();
  EXPECT_EQ(world_.describe(kId).error_code, ErrorCode::transactional_id_not_found);
  EXPECT_EQ(world_.add(kId, producer, {kP0}), ErrorCode::invalid_producer_id_mapping);
  world_.close_and_open();
  EXPECT_EQ(world_.describe(kId).error_code, ErrorCode::transactional_id_not_found);
}

TEST_F(TransactionCoordinatorTest,
       in_the_second_protocol_partitions_and_groups_join_by_themselves) {
  const auto producer = world_.must_init(kId);
  ASSERT_EQ(world_.send(kId, producer, kP0, 0, "x", true), ErrorCode::none);
  ASSERT_EQ(world_.send(kId, producer, kP0, 1, "x2", true), ErrorCode::none);
  ASSERT_EQ(world_.send(kId, producer, kP1, 0, "y", true), ErrorCode::none);
  ASSERT_EQ(world_.stage(kId, producer, "g", kP0, 7, 5), ErrorCode::none);
  world_.crash_and_open();
  const auto described = world_.describe(kId);
  EXPECT_EQ(described.transaction_state, "Ongoing");
  EXPECT_THAT(described.topics.at(0).partitions, ElementsAre(0, 1));
  EXPECT_EQ(world_.send(kId, producer, kP0, 5, "gap", true), ErrorCode::request_timed_out);
  auto current = producer;
  ASSERT_EQ(world_.end_and_go_on(kId, current, true), ErrorCode::none);
  EXPECT_THAT(world_.values(kP0), ElementsAre("x", "x2"));
  EXPECT_THAT(world_.values(kP1), ElementsAre("y"));
  EXPECT_EQ(world_.group_offset("g", kP0), 7);
}

TEST_F(TransactionCoordinatorTest, in_the_second_protocol_every_end_moves_the_epoch_on) {
  const auto first = world_.must_init(kId);
  auto current = first;
  ASSERT_EQ(world_.send(kId, first, kP0, 0, "x", true), ErrorCode::none);
  ASSERT_EQ(world_.end_and_go_on(kId, current, true), ErrorCode::none);
  EXPECT_EQ(current.id, first.id);
  EXPECT_EQ(current.epoch, next(first).epoch);
  // What was late for its transaction gets into none.
  EXPECT_EQ(world_.send(kId, first, kP0, 1, "late", true), ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(world_.log->commit(world_.transactional(kP0, first, 1, "late")).status().code(),
            StatusCode::fenced);
  for (int round = 0; round < 2; ++round) {
    auto again = first;
    EXPECT_EQ(world_.end_and_go_on(kId, again, true), ErrorCode::none);
    EXPECT_EQ(again.epoch, current.epoch);
    again = first;
    EXPECT_EQ(world_.end_and_go_on(kId, again, false), ErrorCode::invalid_txn_state);
    again = current;
    EXPECT_EQ(world_.end_and_go_on(kId, again, true), ErrorCode::invalid_txn_state);
    again = {kNoProducerId, kNoProducerEpoch};
    EXPECT_EQ(world_.end_and_go_on(kId, again, true), ErrorCode::invalid_producer_id_mapping);
    world_.crash_and_open();
  }
  ASSERT_EQ(world_.send(kId, current, kP0, 0, "y", true), ErrorCode::none);
  auto late = first;
  EXPECT_EQ(world_.end_and_go_on(kId, late, true), ErrorCode::producer_fenced);
  ASSERT_EQ(world_.end_and_go_on(kId, current, false), ErrorCode::none);
  EXPECT_EQ(current.epoch.value, first.epoch.value + 2);
  // A transaction that nothing has joined.
  ASSERT_EQ(world_.end_and_go_on(kId, current, false), ErrorCode::none);
  EXPECT_EQ(current.epoch.value, first.epoch.value + 3);
  EXPECT_THAT(world_.values(kP0), ElementsAre("x"));
  EXPECT_TRUE(world_.is_all_stable(kP0));
}

TEST_F(TransactionCoordinatorTest, listings_show_ids_and_producers) {
  const auto producer = world_.must_init(kId);
  begin(producer);
  const auto other = world_.must_init("other");
  world_.clock.advance_ms(500);
  const auto list = [&](const kafka_wire::ListTransactionsRequest& request) {
    std::vector<std::string> ids;
    const auto response = world_.wait_for<kafka_wire::ListTransactionsResponse>(
        [&](auto answer) { world_.coordinator->list(request, answer); });
    for (const auto& found : response.transaction_states) {
      ids.push_back(found.transactional_id + "/" + found.transaction_state);
    }
    for (const auto& unknown : response.unknown_state_filters) ids.push_back("?" + unknown);
    return ids;
  };
  EXPECT_THAT(list({}), ElementsAre("other/Empty", "tx/Ongoing"));
  kafka_wire::ListTransactionsRequest by_state;
  by_state.state_filters = {"Ongoing", "Dead", "Odd"};
  EXPECT_THAT(list(by_state), ElementsAre("tx/Ongoing", "?Odd"));
  kafka_wire::ListTransactionsRequest by_producer;
  by_producer.producer_id_filters = {other.id.value};
  EXPECT_THAT(list(by_producer), ElementsAre("other/Empty"));
  kafka_wire::ListTransactionsRequest by_duration;
  by_duration.duration_filter = 499;
  EXPECT_THAT(list(by_duration), ElementsAre("tx/Ongoing"));
  by_duration.duration_filter = 500;
  EXPECT_THAT(list(by_duration), IsEmpty());
  const auto described = world_.describe(kId);
  EXPECT_EQ(described.producer_id, producer.id.value);
  EXPECT_EQ(described.transaction_timeout_ms, 60'000);
  ASSERT_EQ(described.topics.size(), 1u);
  EXPECT_THAT(described.topics[0].partitions, ElementsAre(0, 1));
  const auto producers = world_.wait_for<kafka_wire::DescribeProducersResponse>([&](auto answer) {
    world_.coordinator->describe_producers({.topics = {{"t", {0, 5}}}}, answer);
  });
  const auto& partitions = producers.topics.at(0).partitions;
  ASSERT_EQ(partitions.at(0).active_producers.size(), 1u);
  EXPECT_EQ(partitions[0].active_producers[0].current_txn_start_offset, 0);
  EXPECT_EQ(partitions.at(1).error_code, ErrorCode::unknown_topic_or_partition);
}

TEST_F(TransactionCoordinatorTest, idempotent_producers_get_ids_of_their_own) {
  kafka_wire::InitProducerIdRequest request;
  const auto ask = [&] {
    return world_.wait_for<kafka_wire::InitProducerIdResponse>(
        [&](auto answer) { world_.coordinator->init_producer_id(request, 4, answer); });
  };
  const auto first = ask();
  EXPECT_EQ(first.error_code, ErrorCode::none);
  EXPECT_EQ(first.producer_epoch, 0);
  const auto transactional = world_.must_init(kId);
  world_.crash_and_open();
  const auto later = ask();
  EXPECT_GT(later.producer_id, std::max(first.producer_id, transactional.id.value));
}

TEST_F(TransactionCoordinatorTest, an_old_client_is_told_the_code_it_knows) {
  const auto producer = world_.must_init(kId);
  world_.must_init(kId);
  kafka_wire::EndTxnRequest request;
  request.transactional_id = kId;
  request.producer_id = producer.id.value;
  request.producer_epoch = producer.epoch.value;
  const auto response = world_.wait_for<kafka_wire::EndTxnResponse>(
      [&](auto answer) { world_.coordinator->end(request, 1, answer); });
  EXPECT_EQ(response.error_code, ErrorCode::invalid_producer_epoch);
}

}  // namespace
}  // namespace millrace::broker
