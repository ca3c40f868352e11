#include "lake/lake_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "lake/memory_log_for_tests.h"
#include "lake/memory_store_for_tests.h"

namespace millrace::lake {
namespace {

std::string make_event(std::size_t i) {
  return R"({"id":"e)" + std::to_string(i) + R"(","at":"2012-06-21T13:30:00Z","price":1.5})";
}

pipeline::LakeSink make_sink(const std::string& name, bool is_parquet) {
  pipeline::LakeSink sink;
  sink.name = name;
  sink.topic = "output_topic";
  sink.is_parquet = is_parquet;
  sink.compression = is_parquet ? "zstd" : "none";
  sink.partition_by = {"day"};
  sink.roll_bytes = 64 << 10;
  sink.roll_interval_ms = 1000;
  sink.event_time_slot = 1;
  return sink;
}

pipeline::Pipeline make_pipeline() {
  pipeline::Pipeline pipeline;
  pipeline.name = "ticks";
  pipeline.source.pipeline = "ticks@1";
  pipeline.source.layout.fields = {{"id", FieldType::string},
                                   {"at", FieldType::timestamp},
                                   {"price", FieldType::decimal, true, false, 18, 4}};
  pipeline.source.outputs = {{"dlq_topic", 1, codec::Compression::lz4}};
  pipeline.lakes = {make_sink("rows", true), make_sink("lines", false)};
  return pipeline;
}

class Service : public testing::Test {
 protected:
  Service() : log_(faults_, clock_) {
    log::TopicConfig config;
    config.partition_count = 2;
    MR_CHECK(log_.create_topic("output_topic", config).is_ok());
    MR_CHECK(log_.create_topic("dlq_topic", {}).is_ok());
    options_.poll_interval_ms = 1;
    options_.retry_interval_max_ms = 1;
  }

  void produce(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      codec::RecordBatchBuilder builder;
      builder.append(WallTime(1000), "key", make_event(i), {});
      log::Commit commit;
      commit.appends.push_back({"output_topic", static_cast<std::int32_t>(i % 2), {}});
      builder.finish(commit.appends.back().bytes);
      const auto appended = log_.commit(std::move(commit));
      MR_CHECK(appended.is_ok() && log_.wait_durable(appended->sequence).is_ok());
    }
  }
  std::unique_ptr<LakeService> make_service() {
    return std::make_unique<LakeService>(log_, store_, clock_, options_);
  }
  static std::string failed_checks(const LakeService& service) {
    std::string text;
    for (const auto& check : service.verify()) {
      if (!check.is_ok) text += check.sink + " " + check.name + ": " + check.detail + "\n";
    }
    return text;
  }

