#pragma once

// What a Log that takes transactional batches of foreign producers must do; see log_conformance.h.

#include <optional>
#include <string>
#include <vector>

#include "log/log_conformance.h"

namespace millrace::log {

class TransactionConformance : public LogConformance {
 protected:
  void SetUp() override {
    LogConformance::SetUp();
    a_ = log().new_producer().value();
    b_ = log().new_producer().value();
  }

  Result<Appended> try_send(const TopicPartition& to, ProducerIdentity producer,
                            std::int32_t sequence, const char* value,
                            bool is_transactional = true) {
    return log().commit(commit_of(append_to(
        to, make_batch({value}, {producer.id, producer.epoch, sequence, is_transactional}))));
  }
  Offset send(const TopicPartition& to, ProducerIdentity producer, std::int32_t sequence,
              const char* value) {
    const auto appended = try_send(to, producer, sequence, value);
    EXPECT_TRUE(appended.is_ok()) << appended.status().to_string();
    return appended.is_ok() ? appended.value().batches[0].base_offset : kNoOffset;
  }
  Result<Appended> try_end(const TopicPartition& in, ProducerIdentity producer, bool is_commit) {
    Commit unit;
    unit.markers.push_back({.partition = in, .producer = producer, .is_commit = is_commit});
    return log().commit(std::move(unit));
  }
  // Durably.
  Offset end(const TopicPartition& in, ProducerIdentity producer, bool is_commit) {
    const auto appended = try_end(in, producer, is_commit);
    EXPECT_TRUE(appended.is_ok()) << appended.status().to_string();
    if (!appended.is_ok()) return kNoOffset;
    EXPECT_TRUE(log().wait_durable(appended.value().sequence).is_ok());
    return appended.value().markers.at(0);
  }
  void sync() { append(p2_, {"sync"}); }

  std::vector<BatchKind> kinds(const TopicPartition& of, Visibility visibility) {
    std::vector<BatchKind> out;
    for (Offset next = offsets(of).start;;) {
      const auto fetched = log().fetch(of, next, 1 << 20, visibility);
      EXPECT_TRUE(fetched.is_ok()) << fetched.status().to_string();
      if (!fetched.is_ok() || fetched.value().batches.empty()) return out;
      for (const auto& batch : fetched.value().batches) out.push_back(batch.kind);
      next = fetched.value().batches.back().next_offset;
    }
  }

  // Does `check` as things are, after a crash, after maintenance and after an orderly restart.
  template <typename Check>
  void at_all_times(Check check) {
    sync();
    for (int round = 0; round < 4; ++round) {
      SCOPED_TRACE("round " + std::to_string(round));
      check();
      if (round == 0) harness().crash_and_reopen();
      if (round == 1) harness().run_maintenance();
      if (round == 2) harness().reopen();
    }
  }

