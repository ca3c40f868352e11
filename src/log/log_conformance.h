#pragma once

// What every implementation of Log must do. A test file includes this, makes a harness and
// instantiates:
//
//   INSTANTIATE_TEST_SUITE_P(Embedded, LogConformance, testing::Values(&make_harness));

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/thread.h"
#include "log/log.h"
#include "log/log_test_support.h"

namespace millrace::log {

// What a log over somebody else's brokers cannot do, or does otherwise. The defaults are an
// embedded log's; whatever no ability is named for holds for every log.
struct LogAbilities {
  // A commit leaves nothing in a partition but its records; else one offset more, for a marker.
  bool has_dense_offsets = true;
  // Batches of producers whose ids and sequences it checks.
  bool checks_producers = true;
  // An append is told twice: when it can be read by tasks, and when it is durable.
  bool tells_durability_apart = true;
  // A group whose last offset was removed is gone.
  bool forgets_empty_groups = true;
  bool keeps_internal_mark = true;
  // Its topics have append times; else those of the producers.
  bool has_append_times = true;
  // advance_ms moves all the time there is; else so much real time passes, and some more.
  bool has_manual_clock = true;
};

class LogHarness {
 public:
  virtual ~LogHarness() = default;
  virtual Log& log() = 0;
  // Stops the log in an orderly way and opens it again over the same data.
  virtual void reopen() = 0;
  // The same without the order: what was not durable is gone.
  virtual void crash_and_reopen() = 0;
  // Moves the log's clock, which otherwise may stand still.
  virtual void advance_ms(std::int64_t ms) = 0;
  // Has the log do what it does in the background.
  virtual void run_maintenance() = 0;
  [[nodiscard]] virtual LogAbilities abilities() const { return {}; }
  // What every topic can have.
  [[nodiscard]] virtual TopicConfig topic_config() const { return {}; }
};

// What a log's own process does is seen at once; brokers may take a moment.
inline bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    pause_for(std::chrono::milliseconds(10));
  }
  return false;
}

class LogConformance : public testing::TestWithParam<std::unique_ptr<LogHarness> (*)()> {
 protected:
  void SetUp() override {
    harness_ = GetParam()();
    create("t", 3);
  }

  Log& log() { return harness_->log(); }
  LogHarness& harness() { return *harness_; }
  [[nodiscard]] LogAbilities abilities() const { return harness_->abilities(); }
  // Where a partition ends, or the next batch begins, behind so many records in so many commits.
  [[nodiscard]] Offset behind(std::int64_t records, std::int64_t commits) const {
    return Offset(records + (abilities().has_dense_offsets ? 0 : commits));
  }

  void create(const std::string& name, std::int32_t partition_count) {
    TopicConfig config = harness().topic_config();
    config.partition_count = partition_count;
    const auto created = log().create_topic(name, config);
    ASSERT_TRUE(created.is_ok()) << created.status().to_string();
  }

  Appended commit(Commit commit) {
    auto appended = log().commit(std::move(commit));
    EXPECT_TRUE(appended.is_ok()) << appended.status().to_string();
    return appended.is_ok() ? *appended : Appended{};
  }

  Offset append(const TopicPartition& to, const std::vector<std::string>& values) {
    const auto offset = append_and_wait(log(), append_to(to, make_batch(values)));
    EXPECT_TRUE(offset.is_ok()) << offset.status().to_string();
    return offset.is_ok() ? offset.value() : Offset(-1);
  }

  std::vector<std::string> values(const TopicPartition& from,
                                  Visibility visibility = Visibility::durable) {
    const auto read = read_all(log(), from, visibility);
    EXPECT_TRUE(read.is_ok()) << read.status().to_string();
    return read.is_ok() ? values_of(read.value()) : std::vector<std::string>();
  }

  PartitionOffsets offsets(const TopicPartition& of) {
    const auto result = log().offsets(of);
    EXPECT_TRUE(result.is_ok()) << result.status().to_string();
    return result.is_ok() ? result.value() : PartitionOffsets{};
  }

