#include "mirror/mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "base/random.h"
#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sys/real_clock.h"
#include "sys/temporary_folder.h"

namespace millrace::mirror {
namespace {

using log::TransactionOutcome;
using ::testing::HasSubstr;

// What an outcome that is not known came to.
enum class Turn : std::uint8_t { committed, aborted, fenced, unknown_committed, unknown_aborted };

// One transaction of an embedded log is one commit.
class ScriptedProducer final : public log::TransactionalProducer {
 public:
  ScriptedProducer(log::Log& to, std::deque<Turn>& turns) : to_(to), turns_(turns) {}

  Status initialize() override { return ok_status(); }
  TransactionOutcome commit(const log::Commit& commit, const log::GroupMembership&) override {
    auto turn = Turn::committed;
    if (!turns_.empty()) {
      turn = turns_.front();
      turns_.pop_front();
    }
    if (turn == Turn::fenced) return TransactionOutcome::fenced;
    if (turn == Turn::aborted) return TransactionOutcome::aborted;
    if (turn == Turn::unknown_aborted) return TransactionOutcome::unknown;
    auto copy = commit;
    const auto appended = log::commit_patiently(to_, copy);
    EXPECT_TRUE(appended.is_ok()) << appended.status().to_string();
    EXPECT_TRUE(to_.wait_durable(appended->sequence).is_ok());
    return turn == Turn::committed ? TransactionOutcome::committed : TransactionOutcome::unknown;
  }
  Result<std::optional<log::GroupOffset>> decided_offset(const std::string&,
                                                         const TopicPartition&) override {
    return unsupported_error("a mirror asks for all offsets of its group at once");
  }
  [[nodiscard]] const std::string& transactional_id() const override { return id_; }

 private:
  log::Log& to_;
  std::deque<Turn>& turns_;
  std::string id_ = "scripted";
};

struct Row {
  std::int64_t timestamp = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  bool operator==(const Row&) const = default;
};

class MirrorTest : public ::testing::Test {
 protected:
  MirrorTest() : from_(make("from")), to_(make("to")) {}

  std::unique_ptr<log::EmbeddedLog> make(const std::string& name) {
    log::EmbeddedLogOptions options;
    options.folder = folder_ / name;
    EXPECT_TRUE(files_.make_folders(options.folder).is_ok());
    auto opened = log::EmbeddedLog::open(options, files_, clock_);
    EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
    return std::move(opened).value();
  }
  static void create(log::Log& in, const std::string& topic, std::int32_t partition_count) {
    log::TopicConfig config;
    config.partition_count = partition_count;
    config.retention_ms = 123'456'789;
    ASSERT_TRUE(in.create_topic(topic, config).is_ok());
  }
  void append(const TopicPartition& at, const std::vector<Row>& rows,
              const log::TestProducer& producer = {}) {
    codec::RecordBatchBuilder builder(codec::Compression::zstd);
    for (const auto& row : rows) {
      std::vector<codec::HeaderToAppend> headers;
      for (const auto& [key, value] : row.headers) headers.push_back({key, value});
      builder.append(WallTime(row.timestamp), row.key, row.value, headers);
    }
    if (producer.id != kNoProducerId) {
      builder.set_producer(producer.id, producer.epoch, producer.base_sequence);
      builder.set_transactional(producer.is_transactional);
    }
    log::AppendBatch batch{at.topic, at.partition, {}};
    builder.finish(batch.bytes);
    const auto appended = log::append_and_wait(*from_, std::move(batch));
    ASSERT_TRUE(appended.is_ok()) << appended.status().to_string();
  }
  static std::vector<Row> rows_of(const log::Log& in, const TopicPartition& at) {
    std::vector<Row> rows;
    codec::BatchReader reader;
    const auto offsets = in.offsets(at);
    EXPECT_TRUE(offsets.is_ok()) << offsets.status().to_string();
    for (auto next = offsets->start; next < offsets->end;) {
      const auto fetched = in.fetch(at, next, 1 << 20, log::Visibility::durable);
      EXPECT_TRUE(fetched.is_ok()) << fetched.status().to_string();
      if (!fetched.is_ok() || fetched->batches.empty()) break;
      for (const auto& batch : fetched->batches) {
        next = batch.next_offset;
        if (batch.kind != log::BatchKind::records) continue;
        EXPECT_TRUE(reader.open(batch.bytes.view()).is_ok());
        while (const auto* record = reader.next()) {
          Row row{record->timestamp.value, {}, {}, {}};
          if (record->key) row.key = std::string(*record->key);
          if (record->value) row.value = std::string(*record->value);
          for (const auto& header : record->headers) {
            auto& to = row.headers.emplace_back(std::string(header.key), std::nullopt);
            if (header.value) to.second = std::string(*header.value);
          }
          rows.push_back(std::move(row));
        }
      }
    }
    return rows;
  }
  std::unique_ptr<Mirror> mirror(const std::vector<std::string>& topics, MirrorOptions with = {}) {
    with.name = "m";
    with.topics = topics;
    return std::make_unique<Mirror>(*from_, *to_, std::make_unique<ScriptedProducer>(*to_, turns_),
                                    with);
  }
  static void copy_all(Mirror& mirror) {
    while (true) {
      const auto more = mirror.step();
      ASSERT_TRUE(more.is_ok()) << more.status().to_string();
      if (!*more) return;
    }
  }
  void must_copy(const std::vector<std::string>& topics, MirrorOptions with = {}) {
    const auto one = mirror(topics, with);
    const auto opened = one->open();
    ASSERT_TRUE(opened.is_ok()) << opened.to_string();
    copy_all(*one);
  }
  static std::vector<Row> values(const std::vector<std::string>& texts) {
    std::vector<Row> rows;
    for (const auto& text : texts) rows.push_back({7, std::nullopt, text, {}});
    return rows;
  }

