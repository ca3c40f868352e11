#include "ops/record_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sim/fault_file_system.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

class Exchange final : public http::Responder::Exchange {
 public:
  void respond(http::Response response) override { answer.set_value(std::move(response)); }
  std::promise<http::Response> answer;
};

struct Answered {
  int status = 0;
  Json body;
};

class RecordRoutesTest : public testing::Test {
 protected:
  RecordRoutesTest() {
    EXPECT_TRUE(files_.make_folders("/data").is_ok());
    EXPECT_TRUE(files_.sync_folder("/").is_ok());
    open();
    log::TopicConfig config;
    config.partition_count = 4;
    EXPECT_TRUE(log_->create_topic("t", config).is_ok());
  }
  void TearDown() override { close(); }

  void open() {
    log::EmbeddedLogOptions options;
    options.folder = "/data/log";
    options.on_failure = [](const Status&) {};
    auto opened = log::EmbeddedLog::open(options, files_, clock_);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
    answers_ = std::make_unique<log::DurableAnswers>(*log_);
    polls_ = std::make_unique<LongPolls>(*log_, clock_);
    routes_ = std::make_unique<RecordRoutes>(*log_, *answers_, *polls_, clock_);
    const auto loaded = routes_->load();
    ASSERT_TRUE(loaded.is_ok()) << loaded.to_string();
    router_ = std::make_unique<http::Router>();
    routes_->add_routes(*router_);
  }
  void close() {
    router_.reset();
    answers_.reset();
    polls_.reset();
    routes_.reset();
    log_.reset();
  }
  void kill_and_open() {
    files_.kill();
    close();
    files_.restart();
    open();
  }

  Answered ask(http::Request request) {
    request.segments = {"api", "v1", "topics", topic_, "records"};
    auto exchange = std::make_shared<Exchange>();
    auto answer = exchange->answer.get_future();
    router_->handle(request, http::Responder(exchange));
    const auto response = answer.get();
    return {response.status, Json::parse(response.body)};
  }
  Answered post(const std::string& body, const std::optional<std::string>& key = {}) {
    http::Request request;
    request.method = "POST";
    request.body = body;
    if (key) request.headers.add("Idempotency-Key", *key);
    return ask(std::move(request));
  }
  Answered get(const std::vector<std::pair<std::string, std::string>>& query) {
    http::Request request;
    request.method = "GET";
    for (const auto& [name, value] : query) request.query.add(name, value);
    return ask(std::move(request));
  }
  std::int64_t record_count() {
    std::int64_t count = 0;
    for (std::int32_t p = 0; p < 4; ++p) count += log_->offsets({"t", p})->high_watermark.value;
    return count;
  }

  std::string topic_ = "t";
  sim::FaultFileSystem files_{1};
  log::ManualClock clock_;
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<log::DurableAnswers> answers_;
  std::unique_ptr<LongPolls> polls_;
  std::unique_ptr<RecordRoutes> routes_;
  std::unique_ptr<http::Router> router_;
};

TEST_F(RecordRoutesTest, what_is_posted_is_there_and_comes_back) {
  const auto posted = post(R"({"records":[{"key":"a","value":{"n":1}},{"key":"d","value":"two"},)"
                           R"({"key":"a","value":null,"headers":{"h":"x"}}]})");
  ASSERT_EQ(posted.status, 200) << posted.body;
  EXPECT_EQ(posted.body["duplicate"], false);
  const auto a = partition_for_key("a", 4);
  const auto d = partition_for_key("d", 4);
  ASSERT_NE(a, d);
  EXPECT_EQ(posted.body["records"], Json::array({{{"partition", a}, {"offset", 0}},
                                                 {{"partition", d}, {"offset", 0}},
                                                 {{"partition", a}, {"offset", 1}}}));
  const auto read = get({{"partition", std::to_string(a)}});
  ASSERT_EQ(read.status, 200);
  ASSERT_EQ(read.body["records"].size(), 2U);
  EXPECT_EQ(read.body["records"][0]["key"], "a");
  EXPECT_EQ(read.body["records"][0]["value"], R"({"n":1})");
  EXPECT_EQ(read.body["records"][1]["value"], nullptr);
  EXPECT_EQ(read.body["records"][1]["headers"], Json({{"h", "x"}}));
  EXPECT_EQ(read.body["next_offset"], 2);
  EXPECT_EQ(read.body["high_watermark"], 2);
}