  ProducerIdentity a_;
  ProducerIdentity b_;
};

TEST_P(TransactionConformance, nothing_behind_an_open_transaction_is_seen_until_it_ends) {
  append(p0_, {"before"});
  send(p0_, a_, 0, "in");
  append(p0_, {"behind"});
  at_all_times([&] {
    EXPECT_EQ(offsets(p0_).last_stable, Offset(1));
    EXPECT_EQ(offsets(p0_).high_watermark, Offset(3));
    EXPECT_THAT(values(p0_), ElementsAre("before"));
    EXPECT_THAT(values(p0_, Visibility::appended), ElementsAre("before"));
    EXPECT_THAT(values(p0_, Visibility::uncommitted), ElementsAre("before", "in", "behind"));
    const auto behind = log().fetch(p0_, Offset(2), 1 << 20, Visibility::durable);
    ASSERT_TRUE(behind.is_ok()) << behind.status().to_string();
    EXPECT_THAT(behind.value().batches, IsEmpty());
  });
  EXPECT_EQ(end(p0_, a_, true), Offset(3));
  at_all_times([&] {
    EXPECT_EQ(offsets(p0_).last_stable, Offset(4));
    EXPECT_THAT(values(p0_), ElementsAre("before", "in", "behind"));
    EXPECT_THAT(kinds(p0_, Visibility::durable),
                ElementsAre(BatchKind::records, BatchKind::records, BatchKind::records,
                            BatchKind::control));
  });
}

TEST_P(TransactionConformance, records_of_an_aborted_transaction_are_told_from_others) {
  send(p0_, a_, 0, "lost");
  send(p0_, b_, 0, "kept");
  append(p0_, {"plain"});
  send(p0_, a_, 1, "lost too");
  end(p0_, a_, false);
  send(p0_, a_, 2, "kept too");
  end(p0_, b_, true);
  end(p0_, a_, true);
  const auto r = BatchKind::records;
  const auto x = BatchKind::aborted;
  const auto c = BatchKind::control;
  at_all_times([&] {
    EXPECT_THAT(kinds(p0_, Visibility::durable), ElementsAre(x, r, r, x, c, r, c, c));
    EXPECT_THAT(kinds(p0_, Visibility::uncommitted), ElementsAre(x, r, r, x, c, r, c, c));
    EXPECT_THAT(values(p0_), ElementsAre("kept", "plain", "kept too"));
    EXPECT_THAT(values(p0_, Visibility::uncommitted),
                ElementsAre("lost", "kept", "plain", "lost too", "kept too"));
    const AbortedTransaction lost{.producer = a_.id, .first = Offset(0), .marker = Offset(4)};
    EXPECT_THAT(log().aborted_transactions(p0_, Offset(0), Offset(8)).value(), ElementsAre(lost));
    EXPECT_THAT(log().aborted_transactions(p0_, Offset(4), Offset(5)).value(), ElementsAre(lost));
    EXPECT_THAT(log().aborted_transactions(p0_, Offset(5), Offset(8)).value(), IsEmpty());
    EXPECT_THAT(log().fetch(p0_, Offset(3), 1 << 20, Visibility::durable).value().aborted,
                ElementsAre(lost));
    EXPECT_THAT(log().fetch(p0_, Offset(5), 1 << 20, Visibility::durable).value().aborted,
                IsEmpty());
  });
}

TEST_P(TransactionConformance, markers_offsets_and_records_of_one_commit_come_together) {
  send(p0_, a_, 0, "x");
  send(p1_, a_, 0, "y");
  Commit unit;
  unit.markers.push_back({.partition = p0_, .producer = a_, .is_commit = true});
  unit.markers.push_back({.partition = p1_, .producer = a_, .is_commit = true});
  unit.offsets.push_back({"g", {"source", 0}, Offset(7), "m"});
  unit.appends.push_back(append_to(p2_, make_batch({"outcome"})));
  const auto appended = commit(std::move(unit));
  EXPECT_THAT(appended.markers, ElementsAre(Offset(1), Offset(1)));
  ASSERT_TRUE(log().wait_durable(appended.sequence).is_ok());
  harness().crash_and_reopen();
  EXPECT_THAT(values(p0_), ElementsAre("x"));
  EXPECT_THAT(values(p1_), ElementsAre("y"));
  EXPECT_THAT(values(p2_), ElementsAre("outcome"));
  ASSERT_EQ(log().group_offsets("g").size(), 1u);
  EXPECT_EQ(log().group_offsets("g").front().next_offset, Offset(7));
}

TEST_P(TransactionConformance, a_refused_marker_refuses_the_whole_commit) {
  send(p0_, a_, 0, "x");
  end(p1_, {a_.id, ProducerEpoch(3)}, false);
  Commit unit;
  unit.markers.push_back({.partition = p0_, .producer = a_, .is_commit = true});
  unit.markers.push_back({.partition = p1_, .producer = a_, .is_commit = true});
  unit.appends.push_back(append_to(p2_, make_batch({"outcome"})));
  EXPECT_EQ(log().commit(std::move(unit)).status().code(), StatusCode::fenced);
  EXPECT_EQ(offsets(p0_).last_stable, Offset(0));
  EXPECT_EQ(offsets(p0_).end, Offset(1));
  EXPECT_EQ(offsets(p2_).end, Offset(0));
  EXPECT_EQ(try_end({"nowhere", 0}, a_, true).status().code(), StatusCode::not_found);
}

TEST_P(TransactionConformance, a_marker_with_a_newer_epoch_ends_the_transaction_and_fences) {
  send(p0_, a_, 0, "zombie's");
  const ProducerIdentity next{a_.id, ProducerEpoch(1)};
  end(p0_, next, false);
  end(p1_, next, false);  // where it had nothing open
  at_all_times([&] {
    EXPECT_THAT(values(p0_), IsEmpty());
    EXPECT_EQ(offsets(p0_).last_stable, Offset(2));
    for (const auto& partition : {p0_, p1_}) {
      EXPECT_EQ(try_send(partition, a_, 1, "late").status().code(), StatusCode::fenced);
      EXPECT_EQ(try_end(partition, a_, true).status().code(), StatusCode::fenced);
      EXPECT_EQ(try_send(partition, next, 1, "gap").status().code(), StatusCode::out_of_sequence);
    }
  });
  send(p1_, next, 0, "new");
  EXPECT_EQ(offsets(p1_).last_stable, Offset(1));
  end(p1_, next, true);
  EXPECT_THAT(values(p1_), ElementsAre("new"));
}

TEST_P(TransactionConformance, sequences_go_on_over_the_end_of_a_transaction) {
  send(p0_, a_, 0, "x");
  end(p0_, a_, true);
  at_all_times([&] {
    const auto repeat = try_send(p0_, a_, 0, "x");
    ASSERT_TRUE(repeat.is_ok()) << repeat.status().to_string();
    EXPECT_TRUE(repeat.value().batches[0].is_duplicate);
    EXPECT_EQ(offsets(p0_).last_stable, Offset(2));  // a repeat opens nothing
    EXPECT_EQ(try_send(p0_, a_, 2, "gap").status().code(), StatusCode::out_of_sequence);
  });
  EXPECT_EQ(send(p0_, a_, 1, "y"), Offset(2));
}

TEST_P(TransactionConformance, a_batch_outside_an_open_transaction_is_refused) {
  send(p0_, a_, 0, "x");
  at_all_times([&] {
    EXPECT_EQ(try_send(p0_, a_, 1, "y", false).status().code(), StatusCode::wrong_state);
  });
  ASSERT_TRUE(try_send(p1_, a_, 0, "y", false).is_ok());
  end(p0_, a_, true);
  EXPECT_TRUE(try_send(p0_, a_, 1, "y", false).is_ok());
}

TEST_P(TransactionConformance, control_batches_are_the_logs_own) {
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(1), "k", "v", {});
  builder.set_producer(a_.id, a_.epoch, 0);
  builder.set_transactional(true);
  builder.set_control(true);
  std::string bytes;
  builder.finish(bytes);
  EXPECT_EQ(log().commit(commit_of(append_to(p0_, bytes))).status().code(), StatusCode::invalid);
}

