#include "runtime/journal_reader.h"
#include "runtime/pipeline_registry.h"
#include "runtime/pipeline_runner_for_tests.h"

// One version of a pipeline after another.

namespace millrace::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr EventTime kBase{1'000'000 * kMinute};

struct Text {
  int version = 1;
  std::string more = "";  // lines between validate and windows
  std::vector<std::string> windows = {};
  int partitions = 2;

  [[nodiscard]] std::string str() const {
    auto text = "pipeline: p\nversion: " + std::to_string(version) +
                "\nsource: { topic: in, key: k, event_time: t, out_of_orderness: 0s, "
                "jump_confirmations: 0, partitions: " +
                std::to_string(partitions) + " }\nvalidate: { schema: s.json }\n" + more +
                "sinks: [{ topic: out }]\nwindows:\n";
    for (const auto& window : windows) text += "  - { " + window + " }\n";
    return text;
  }
};

std::string local_window(const std::string& name, const std::string& more = "") {
  return "name: " + name + ", key: k, tumbling: 10m, emit_to: results_" + name +
         ", aggregates: { n: count() }" + more;
}
std::string merged_window(const std::string& name, const std::string& more = "") {
  return "name: " + name + ", tumbling: 10m, emit_to: results_" + name +
         ", aggregates: { n: count() }" + more;
}

class UpgradeTest : public PipelineRunnerTest {
 protected:
  void stop() {
    DiskPatience patience;
    ASSERT_TRUE(runner_->finish(patience).is_ok());
  }
  void feed(std::int32_t partition, std::int64_t minute, const std::string& key) {
    append(partition, kBase + minute * kMinute, key);
    settle();
  }
  std::vector<std::string> topic_names() {
    std::vector<std::string> names;
    for (const auto& topic : storage_.log().topics()) names.push_back(topic.name);
    return names;
  }
  void damage_snapshots() {
    const auto objects = storage_.objects().list("snapshots/");
    ASSERT_TRUE(objects.is_ok() && !objects->empty());
    for (const auto& object : *objects) {
      ASSERT_TRUE(storage_.objects().put(object.key, "damaged", false).is_ok());
    }
  }
  std::vector<std::string> values(const std::string& topic) {
    std::vector<std::string> out;
    for (std::int32_t p = 0; p < 2; ++p) {
      for (const auto& record : storage_.records({topic, p})) out.push_back(*record.value);
    }
    return out;
  }
  // Every (window_start, n) that is final, in the order of the topic.
  std::vector<std::string> finals(const std::string& topic) {
    std::vector<std::string> out;
    for (const auto& value : values(topic)) {
      if (value.find(R"("is_final":true)") == std::string::npos) continue;
      const auto start = value.find("window_start\":\"") + 26;
      const auto n = value.find("\"n\":");
      out.push_back(value.substr(start, 5) + "=" + value.substr(n + 4, value.find('}') - n - 4));
    }
    return out;
  }
  std::vector<task::StateLostEntry> journalled_losses(const std::string& stage) {
    std::vector<task::StateLostEntry> out;
    const auto topic = pipeline::journal_topic("p", stage);
    const auto info = storage_.log().topic(topic);
    EXPECT_TRUE(info.is_ok());
    for (std::int32_t p = 0; p < info->config.partition_count; ++p) {
      const auto journal = read_journal(storage_.log(), {topic, p});
      EXPECT_TRUE(journal.is_ok()) << journal.status().to_string();
      for (const auto& entry : journal->entries) {
        if (const auto* lost = std::get_if<task::StateLostEntry>(&entry.event)) {
          out.push_back(*lost);
        }
      }
    }
    return out;
  }
  const task::TaskCounters counters(std::size_t stage, std::size_t partition) {
    return runner_->stages()[stage].tasks[partition]->report().task.counters;
  }
};