  const TopicPartition p0_{"t", 0};
  const TopicPartition p1_{"t", 1};
  const TopicPartition p2_{"t", 2};

 private:
  std::unique_ptr<LogHarness> harness_;
};

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_P(LogConformance, a_new_partition_is_empty) {
  const auto at = offsets(p0_);
  EXPECT_EQ(at.start, Offset(0));
  EXPECT_EQ(at.high_watermark, Offset(0));
  EXPECT_EQ(at.end, Offset(0));
  EXPECT_THAT(values(p0_), IsEmpty());
}

TEST_P(LogConformance, offsets_count_records_of_each_partition_from_zero) {
  EXPECT_EQ(append(p0_, {"a", "b"}), Offset(0));
  EXPECT_EQ(append(p0_, {"c"}), behind(2, 1));
  EXPECT_EQ(append(p1_, {"x"}), Offset(0));
  EXPECT_EQ(offsets(p0_).end, behind(3, 2));
  EXPECT_THAT(values(p0_), ElementsAre("a", "b", "c"));
  EXPECT_THAT(values(p1_), ElementsAre("x"));
}

TEST_P(LogConformance, a_fetch_from_inside_a_batch_gives_the_whole_batch) {
  append(p0_, {"a", "b", "c"});
  append(p0_, {"d"});
  const auto fetched = log().fetch(p0_, Offset(1), 1 << 20, Visibility::durable);
  ASSERT_TRUE(fetched.is_ok()) << fetched.status().to_string();
  auto batches = fetched.value().batches;
  std::erase_if(batches, [](const auto& one) { return one.kind != BatchKind::records; });
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].base_offset, Offset(0));
  EXPECT_EQ(batches[0].next_offset, Offset(3));
  EXPECT_EQ(batches[1].base_offset, behind(3, 1));
}

TEST_P(LogConformance, a_range_is_cut_into_the_same_batches_however_it_is_read) {
  append(p0_, {"a", "b", "c"});
  append(p0_, {"d"});
  append(p0_, {std::string(3000, 'e'), "f"});
  const auto cuts = [&](Offset from, std::size_t bytes_max) {
    std::vector<std::pair<Offset, std::uint32_t>> out;  // a batch's end and checksum
    (void)offsets(p0_);  // whoever has asked for the end reads up to it, the last marker included
    for (auto next = from;;) {
      const auto fetched = log().fetch(p0_, next, bytes_max, Visibility::durable);
      EXPECT_TRUE(fetched.is_ok()) << fetched.status().to_string();
      if (!fetched.is_ok() || fetched.value().batches.empty()) return out;
      for (const auto& batch : fetched.value().batches) {
        next = batch.next_offset;
        out.emplace_back(next, codec::parse_batch_header(batch.bytes.view()).value().crc);
      }
    }
  };
  const auto all = cuts(Offset(0), 1 << 20);
  EXPECT_EQ(all.back().first, behind(6, 3));
  EXPECT_EQ(cuts(Offset(0), 1), all);
  const auto second = cuts(all[0].first, 200);
  EXPECT_EQ(second, std::vector(all.begin() + 1, all.end()));
  harness().crash_and_reopen();
  EXPECT_EQ(cuts(Offset(0), 1000), all);
}