  FaultPlan faults_;
  ManualClock clock_;
  MemoryLog log_;
  MemoryStore store_{faults_};
  LakeOptions options_;
  pipeline::Pipeline pipeline_ = make_pipeline();
};

TEST_F(Service, a_flush_delivers_every_sink_and_partition) {
  produce(0, 100);
  const auto service = make_service();
  ASSERT_TRUE(service->start({&pipeline_}).is_ok());
  ASSERT_TRUE(service->flush().is_ok());
  produce(100, 110);
  ASSERT_TRUE(service->flush().is_ok());
  ASSERT_TRUE(service->flush().is_ok());  // nothing new, no new file
  const auto files = service->list();
  ASSERT_TRUE(files.is_ok());
  std::map<std::string, std::uint64_t> rows;
  for (const auto& file : *files) rows[file.sink] += file.rows;
  EXPECT_EQ(files->size(), 8u);
  EXPECT_EQ(rows, (std::map<std::string, std::uint64_t>{{"lines", 110}, {"rows", 110}}));
  EXPECT_EQ(service->list("lines")->size(), 4u);
  EXPECT_EQ(failed_checks(*service), "");
  EXPECT_EQ(service->verify("rows").size(), 8u);  // four checks of two partitions
  ASSERT_EQ(service->report().size(), 4u);
  EXPECT_EQ(service->report()[0].rows, 55u);
  EXPECT_TRUE(log_.topic("millrace.ticks.lake.rows.journal")->config.is_internal);
  EXPECT_EQ(log_.group_offsets("millrace.ticks.lake.rows").size(), 2u);
}

TEST_F(Service, a_restart_goes_on_where_the_last_one_stopped) {
  std::size_t produced = 0;
  for (int start = 0; start < 3; ++start) {
    const auto service = make_service();
    ASSERT_TRUE(service->start({&pipeline_}).is_ok());
    produce(produced, produced + 10);
    produced += 10;
    if (start != 1) {
      ASSERT_TRUE(service->flush().is_ok());
    }
  }
  const auto service = make_service();
  ASSERT_TRUE(service->start({&pipeline_}).is_ok());
  EXPECT_EQ(failed_checks(*service), "");
  std::uint64_t rows = 0;
  const auto files = service->list("rows");
  ASSERT_TRUE(files.is_ok());
  for (const auto& file : *files) rows += file.rows;
  EXPECT_EQ(rows, 30u);
}

TEST_F(Service, a_failing_store_delays_and_is_told) {
  produce(0, 10);
  std::mutex mutex;
  std::set<std::string> errors;
  options_.on_failure = [&](const DeliveryReport& report, const Status& status) {
    const std::lock_guard lock(mutex);
    EXPECT_GT(report.failures, 0u);
    errors.insert(status.to_string());
  };
  const auto service = make_service();
  ASSERT_TRUE(service->start({&pipeline_}).is_ok());
  faults_.fail_at(1, FaultPlan::Kind::before, true);
  const auto status = service->flush();
  EXPECT_EQ(status.code(), StatusCode::io) << status.to_string();
  faults_.recover();
  ASSERT_TRUE(service->flush().is_ok());
  EXPECT_EQ(failed_checks(*service), "");
  EXPECT_EQ(service->report()[0].last_error, "");
  const std::lock_guard lock(mutex);
  EXPECT_FALSE(errors.empty());
}

TEST_F(Service, starts_although_the_store_does_not_answer) {
  produce(0, 10);
  faults_.fail_at(1, FaultPlan::Kind::before, true);
  const auto service = make_service();
  ASSERT_TRUE(service->start({&pipeline_}).is_ok());
  faults_.recover();
  ASSERT_TRUE(service->flush().is_ok());
  EXPECT_EQ(failed_checks(*service), "");
}

TEST_F(Service, full_memory_rolls_the_largest_buffer) {
  options_.buffered_bytes_max = 1;
  produce(0, 10);
  const auto service = make_service();
  ASSERT_TRUE(service->start({&pipeline_}).is_ok());
  ASSERT_TRUE(service->flush().is_ok());
  for (const auto& report : service->report()) EXPECT_EQ(report.buffered_bytes, 0u);
  EXPECT_EQ(failed_checks(*service), "");
}

TEST_F(Service, two_sinks_of_one_name_are_refused) {
  auto other = make_pipeline();
  other.name = "other";
  const auto service = make_service();
  const auto status = service->start({&pipeline_, &other});
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_THAT(std::string(status.message()),
              testing::HasSubstr("pipelines ticks and other have a lake sink of this name"));
}

TEST_F(Service, more_partitions_than_the_journal_has_are_refused) {
  ASSERT_TRUE(log_.create_topic("millrace.ticks.lake.rows.journal", {}).is_ok());
  const auto status = make_service()->start({&pipeline_});
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("has 1 partitions"));
}

TEST_F(Service, flush_without_sinks_or_after_stop_returns) {
  const auto none = make_service();
  ASSERT_TRUE(none->start({}).is_ok());
  EXPECT_TRUE(none->flush().is_ok());
  const auto service = make_service();
  ASSERT_TRUE(service->start({&pipeline_}).is_ok());
  service->stop();
  service->stop();
  EXPECT_EQ(service->flush().code(), StatusCode::cancelled);
}

}  // namespace
}  // namespace millrace::lake
