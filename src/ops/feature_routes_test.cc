#include "ops/feature_routes.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "codec/record_batch.h"
#include "log/embedded_log.h"
#include "sys/real_clock.h"
#include "sys/temporary_folder.h"

namespace millrace::ops {
namespace {

using Json = nlohmann::ordered_json;

class Exchange final : public http::Responder::Exchange {
 public:
  void respond(http::Response response) override { last = std::move(response); }
  http::Response last;
};

class FeatureRoutesTest : public testing::Test {
 protected:
  FeatureRoutesTest() {
    routes_.add_routes(router_);
    log::EmbeddedLogOptions options;
    options.folder = folder_.path();
    auto opened = log::EmbeddedLog::open(options, files_, clock_);
    EXPECT_TRUE(opened.is_ok());
    log_ = std::move(opened).value();
  }

  void start(const std::vector<features::FeatureGroup>& groups) {
    for (const auto& group : groups) EXPECT_TRUE(log_->create_topic(group.topic, {}).is_ok());
    features::FeatureServiceOptions options;
    options.groups = groups;
    auto started =
        features::FeatureService::start(*log_, features::make_memory_store(), std::move(options));
    EXPECT_TRUE(started.is_ok());
    service_ = std::move(started).value();
    routes_.set_service(service_.get());
  }

  void append(const std::string& topic, const std::string& id, const std::string& json) {
    codec::RecordBatchBuilder builder;
    builder.append(WallTime(1), id, json, {});
    std::string bytes;
    builder.finish(bytes);
    EXPECT_TRUE(log::append_and_wait(*log_, {topic, 0, bytes}).is_ok());
    EXPECT_TRUE(routes_.after_drain().is_ok());
  }

  http::Response get(std::vector<std::string> segments, std::optional<std::string> id = {}) {
    http::Request request;
    request.method = "GET";
    request.segments = {"api", "v1", "features"};
    for (auto& segment : segments) request.segments.push_back(std::move(segment));
    if (id) request.query.add("id", *id);
    const auto exchange = std::make_shared<Exchange>();
    router_.handle(request, http::Responder(exchange));
    return exchange->last;
  }
  static std::string message(const http::Response& response) {
    return Json::parse(response.body)["error"]["message"].get<std::string>();
  }

  sys::TemporaryFolder folder_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  http::Router router_;
  FeatureRoutes routes_;
  std::unique_ptr<log::EmbeddedLog> log_;
  std::unique_ptr<features::FeatureService> service_;
};

TEST_F(FeatureRoutesTest, before_the_service_is_there_everything_answers_503) {
  EXPECT_EQ(get({}).status, 503);
  EXPECT_EQ(get({"g"}, "KO").status, 503);
  std::string metrics;
  routes_.append_metrics(metrics);
  EXPECT_EQ(metrics, "");
  EXPECT_TRUE(routes_.after_drain().is_ok());
}

TEST_F(FeatureRoutesTest, records_and_groups_have_the_documented_shape) {
  start({{"b", "b_topic", "at"}, {"a", "a_topic", "at"}});
  append("b_topic", "K\"O", R"({"at":"2012-06-21T13:30:00Z","price":"1.50","n":[1]})");
  const auto record = get({"b"}, "K\"O");
  EXPECT_EQ(record.status, 200);
  EXPECT_EQ(record.content_type, "application/json");
  EXPECT_EQ(Json::parse(record.body), Json::parse(R"({"feature_group":"b","record_id":"K\"O",
      "event_time":"2012-06-21T13:30:00Z",
      "record":{"at":"2012-06-21T13:30:00Z","price":"1.50","n":[1]}})"));
  EXPECT_EQ(Json::parse(get({}).body), Json::parse(R"({"groups":[
      {"feature_group":"a","records":0,"features":[]},
      {"feature_group":"b","records":1,"features":["at","price","n"]}]})"));
}

TEST_F(FeatureRoutesTest, what_is_missing_is_named) {
  start({{"b", "b_topic", "at"}});
  EXPECT_EQ(get({"x"}, "KO").status, 404);
  EXPECT_EQ(message(get({"x"}, "KO")), "feature group x does not exist; there are: b");
  EXPECT_EQ(get({"b"}, "KO").status, 404);
  EXPECT_EQ(message(get({"b"}, "KO")), "feature group b has no record KO");
  EXPECT_EQ(get({"b"}).status, 400);
}

TEST_F(FeatureRoutesTest, metrics_and_the_audit_cover_every_group) {
  start({{"b", "b_topic", "at"}, {"a", "a_topic", "at"}});
  append("b_topic", "KO", R"({"at":"2012-06-21T13:30:00Z"})");
  append("b_topic", "KO", R"({"at":"2012-06-21T13:29:00Z"})");
  append("b_topic", "KO", "nothing");
  std::string metrics;
  routes_.append_metrics(metrics);
  for (const std::string line : {"# TYPE millrace_feature_records gauge\n",
                                 "millrace_feature_records{feature_group=\"a\"} 0\n",
                                 "millrace_feature_records{feature_group=\"b\"} 1\n",
                                 "millrace_feature_lag_records{feature_group=\"b\"} 0\n",
                                 "millrace_feature_applied_total{feature_group=\"b\"} 3\n",
                                 "millrace_feature_historic_total{feature_group=\"b\"} 1\n",
                                 "millrace_feature_unreadable_total{feature_group=\"b\"} 1\n",
                                 "millrace_feature_failed{feature_group=\"b\"} 0\n"}) {
    EXPECT_NE(metrics.find(line), std::string::npos) << line << metrics;
  }
  std::vector<AuditCheck> checks;
  routes_.append_audit(checks);
  ASSERT_EQ(checks.size(), 6u);
  EXPECT_TRUE(checks[0].is_ok);
  EXPECT_NE(checks[0].check.find("features a"), std::string::npos);
  EXPECT_FALSE(checks[5].is_ok);  // the unreadable one
}

}  // namespace
}  // namespace millrace::ops
