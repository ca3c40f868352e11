#include "log/partition_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sys/file_system.h"
#include "sys/temporary_folder.h"

namespace millrace::log {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PartitionScanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    EmbeddedLogOptions options;
    options.folder = folder_.path();
    options.wal_file_bytes = 8 << 20;
    auto log = EmbeddedLog::open(options, files_, clock_);
    ASSERT_TRUE(log.is_ok()) << log.status().to_string();
    log_ = std::move(log).value();
    ASSERT_TRUE(log_->create_topic("t", {}).is_ok());
  }

  void append(const std::vector<std::string>& values) {
    ASSERT_TRUE(append_and_wait(*log_, append_to(at_, make_batch(values))).is_ok());
  }
  Result<Offset> scan(std::int64_t from) {
    seen_.clear();
    return scan_partition(*log_, at_, Offset(from), [this](const RecordView& record) {
      seen_.emplace_back(*record.value);
      return ok_status();
    });
  }

  const TopicPartition at_{"t", 0};
  sys::TemporaryFolder folder_;
  sys::PosixFileSystem files_;
  ManualClock clock_;
  std::unique_ptr<EmbeddedLog> log_;
  std::vector<std::string> seen_;
};

TEST_F(PartitionScanTest, gives_every_record_from_an_offset_inside_a_batch_to_the_end) {
  append({"a", "b", "c"});
  append({"d"});
  EXPECT_EQ(scan(1).value(), Offset(4));
  EXPECT_THAT(seen_, ElementsAre("b", "c", "d"));
  EXPECT_EQ(scan(4).value(), Offset(4));
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(PartitionScanTest, begins_at_the_start_of_what_is_retained) {
  append({"a", "b"});
  append({"c"});
  ASSERT_TRUE(log_->delete_records(at_, Offset(1)).is_ok());
  EXPECT_EQ(scan(0).value(), Offset(3));
  EXPECT_THAT(seen_, ElementsAre("b", "c"));
}

TEST_F(PartitionScanTest, steps_over_aborted_records_and_stops_at_an_open_transaction) {
  const auto producer = log_->new_producer();
  ASSERT_TRUE(producer.is_ok());
  TestProducer writes{.id = producer->id, .epoch = producer->epoch, .is_transactional = true};
  append({"a"});
  ASSERT_TRUE(append_and_wait(*log_, append_to(at_, make_batch({"no"}, writes))).is_ok());
  Commit abort;
  abort.markers.push_back({.partition = at_, .producer = *producer, .is_commit = false});
  const auto aborted = log_->commit(std::move(abort));
  ASSERT_TRUE(aborted.is_ok());
  ASSERT_TRUE(log_->wait_durable(aborted->sequence).is_ok());
  append({"b"});
  writes.base_sequence = 1;
  ASSERT_TRUE(append_and_wait(*log_, append_to(at_, make_batch({"open"}, writes))).is_ok());
  append({"behind"});
  EXPECT_EQ(scan(0).value(), Offset(4));  // a, no, the marker, b
  EXPECT_THAT(seen_, ElementsAre("a", "b"));
}

TEST_F(PartitionScanTest, what_comes_during_the_scan_is_left_for_the_next_one) {
  append({std::string(2 << 20, 'a')});  // a fetch of its own
  append({"b"});
  int seen = 0;
  const auto end = scan_partition(*log_, at_, Offset(0), [&](const RecordView&) {
    if (++seen == 1) append({"later"});
    return ok_status();
  });
  EXPECT_EQ(end.value(), Offset(2));
  EXPECT_EQ(seen, 2);
}

TEST_F(PartitionScanTest, ends_with_the_visitors_error_and_the_partitions_name) {
  append({"a", "b"});
  const auto end = scan_partition(*log_, at_, Offset(0), [this](const RecordView& record) {
    seen_.emplace_back(*record.value);
    return corrupt_error("not mine");
  });
  EXPECT_EQ(end.status().code(), StatusCode::corrupt);
  EXPECT_EQ(end.status().message(), "t/0: not mine");
  EXPECT_THAT(seen_, ElementsAre("a"));
}

TEST_F(PartitionScanTest, of_a_topic_that_is_not_there_is_an_error) {
  const auto end =
      scan_partition(*log_, {"u", 0}, Offset(0), [](const RecordView&) { return ok_status(); });
  EXPECT_EQ(end.status().code(), StatusCode::not_found);
  EXPECT_THAT(std::string(end.status().message()), HasSubstr("u/0"));
}

}  // namespace
}  // namespace millrace::log