TEST_F(UpgradeTest, windows_go_on_by_name_wherever_they_stand) {
  must_start(Text{1, "", {local_window("a"), merged_window("b"), local_window("c")}}.str());
  feed(0, 1, "x");
  feed(1, 2, "y");
  stop();
  // Another order, one more before them all: nothing is lost.
  must_start(
      Text{2, "", {local_window("d"), merged_window("b"), local_window("c"), local_window("a")}}
          .str());
  ASSERT_TRUE(runner_->takeover().has_value());
  EXPECT_TRUE(runner_->takeover()->lost.empty());
  EXPECT_EQ(runner_->takeover()->begun, std::vector<std::string>{"d"});
  feed(0, 3, "x");
  feed(0, 25, "x");
  feed(1, 25, "y");
  EXPECT_EQ(finals("results_a"), (std::vector<std::string>{"10:40=2", "10:40=1"}));
  EXPECT_EQ(finals("results_c"), (std::vector<std::string>{"10:40=2", "10:40=1"}));
  EXPECT_EQ(finals("results_b"), std::vector<std::string>{"10:40=3"});
  // d begins with the first pane that it can see whole.
  EXPECT_TRUE(finals("results_d").empty());
  EXPECT_EQ(counters(0, 0).windows[0].before, 1u);
  EXPECT_EQ(counters(0, 0).windows[0].since_version, 2);
  EXPECT_EQ(counters(0, 0).windows[1].since_version, 1);
  feed(0, 40, "x");
  EXPECT_EQ(finals("results_d"), std::vector<std::string>{"11:00=1"});
}

TEST_F(UpgradeTest, a_refused_version_says_what_would_be_lost_and_leaves_nothing) {
  must_start(Text{1, "dedup: { id: k, ttl: 1d }\n", {local_window("a"), merged_window("b")}}.str());
  feed(0, 1, "x");
  feed(0, 2, "z");
  feed(1, 2, "y");
  stop();
  const auto topics = topic_names();
  const auto journal_end = storage_.log().offsets({"millrace.p.source.journal", 0})->end;
  const auto objects = storage_.objects().list("")->size();
  const Text changed{2, "", {local_window("a", ", allowed_lateness: 1m"), local_window("n")}};
  const auto status = start(changed.str());
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(message(status), HasSubstr("pipeline p version 2 cannot take over all the state of "
                                         "version 1. What would be lost:"));
  EXPECT_THAT(message(status), HasSubstr("window a (stage source): 2 open panes with 3 keys\n"));
  EXPECT_THAT(message(status), HasSubstr("window b (stage source): 2 open panes with 2 keys\n"));
  EXPECT_THAT(message(status), HasSubstr("deduplication: 3 ids\n"));
  EXPECT_THAT(message(status), HasSubstr("--accept-state-loss p@2"));
  EXPECT_EQ(topic_names(), topics);
  EXPECT_EQ(storage_.log().offsets({"millrace.p.source.journal", 0})->end, journal_end);
  EXPECT_EQ(storage_.objects().list("")->size(), objects);
  // Another version's flag is not this one's.
  accepted_ = {"p@1", "p@3", "q@2"};
  EXPECT_EQ(message(start(changed.str())), message(status));
  must_start(Text{1, "dedup: { id: k, ttl: 1d }\n", {local_window("a"), merged_window("b")}}.str());
}

TEST_F(UpgradeTest, an_accepted_loss_is_journalled_and_nothing_leaves_twice) {
  const Text before{1, "", {local_window("a"), merged_window("b")}};
  const Text after{
      2,
      "",
      {local_window("a", ", allowed_lateness: 1m"), merged_window("b", ", allowed_lateness: 1m")}};
  must_start(before.str());
  feed(0, 1, "x");
  feed(1, 1, "y");
  feed(0, 12, "x");  // the first pane of a fires, and its partial is on its way to b
  stop();
  const auto out = values("out");
  const auto results = values("results_a");
  accepted_ = {"p@2"};
  must_start(after.str());
  accepted_.clear();
  const auto lost = journalled_losses("source");
  ASSERT_EQ(lost.size(), 4u);
  EXPECT_EQ(lost[0].window, "a");
  EXPECT_EQ(lost[0].open_panes, 1u);
  const auto registered = *find_registered(storage_.log(), "p");
  ASSERT_TRUE(registered.has_value());
  EXPECT_EQ(registered->version, 2);
  EXPECT_EQ(registered->lost.size(), runner_->takeover()->lost.size());
  settle();
  EXPECT_EQ(values("out"), out);
  EXPECT_EQ(values("results_a"), results);
  // Panes that were open at the switch get no result of half their events.
  feed(0, 13, "x");
  feed(0, 21, "x");
  feed(1, 22, "y");
  feed(0, 40, "x");
  feed(1, 40, "y");
  EXPECT_EQ(finals("results_a"), (std::vector<std::string>{"10:40=1", "11:00=1", "11:00=1"}));
  EXPECT_EQ(finals("results_b"), std::vector<std::string>{"11:00=2"});
  // The next start needs no flag, nor does one after a crash.
  runner_.reset();
  storage_.crash();
  must_start(after.str());
  settle();
  EXPECT_EQ(finals("results_b"), std::vector<std::string>{"11:00=2"});
  EXPECT_FALSE(runner_->takeover().has_value());
}