TEST_P(TransactionConformance, a_marker_is_kafkas_control_batch) {
  const Offset at = end(p0_, a_, true);
  end(p0_, a_, false);
  const auto fetched = log().fetch(p0_, at, 1 << 20, Visibility::durable);
  ASSERT_EQ(fetched.value().batches.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    codec::BatchReader reader;
    ASSERT_TRUE(reader.open(fetched.value().batches[i].bytes.view()).is_ok());
    EXPECT_TRUE(reader.header().is_control && reader.header().is_transactional);
    EXPECT_EQ(reader.header().producer_id, a_.id);
    EXPECT_EQ(reader.header().producer_epoch, a_.epoch);
    EXPECT_EQ(reader.header().base_sequence, -1);
    const RecordView* record = reader.next();
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->key, std::string_view(i == 0 ? "\0\0\0\1" : "\0\0\0\0", 4));
    EXPECT_EQ(record->value, std::string_view("\0\0\0\0\0\0", 6));
  }
}

TEST_P(TransactionConformance, deleting_records_may_pass_an_open_transaction) {
  send(p0_, a_, 0, "x");
  append(p0_, {"y"});
  ASSERT_TRUE(log().delete_records(p0_, Offset(2)).is_ok());
  at_all_times([&] {
    EXPECT_EQ(offsets(p0_).last_stable, Offset(2));
    EXPECT_THAT(values(p0_), IsEmpty());
    ASSERT_EQ(log().producers(p0_).value().size(), 1u);
    EXPECT_EQ(log().producers(p0_).value().front().transaction_start, Offset(0));
  });
  end(p0_, a_, false);
  append(p0_, {"z"});
  at_all_times([&] {
    EXPECT_THAT(values(p0_), ElementsAre("z"));
    EXPECT_EQ(offsets(p0_).last_stable, Offset(4));
  });
  ASSERT_TRUE(log().delete_records(p0_, Offset(3)).is_ok());
  EXPECT_THAT(log().aborted_transactions(p0_, Offset(0), Offset(9)).value(), IsEmpty());
}