TEST_P(LogConformance, keys_values_headers_and_their_nulls_are_kept) {
  using Bytes = std::optional<std::string_view>;
  const std::vector<codec::HeaderToAppend> headers{{"a", "1"}, {"a", std::nullopt}, {"", ""}};
  codec::RecordBatchBuilder builder(codec::Compression::zstd);
  builder.append(WallTime(1'000), "key", "value", headers);
  builder.append(WallTime(1'001), std::nullopt, std::nullopt, {});
  builder.append(WallTime(999), "", "", {});
  builder.append(WallTime(1'002), std::string_view("\0k", 2), std::string_view("v\0", 2), {});
  std::string bytes;
  builder.finish(bytes);
  ASSERT_TRUE(append_and_wait(log(), append_to(p0_, bytes)).is_ok());
  harness().crash_and_reopen();
  const auto fetched = log().fetch(p0_, Offset(0), 1 << 20, Visibility::durable);
  ASSERT_TRUE(fetched.is_ok()) << fetched.status().to_string();
  std::vector<std::pair<std::optional<std::string>, std::optional<std::string>>> read;
  for (const auto& batch : fetched.value().batches) {
    if (batch.kind != BatchKind::records) continue;
    codec::BatchReader reader;
    ASSERT_TRUE(reader.open(batch.bytes.view()).is_ok());
    while (const auto* record = reader.next()) {
      if (record->offset == Offset(0)) {
        ASSERT_EQ(record->headers.size(), 3u);
        EXPECT_EQ(record->headers[0].key, "a");
        EXPECT_EQ(record->headers[0].value, Bytes("1"));
        EXPECT_EQ(record->headers[1].value, std::nullopt);
        EXPECT_EQ(record->headers[2].key, "");
        EXPECT_EQ(record->headers[2].value, Bytes(""));
      } else {
        EXPECT_TRUE(record->headers.empty());
      }
      read.emplace_back(record->key, record->value);
    }
  }
  ASSERT_EQ(read.size(), 4u);
  EXPECT_EQ(read[0],
            std::pair(std::optional<std::string>("key"), std::optional<std::string>("value")));
  EXPECT_EQ(read[1].first, std::nullopt);
  EXPECT_EQ(read[1].second, std::nullopt);
  EXPECT_EQ(read[2].first, "");
  EXPECT_EQ(read[2].second, "");
  EXPECT_EQ(read[3].first, std::string("\0k", 2));
  EXPECT_EQ(read[3].second, std::string("v\0", 2));
}

TEST_P(LogConformance, a_fetch_gives_one_batch_even_if_it_is_larger_than_asked_for) {
  append(p0_, {std::string(5000, 'x')});
  append(p0_, {"y"});
  const auto fetched = log().fetch(p0_, Offset(0), 100, Visibility::durable);
  ASSERT_TRUE(fetched.is_ok());
  EXPECT_EQ(fetched.value().batches.size(), 1u);
}

TEST_P(LogConformance, a_fetch_at_the_end_is_empty_and_beyond_it_out_of_range) {
  append(p0_, {"a"});
  const auto end = behind(1, 1);
  const auto at_end = log().fetch(p0_, end, 100, Visibility::durable);
  ASSERT_TRUE(at_end.is_ok()) << at_end.status().to_string();
  EXPECT_THAT(at_end.value().batches, IsEmpty());
  EXPECT_EQ(at_end.value().offsets.high_watermark, end);
  EXPECT_EQ(log().fetch(p0_, end + 1, 100, Visibility::durable).status().code(),
            StatusCode::out_of_range);
  EXPECT_EQ(log().fetch(p0_, Offset(-1), 100, Visibility::durable).status().code(),
            StatusCode::out_of_range);
}

TEST_P(LogConformance, what_was_appended_is_readable_by_tasks_before_it_is_durable) {
  const auto appended = commit(commit_of(append_to(p0_, make_batch({"a"}))));
  EXPECT_THAT(values(p0_, Visibility::appended), ElementsAre("a"));
  ASSERT_TRUE(log().wait_durable(appended.sequence).is_ok());
  EXPECT_GE(log().durable_sequence(), appended.sequence);
  EXPECT_THAT(values(p0_), ElementsAre("a"));
}

TEST_P(LogConformance, a_commit_of_several_partitions_and_offsets_survives_a_crash_whole) {
  Commit unit;
  unit.appends.push_back(append_to(p0_, make_batch({"a"})));
  unit.appends.push_back(append_to(p1_, make_batch({"b", "c"})));
  unit.appends.push_back(append_to(p0_, make_batch({"d"})));
  unit.offsets.push_back({"g", p2_, Offset(7), "note"});
  const auto appended = commit(std::move(unit));
  ASSERT_EQ(appended.batches.size(), 3u);
  EXPECT_EQ(appended.batches[0].base_offset, Offset(0));
  EXPECT_EQ(appended.batches[1].base_offset, Offset(0));
  EXPECT_EQ(appended.batches[2].base_offset, Offset(1));
  ASSERT_TRUE(log().wait_durable(appended.sequence).is_ok());
  harness().crash_and_reopen();
  EXPECT_THAT(values(p0_), ElementsAre("a", "d"));
  EXPECT_THAT(values(p1_), ElementsAre("b", "c"));
  const auto positions = log().group_offsets("g");
  ASSERT_EQ(positions.size(), 1u);
  EXPECT_EQ(positions[0].source, p2_);
  EXPECT_EQ(positions[0].next_offset, Offset(7));
  EXPECT_EQ(positions[0].metadata, "note");
}

TEST_P(LogConformance, a_commit_with_one_bad_batch_appends_nothing_and_stays_as_it_was) {
  Commit unit;
  unit.appends.push_back(append_to(p0_, make_batch({"a"})));
  unit.appends.push_back(append_to({"nowhere", 0}, make_batch({"b"})));
  EXPECT_EQ(log().commit(std::move(unit)).status().code(), StatusCode::not_found);
  EXPECT_EQ(offsets(p0_).end, Offset(0));
  // Not taken apart: the caller may repeat it once the reason is gone.
  ASSERT_EQ(unit.appends.size(), 2u);  // NOLINT(bugprone-use-after-move)
  create("nowhere", 1);
  EXPECT_EQ(commit(std::move(unit)).batches.size(), 2u);
  EXPECT_EQ(offsets(p0_).end, behind(1, 1));
}

TEST_P(LogConformance, a_damaged_batch_is_refused) {
  std::string bytes = make_batch({"abcdef"});
  bytes.back() ^= 1;
  EXPECT_EQ(log().commit(commit_of(append_to(p0_, bytes))).status().code(), StatusCode::corrupt);
  EXPECT_EQ(log().commit(commit_of(append_to(p0_, "not a batch"))).status().code(),
            StatusCode::corrupt);
  EXPECT_EQ(offsets(p0_).end, Offset(0));
}

TEST_P(LogConformance, a_batch_over_the_topics_limit_is_refused_with_the_limit) {
  TopicConfig config = harness().topic_config();
  config.batch_bytes_max = 200;
  ASSERT_TRUE(log().create_topic("small", config).is_ok());
  const auto refused =
      log().commit(commit_of(append_to({"small", 0}, make_batch({std::string(300, 'x')}))));
  EXPECT_EQ(refused.status().code(), StatusCode::invalid);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("200"));
}

TEST_P(LogConformance, unknown_topics_and_partitions_are_not_found) {
  EXPECT_EQ(log().offsets({"none", 0}).status().code(), StatusCode::not_found);
  EXPECT_EQ(log().offsets({"t", 3}).status().code(), StatusCode::not_found);
  EXPECT_EQ(log().fetch({"t", -1}, Offset(0), 1, Visibility::durable).status().code(),
            StatusCode::not_found);
  EXPECT_EQ(log().topic("none").status().code(), StatusCode::not_found);
  EXPECT_EQ(log().delete_topic("none").code(), StatusCode::not_found);
  EXPECT_EQ(log().alter_topic("none", {}).code(), StatusCode::not_found);
}

TEST_P(LogConformance, topics_and_their_configuration_survive_a_crash) {
  TopicConfig config = harness().topic_config();
  config.partition_count = 2;
  config.delete_retention_ms = 5000;
  config.is_compacted = true;
  config.is_internal = abilities().keeps_internal_mark;
  ASSERT_TRUE(log().create_topic("b", config).is_ok());
  auto bounded = harness().topic_config();
  bounded.retention_ms = 5000;
  bounded.retention_bytes = 1 << 20;
  ASSERT_TRUE(log().create_topic("c", bounded).is_ok());
  const auto own_topics = [&] {
    auto all = log().topics();
    std::erase_if(all, [](const auto& topic) { return topic.name.starts_with("millrace."); });
    return all;
  };
  const auto before = own_topics();
  harness().crash_and_reopen();
  const auto after = own_topics();
  ASSERT_EQ(after.size(), 3u);
  EXPECT_EQ(after[0].name, "b");
  EXPECT_EQ(after[0].config, config);
  EXPECT_EQ(after[1].name, "c");
  EXPECT_EQ(after[1].config, bounded);
  EXPECT_EQ(after[0].incarnation, before[0].incarnation);
  EXPECT_EQ(after[2].name, "t");
}

TEST_P(LogConformance, a_topic_is_created_once_and_only_with_a_valid_name_and_configuration) {
  EXPECT_EQ(log().create_topic("t", harness().topic_config()).status().code(), StatusCode::exists);
  EXPECT_EQ(log().create_topic("", harness().topic_config()).status().code(), StatusCode::invalid);
  EXPECT_EQ(log().create_topic("..", harness().topic_config()).status().code(),
            StatusCode::invalid);
  EXPECT_EQ(log().create_topic("a/b", harness().topic_config()).status().code(),
            StatusCode::invalid);
  TopicConfig config = harness().topic_config();
  config.partition_count = 0;
  EXPECT_EQ(log().create_topic("zero", config).status().code(), StatusCode::invalid);
}

TEST_P(LogConformance, a_topic_created_again_is_empty_and_has_another_incarnation) {
  append(p0_, {"old"});
  const auto before = log().topic("t");
  Commit unit;
  unit.offsets.push_back({"g", p0_, Offset(1), ""});
  ASSERT_TRUE(log().wait_durable(commit(std::move(unit)).sequence).is_ok());
  ASSERT_TRUE(log().delete_topic("t").is_ok());
  EXPECT_EQ(log().offsets(p0_).status().code(), StatusCode::not_found);
  EXPECT_TRUE(comes_true([&] { return log().group_offsets("g").empty(); }));
  create("t", 1);
  EXPECT_NE(log().topic("t").value().incarnation, before.value().incarnation);
  EXPECT_THAT(values(p0_), IsEmpty());
  append(p0_, {"new"});
  harness().crash_and_reopen();
  EXPECT_THAT(values(p0_), ElementsAre("new"));
  harness().reopen();
  EXPECT_THAT(values(p0_), ElementsAre("new"));
}

TEST_P(LogConformance, partitions_may_be_added_but_not_taken_away) {
  append(p0_, {"a"});
  TopicConfig config = log().topic("t").value().config;
  config.partition_count = 2;
  const Status refused = log().alter_topic("t", config);
  EXPECT_EQ(refused.code(), StatusCode::invalid);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("cannot be lowered"));
  config.partition_count = 5;
  ASSERT_TRUE(log().alter_topic("t", config).is_ok());
  append({"t", 4}, {"e"});
  harness().crash_and_reopen();
  EXPECT_THAT(values(p0_), ElementsAre("a"));
  EXPECT_THAT(values({"t", 4}), ElementsAre("e"));
}

TEST_P(LogConformance, everything_is_there_after_an_orderly_restart) {
  append(p0_, {"a", "b"});
  append(p1_, {"c"});
  harness().reopen();
  EXPECT_THAT(values(p0_), ElementsAre("a", "b"));
  EXPECT_THAT(values(p1_), ElementsAre("c"));
  EXPECT_EQ(append(p0_, {"d"}), behind(2, 1));
  harness().reopen();
  EXPECT_THAT(values(p0_), ElementsAre("a", "b", "d"));
}

TEST_P(LogConformance, append_times_are_the_logs_and_survive) {
  if (!abilities().has_append_times) GTEST_SKIP() << "has the producers' times";
  append(p0_, {"a"});
  const auto first = read_all(log(), p0_).value().front().append_time;
  harness().advance_ms(1000);
  append(p0_, {"b"});
  harness().crash_and_reopen();
  auto records = read_all(log(), p0_).value();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].append_time, first);
  if (abilities().has_manual_clock) {
    EXPECT_EQ(records[1].append_time, first + 1000);
  } else {
    EXPECT_GE(records[1].append_time, first + 1000);
  }
  harness().run_maintenance();
  EXPECT_EQ(read_all(log(), p0_).value(), records);
}

TEST_P(LogConformance, an_offset_is_found_by_append_time) {
  if (!abilities().has_append_times) GTEST_SKIP() << "has the producers' times";
  append(p0_, {"a", "b"});
  const auto first = read_all(log(), p0_).value().front().append_time;
  harness().advance_ms(1000);
  append(p0_, {"c"});
  const auto second = read_all(log(), p0_).value().back().append_time;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(log().offset_for_time(p0_, first).value(), Offset(0));
    EXPECT_EQ(log().offset_for_time(p0_, second - 400).value(), behind(2, 1));
    EXPECT_EQ(log().offset_for_time(p0_, second).value(), behind(2, 1));
    EXPECT_EQ(log().offset_for_time(p0_, second + 5000).value(), behind(3, 2));
    if (abilities().has_manual_clock) {
      EXPECT_EQ(log().offset_for_time(p0_, first + 1).value(), Offset(2));
      EXPECT_EQ(log().offset_for_time(p0_, second + 1).value(), Offset(3));
    }
    harness().run_maintenance();
  }
}

TEST_P(LogConformance, a_repeated_batch_of_a_producer_gets_its_old_offset) {
  if (!abilities().checks_producers) GTEST_SKIP() << "takes no batches of other producers";
  const ProducerId id = log().new_producer().value().id;
  const auto send = [&](std::int32_t sequence, const char* value) {
    return log().commit(
        commit_of(append_to(p0_, make_batch({value}, {id, ProducerEpoch(0), sequence}))));
  };
  for (std::int32_t i = 0; i < 6; ++i) {
    ASSERT_FALSE(send(i, "x").value().batches[0].is_duplicate);
  }
  const auto repeat = send(5, "x");
  ASSERT_TRUE(repeat.is_ok()) << repeat.status().to_string();
  EXPECT_TRUE(repeat.value().batches[0].is_duplicate);
  EXPECT_EQ(repeat.value().batches[0].base_offset, Offset(5));
  ASSERT_TRUE(log().wait_durable(repeat.value().sequence).is_ok());
  EXPECT_EQ(send(1, "x").value().batches[0].base_offset, Offset(1));
  EXPECT_EQ(send(0, "x").status().code(), StatusCode::out_of_sequence);  // the sixth newest
  EXPECT_EQ(offsets(p0_).end, Offset(6));
  harness().crash_and_reopen();
  EXPECT_TRUE(send(5, "x").value().batches[0].is_duplicate);
  harness().reopen();
  EXPECT_TRUE(send(5, "x").value().batches[0].is_duplicate);
  EXPECT_EQ(offsets(p0_).end, Offset(6));
}

TEST_P(LogConformance, a_gap_in_a_producers_sequence_is_refused_with_the_expected_one) {
  if (!abilities().checks_producers) GTEST_SKIP() << "takes no batches of other producers";
  const ProducerId id = log().new_producer().value().id;
  const auto send = [&](std::int32_t sequence) {
    return log().commit(
        commit_of(append_to(p0_, make_batch({"x", "y"}, {id, ProducerEpoch(0), sequence}))));
  };
  ASSERT_TRUE(send(0).is_ok());
  const auto gap = send(3);
  EXPECT_EQ(gap.status().code(), StatusCode::out_of_sequence);
  EXPECT_THAT(std::string(gap.status().message()), HasSubstr("expected is 2"));
  EXPECT_TRUE(send(2).is_ok());
}

TEST_P(LogConformance, an_older_producer_epoch_is_fenced_and_a_newer_one_starts_at_zero) {
  if (!abilities().checks_producers) GTEST_SKIP() << "takes no batches of other producers";
  const ProducerId id = log().new_producer().value().id;
  const auto send = [&](std::int16_t epoch, std::int32_t sequence) {
    return log()
        .commit(commit_of(append_to(p0_, make_batch({"x"}, {id, ProducerEpoch(epoch), sequence}))))
        .status()
        .code();
  };
  EXPECT_EQ(send(1, 0), StatusCode::ok);
  EXPECT_EQ(send(0, 1), StatusCode::fenced);
  EXPECT_EQ(send(2, 1), StatusCode::out_of_sequence);
  EXPECT_EQ(send(2, 0), StatusCode::ok);
}

TEST_P(LogConformance, several_batches_of_one_producer_in_one_commit_follow_each_other) {
  if (!abilities().checks_producers) GTEST_SKIP() << "takes no batches of other producers";
  const ProducerId id = log().new_producer().value().id;
  const auto unit = [&] {
    Commit out;
    out.appends.push_back(append_to(p0_, make_batch({"a", "b"}, {id, ProducerEpoch(0), 0})));
    out.appends.push_back(append_to(p1_, make_batch({"c"}, {id, ProducerEpoch(0), 0})));
    out.appends.push_back(append_to(p0_, make_batch({"d"}, {id, ProducerEpoch(0), 2})));
    return out;
  };
  commit(unit());
  const auto repeat = commit(unit());
  ASSERT_EQ(repeat.batches.size(), 3u);
  for (const auto& batch : repeat.batches) EXPECT_TRUE(batch.is_duplicate);
  EXPECT_EQ(repeat.batches[2].base_offset, Offset(2));
  EXPECT_EQ(offsets(p0_).end, Offset(3));
}

TEST_P(LogConformance, producer_ids_are_never_given_twice) {
  if (!abilities().checks_producers) GTEST_SKIP() << "takes no batches of other producers";
  const ProducerId first = log().new_producer().value().id;
  const ProducerId second = log().new_producer().value().id;
  EXPECT_NE(first, second);
  harness().crash_and_reopen();
  EXPECT_GT(log().new_producer().value().id, std::max(first, second));
  harness().reopen();
  EXPECT_GT(log().new_producer().value().id, std::max(first, second));
}

TEST_P(LogConformance, the_newest_offset_of_a_group_counts_and_a_group_can_be_deleted) {
  for (const std::int64_t next : {3, 5, 4}) {
    Commit unit;
    unit.offsets.push_back({"g", p0_, Offset(next), ""});
    unit.offsets.push_back({"h", p1_, Offset(next), ""});
    ASSERT_TRUE(log().wait_durable(commit(std::move(unit)).sequence).is_ok());
  }
  EXPECT_EQ(log().group_offsets("g").front().next_offset, Offset(4));
  EXPECT_THAT(log().groups(), ElementsAre("g", "h"));
  ASSERT_TRUE(log().delete_group("g").is_ok());
  EXPECT_EQ(log().delete_group("g").code(), StatusCode::not_found);
  EXPECT_THAT(log().groups(), ElementsAre("h"));
  harness().crash_and_reopen();
  EXPECT_THAT(log().groups(), ElementsAre("h"));
  harness().reopen();
  EXPECT_THAT(log().groups(), ElementsAre("h"));
}

TEST_P(LogConformance, an_offset_of_a_group_can_be_removed) {
  Commit unit;
  unit.offsets.push_back({"g", p0_, Offset(1), ""});
  unit.offsets.push_back({"g", p1_, Offset(2), ""});
  unit.offsets.push_back({"h", p1_, Offset(3), ""});
  ASSERT_TRUE(log().wait_durable(commit(std::move(unit)).sequence).is_ok());
  Commit removal;
  removal.offsets.push_back({"g", p0_, kNoOffset, ""});
  removal.offsets.push_back({"h", p1_, kNoOffset, ""});
  removal.offsets.push_back({"nobody", p1_, kNoOffset, ""});
  ASSERT_TRUE(log().wait_durable(commit(std::move(removal)).sequence).is_ok());
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(log().group_offsets("g").size(), 1u);
    EXPECT_EQ(log().group_offsets("g").front().source, p1_);
    EXPECT_THAT(log().group_offsets("h"), IsEmpty());
    if (abilities().forgets_empty_groups) EXPECT_THAT(log().groups(), ElementsAre("g"));
    if (round == 0) harness().crash_and_reopen();
    if (round == 1) harness().reopen();
  }
}

