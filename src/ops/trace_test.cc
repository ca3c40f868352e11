#include "ops/trace.h"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "ops/replay_test_support.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

constexpr auto kNever = [] { return false; };

class Trace : public testing::Test {
 protected:
  void start(const std::string& text = ReplayedWorld::text(1)) {
    world_ = std::make_unique<ReplayedWorld>(99);
    world_->start(text);
  }
  Result<Json> trace(const TraceRequest& request) {
    ApiContext context;
    context.log = &world_->storage().log();
    context.objects = &world_->storage().objects();
    context.runtime = &world_->runtime();
    context.clock = &world_->clock();
    return trace_event(context, request, kNever, progress_);
  }
  Json must_trace(const std::string& id, std::int64_t records_max = 1'000'000) {
    TraceRequest request;
    request.event_id = id;
    request.bounds.records_max = records_max;
    auto answer = trace(request);
    EXPECT_TRUE(answer.is_ok()) << answer.status().to_string();
    return answer.is_ok() ? *answer : Json::object();
  }
  Json must_trace(const TopicPartition& at, std::int64_t offset) {
    TraceRequest request;
    request.place = at;
    request.offset = Offset(offset);
    auto answer = trace(request);
    EXPECT_TRUE(answer.is_ok()) << answer.status().to_string();
    return answer.is_ok() ? answer->at("occurrences").at(0) : Json::object();
  }
  // Records of a topic by place, with the header that says where they come from.
  [[nodiscard]] std::map<std::string, PlainRecord> all_of(const std::string& topic) {
    std::map<std::string, PlainRecord> all;
    const auto info = world_->storage().log().topic(topic);
    for (std::int32_t p = 0; p < info->config.partition_count; ++p) {
      const TopicPartition at{topic, p};
      std::int64_t offset = 0;
      for (auto& record : world_->storage().records(at)) {
        all[at.to_string() + "/" + std::to_string(offset++)] = std::move(record);
      }
    }
    return all;
  }
  static std::string place(const Json& at) {
    return at["topic"].get<std::string>() + "/" + at["partition"].dump() + "/" +
           at["offset"].dump();
  }

  std::unique_ptr<ReplayedWorld> world_;
  JobProgress progress_;
};

// Independent of how results are found: a result that counts n events is one that n events are in.
TEST_F(Trace, as_many_events_are_in_a_revision_as_it_counts) {
  start();
  for (int i = 0; i < 3; ++i) {
    world_->feed(35);
    world_->drain();
  }
  std::map<std::string, int> members;
  std::set<std::string> cut;  // of panes with more revisions than are shown
  std::map<std::string, int> rows;
  std::map<std::string, int> letters;
  for (std::int32_t p = 0; p < ReplayedWorld::kPartitions; ++p) {
    const TopicPartition at{"in", p};
    const auto end = world_->storage().log().offsets(at)->high_watermark.value;
    for (std::int64_t offset = 0; offset < end; ++offset) {
      const auto one = must_trace(at, offset);
      const auto outcome = one["outcome"].get<std::string>();
      EXPECT_NE(outcome, "unknown");
      EXPECT_NE(outcome, "pending");
      for (const auto& row : one["rows"]) ++rows[place(row)];
      for (const auto& letter : one["dead_letters"]) ++letters[place(letter)];
      for (const auto& window : one["windows"]) {
        for (const auto& pane : window["panes"]) {
          const bool is_counted = pane["decision"] == "counted";
          EXPECT_EQ(is_counted, !pane.value("results", Json::array()).empty()) << one.dump(1);
          if (!is_counted) continue;
          for (const auto& result : pane["results"]) ++members[place(result)];
          if (pane["result_count"].get<std::size_t>() > pane["results"].size()) {
            cut.insert(window["key"].get<std::string>() + pane["start"].get<std::string>());
          }
        }
      }
    }
  }
  std::size_t compared = 0;
  for (const auto* topic : {"results", "groups"}) {
    for (const auto& [where, record] : all_of(topic)) {
      const auto value = Json::parse(*record.value);
      if (cut.contains(*record.key + value["window_start"].get<std::string>())) continue;
      ++compared;
      EXPECT_EQ(members[where], value["n"].get<int>()) << where << " " << *record.value;
    }
  }
  EXPECT_GT(compared, 100U);
  for (const auto& [where, record] : all_of("out")) EXPECT_EQ(rows[where], 1) << where;
  for (const auto& [where, record] : all_of("dlq")) EXPECT_EQ(letters[where], 1) << where;
}