TEST_P(TransactionConformance, the_producers_of_a_partition_are_told) {
  send(p0_, a_, 0, "x");
  ASSERT_TRUE(try_send(p0_, b_, 5, "y", false).is_ok());
  at_all_times([&] {
    const auto found = log().producers(p0_).value();
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].id, a_.id);
    EXPECT_EQ(found[0].epoch, a_.epoch);
    EXPECT_EQ(found[0].last_sequence, 0);
    EXPECT_EQ(found[0].transaction_start, Offset(0));
    EXPECT_EQ(found[1].last_sequence, 5);
    EXPECT_EQ(found[1].transaction_start, std::nullopt);
  });
  end(p1_, a_, true);
  EXPECT_EQ(log().producers(p1_).value().at(0).last_sequence, -1);
}

TEST_P(TransactionConformance, a_producer_with_an_open_transaction_is_never_forgotten) {
  send(p0_, a_, 0, "x");
  ASSERT_TRUE(try_send(p0_, b_, 0, "y", false).is_ok());
  harness().advance_ms(400LL * 86'400'000);
  append(p1_, {"the log's time goes by its appends"});
  harness().run_maintenance();
  harness().reopen();
  ASSERT_EQ(log().producers(p0_).value().size(), 1u);
  EXPECT_EQ(try_send(p0_, a_, 3, "gap").status().code(), StatusCode::out_of_sequence);
  end(p0_, a_, true);
  EXPECT_THAT(values(p0_), ElementsAre("x", "y"));
}

TEST_P(TransactionConformance, records_are_found_by_their_own_timestamps) {
  const auto batch_of = [](const std::vector<std::int64_t>& timestamps) {
    codec::RecordBatchBuilder builder(codec::Compression::lz4);
    for (const auto timestamp : timestamps) builder.append(WallTime(timestamp), "k", "v", {});
    std::string bytes;
    builder.finish(bytes);
    return bytes;
  };
  EXPECT_EQ(log().max_timestamp(p0_).value(), std::nullopt);
  for (const auto& timestamps :
       std::vector<std::vector<std::int64_t>>{{100, 300, 200}, {50}, {400, 350, 400}, {10}}) {
    commit(commit_of(append_to(p0_, batch_of(timestamps))));
  }
  end(p0_, a_, true);  // its timestamp, the log's time, is no record's
  at_all_times([&] {
    using At = TimestampedOffset;
    const auto first = [&](std::int64_t timestamp) {
      return log().first_at_timestamp(p0_, WallTime(timestamp)).value();
    };
    EXPECT_EQ(first(-5), (At{Offset(0), WallTime(100)}));
    EXPECT_EQ(first(101), (At{Offset(1), WallTime(300)}));
    EXPECT_EQ(first(301), (At{Offset(4), WallTime(400)}));
    EXPECT_EQ(first(400), (At{Offset(4), WallTime(400)}));
    EXPECT_EQ(first(401), std::nullopt);
    EXPECT_EQ(log().max_timestamp(p0_).value(), (At{Offset(4), WallTime(400)}));
  });
  ASSERT_TRUE(log().delete_records(p0_, Offset(5)).is_ok());
  at_all_times([&] {
    EXPECT_EQ(log().first_at_timestamp(p0_, WallTime(0)).value(),
              (TimestampedOffset{Offset(5), WallTime(350)}));
    EXPECT_EQ(log().max_timestamp(p0_).value(), (TimestampedOffset{Offset(6), WallTime(400)}));
  });
}

}  // namespace millrace::log