TEST_P(LogConformance, deleted_records_stay_deleted_exactly) {
  append(p0_, {"a", "b", "c"});
  append(p0_, {"d"});
  ASSERT_TRUE(log().delete_records(p0_, Offset(2)).is_ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(offsets(p0_).start, Offset(2));
    EXPECT_THAT(values(p0_), ElementsAre("c", "d"));
    EXPECT_EQ(log().fetch(p0_, Offset(1), 1, Visibility::durable).status().code(),
              StatusCode::out_of_range);
    if (round == 0) harness().crash_and_reopen();
    if (round == 1) harness().run_maintenance();
  }
  const auto end = behind(4, 2);
  EXPECT_EQ(log().delete_records(p0_, end + 1).code(), StatusCode::out_of_range);
  ASSERT_TRUE(log().delete_records(p0_, end).is_ok());
  EXPECT_THAT(values(p0_), IsEmpty());
  EXPECT_EQ(append(p0_, {"e"}), end);
}

TEST_P(LogConformance, a_pin_stops_the_deletion_of_records) {
  append(p0_, {"a"});
  append(p0_, {"b"});
  const auto end = behind(2, 2);
  log().pin("snapshot", p0_, Offset(1));
  ASSERT_TRUE(log().delete_records(p0_, end).is_ok());
  EXPECT_EQ(offsets(p0_).start, Offset(1));
  log().unpin("snapshot", p0_);
  ASSERT_TRUE(log().delete_records(p0_, end).is_ok());
  EXPECT_EQ(offsets(p0_).start, end);
}