TEST_F(Trace, finds_every_record_with_an_id_and_which_was_the_first) {
  for (const auto* on_duplicate : {"dead_letter", "drop"}) {
    start(ReplayedWorld::text(1, on_duplicate));
    const auto event = [](const char* id, int second, const char* more = "") {
      return pipeline::record_of("a", std::string(R"({"id":")") + id + R"(","t":")" +
                                          ReplayedWorld::time_text(second) +
                                          R"(","k":"a","group":"g","x":1)" + more + "}");
    };
    const std::vector<PlainRecord> records{event("e1", 0),  event("e2", 1),
                                           event("e1", 2),  event("e1", 3),
                                           event("e1x", 4), event("e3", 5, R"(,"note":"e1")")};
    world_->storage().append({"in", 1}, records);
    world_->drain();
    const auto found = must_trace("e1")["occurrences"];
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(place(found[0]), "in/1/0");
    EXPECT_EQ(found[0]["outcome"], "passed");
    for (const auto i : {1, 2}) {
      EXPECT_EQ(place(found[i]), "in/1/" + std::to_string(i + 1));
      EXPECT_EQ(found[i]["outcome"], "duplicate");
      EXPECT_EQ(found[i]["steps"].back()["first_occurrence"], "in/1/0");
    }
    const auto few = must_trace("e1", 4)["occurrences"];
    ASSERT_EQ(few.size(), 2U);
    EXPECT_TRUE(few[0]["steps"].back()["first_occurrence"].is_null());
  }
}

TEST_F(Trace, an_id_with_escapes_is_found_and_an_unreadable_record_by_its_text) {
  start();
  const std::vector<PlainRecord> records{
      pipeline::record_of("a", R"({"id":"say \"hi\"","t":"2023-11-14T22:13:07Z","k":"a","x":1})"),
      pipeline::record_of("a", R"({"id":"broken","t":)"),
      pipeline::record_of("a", R"({"id":7,"note":"it is broken"})")};
  world_->storage().append({"in", 0}, records);
  world_->drain();
  ASSERT_EQ(must_trace("say \"hi\"")["occurrences"].size(), 1U);
  const auto broken = must_trace("broken")["occurrences"];
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_EQ(broken[0]["found_by"], "text");
  EXPECT_EQ(broken[0]["outcome"], "dead_lettered");
  EXPECT_EQ(broken[0]["steps"].back()["stage"], "decode");
}

TEST_F(Trace, looks_through_the_newest_records_first_and_says_how_far) {
  start();
  for (int i = 0; i < 50; ++i) {
    const auto record = pipeline::record_of(
        "a", R"({"id":"e)" + std::to_string(i) + R"(","t":"2023-11-14T22:13:07Z","k":"a","x":1})");
    world_->storage().append({"in", i % 2}, std::vector{record});
  }
  world_->drain();
  EXPECT_TRUE(must_trace("e45", 20)["found"].get<bool>());
  const auto missing = must_trace("e5", 20);
  EXPECT_FALSE(missing["found"].get<bool>());
  EXPECT_EQ(missing["hint"], "not found within the last 20 records of in; widen with --max-scan");
  EXPECT_TRUE(must_trace("e5", 50)["found"].get<bool>());
  EXPECT_THAT(must_trace("nobody")["hint"].get<std::string>(),
              HasSubstr("the last 50 records of in, which is all that is retained"));
}

TEST_F(Trace, a_request_that_names_nothing_is_refused) {
  start();
  EXPECT_EQ(trace({}).status().code(), StatusCode::invalid);
  TraceRequest request;
  request.event_id = "x";
  request.pipeline = "q";
  EXPECT_THAT(std::string(trace(request).status().message()), HasSubstr("p reading in"));
  request = {};
  request.place = TopicPartition{"in", 0};
  request.offset = Offset(3);
  EXPECT_FALSE(trace(request).is_ok());
}

}  // namespace
}  // namespace millrace::ops