  sys::TemporaryFolder folder_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  std::unique_ptr<log::EmbeddedLog> from_;
  std::unique_ptr<log::EmbeddedLog> to_;
  std::deque<Turn> turns_;  // empty: committed
};

TEST_F(MirrorTest, records_keep_key_value_headers_timestamp_and_partition) {
  create(*from_, "t", 2);
  const std::vector<Row> rows = {
      {-5, std::nullopt, "no key", {}},
      {1'700'000'000'123, "", "", {{"h", "a"}, {"h", std::nullopt}, {"", ""}}},
      {3, "tombstone", std::nullopt, {{"x", std::string("\0\xff", 2)}}},
  };
  append({"t", 1}, rows);
  must_copy({"t"});
  EXPECT_EQ(rows_of(*to_, {"t", 1}), rows);
  EXPECT_TRUE(rows_of(*to_, {"t", 0}).empty());
  const auto made = to_->topic("t");
  ASSERT_TRUE(made.is_ok());
  EXPECT_EQ(made->config, from_->topic("t")->config);
}

TEST_F(MirrorTest, a_second_copy_begins_where_the_first_one_ended) {
  create(*from_, "t", 1);
  append({"t", 0}, values({"a", "b"}));
  must_copy({"t"});
  must_copy({"t"});
  append({"t", 0}, values({"c"}));
  must_copy({"t"});
  EXPECT_EQ(rows_of(*to_, {"t", 0}), values({"a", "b", "c"}));
}

TEST_F(MirrorTest, aborted_and_open_transactions_and_markers_are_not_copied) {
  create(*from_, "t", 1);
  const TopicPartition at{"t", 0};
  const auto producer = from_->new_producer();
  ASSERT_TRUE(producer.is_ok());
  const auto end = [&](bool is_commit) {
    log::Commit commit;
    commit.markers.push_back({at, *producer, is_commit});
    const auto appended = log::commit_patiently(*from_, commit);
    ASSERT_TRUE(appended.is_ok());
    ASSERT_TRUE(from_->wait_durable(appended->sequence).is_ok());
  };
  append(at, values({"no"}), {producer->id, producer->epoch, 0, true});
  end(false);
  append(at, values({"yes"}), {producer->id, producer->epoch, 1, true});
  end(true);
  append(at, values({"plain"}));
  append(at, values({"not yet"}), {producer->id, producer->epoch, 2, true});
  append(at, values({"behind"}));
  must_copy({"t"});
  EXPECT_EQ(rows_of(*to_, at), values({"yes", "plain"}));
  end(true);
  must_copy({"t"});
  EXPECT_EQ(rows_of(*to_, at), values({"yes", "plain", "not yet", "behind"}));
}

// Every outcome at every transaction, in any order: the target is a prefix of the source after each
// step, and in the end it is the source.
TEST_F(MirrorTest, whatever_becomes_of_transactions_each_record_is_copied_once) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto topic = "t" + std::to_string(seed);
    create(*from_, topic, 3);
    std::map<TopicPartition, std::vector<Row>> wanted;
    auto one = mirror({topic});
    ASSERT_TRUE(one->open().is_ok());
    for (int i = 0; i < 40; ++i) {
      const TopicPartition at{topic, static_cast<std::int32_t>(random.below(3))};
      std::vector<Row> rows;
      for (std::uint64_t n = 0; n <= random.below(4); ++n) {
        rows.push_back({static_cast<std::int64_t>(random.below(1'000)),
                        std::to_string(n),
                        std::string(random.below(200), 'v'),
                        {}});
      }
      append(at, rows);
      wanted[at].insert(wanted[at].end(), rows.begin(), rows.end());
      if (random.one_in(2)) continue;
      constexpr Turn kTurns[] = {Turn::committed, Turn::aborted, Turn::unknown_committed,
                                 Turn::unknown_aborted, Turn::fenced};
      turns_.push_back(kTurns[random.below(5)]);
      const bool is_killed = random.one_in(4);
      const auto stepped = one->step();
      if (is_killed) one = mirror({topic});
      if (is_killed || !stepped.is_ok()) ASSERT_TRUE(one->open().is_ok());
      for (const auto& [partition, all] : wanted) {
        const auto copied = rows_of(*to_, partition);
        ASSERT_LE(copied.size(), all.size());
        ASSERT_EQ(copied, std::vector<Row>(all.begin(), all.begin() + copied.size()));
      }
    }
    turns_.clear();
    copy_all(*one);
    for (const auto& [partition, all] : wanted) ASSERT_EQ(rows_of(*to_, partition), all);
  }
}

TEST_F(MirrorTest, an_outcome_that_is_found_out_counts_its_records_once) {
  create(*from_, "t", 1);
  append({"t", 0}, values({"a", "b"}));
  turns_ = {Turn::unknown_committed};
  const auto one = mirror({"t"});
  ASSERT_TRUE(one->open().is_ok());
  copy_all(*one);
  EXPECT_EQ(one->copied_records(), 2u);
  EXPECT_EQ(one->progress().at(0).position, Offset(2));
}

TEST_F(MirrorTest, who_is_fenced_says_so) {
  create(*from_, "t", 1);
  append({"t", 0}, values({"a"}));
  turns_ = {Turn::fenced};
  const auto one = mirror({"t"});
  ASSERT_TRUE(one->open().is_ok());
  const auto stepped = one->step();
  EXPECT_EQ(stepped.status().code(), StatusCode::fenced);
  EXPECT_THAT(std::string(stepped.status().message()), HasSubstr("another process mirrors under"));
}

TEST_F(MirrorTest, other_numbers_of_partitions_are_refused) {
  create(*from_, "t", 2);
  create(*to_, "t", 3);
  const auto status = mirror({"t"})->open();
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(std::string(status.message()), HasSubstr("has 2 partitions in the source and 3 in"));
  EXPECT_EQ(mirror({"nowhere"})->open().code(), StatusCode::not_found);
}

TEST_F(MirrorTest, a_gap_is_named_and_stepped_over_only_if_accepted) {
  create(*from_, "t", 1);
  for (const auto* text : {"a", "b", "c", "d"}) append({"t", 0}, values({text}));
  {
    const auto one = mirror({"t"});
    ASSERT_TRUE(one->open().is_ok());
    copy_all(*one);
  }
  for (const auto* text : {"e", "f", "g"}) append({"t", 0}, values({text}));
  ASSERT_TRUE(from_->delete_records({"t", 0}, Offset(6)).is_ok());
  const auto status = mirror({"t"})->open();
  EXPECT_EQ(status.code(), StatusCode::out_of_range);
  EXPECT_THAT(std::string(status.message()), HasSubstr("offsets 4 to 5 of t/0"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--accept-gap"));
  must_copy({"t"}, {.accepts_gaps = true});
  EXPECT_EQ(rows_of(*to_, {"t", 0}), values({"a", "b", "c", "d", "g"}));
}

TEST_F(MirrorTest, records_without_a_position_are_not_copied_behind_unless_told) {
  create(*from_, "t", 1);
  append({"t", 0}, values({"a"}));
  must_copy({"t"});
  ASSERT_TRUE(to_->delete_group(group_of("m")).is_ok());
  const auto status = mirror({"t"})->open();
  EXPECT_EQ(status.code(), StatusCode::wrong_state);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--start-anew"));
  must_copy({"t"}, {.starts_anew = true});
  EXPECT_EQ(rows_of(*to_, {"t", 0}), values({"a", "a"}));
}

TEST_F(MirrorTest, a_source_that_was_made_anew_is_refused) {
  create(*from_, "t", 1);
  append({"t", 0}, values({"a"}));
  must_copy({"t"});
  ASSERT_TRUE(from_->delete_topic("t").is_ok());
  create(*from_, "t", 1);
  append({"t", 0}, values({"b", "c"}));
  const auto status = mirror({"t"})->open();
  EXPECT_EQ(status.code(), StatusCode::out_of_range);
  EXPECT_THAT(std::string(status.message()), HasSubstr("made again"));
}

TEST_F(MirrorTest, a_topic_that_comes_from_there_does_not_go_back) {
  create(*from_, "t", 1);
  append({"t", 0}, values({"a"}));
  must_copy({"t"});
  from_.swap(to_);
  const auto status = mirror({"t"})->open();
  EXPECT_EQ(status.code(), StatusCode::wrong_state);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the other way round"));
}

TEST_F(MirrorTest, a_record_that_does_not_fit_is_named) {
  log::TopicConfig config;
  ASSERT_TRUE(from_->create_topic("t", config).is_ok());
  config.batch_bytes_max = 10'000;
  ASSERT_TRUE(to_->create_topic("t", config).is_ok());
  append({"t", 0}, values({"small", std::string(20'000, 'x')}));
  const auto one = mirror({"t"});
  ASSERT_TRUE(one->open().is_ok());
  const auto stepped = one->step();
  EXPECT_EQ(stepped.status().code(), StatusCode::invalid);
  EXPECT_THAT(std::string(stepped.status().message()), HasSubstr("t/0/1 has 2"));
  EXPECT_THAT(std::string(stepped.status().message()), HasSubstr("max.message.bytes"));
  EXPECT_TRUE(rows_of(*to_, {"t", 0}).empty());
  config.batch_bytes_max = 100'000;
  ASSERT_TRUE(to_->alter_topic("t", config).is_ok());
  ASSERT_TRUE(one->open().is_ok());
  copy_all(*one);
  EXPECT_EQ(rows_of(*to_, {"t", 0}), values({"small", std::string(20'000, 'x')}));
}

TEST(MirrorName, letters_digits_dots_hyphens_and_underscores) {
  for (const auto* name : {"a", "default", "A-1_b.c"}) EXPECT_TRUE(is_valid_name(name)) << name;
  for (const auto* name : {"", "a b", "a/b", "\xc3\xa4"}) EXPECT_FALSE(is_valid_name(name)) << name;
  EXPECT_TRUE(is_valid_name(std::string(100, 'a')));
  EXPECT_FALSE(is_valid_name(std::string(101, 'a')));
}

}  // namespace
}  // namespace millrace::mirror