TEST_F(UpgradeTest, the_state_taken_over_outlives_a_crash_right_after_the_switch) {
  must_start(Text{1, "dedup: { id: k, ttl: 1d }\n", {local_window("a")}}.str());
  feed(0, 1, "x");
  stop();
  const Text next{2,
                  "dedup: { id: k, ttl: 1d, on_duplicate: drop }\n",
                  {merged_window("b"), local_window("a")}};
  must_start(next.str());
  runner_.reset();
  storage_.crash();
  must_start(next.str());
  EXPECT_FALSE(runner_->takeover().has_value());
  feed(0, 2, "x");  // seen by version 1
  feed(0, 3, "y");
  feed(0, 30, "z");
  EXPECT_EQ(counters(0, 0).dropped_duplicates, 1u);
  EXPECT_EQ(finals("results_a"), (std::vector<std::string>{"10:40=1", "10:40=1"}));
}

TEST_F(UpgradeTest, without_its_snapshot_a_new_version_does_not_replay_what_the_old_one_did) {
  must_start(Text{1, "", {local_window("a")}}.str());
  feed(0, 1, "x");
  stop();
  const Text next{2, "", {local_window("a"), local_window("c")}};
  must_start(next.str());
  runner_.reset();
  damage_snapshots();
  EXPECT_THAT(message(start(next.str())), HasSubstr("no usable snapshot"));
}

TEST_F(UpgradeTest, nor_does_it_where_the_journal_was_kept_whole) {
  must_start(Text{1, "", {local_window("a")}}.str());
  for (std::int32_t p = 0; p < 2; ++p) {
    storage_.log().pin("test", {"millrace.p.source.journal", p}, Offset(0));
  }
  feed(0, 1, "x");
  stop();
  const Text next{2, "", {local_window("a"), local_window("c")}};
  must_start(next.str());
  runner_.reset();
  damage_snapshots();
  const auto journal = read_journal(storage_.log(), {"millrace.p.source.journal", 0});
  ASSERT_TRUE(journal.is_ok());
  ASSERT_EQ(journal->entries.front().sequence, 1u);
  EXPECT_THAT(message(start(next.str())), HasSubstr("no usable snapshot"));
}

TEST_F(UpgradeTest, a_removed_merged_window_takes_its_topics_along_and_may_come_back) {
  const Text with{1, "", {local_window("a"), merged_window("b")}};
  must_start(with.str());
  feed(0, 1, "x");
  feed(1, 1, "y");
  feed(0, 12, "x");
  feed(0, 13, "x");
  stop();
  ASSERT_TRUE(storage_.log().create_topic("millrace.p.lake.files.journal", {}).is_ok());
  EXPECT_THAT(message(start(Text{2, "", {local_window("a")}}.str())),
              HasSubstr("window b (stage b): 1 open pane with 1 key"));
  accepted_ = {"p@2"};
  must_start(Text{2, "", {local_window("a")}}.str());
  for (const auto& name : topic_names()) EXPECT_THAT(name, Not(HasSubstr("p.b.")));
  EXPECT_TRUE(storage_.log().topic("millrace.p.lake.files.journal").is_ok());
  EXPECT_TRUE(storage_.log().group_offsets("millrace.p.b").empty());
  feed(0, 14, "x");
  stop();
  must_start(Text{3, "", {local_window("a"), merged_window("b")}}.str());
  feed(0, 21, "x");
  feed(1, 22, "y");
  feed(0, 40, "x");
  feed(1, 40, "y");
  EXPECT_EQ(finals("results_b"), std::vector<std::string>{"11:00=2"});
}