TEST_F(RecordRoutesTest, records_without_a_key_stay_together_and_requests_take_turns) {
  std::set<int> seen;
  for (int i = 0; i < 4; ++i) {
    const auto posted = post(R"({"records":[{"value":"x"},{"value":"y"}]})");
    EXPECT_EQ(posted.body["records"][0]["partition"], posted.body["records"][1]["partition"]);
    seen.insert(posted.body["records"][0]["partition"].get<int>());
  }
  EXPECT_EQ(seen.size(), 4U);
}

TEST_F(RecordRoutesTest, large_requests_become_several_batches_with_the_right_offsets) {
  Json records = Json::array();
  for (int i = 0; i < 40; ++i) {
    records.push_back(
        {{"partition", i % 2}, {"value", std::to_string(i) + std::string(60'000, 'x')}});
  }
  const auto posted = post(Json({{"records", records}}).dump());
  ASSERT_EQ(posted.status, 200) << posted.body;
  for (int i = 0; i < 40; ++i) {
    const auto& place = posted.body["records"][static_cast<std::size_t>(i)];
    EXPECT_EQ(place, Json({{"partition", i % 2}, {"offset", i / 2}}));
    const auto read = get({{"partition", std::to_string(i % 2)},
                           {"offset", std::to_string(i / 2)},
                           {"max_records", "1"}});
    EXPECT_EQ(read.body["records"][0]["value"].get<std::string>().substr(0, 3),
              (std::to_string(i) + "xx").substr(0, 3));
    EXPECT_EQ(read.body["next_offset"], i / 2 + 1);
  }
}

TEST_F(RecordRoutesTest, what_cannot_be_appended_is_refused_whole) {
  EXPECT_EQ(post(R"({"records":[{"value":"x"},{"value":"y","partition":4}]})").status, 400);
  topic_ = "nobody";
  EXPECT_EQ(post(R"({"value":"x"})").status, 404);
  topic_ = std::string(RequestKeys::kTopic);
  EXPECT_THAT(post(R"({"value":"x"})").body.dump(), HasSubstr("is internal"));
  EXPECT_EQ(record_count(), 0);
}

// However well they compress.
TEST_F(RecordRoutesTest, records_too_large_for_what_becomes_of_them_are_refused_whole) {
  const auto of_bytes = [](std::size_t bytes) {
    return Json{{"value", std::string(bytes, 'x')}, {"partition", 0}};
  };
  const auto refused = post(Json{{"records", {of_bytes(1), of_bytes((1 << 20) + 1)}}}.dump());
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body.dump(), HasSubstr("at most 1048576 are allowed"));
  EXPECT_EQ(log_->offsets({"t", 0})->high_watermark, Offset(0));
  EXPECT_EQ(post(of_bytes((1 << 20) - 100).dump()).status, 200);
}

TEST_F(RecordRoutesTest, a_compacted_topic_takes_no_records_without_a_key) {
  log::TopicConfig config;
  config.is_compacted = true;
  ASSERT_TRUE(log_->create_topic("c", config).is_ok());
  topic_ = "c";
  EXPECT_EQ(post(R"({"value":"a"})").status, 400);
  EXPECT_EQ(post(R"({"value":"a","key":"k"})").status, 200);
}

TEST_F(RecordRoutesTest, a_repeated_request_gets_the_first_answer_and_appends_nothing) {
  const std::string body = R"({"records":[{"value":"x"},{"value":"y"}]})";
  const auto first = post(body, "one");
  ASSERT_EQ(first.status, 200);
  EXPECT_EQ(first.body["duplicate"], false);
  const auto again = post(body, "one");
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body["duplicate"], true);
  EXPECT_EQ(again.body["records"], first.body["records"]);
  EXPECT_EQ(post(body, "two").body["duplicate"], false);
  EXPECT_EQ(record_count(), 4);
}

TEST_F(RecordRoutesTest, a_key_is_for_one_body_and_one_topic) {
  ASSERT_EQ(post(R"({"value":"x"})", "one").status, 200);
  const auto other = post(R"({"value":"y"})", "one");
  EXPECT_EQ(other.status, 400);
  EXPECT_THAT(other.body.dump(), HasSubstr("another body"));
  EXPECT_EQ(record_count(), 1);
  ASSERT_TRUE(log_->create_topic("u", {}).is_ok());
  topic_ = "u";
  EXPECT_EQ(post(R"({"value":"y"})", "one").status, 200);
  EXPECT_EQ(post(R"({"value":"x"})", "").status, 400);
  EXPECT_EQ(post(R"({"value":"x"})", std::string(256, 'k')).status, 400);
  EXPECT_EQ(post(R"({"value":"x"})", "\xc3\xa4").status, 400);
}

TEST_F(RecordRoutesTest, a_refused_request_may_be_sent_again_with_its_key) {
  log::TopicConfig config;
  config.batch_bytes_max = 1'000;
  ASSERT_TRUE(log_->create_topic("small", config).is_ok());
  topic_ = "small";
  std::string noise;
  for (std::uint64_t i = 0; i < 400; ++i) noise += std::to_string(hash64(std::to_string(i)));
  const std::string body = Json({{"value", noise}}).dump();
  EXPECT_EQ(post(body, "one").status, 400);
  EXPECT_EQ(post(body, "one").status, 400) << "not taken for served";
}

TEST_F(RecordRoutesTest, what_was_served_is_known_after_a_crash) {
  const std::string body = R"({"records":[{"value":"x"},{"value":"y"}]})";
  const auto first = post(body, "one");
  ASSERT_EQ(first.status, 200);
  ASSERT_EQ(post(R"({"value":"z"})", "two").status, 200);  // makes the first's answer durable
  kill_and_open();
  const auto again = post(body, "one");
  EXPECT_EQ(again.body["duplicate"], true);
  EXPECT_EQ(again.body["records"], first.body["records"]);
  EXPECT_EQ(record_count(), 3);
}

TEST_F(RecordRoutesTest, records_and_their_key_are_lost_or_kept_together) {
  const std::string body = R"({"value":"x"})";
  for (std::uint64_t operations = 1; operations < 12; ++operations) {
    const std::string key = "k" + std::to_string(operations);
    const auto before = record_count();
    files_.die_after(operations);
    const auto first = post(body, key);
    kill_and_open();
    const auto kept = record_count() - before;
    if (first.status == 200) EXPECT_EQ(kept, 1) << "acknowledged";
    const auto again = post(body, key);
    ASSERT_EQ(again.status, 200);
    EXPECT_EQ(again.body["duplicate"], kept == 1) << operations;
    EXPECT_EQ(record_count() - before, 1) << operations;
  }
}

TEST_F(RecordRoutesTest, keys_are_forgotten_after_a_day) {
  const std::string body = R"({"value":"x"})";
  ASSERT_EQ(post(body, "one").status, 200);
  clock_.advance_ms(RequestKeys::kKeptMs);
  EXPECT_EQ(post(body, "one").body["duplicate"], true);
  clock_.advance_ms(1);
  EXPECT_EQ(post(body, "one").body["duplicate"], false);
  clock_.advance_ms(RequestKeys::kKeptMs);
  EXPECT_EQ(post(body, "one").body["duplicate"], true) << "since its second use";
  kill_and_open();
  clock_.advance_ms(1);
  EXPECT_EQ(post(body, "one").body["duplicate"], false);
}

}  // namespace
}  // namespace millrace::ops