TEST_P(LogConformance, a_listener_hears_of_the_append_and_of_its_durability) {
  std::atomic<int> calls{0};
  std::atomic<int> other_calls{0};
  const auto id = log().add_listener(p0_, [&] { ++calls; });
  const auto other = log().add_listener(p1_, [&] { ++other_calls; });
  const auto appended = commit(commit_of(append_to(p0_, make_batch({"a"}))));
  EXPECT_GE(calls, 1);
  ASSERT_TRUE(log().wait_durable(appended.sequence).is_ok());
  while (calls < (abilities().tells_durability_apart ? 2 : 1)) std::this_thread::yield();
  log().remove_listener(id);
  const int calls_before = calls;
  append(p0_, {"b"});
  EXPECT_EQ(calls, calls_before);
  EXPECT_EQ(other_calls, 0);
  log().remove_listener(other);
}

TEST_P(LogConformance, commits_of_many_threads_lose_and_mix_nothing) {
  constexpr int kThreads = 4;
  constexpr int kCommits = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCommits; ++i) {
        Commit unit;
        const std::string value = std::to_string(t) + ":" + std::to_string(i);
        unit.appends.push_back(append_to(p0_, make_batch({value.c_str()})));
        unit.appends.push_back(append_to(p1_, make_batch({value.c_str()})));
        auto appended = log().commit(std::move(unit));
        ASSERT_TRUE(appended.is_ok()) << appended.status().to_string();
        ASSERT_TRUE(log().wait_durable(appended->sequence).is_ok());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  harness().crash_and_reopen();
  const auto read = values(p0_);
  EXPECT_EQ(read, values(p1_));  // the same order of commits everywhere
  ASSERT_EQ(read.size(), std::size_t{kThreads * kCommits});
  std::vector<int> next(kThreads, 0);
  for (const auto& value : read) {
    const auto colon = value.find(':');
    const auto thread = static_cast<std::size_t>(std::stoi(value.substr(0, colon)));
    EXPECT_EQ(std::stoi(value.substr(colon + 1)), next[thread]++);
  }
}

}  // namespace millrace::log