TEST_F(UpgradeTest, deduplication_that_changes_loses_its_ids_and_one_that_comes_does_not) {
  must_start(Text{1, "", {local_window("a")}}.str());
  feed(0, 1, "x");
  stop();
  must_start(Text{2, "dedup: { id: k, ttl: 1d }\n", {local_window("a")}}.str());
  feed(0, 2, "x");
  feed(0, 3, "x");
  EXPECT_EQ(counters(0, 0).passed, 2u);
  stop();
  for (const auto* changed :
       {"dedup: { id: k, ttl: 2d }\n", "dedup: { id: k + 'x', ttl: 1d }\n", ""}) {
    const auto status = start(Text{3, changed, {local_window("a")}}.str());
    EXPECT_THAT(message(status), HasSubstr("What would be lost:\n  deduplication: 1 id\n"));
  }
  accepted_ = {"p@3"};
  must_start(Text{3, "dedup: { id: k, ttl: 2d }\n", {local_window("a")}}.str());
  EXPECT_EQ(journalled_losses("source").at(0).ids, 1u);
  feed(0, 4, "x");
  EXPECT_EQ(counters(0, 0).passed, 3u);
}

TEST_F(UpgradeTest, a_table_may_get_another_key_and_format) {
  const auto with_table = [&](int version, const std::string& table) {
    const Text text{
        version,
        "enrich: { tables: { names: { " + table + " } }, fields: { name: \"names[k].name\" } }\n",
        {local_window("a")}};
    runner_.reset();
    plan_ = pipeline::build_or_fail(
        pipeline::options_for(text.str(), {{"s.json", kSchema},
                                           {"names.csv", "k,code,name\nx,y,Xenia\n"},
                                           {"names.json", R"([{"id":"x","name":"Xaver"}])"}}));
    PipelineRunnerOptions options;
    options.owner = "owner";
    runner_ = std::make_unique<PipelineRunner>(storage_.services(), *plan_, options);
    const auto status = runner_->start();
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  };
  with_table(1, "file: names.csv, key: k");
  feed(0, 1, "x");
  stop();
  with_table(2, "file: names.csv, key: code");
  feed(0, 2, "x");
  stop();
  with_table(3, "file: names.json, format: json, key: id");
  feed(0, 3, "x");
  const auto out = values("out");
  ASSERT_EQ(out.size(), 3u);
  EXPECT_THAT(out[0], HasSubstr("Xenia"));
  EXPECT_THAT(out[1], HasSubstr(R"("name":null)"));
  EXPECT_THAT(out[2], HasSubstr("Xaver"));
}

TEST_F(UpgradeTest, another_number_of_partitions_or_another_source_is_refused_with_the_reason) {
  must_start(Text{1, "", {local_window("a")}}.str());
  feed(0, 1, "x");
  stop();
  runner_.reset();
  ASSERT_TRUE(storage_.log().delete_topic("in").is_ok());
  EXPECT_THAT(message(start(Text{2, "", {local_window("a")}, 3}.str())),
              HasSubstr("version 1 ran over 2 partitions of its source, in has 3: keys would meet "
                        "another task"));
  EXPECT_FALSE(storage_.log().topic("in").is_ok());
}

TEST_F(UpgradeTest, another_source_topic_is_refused) {
  must_start(Text{1, "", {local_window("a")}}.str());
  feed(0, 1, "x");
  stop();
  log::TopicConfig config;
  config.partition_count = 2;
  ASSERT_TRUE(storage_.log().create_topic("other", config).is_ok());
  auto text = Text{2, "", {local_window("a")}}.str();
  text.replace(text.find("topic: in"), 9, "topic: other");
  EXPECT_THAT(message(start(text)), HasSubstr("the task's state is of topic in, not of other"));
}

TEST_F(UpgradeTest, a_stop_after_a_replay_of_decisions_is_a_clean_one) {
  must_start(Text{1, "", {local_window("a")}}.str());
  feed(0, 1, "x");
  stop();
  must_start(Text{1, "", {local_window("a")}}.str());
  runner_->runners()[0]->post(task::WatermarkEntry{kBase + 2 * kMinute});
  settle();
  runner_.reset();
  storage_.crash();
  must_start(Text{1, "", {local_window("a")}}.str());
  stop();
  must_start(Text{2, "", {local_window("a"), local_window("c")}}.str());
  EXPECT_EQ(watermark(0), kBase + 2 * kMinute);
}

}  // namespace
}  // namespace millrace::runtime
